//===- Memory.cpp - Aligned memory that grows -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Memory.h"
#include "llmc/Runtime/abi.h"
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

using namespace llmc;

/// From this size on memory comes in pages of its own.
static constexpr uint64_t kMapFrom = UINT64_C(1) << 18;
static constexpr uint64_t kPage = 4096;

void Memory::release() {
  if (mapped)
    munmap(pointer, room);
  else
    free(pointer);
  pointer = nullptr;
  room = 0;
  mapped = false;
}

Fault Memory::reserve(uint64_t bytes) {
  if (pointer && bytes <= room)
    return {};
  uint64_t unit = bytes >= kMapFrom ? kPage : LLMC_ALIGNMENT;
  auto refused = [&] {
    return Fault::machine("out of memory: cannot get " + std::to_string(bytes) +
                          " bytes");
  };
  if (bytes > (UINT64_C(1) << 62))
    return refused();
  uint64_t size = bytes ? (bytes + unit - 1) / unit * unit : unit;
  Memory fresh;
  if (bytes >= kMapFrom) {
    void *map = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
      return refused();
    fresh.pointer = map;
    fresh.mapped = true;
  } else {
    fresh.pointer = aligned_alloc(LLMC_ALIGNMENT, size);
    if (!fresh.pointer)
      return refused();
    memset(fresh.pointer, 0, size);
  }
  fresh.room = size;
  // Old and new never exist at once for large pieces: their content is lost
  // anyway.
  release();
  swap(fresh);
  return {};
}

void Memory::clear() {
  if (!mapped || madvise(pointer, room, MADV_DONTNEED))
    if (pointer)
      memset(pointer, 0, room);
}
