//===- Progress.cpp - One line that tells how far it is -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Progress.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llmc;

/// Back to the first column, and nothing behind.
static constexpr llvm::StringLiteral kErase = "\r\x1b[K";

void Progress::begin(llvm::StringRef step) {
  if (!visible)
    return;
  std::lock_guard<std::mutex> guard(mutex);
  name = step.str();
  done = total = 0;
  start = Clock::now();
  draw();
}

void Progress::expect(int64_t bytes, int64_t before) {
  std::lock_guard<std::mutex> guard(mutex);
  total = bytes;
  done = before;
  if (visible)
    draw();
}

void Progress::add(int64_t bytes) {
  done += bytes;
  if (!visible)
    return;
  // Threads that come while another one draws have told what they had to.
  std::unique_lock<std::mutex> guard(mutex, std::try_to_lock);
  if (guard && Clock::now() - drawn > std::chrono::milliseconds(100))
    draw();
}

void Progress::draw() {
  std::string text = "llmc: " + name;
  if (int64_t now = done; total > 0) {
    constexpr double MiB = 1 << 20;
    text += llvm::formatv(" {0:f0} of {1:f0} MiB", now / MiB, total / MiB);
    double seconds =
        std::chrono::duration<double>(Clock::now() - start).count();
    // The first moments tell nothing about the rest.
    if (seconds > 0.5 && now > 0)
      text += llvm::formatv(", {0:f0} s left",
                            seconds * std::max<int64_t>(0, total - now) / now);
  }
  llvm::errs() << kErase << text;
  llvm::errs().flush();
  drawn = Clock::now();
  standing = true;
}

void Progress::clear() {
  std::lock_guard<std::mutex> guard(mutex);
  if (!standing)
    return;
  llvm::errs() << kErase;
  llvm::errs().flush();
  standing = false;
}
