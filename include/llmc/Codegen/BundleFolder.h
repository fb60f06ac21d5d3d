//===- BundleFolder.h - A whole bundle or none ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_BUNDLEFOLDER_H
#define LLMC_CODEGEN_BUNDLEFOLDER_H

#include "llmc/Codegen/Journal.h"
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

/// The folder of a bundle under construction, `.NAME.llmc-partial` beside NAME. It
/// takes the final name in one step when all is written; an older bundle stays
/// until that moment. Files for other tools are made in such a folder, too.
///
/// What ends the work earlier leaves it or removes it. It stays, for the same run
/// to go on from, after SIGKILL; and after SIGINT, SIGTERM, SIGHUP and errors of
/// the machine, if its journal holds what took work. Errors of the model remove
/// it. A run of another key, to the same place, begins with an empty one.
class BundleFolder {
public:
  BundleFolder() = default;
  BundleFolder(const BundleFolder &) = delete;
  BundleFolder &operator=(const BundleFolder &) = delete;
  ~BundleFolder();

  /// The folder that `place` means, without links and dots. Refuses a place
  /// where something other than a bundle or an empty folder stands.
  static llvm::Expected<std::string> settle(llvm::StringRef place);

  /// Refuses what `settle` does, and a place that another llmc is writing. `key`
  /// stands for all that the weights depend on. `data` is the name of the file
  /// that has the tensors of the journal. To be called before threads are made:
  /// they must not take the signals.
  llvm::Error begin(llvm::StringRef place, llvm::StringRef key,
                    llvm::StringRef data);

  /// Makes a folder of that name inside of another one that is written, for a
  /// bundle that only serves to make the other: it goes when this does, and with
  /// the other one.
  llvm::Error beginInside(const BundleFolder &outer, llvm::StringRef name);

  Journal &getJournal() { return journal; }

  /// Leaves the folder, if there is work in it: "" or where it is.
  std::string keepWork();

  /// The path of a file of the bundle while it is written.
  std::string path(llvm::StringRef file) const;

  /// Gives the folder its final name.
  llvm::Error publish();

  /// The place to begin at for a file.
  static std::string getPlace(llvm::StringRef file) {
    return (file + ".parts").str();
  }
  /// A file of the folder and the name that it gets.
  using Publication = std::pair<llvm::StringRef, std::string>;
  /// Gives files their final names, in this order; what stood there is replaced.
  /// Signals wait until all have them. A run that is killed between two keeps the
  /// files, under both names, and `isPublished` tells.
  llvm::Error publish(llvm::ArrayRef<Publication> files);
  /// Whether `name` is `file` of what a run to `place` left unfinished.
  static bool isPublished(llvm::StringRef place, llvm::StringRef file,
                          llvm::StringRef name);

private:
  llvm::Error lock();
  llvm::Error openJournal(llvm::StringRef key, llvm::StringRef data);
  void watchSignals();
  void stopWatching();

  std::string final, partial;
  Journal journal;
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
