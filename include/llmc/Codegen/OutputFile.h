//===- OutputFile.h - A file of known size, written in pieces --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_OUTPUTFILE_H
#define LLMC_CODEGEN_OUTPUTFILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace llmc {

/// Errors of the machine have the system's error code.
class OutputFile {
public:
  OutputFile() = default;
  OutputFile(const OutputFile &) = delete;
  OutputFile &operator=(const OutputFile &) = delete;
  ~OutputFile();

  /// Opens or makes a file of `bytes` bytes, for which space is reserved now: a
  /// full disk is an error here, before any work, and then no file stays. What
  /// stood in a file of this very size is still there, else all is zeros.
  llvm::Error open(llvm::StringRef path, int64_t bytes);

  /// Writes a piece. From any thread.
  llvm::Error write(llvm::ArrayRef<char> bytes, int64_t offset) const;

  /// XXH3-128 of a piece as it stands in the file. From any thread; takes no
  /// memory but the file's own pages.
  llvm::Expected<std::string> hash(int64_t offset, int64_t bytes) const;

  /// Waits until everything so far has reached the disk.
  llvm::Error sync() const;

private:
  llvm::Error fail(const llvm::Twine &what, int code) const;

  std::string path;
  int64_t size = 0;
  int descriptor = -1;
};

} // namespace llmc

#endif // LLMC_CODEGEN_OUTPUTFILE_H
