//===- CheckMetrics.cpp - Does a metric keep what it must? ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every value is checked against the range of the table by whoever measures, so
// what is here are rows that make values leave it, and the claims beside it.
//
//===----------------------------------------------------------------------===//
#include "CheckMetrics.h"
#include "Growth.h"
#include "GuardedMemory.h"
#include "llmc/Support/SplitMix.h"
#include "llvm/Support/FormatVariadic.h"

#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

using namespace llvm;
using namespace llmc;
using Clock = std::chrono::steady_clock;

namespace {
/// A position that owns its rows.
struct Rows {
  std::vector<float> logits, reference;
  int64_t target = 0;

  /// Logits as those of a model: about normal, a few far above; the reference is
  /// near.
  static Rows makeRandom(int64_t vocabulary, uint64_t seed) {
    SplitMix random{seed};
    Rows rows;
    for (int64_t i = 0; i < vocabulary; ++i) {
      double value =
          4 * (random.unit() + random.unit() - random.unit() - random.unit());
      if (random.below(64) == 0)
        value += 8;
      rows.reference.push_back(static_cast<float>(value));
      rows.logits.push_back(
          static_cast<float>(value + random.unit() - random.unit()));
    }
    rows.target = static_cast<int64_t>(random.below(vocabulary));
    return rows;
  }
};
} // namespace

static Expected<double> measure(const Metric &metric, ArrayRef<float> logits,
                                ArrayRef<float> reference, int64_t target) {
  MetricPosition position = {static_cast<int64_t>(logits.size()), target,
                             logits.data(),
                             metric.compares ? reference.data() : nullptr};
  double value = NAN;
  std::string wrong = metric.measure(position, value);
  if (wrong.empty())
    return value;
  return createStringError(wrong);
}

static Expected<double> measure(const Metric &metric, const Rows &rows) {
  return measure(metric, rows.logits, rows.reference, rows.target);
}

static Error explain(const Twine &where, Error error) {
  return createStringError(where + ": " + toString(std::move(error)));
}

static constexpr int64_t kVocabularies[] = {1, 2, 37, 1000, 50257};

static Expected<std::string> checkValues(const Metric &metric) {
  double lowest = INFINITY, highest = -INFINITY;
  for (int64_t vocabulary : kVocabularies)
    for (uint64_t seed = 0; seed < 8; ++seed) {
      auto value = measure(metric, Rows::makeRandom(vocabulary, seed));
      if (!value)
        return explain("a vocabulary of " + Twine(vocabulary),
                       value.takeError());
      lowest = std::min(lowest, *value);
      highest = std::max(highest, *value);
    }
  return formatv("{0} to {1} for vocabularies of 1 to {2} tokens", lowest,
                 highest, *std::rbegin(kVocabularies))
      .str();
}

/// Finite numbers whose differences are not, or whose exponentials are 0.
static Expected<std::string> checkExtremes(const Metric &metric) {
  constexpr float kMost = std::numeric_limits<float>::max();
  for (float reach : {0.0f, 1e-45f, 100.0f, 1e4f, 1e30f, kMost})
    for (int64_t vocabulary : {1, 2, 64})
      for (bool crossed : {false, true}) {
        Rows rows;
        rows.logits.assign(vocabulary, -reach);
        rows.reference.assign(vocabulary, -reach);
        rows.logits.front() = reach;
        (crossed ? rows.reference.back() : rows.reference.front()) = reach;
        for (int64_t target : {int64_t(0), vocabulary - 1}) {
          rows.target = target;
          if (auto value = measure(metric, rows); !value)
            return explain(formatv("logits of {0} and {1}, a vocabulary of {2}",
                                   reach, -reach, vocabulary),
                           value.takeError());
        }
      }
  return std::string("takes logits up to 3.4E+38 and equal ones");
}

