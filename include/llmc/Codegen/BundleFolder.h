//===- BundleFolder.h - A whole bundle or none ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_BUNDLEFOLDER_H
#define LLMC_CODEGEN_BUNDLEFOLDER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <csignal>
#include <mutex>
#include <string>
#include <thread>

namespace llmc {

/// "WHAT 'PATH': the reason in words".
llvm::Error fileError(const llvm::Twine &what, llvm::StringRef path,
                      std::error_code code);

/// Writes a whole file.
llvm::Error writeFile(llvm::StringRef path, llvm::StringRef bytes);

/// The folder of a bundle under construction. It stands hidden beside the final
/// place, under a name of its own, and takes the final name in one step when
/// all is written; an older bundle stays until that moment. Whatever ends the
/// work earlier removes it: an error, Ctrl-C or SIGTERM; after SIGKILL the next
/// compilation to the same place does.
class BundleFolder {
public:
  BundleFolder() = default;
  BundleFolder(const BundleFolder &) = delete;
  BundleFolder &operator=(const BundleFolder &) = delete;
  ~BundleFolder();

  /// The folder that `place` means, without links and dots. Refuses a place
  /// where something other than a bundle or an empty folder stands.
  static llvm::Expected<std::string> settle(llvm::StringRef place);

  /// Refuses what `settle` does, and a place that another llmc is writing. To be called before threads
  /// are made: they must not take the signals.
  llvm::Error begin(llvm::StringRef place);

  /// The path of a file of the bundle while it is written.
  std::string path(llvm::StringRef file) const;

  /// Gives the folder its final name.
  llvm::Error publish();

private:
  llvm::Error lock();
  void watchSignals();
  void stopWatching();

  std::string final, partial;
  /// The folder that is written, locked; -1: none.
  int descriptor = -1;
  /// Held while names change, and by the watcher from the signal to the end of
  /// the process.
  std::mutex naming;
  std::thread watcher;
  int wake = -1;
  sigset_t before;
};

} // namespace llmc

#endif // LLMC_CODEGEN_BUNDLEFOLDER_H
