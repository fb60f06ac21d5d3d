//===- TensorFile.h - A file whose tensors a journal knows -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What bundles and files for other tools have in common while they are made: a
// file of known size with tensors in it, and a line of the journal for each that
// is finished.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_TENSORFILE_H
#define LLMC_CODEGEN_TENSORFILE_H

#include "llmc/Codegen/Journal.h"
#include "llmc/Codegen/OutputFile.h"
#include <future>

namespace llmc {

class WeightStore;

class TensorFile {
public:
  /// `store` has the files from which tensors are made. Both must outlive this.
  TensorFile(Journal &journal, const WeightStore &store)
      : journal(journal), store(store) {}
  ~TensorFile();

  /// Opens or makes the file: `head` and, where that ends, `bytes` bytes of
  /// data. Reserves the space of all, as OutputFile does, and writes the head.
  llvm::Error open(llvm::StringRef path, llvm::StringRef head, int64_t bytes);

  /// What the journal says of a tensor of that name, offset and size; or null.
  const Journal::Tensor *findClaim(llvm::StringRef name, int64_t offset,
                                   int64_t bytes) const;
  /// Whether the bytes in the file are those of the claim. From any thread.
  llvm::Expected<bool> check(const Journal::Tensor &claim) const;

  /// Writes a piece of a tensor; offsets count from the head. From any thread.
  llvm::Error write(llvm::ArrayRef<char> bytes, int64_t offset) const {
    return output.write(bytes, start + offset);
  }
  /// XXH3-128 of a piece as it stands in the file. From any thread.
  llvm::Expected<std::string> hash(int64_t offset, int64_t bytes) const {
    return output.hash(start + offset, bytes);
  }

  /// Adds to the journal a tensor whose bytes are written. Every 256 MiB the
  /// bytes, and then the lines about them, are sent to the disk, and pages of the
  /// store are given back. `isWork`: it is more than a copy. From any thread.
  /// Fails where an earlier sending did.
  llvm::Error finish(llvm::StringRef name, const Journal::Tensor &tensor,
                     bool isWork);
  /// Waits for what is on its way to the disk.
  llvm::Error wait();

private:
  Journal &journal;
  const WeightStore &store;
  OutputFile output;
  /// Bytes of the head.
  int64_t start = 0;
  std::mutex mutex;
  int64_t unsynced = 0;
  /// Guarded by the mutex. What it returns is nothing where all went well.
  std::future<std::pair<std::string, std::error_code>> syncing;
};

} // namespace llmc

#endif // LLMC_CODEGEN_TENSORFILE_H
