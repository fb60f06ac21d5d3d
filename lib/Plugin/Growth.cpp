//===- Growth.cpp - Does work leave something behind? ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Growth.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"

#include <array>
#include <cstdio>
#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <thread>
#include <unistd.h>

using namespace llvm;
using namespace llmc;

/// Runs before the first look, and between looks.
static constexpr int kBefore = 5, kBetween = 10;

namespace {
/// Something that a process holds.
struct Holding {
  StringLiteral unit;
  /// The least that a run can leave of it.
  int64_t least;
  int64_t (*measure)();
};
} // namespace

/// A sanitizer has an allocator of its own, which malloc's statistics leave out.
static size_t (*getSanitizerBytes())() {
  return reinterpret_cast<size_t (*)()>(
      dlsym(RTLD_DEFAULT, "__sanitizer_get_current_allocated_bytes"));
}

static int64_t measureAllocated() {
  if (auto bytes = getSanitizerBytes())
    return static_cast<int64_t>(bytes());
  struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

/// Sanitizers keep what was freed for a while, and map memory for it.
static int64_t measureMapped() {
  long long pages = 0;
  if (!getSanitizerBytes())
    if (FILE *file = fopen("/proc/self/statm", "re")) {
      if (fscanf(file, "%lld", &pages) != 1)
        pages = 0;
      fclose(file);
    }
  return pages * sysconf(_SC_PAGESIZE);
}

static int64_t countEntries(const char *folder) {
  int64_t count = 0;
  if (DIR *entries = opendir(folder)) {
    while (readdir(entries))
      ++count;
    closedir(entries);
  }
  return count;
}

/// In the order in which they are told: files and threads take memory, too, and
/// memory that is allocated is mapped.
static constexpr Holding kHoldings[] = {
    {"open files", 1, [] { return countEntries("/proc/self/fd"); }},
    {"threads", 1, [] { return countEntries("/proc/self/task"); }},
    {"allocated bytes", 16, measureAllocated},
    {"mapped bytes", 4096, measureMapped}};

Error llmc::findGrowth(function_ref<Error()> body) {
  std::array<std::array<int64_t, 3>, std::size(kHoldings)> held;
  // Looking takes memory, too, the first time.
  for (const Holding &holding : kHoldings)
    holding.measure();
  int64_t runs = kBefore;
  for (size_t look = 0; look < 3; ++look, runs = kBetween) {
    // What malloc keeps for a thread, and counts as allocated, it gives back with
    // the thread alone.
    Error error = Error::success();
    std::thread([&] {
      for (int64_t run = 0; run < runs && !error; ++run)
        error = body();
    }).join();
    if (error)
      return error;
    for (auto [each, holding] : zip_equal(held, kHoldings))
      each[look] = holding.measure();
  }
  for (auto [each, holding] : zip_equal(held, kHoldings)) {
    int64_t least = holding.least * kBetween;
    if (each[1] - each[0] >= least && each[2] - each[1] >= least)
      return createStringError("expected runs to leave nothing behind, but " +
                               Twine(2 * kBetween) + " of them left " +
                               Twine(each[2] - each[0]) + " " + holding.unit);
  }
  return Error::success();
}
