//===- DataFile.h - The file of external data -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_EXPORT_DATAFILE_H
#define LLMC_LIB_EXPORT_DATAFILE_H

#include "OnnxMessage.h"
#include "llvm/Support/raw_ostream.h"
#include <memory>

namespace llmc {

/// A file that grows by tensors, each at a multiple of the alignment.
class DataFile {
public:
  explicit DataFile(uint64_t alignment) : alignment(alignment) {}
  ~DataFile();

  llvm::Error open(llvm::StringRef path);
  /// Appends the tensor. Whether the disk took it is told by `close`.
  onnx::Place append(llvm::ArrayRef<char> bytes);
  /// The same where other bytes lie as they are.
  void write(llvm::StringRef bytes);
  llvm::Error close();
  bool isEmpty() const { return size == 0; }

private:
  uint64_t alignment, size = 0;
  std::string name;
  std::unique_ptr<llvm::raw_fd_ostream> stream;
};

} // namespace llmc

#endif // LLMC_LIB_EXPORT_DATAFILE_H
