//===- FileMap.h - Files mapped read-only ----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one opener of everything a model refers to. The path that the user named
// may be made of links (model hubs keep caches of them); a path that a *file*
// names is foreign: it must stay below the folder of the model, and no part of
// it may be a link of any kind.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_WEIGHTS_FILEMAP_H
#define LLMC_WEIGHTS_FILEMAP_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>

namespace llmc {

/// A regular file, mapped read-only for as long as this lives.
class FileMap {
public:
  /// Maps the file that the user named.
  static llvm::Expected<std::unique_ptr<FileMap>> open(llvm::StringRef path);

  /// Maps `relative`, a path found inside a file, below `folder`. Refuses
  /// absolute paths, "..", symbolic links in any component, files with more
  /// than one name, and what is not a regular file.
  static llvm::Expected<std::unique_ptr<FileMap>>
  openBeneath(llvm::StringRef folder, llvm::StringRef relative);

  ~FileMap();
  FileMap(const FileMap &) = delete;
  FileMap &operator=(const FileMap &) = delete;

  llvm::ArrayRef<char> bytes() const { return {data, size}; }
  llvm::StringRef path() const { return name; }
  /// Changes when the file does: its size, time of change, number and device.
  llvm::StringRef identity() const { return stamp; }

private:
  FileMap(std::string name, std::string stamp, const char *data, size_t size)
      : name(std::move(name)), stamp(std::move(stamp)), data(data), size(size) {
  }
  static llvm::Expected<std::unique_ptr<FileMap>>
  map(int file, std::string name, bool foreign);

  std::string name, stamp;
  const char *data;
  size_t size;
};

} // namespace llmc

#endif // LLMC_WEIGHTS_FILEMAP_H
