//===- Team.h - The threads that run a model ------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A fixed team of threads with the cheapest fork and join that is still kind
// to other programs: a waiting thread spins for at most 50 us and then sleeps
// in the kernel (futex). A decode step forks a few hundred times with gaps of
// microseconds, so within a step nobody sleeps; between questions nobody
// spins.
//
// Work is split statically: a thread begins with the same contiguous part of a
// weight again and again. Each part is cut into a few chunks, and who is done
// takes chunks that nobody has begun. So on a machine that others use, too, a
// thread that is not running costs its speed, but does not hold up the rest.
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

  /// Calls `body` on ranges that cover [0, n) exactly once, on at most `limit`
  /// threads, and returns when all are done. One caller at a time, and not from
  /// within a body.
  void parallelFor(llmc_range_body body, void *arg, int64_t n, unsigned limit);

  /// For callers that share the team: true if it is now theirs until
  /// release(). Never waits.
  bool tryAcquire() { return !taken.exchange(true, std::memory_order_acquire); }
  void release() { taken.store(false, std::memory_order_release); }

private:
  /// The part of one thread; slot 0 is the caller's.
  struct alignas(64) Slot {
    /// Which chunk is next: number of the job (32 bits), chunks (16), next
    /// chunk (16). Whoever raises it from one value has that chunk.
    std::atomic<uint64_t> claim{0};
    /// Chunks of this slot that are finished.
    std::atomic<uint32_t> finished{0};
    /// The caller sleeps on `finished`.
    std::atomic<uint32_t> awaited{0};
    pthread_t thread{};
  };

  void work(unsigned index);
  /// Runs chunks of the slot for job `number` until none is left.
  void drain(unsigned index, uint32_t number);
  /// Drains slot `index`, then the others.
  void takePart(unsigned index, uint32_t number);
  bool isDone(const Slot &slot) const;
  void await(Slot &slot);

  // The job. Written while no chunk is claimed; read by those who have one.
  llmc_range_body body = nullptr;
  void *arg = nullptr;
  int64_t length = 0;
  /// Slots with work, and chunks of each.
  unsigned parts = 0, chunks = 0;

  bool stopping = false;
  unsigned count = 1;
  std::unique_ptr<Slot[]> slots;

  /// Number of the newest job; sleeping workers wait for it to change.
  alignas(64) std::atomic<uint32_t> job{0};
  /// Workers that sleep, or are about to.
  alignas(64) std::atomic<uint32_t> sleepers{0};
  std::atomic<bool> taken{false};
};

} // namespace llmc

#endif // LLMC_RUNTIME_TEAM_H
