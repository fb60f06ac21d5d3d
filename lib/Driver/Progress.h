//===- Progress.h - One line that tells how far it is -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Only where a person looks: the caller says whether stderr is a terminal. The
// line is rewritten in place and gone before anything else is printed.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_DRIVER_PROGRESS_H
#define LLMC_LIB_DRIVER_PROGRESS_H

#include "llvm/ADT/StringRef.h"
#include <atomic>
#include <chrono>
#include <mutex>
#include <string>

namespace llmc {

class Progress {
public:
  explicit Progress(bool visible) : visible(visible) {}
  ~Progress() { clear(); }

  /// Shows what is being done.
  void begin(llvm::StringRef step);
  /// The step has an amount of work, in bytes, and began with a part of it done.
  void expect(int64_t bytes, int64_t before = 0);
  /// So much of it more is done. Called by any thread; redraws a few times a
  /// second.
  void add(int64_t bytes);
  /// Takes the line away.
  void clear();

private:
  using Clock = std::chrono::steady_clock;
  void draw();

  bool visible;
  std::mutex mutex;
  std::string name;
  std::atomic<int64_t> done = 0;
  int64_t total = 0;
  Clock::time_point start, drawn;
  bool standing = false;
};

} // namespace llmc

#endif // LLMC_LIB_DRIVER_PROGRESS_H
