//===- Team.h - The threads that run a model ------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A fixed team of threads with the cheapest fork and join that is still kind
// to other programs: a waiting thread spins for at most 50 us and then sleeps
// in the kernel (futex). A decode step forks a few hundred times with gaps of
// microseconds, so within a step nobody sleeps; between questions nobody
// spins. Work is split statically into contiguous ranges, so every thread
// meets the same rows of a weight again and again.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_TEAM_H
#define LLMC_RUNTIME_TEAM_H

#include "llmc/Runtime/abi.h"
#include <atomic>
#include <memory>
#include <pthread.h>

namespace llmc {

/// Physical cores this process may use: distinct cores in its affinity mask
/// within one NUMA node, and no more than the quota of its cgroups. At least 1.
unsigned defaultThreadCount();

/// A team of threads, the caller of `parallelFor` among them.
class Team {
public:
  /// Starts `threads - 1` workers; fewer when the system refuses more, see
  /// size(). A team of one has no workers.
  explicit Team(unsigned threads);
  ~Team();
  Team(const Team &) = delete;
  Team &operator=(const Team &) = delete;

  /// Threads of the team, the caller included.
  unsigned size() const { return count; }

  /// Calls `body` on ranges that cover [0, n) exactly once, at most one range
  /// per thread and at most `limit` ranges, and returns when all are done.
  /// One caller at a time, and not from within a body.
  void parallelFor(llmc_body body, void *arg, int64_t n, unsigned limit);

  /// For callers that share the team: true if it is now theirs until
  /// release(). Never waits.
  bool tryAcquire() { return !taken.exchange(true, std::memory_order_acquire); }
  void release() { taken.store(false, std::memory_order_release); }

private:
  struct alignas(64) Worker {
    /// Number of the last job this worker finished.
    std::atomic<uint32_t> finished{0};
    /// The caller sleeps on `finished`.
    std::atomic<uint32_t> awaited{0};
    pthread_t thread{};
  };

  void work(unsigned index, Worker &self);

  /// Written by the caller before `job` is raised.
  llmc_body body = nullptr;
  void *arg = nullptr;
  int64_t length = 0;
  unsigned pieces = 0;
  bool stopping = false;
  unsigned count = 1;

  /// Number of the newest job; workers wait for it to change.
  alignas(64) std::atomic<uint32_t> job{0};
  /// Workers that sleep, or are about to, on `job`.
  alignas(64) std::atomic<uint32_t> sleepers{0};
  std::atomic<bool> taken{false};
  std::unique_ptr<Worker[]> workers;
};

} // namespace llmc

#endif // LLMC_RUNTIME_TEAM_H
