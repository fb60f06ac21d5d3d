//===- Memory.h - Aligned memory that grows -------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory for tensors and scratch. Large pieces come from the system zeroed and
// untouched, so pages that a model never reaches cost nothing.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_RUNTIME_MEMORY_H
#define LLMC_LIB_RUNTIME_MEMORY_H

#include "llmc/Support/Fault.h"
#include <cstddef>
#include <cstdint>
#include <utility>

namespace llmc {

class Memory {
public:
  Memory() = default;
  Memory(Memory &&other) noexcept { swap(other); }
  Memory &operator=(Memory &&other) noexcept {
    swap(other);
    return *this;
  }
  ~Memory() { release(); }

  /// Makes room for `bytes`, aligned to 64. The content is kept when the room
  /// suffices already and lost when not; new room is zero.
  Fault reserve(uint64_t bytes);
  /// Makes all of it zero.
  void clear();

  /// Never null after the first reserve().
  void *data() const { return pointer; }
  uint64_t capacity() const { return room; }

private:
  void swap(Memory &other) {
    std::swap(pointer, other.pointer);
    std::swap(room, other.room);
    std::swap(mapped, other.mapped);
  }
  void release();

  void *pointer = nullptr;
  uint64_t room = 0;
  bool mapped = false;
};

} // namespace llmc

#endif // LLMC_LIB_RUNTIME_MEMORY_H
