//===- GuardedMemory.h - Memory whose ends are watched ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_PLUGIN_GUARDEDMEMORY_H
#define LLMC_LIB_PLUGIN_GUARDEDMEMORY_H

#include "llmc/Methods/Method.h"
#include <map>
#include <mutex>

namespace llmc {

/// Every array lies between pages that nobody may touch, at the end of its own
/// ones. What is left behind it, less than 64 bytes, is filled with a pattern
/// and compared at the end.
class GuardedMemory final : public MethodMemory {
public:
  ~GuardedMemory() override;
  void *allocate(size_t bytes) override;
  void release(void *memory) override;
  /// A copy of numbers that nobody may write to.
  llvm::ArrayRef<float> keep(llvm::ArrayRef<float> values);
  /// Whether something was written behind an array that was released by now.
  bool isDamaged() const { return damaged; }

private:
  struct Block {
    char *pages;
    size_t length, bytes;
  };
  std::mutex mutex;
  std::map<void *, Block> blocks;
  bool damaged = false;
};

} // namespace llmc

#endif // LLMC_LIB_PLUGIN_GUARDEDMEMORY_H
