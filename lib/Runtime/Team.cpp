//===- Team.cpp - The threads that run a model ----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A job is published by raising the counter `job`; each worker answers by
// storing that number into its own cache line, which the caller reads. Both
// sides announce before they sleep and look once more, and both announcements
// and looks are sequentially consistent, so no wake-up is lost.
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Team.h"
#include <algorithm>
#include <ctime>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace llmc;

/// Longest time a thread waits awake, in nanoseconds.
static constexpr int64_t kSpinNanoseconds = 50000;

static void futexWait(std::atomic<uint32_t> &word, uint32_t expected) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

static void futexWake(std::atomic<uint32_t> &word, int waiters) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, waiters, nullptr, nullptr, 0);
}

static inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int64_t nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/// Spins until `word` differs from `old` (or equals, if `wanted`); false when
/// the time is up. The clock is read rarely, since a read costs about what a
/// whole fork and join should cost.
template <typename Ready> static bool spin(Ready ready) {
  for (unsigned i = 0; i != 200; ++i) {
    if (ready())
      return true;
    relax();
  }
  int64_t end = nanoseconds() + kSpinNanoseconds;
  do {
    for (unsigned i = 0; i != 50; ++i) {
      if (ready())
        return true;
      relax();
    }
  } while (nanoseconds() < end);
  return false;
}

/// Range number `index` of `pieces` nearly equal ones of [0, n).
static std::pair<int64_t, int64_t> range(int64_t n, unsigned pieces,
                                         unsigned index) {
  int64_t share = n / pieces, rest = n % pieces;
  int64_t begin = share * index + std::min<int64_t>(index, rest);
  return {begin, begin + share + (index < rest)};
}

namespace {
/// What a new thread is told.
struct Start {
  Team *team;
  unsigned index;
};
} // namespace

Team::Team(unsigned threads) {
  threads = std::clamp(threads, 1u, 1024u);
  if (threads == 1)
    return;
  workers.reset(new Worker[threads - 1]);
  // Signals belong to the threads of the program, not to the team.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (unsigned i = 1; i != threads; ++i) {
    auto run = [](void *data) -> void * {
      Start start = *static_cast<Start *>(data);
      delete static_cast<Start *>(data);
      start.team->work(start.index, start.team->workers[start.index - 1]);
      return nullptr;
    };
    auto *start = new Start{this, i};
    if (pthread_create(&workers[i - 1].thread, nullptr, run, start)) {
      delete start;
      break;
    }
    count = i + 1;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Team::~Team() {
  if (count == 1)
    return;
  stopping = true;
  job.fetch_add(1, std::memory_order_seq_cst);
  futexWake(job, INT32_MAX);
  for (unsigned i = 0; i + 1 != count; ++i)
    pthread_join(workers[i].thread, nullptr);
}

void Team::work(unsigned index, Worker &self) {
  uint32_t seen = 0;
  while (true) {
    if (!spin([&] { return job.load(std::memory_order_acquire) != seen; })) {
      sleepers.fetch_add(1, std::memory_order_seq_cst);
      while (job.load(std::memory_order_seq_cst) == seen)
        futexWait(job, seen);
      sleepers.fetch_sub(1, std::memory_order_relaxed);
    }
    // The caller waits for every worker, so it is at most one job ahead.
    ++seen;
    if (stopping)
      return;
    if (index < pieces) {
      auto [begin, end] = range(length, pieces, index);
      body(arg, begin, end);
    }
    self.finished.store(seen, std::memory_order_seq_cst);
    if (self.awaited.load(std::memory_order_seq_cst))
      futexWake(self.finished, 1);
  }
}

void Team::parallelFor(llmc_body newBody, void *newArg, int64_t n,
                       unsigned limit) {
  if (n <= 0)
    return;
  unsigned parts = std::min(limit, count);
  if (n < parts)
    parts = static_cast<unsigned>(n);
  if (parts <= 1) {
    newBody(newArg, 0, n);
    return;
  }
  body = newBody;
  arg = newArg;
  length = n;
  pieces = parts;
  uint32_t current = job.fetch_add(1, std::memory_order_seq_cst) + 1;
  if (sleepers.load(std::memory_order_seq_cst))
    futexWake(job, INT32_MAX);

  auto [begin, end] = range(n, parts, 0);
  newBody(newArg, begin, end);

  for (unsigned i = 0; i + 1 != count; ++i) {
    Worker &worker = workers[i];
    auto done = [&] {
      return worker.finished.load(std::memory_order_acquire) == current;
    };
    if (spin(done))
      continue;
    worker.awaited.store(1, std::memory_order_seq_cst);
    uint32_t value;
    while ((value = worker.finished.load(std::memory_order_seq_cst)) != current)
      futexWait(worker.finished, value);
    worker.awaited.store(0, std::memory_order_relaxed);
  }
}
