//===- Stream.h - How fast memory can be read -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The ceiling of everything that reads its weights once per token: threads
// adding up a piece of memory that no cache holds.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_STREAM_H
#define LLMC_RUNTIME_STREAM_H

#include "llmc/Runtime/Team.h"
#include "llmc/Support/Fault.h"
#include <memory>

namespace llmc {

/// Reads `bytes` bytes as fast as one thread can; a sum of them, in words as far
/// as whole pieces of 512 bytes reach.
uint64_t sumOfBytes(const char *memory, uint64_t bytes);

class MemoryStream {
public:
  MemoryStream() = default;
  ~MemoryStream();
  MemoryStream(const MemoryStream &) = delete;
  MemoryStream &operator=(const MemoryStream &) = delete;

  /// Takes at least four times the largest cache, in huge pages where there
  /// are some, and touches all of it with `threads` threads.
  Fault prepare(unsigned threads);

  /// Reads all of it once; bytes per second.
  double measure();

private:
  void *memory = nullptr;
  uint64_t bytes = 0;
  std::unique_ptr<Team> team;
};

} // namespace llmc

#endif // LLMC_RUNTIME_STREAM_H
