//===- GuardedMemory.cpp - Memory whose ends are watched ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "GuardedMemory.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

using namespace llvm;
using namespace llmc;

static constexpr size_t kAlignment = 64;
static constexpr char kPattern = 0x5a;

static size_t getPage() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

GuardedMemory::~GuardedMemory() {
  for (auto &[memory, block] : blocks)
    munmap(block.pages, block.length);
}

void *GuardedMemory::allocate(size_t bytes) {
  size_t page = getPage();
  if (bytes > PTRDIFF_MAX - 4 * page)
    return nullptr;
  size_t padded = alignTo(bytes, kAlignment), inner = alignTo(padded, page);
  Block block{nullptr, inner + 2 * page, bytes};
  void *pages = mmap(nullptr, block.length, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED)
    return nullptr;
  block.pages = static_cast<char *>(pages);
  mprotect(block.pages + page, inner, PROT_READ | PROT_WRITE);
  char *memory = block.pages + page + inner - padded;
  std::memset(memory + bytes, kPattern, padded - bytes);
  std::lock_guard guard(mutex);
  blocks.emplace(memory, block);
  return memory;
}

void GuardedMemory::release(void *memory) {
  std::lock_guard guard(mutex);
  auto found = blocks.find(memory);
  if (found == blocks.end())
    return;
  const Block &block = found->second;
  const char *behind = static_cast<char *>(memory) + block.bytes;
  for (size_t i = 0; i < alignTo(block.bytes, kAlignment) - block.bytes; ++i)
    damaged |= behind[i] != kPattern;
  munmap(block.pages, block.length);
  blocks.erase(found);
}

ArrayRef<float> GuardedMemory::keep(ArrayRef<float> values) {
  auto *copy = static_cast<float *>(allocate(values.size() * sizeof(float)));
  if (!copy)
    return {};
  std::copy(values.begin(), values.end(), copy);
  const Block &block = blocks.at(copy);
  mprotect(block.pages + getPage(), block.length - 2 * getPage(), PROT_READ);
  return ArrayRef(copy, values.size());
}
