//===- TeamTest.cpp - Every item once, whatever the machine does ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Team.h"
#include <atomic>
#include <gtest/gtest.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace llmc;

namespace {
struct Count {
  std::vector<std::atomic<int>> seen;
  std::atomic<int> calls{0}, empty{0};
  explicit Count(size_t n) : seen(n) {}
  static void body(void *arg, int64_t begin, int64_t end) {
    Count &count = *static_cast<Count *>(arg);
    ++count.calls;
    if (begin >= end)
      ++count.empty;
    for (int64_t i = begin; i < end; ++i)
      ++count.seen[i];
  }
  void expect(int times) {
    for (auto &value : seen)
      ASSERT_EQ(value, times);
    EXPECT_EQ(empty, 0);
  }
};
} // namespace

TEST(Team, CoversEveryRangeOnce) {
  for (unsigned threads : {1u, 2u, 3u, 7u}) {
    Team team(threads);
    ASSERT_EQ(team.size(), threads);
    for (int64_t n : {0, 1, 2, 3, 5, 6, 7, 8, 64, 1000}) {
      Count count(n);
      team.parallelFor(Count::body, &count, n, threads);
      count.expect(1);
      // A part is cut into at most four chunks.
      EXPECT_LE(count.calls, std::min<int64_t>(n, 4 * threads));
    }
  }
}

TEST(Team, KeepsToTheLimit) {
  Team team(4);
  Count one(100);
  team.parallelFor(Count::body, &one, 100, 1);
  one.expect(1);
  EXPECT_EQ(one.calls, 1);
  Count two(100);
  team.parallelFor(Count::body, &two, 100, 2);
  two.expect(1);
  EXPECT_EQ(two.calls, 8);
}

TEST(Team, FinishesWithoutThreadsThatDoNotRun) {
  // Three of four threads get stuck in their first chunk until the caller has
  // done all that is left.
  struct Stuck {
    std::atomic<int> left{16};
    pthread_t caller = pthread_self();
    static void body(void *arg, int64_t begin, int64_t end) {
      Stuck &stuck = *static_cast<Stuck *>(arg);
      stuck.left -= end - begin;
      while (!pthread_equal(pthread_self(), stuck.caller) && stuck.left > 0)
        ;
    }
  } stuck;
  Team team(4);
  team.parallelFor(Stuck::body, &stuck, 16, 4);
  EXPECT_EQ(stuck.left, 0);
}

TEST(Team, RepeatsMany) {
  for (auto [threads, times] : {std::pair(2u, 100000), std::pair(5u, 1000)}) {
    Team team(threads);
    Count count(7);
    for (int i = 0; i != times; ++i)
      team.parallelFor(Count::body, &count, 7, threads);
    count.expect(times);
  }
}

TEST(Team, WakesAfterSleep) {
  Team team(4);
  Count count(8);
  for (int i = 0; i != 200; ++i) {
    team.parallelFor(Count::body, &count, 8, 4);
    // Below, about and above the time a worker spins.
    usleep(i % 4 * 40);
  }
  count.expect(200);
}

TEST(Team, SurvivesContention) {
  // More teams and busy threads than the machine has cores.
  std::atomic<bool> stop{false};
  std::vector<std::thread> others;
  for (unsigned i = 0; i != 2 * std::thread::hardware_concurrency(); ++i)
    others.emplace_back([&] {
      while (!stop)
        ;
    });
  std::vector<std::thread> users;
  for (int t = 0; t != 3; ++t)
    users.emplace_back([] {
      Team team(4);
      Count count(37);
      for (int i = 0; i != 300; ++i)
        team.parallelFor(Count::body, &count, 37, 4);
      count.expect(300);
    });
  for (auto &user : users)
    user.join();
  stop = true;
  for (auto &other : others)
    other.join();
}

TEST(Team, BelongsToOneCallerAtATime) {
  Team team(2);
  EXPECT_TRUE(team.tryAcquire());
  EXPECT_FALSE(team.tryAcquire());
  team.release();
  EXPECT_TRUE(team.tryAcquire());
}

TEST(Team, DefaultsToWhatTheProcessMayUse) {
  unsigned threads = defaultThreadCount();
  EXPECT_GE(threads, 1u);
  EXPECT_LE(threads, std::thread::hardware_concurrency());
  // With one processor in the mask there is one thread.
  std::thread([] {
    cpu_set_t before, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    for (int i = 0; i != CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &before)) {
        CPU_SET(i, &one);
        break;
      }
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    EXPECT_EQ(defaultThreadCount(), 1u);
  }).join();
}
