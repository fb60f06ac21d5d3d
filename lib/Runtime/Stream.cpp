//===- Stream.cpp - How fast memory can be read ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Stream.h"
#include "llmc/Runtime/Machine.h"
#include <algorithm>
#include <atomic>
#include <cstring>
#include <ctime>
#include <sys/mman.h>

using namespace llmc;

/// Memory is dealt out in huge pages.
static constexpr uint64_t kBlock = UINT64_C(1) << 21;

namespace {
struct Job {
  char *memory;
  std::atomic<uint64_t> sum{0};
};
using Line = uint64_t __attribute__((vector_size(64)));
} // namespace

/// The sum of all words; eight sums at a time keep enough loads under way.
#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
static uint64_t
sumOfLines(const char *memory, uint64_t bytes) {
  Line sums[8] = {};
  for (uint64_t at = 0; at != bytes; at += sizeof(sums))
    for (unsigned i = 0; i != 8; ++i) {
      // A copy, since a cache may begin anywhere.
      Line line;
      memcpy(&line, memory + at + i * sizeof(Line), sizeof(Line));
      sums[i] += line;
    }
  uint64_t sum = 0;
  for (unsigned i = 0; i != 8; ++i)
    for (unsigned k = 0; k != 8; ++k)
      sum += sums[i][k];
  return sum;
}

uint64_t llmc::sumOfBytes(const char *memory, uint64_t bytes) {
  uint64_t whole = bytes / (8 * sizeof(Line)) * (8 * sizeof(Line));
  uint64_t sum = sumOfLines(memory, whole);
  for (uint64_t i = whole; i != bytes; ++i)
    sum += static_cast<uint8_t>(memory[i]);
  return sum;
}

static void readBlocks(void *arg, int64_t begin, int64_t end) {
  Job &job = *static_cast<Job *>(arg);
  job.sum += sumOfBytes(job.memory + begin * kBlock, (end - begin) * kBlock);
}

static void touchBlocks(void *arg, int64_t begin, int64_t end) {
  Job &job = *static_cast<Job *>(arg);
  memset(job.memory + begin * kBlock, 1, (end - begin) * kBlock);
}

MemoryStream::~MemoryStream() {
  if (memory)
    munmap(memory, bytes);
}

Fault MemoryStream::prepare(unsigned threads) {
  uint64_t wanted = std::clamp(4 * lastLevelCacheBytes(), UINT64_C(256) << 20,
                               UINT64_C(2) << 30);
  bytes = (wanted + kBlock - 1) / kBlock * kBlock;
  void *map = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED)
    return Fault::machine("out of memory: cannot get " + std::to_string(bytes) +
                          " bytes to read");
  memory = map;
  madvise(memory, bytes, MADV_HUGEPAGE);
  team = std::make_unique<Team>(threads);
  Job job{static_cast<char *>(memory), {}};
  team->parallelFor(touchBlocks, &job, bytes / kBlock, threads);
  return {};
}

double MemoryStream::measure() {
  Job job{static_cast<char *>(memory), {}};
  auto now = [] {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + 1e-9 * time.tv_nsec;
  };
  double start = now();
  team->parallelFor(readBlocks, &job, bytes / kBlock, team->size());
  return bytes / (now() - start);
}