static Expected<std::string> checkThreads(const Metric &metric) {
  constexpr size_t kRows = 64;
  std::vector<Rows> rows;
  std::vector<uint64_t> first;
  for (size_t i = 0; i < kRows; ++i) {
    rows.push_back(Rows::makeRandom(997, i));
    auto value = measure(metric, rows.back());
    if (!value)
      return value.takeError();
    first.push_back(std::bit_cast<uint64_t>(*value));
  }
  for (unsigned threads : {1, 3, 8}) {
    std::atomic<size_t> different = 0;
    // Each thread walks all of them, from its own place and backwards.
    auto walk = [&](unsigned thread) {
      for (size_t i = 0; i < 4 * kRows; ++i) {
        size_t at = (7 * thread + 5 * kRows - i) % kRows;
        auto value = measure(metric, rows[at]);
        if (!value || std::bit_cast<uint64_t>(*value) != first[at])
          ++different;
        consumeError(value.takeError());
      }
    };
    std::vector<std::thread> running;
    running.reserve(threads);
    for (unsigned thread = 0; thread < threads; ++thread)
      running.emplace_back(walk, thread);
    for (std::thread &thread : running)
      thread.join();
    if (different)
      return createStringError(
          "expected the same values in every order and from every thread, but "
          "got " +
          Twine(different.load()) + " others with " + Twine(threads) +
          (threads == 1 ? " thread" : " threads"));
  }
  return std::string("the same bits in any order, on 1 to 8 threads");
}

static Expected<std::string> checkItself(const Metric &metric) {
  double best = metric.better == MetricBetter::Lower    ? metric.lowest
                : metric.better == MetricBetter::Higher ? metric.highest
                                                        : INFINITY;
  if (!metric.compares || !std::isfinite(best))
    return std::string("claims nothing of a model beside itself");
  for (int64_t vocabulary : kVocabularies) {
    Rows rows = Rows::makeRandom(vocabulary, vocabulary);
    auto value = measure(metric, rows.logits, rows.logits, rows.target);
    if (!value)
      return value.takeError();
    if (std::abs(*value - best) > 1e-6)
      return createStringError(
          formatv("expected {0}, the better end of its range, for a model "
                  "beside itself, but got {1}",
                  best, *value)
              .str());
  }
  return formatv("{0} for a model beside itself", best).str();
}

static Expected<std::string> checkBounds(const Metric &metric) {
  // Rows of a multiple of 64 bytes end where a page does; what is behind others
  // is another pattern than what is behind the vectors that they came from.
  for (int64_t vocabulary : {16, 37, 1024}) {
    GuardedMemory memory;
    Rows rows = Rows::makeRandom(vocabulary, 5);
    ArrayRef<float> logits = memory.keep(rows.logits),
                    reference = memory.keep(rows.reference);
    for (int64_t target : {int64_t(0), vocabulary - 1}) {
      auto plain = measure(metric, rows.logits, rows.reference, target),
           guarded = measure(metric, logits, reference, target);
      if (!plain || !guarded)
        return joinErrors(plain.takeError(), guarded.takeError());
      if (std::bit_cast<uint64_t>(*plain) != std::bit_cast<uint64_t>(*guarded))
        return createStringError("expected the same value wherever the rows "
                                 "are, but got another: it reads beyond them");
    }
  }
  return std::string("reads its rows alone, and writes nothing");
}

static Expected<std::string> checkLeaks(const Metric &metric) {
  Rows rows = Rows::makeRandom(997, 1);
  if (Error error =
          findGrowth([&] { return measure(metric, rows).takeError(); }))
    return std::move(error);
  return std::string("leaves no memory, files or threads behind");
}

static Expected<std::string> checkSpeed(const Metric &metric) {
  Rows rows = Rows::makeRandom(50257, 1);
  double seconds = INFINITY;
  for (int turn = 0; turn < 5; ++turn) {
    auto start = Clock::now();
    if (auto value = measure(metric, rows); !value)
      return value.takeError();
    std::chrono::duration<double> time = Clock::now() - start;
    seconds = std::min(seconds, time.count());
  }
  return formatv("{0:F1} million logits a second on one thread",
                 rows.logits.size() / 1e6 / seconds)
      .str();
}

static constexpr MetricCheck kChecks[] = {
    {"values", checkValues},   {"extremes", checkExtremes},
    {"threads", checkThreads}, {"itself", checkItself},
    {"bounds", checkBounds},   {"leaks", checkLeaks},
    {"speed", checkSpeed}};

ArrayRef<MetricCheck> llmc::getMetricChecks() { return kChecks; }
