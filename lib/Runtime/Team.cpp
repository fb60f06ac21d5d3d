//===- Team.cpp - The threads that run a model ----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A job is published by writing its number into the claim word of every slot;
// workers spin on their own. A chunk belongs to whoever raises the claim word,
// and the caller leaves a job only when every chunk is finished. So a worker
// that comes late finds nothing to claim and never reads the data of a job that
// is over. Both sides announce before they sleep and look once more, all of it
// sequentially consistent, so no wake-up is lost.
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
/// Most chunks a part is cut into.
static constexpr unsigned kChunks = 4;

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

/// Spins until `ready`; false when the time is up. The clock is read rarely,
/// since a read costs about what a whole fork and join should cost.
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

/// The claim word: job, chunks, next chunk.
static uint64_t pack(uint32_t job, unsigned chunks) {
  return uint64_t(job) << 32 | uint64_t(chunks) << 16;
}
static uint32_t jobOf(uint64_t claim) { return claim >> 32; }
static unsigned chunksOf(uint64_t claim) { return claim >> 16 & 0xffff; }
static unsigned nextOf(uint64_t claim) { return claim & 0xffff; }

namespace {
/// What a new thread is told.
struct Start {
  Team *team;
  unsigned index;
};
} // namespace

Team::Team(unsigned threads) {
  threads = std::clamp(threads, 1u, 1024u);
  slots.reset(new Slot[threads]);
  if (threads == 1)
    return;
  // Signals belong to the threads of the program, not to the team.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (unsigned i = 1; i != threads; ++i) {
    auto run = [](void *data) -> void * {
      Start start = *static_cast<Start *>(data);
      delete static_cast<Start *>(data);
      start.team->work(start.index);
      return nullptr;
    };
    auto *start = new Start{this, i};
    if (pthread_create(&slots[i].thread, nullptr, run, start)) {
      delete start;
      break;
    }
    count = i + 1;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Team::~Team() {
  stopping = true;
  uint32_t number = job.load(std::memory_order_relaxed) + 1;
  for (unsigned i = 1; i != count; ++i)
    slots[i].claim.store(pack(number, 0), std::memory_order_release);
  job.store(number, std::memory_order_seq_cst);
  futexWake(job, INT32_MAX);
  for (unsigned i = 1; i != count; ++i)
    pthread_join(slots[i].thread, nullptr);
}

void Team::drain(unsigned index, uint32_t number) {
  Slot &slot = slots[index];
  uint64_t claim = slot.claim.load(std::memory_order_acquire);
  while (jobOf(claim) == number && nextOf(claim) < chunksOf(claim)) {
    if (!slot.claim.compare_exchange_weak(claim, claim + 1,
                                          std::memory_order_acq_rel,
                                          std::memory_order_acquire))
      continue;
    auto [first, last] = range(length, parts, index);
    auto [begin, end] = range(last - first, chunks, nextOf(claim));
    body(arg, first + begin, first + end);
    slot.finished.fetch_add(1, std::memory_order_seq_cst);
    if (slot.awaited.load(std::memory_order_seq_cst))
      futexWake(slot.finished, 1);
    claim = slot.claim.load(std::memory_order_acquire);
  }
}

void Team::takePart(unsigned index, uint32_t number) {
  uint64_t claim = slots[index].claim.load(std::memory_order_relaxed);
  drain(index, number);
  // A job of one chunk each is over before it could be shared better, so only
  // the caller, who has to wait otherwise, looks after the others.
  if (index && chunksOf(claim) <= 1)
    return;
  for (unsigned other = 0; other != count; ++other)
    if (other != index)
      drain(other, number);
}

void Team::work(unsigned index) {
  Slot &self = slots[index];
  uint32_t seen = 0;
  while (true) {
    auto called = [&] {
      return jobOf(self.claim.load(std::memory_order_acquire)) != seen;
    };
    if (!spin(called)) {
      sleepers.fetch_add(1, std::memory_order_seq_cst);
      while (true) {
        uint32_t newest = job.load(std::memory_order_seq_cst);
        if (called())
          break;
        futexWait(job, newest);
      }
      sleepers.fetch_sub(1, std::memory_order_relaxed);
    }
    uint64_t claim = self.claim.load(std::memory_order_acquire);
    seen = jobOf(claim);
    // A job without chunks is the last one.
    if (chunksOf(claim) == 0)
      return;
    takePart(index, seen);
  }
}

bool Team::isDone(const Slot &slot) const {
  return slot.finished.load(std::memory_order_acquire) == chunks;
}

void Team::await(Slot &slot) {
  if (spin([&] { return isDone(slot); }))
    return;
  slot.awaited.store(1, std::memory_order_seq_cst);
  uint32_t value;
  while ((value = slot.finished.load(std::memory_order_seq_cst)) != chunks)
    futexWait(slot.finished, value);
  slot.awaited.store(0, std::memory_order_relaxed);
}

void Team::parallelFor(llmc_range_body newBody, void *newArg, int64_t n,
                       unsigned limit) {
  if (n <= 0)
    return;
  unsigned threads = std::min(limit, count);
  if (n < threads)
    threads = static_cast<unsigned>(n);
  if (threads <= 1) {
    newBody(newArg, 0, n);
    return;
  }
  body = newBody;
  arg = newArg;
  length = n;
  parts = threads;
  chunks = static_cast<unsigned>(std::min<int64_t>(n / threads, kChunks));
  uint32_t number = job.load(std::memory_order_relaxed) + 1;
  for (unsigned i = 0; i != threads; ++i) {
    slots[i].finished.store(0, std::memory_order_relaxed);
    slots[i].claim.store(pack(number, chunks), std::memory_order_release);
  }
  job.store(number, std::memory_order_seq_cst);
  if (sleepers.load(std::memory_order_seq_cst))
    futexWake(job, INT32_MAX);
  takePart(0, number);
  for (unsigned i = 0; i != threads; ++i)
    await(slots[i]);
}
