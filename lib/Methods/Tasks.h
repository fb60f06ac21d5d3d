//===- Tasks.h - Work of a method in parts ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_METHODS_TASKS_H
#define LLMC_LIB_METHODS_TASKS_H

#include "llmc/Methods/Matrix.h"
#include <atomic>
#include <mutex>

namespace llmc {

/// Runs `count` tasks that may fail. All start unless one before them in time
/// has failed or the caller says not to go on; of several errors the one of the
/// lowest task is returned, and the others are dropped.
class Tasks {
public:
  /// `progress` is told `from` to `to` while tasks finish.
  Tasks(ParallelFor parallelFor, llvm::function_ref<bool(double)> progress,
        double from, double to)
      : parallelFor(parallelFor), progress(progress), from(from), to(to) {}

  llvm::Error run(int64_t count,
                  llvm::function_ref<llvm::Error(int64_t)> task) {
    auto body = [&](int64_t index) {
      if (stopped)
        return;
      if (llvm::Error error = task(index)) {
        std::lock_guard guard(mutex);
        if (failed < 0 || index < failed) {
          failed = index;
          message = llvm::toString(std::move(error));
        } else {
          llvm::consumeError(std::move(error));
        }
        stopped = true;
        return;
      }
      if (!progress)
        return;
      std::lock_guard guard(mutex);
      double part = static_cast<double>(++done) / static_cast<double>(count);
      if (!stopped && !progress(from + part * (to - from))) {
        cancelled = true;
        stopped = true;
      }
    };
    if (parallelFor)
      parallelFor(count, body);
    else
      for (int64_t i = 0; i < count; ++i)
        body(i);
    if (failed >= 0)
      return llvm::createStringError(message);
    if (cancelled)
      return llvm::createStringError("stopped on request");
    return llvm::Error::success();
  }

private:
  ParallelFor parallelFor;
  llvm::function_ref<bool(double)> progress;
  double from, to;
  std::mutex mutex;
  std::atomic<bool> stopped{false};
  bool cancelled = false;
  int64_t done = 0, failed = -1;
  std::string message;
};

/// The place of the first number that is not finite; -1 if all are.
int64_t findNotFinite(const float *values, int64_t count);

/// The error for such a number.
llvm::Error makeNotFiniteError(int64_t row, int64_t column, float value);

} // namespace llmc

#endif // LLMC_LIB_METHODS_TASKS_H
