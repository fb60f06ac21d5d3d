//===- fork_join.cpp - What it costs to hand out work ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Time of one parallelFor of the thread team with an empty body: back to back,
// with a pause within the time a worker spins, and with one after it sleeps.
// fork-join [THREADS]
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Machine.h"
#include "llmc/Runtime/Team.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

using namespace llmc;

static double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return 1e6 * time.tv_sec + 1e-3 * time.tv_nsec;
}

static void nothing(void *, int64_t, int64_t) {}

/// Median and 99th percentile in microseconds of `count` calls, with `pause`
/// microseconds between them that this thread spends awake.
static void measure(Team &team, const char *what, int count, double pause) {
  std::vector<double> times;
  for (int i = 0; i != count; ++i) {
    for (double end = now() + pause; now() < end;)
      ;
    double start = now();
    // Ten at once when back to back: the clock costs 20 ns itself.
    int calls = pause > 0 ? 1 : 10;
    for (int k = 0; k != calls; ++k)
      team.parallelFor(nothing, nullptr, team.size(), team.size());
    times.push_back((now() - start) / calls);
  }
  std::sort(times.begin(), times.end());
  printf("%-36s median %8.2f us   p99 %8.2f us\n", what, times[count / 2],
         times[count * 99 / 100]);
}

int main(int argc, char **argv) {
  unsigned threads = argc > 1 ? atoi(argv[1]) : defaultThreadCount();
  Team team(threads);
  printf("%s, %u threads\n", processorName().c_str(), team.size());
  measure(team, "back to back", 100000, 0);
  measure(team, "5 us apart", 20000, 5);
  measure(team, "200 us apart (workers asleep)", 2000, 200);
  return 0;
}
