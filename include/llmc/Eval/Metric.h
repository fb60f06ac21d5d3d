//===- Metric.h - A figure of an evaluation --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What both worlds know of a metric: the compiler library reads it from the
// table of plugin.h, and the runtime, which loads no plugin, measures with it.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_EVAL_METRIC_H
#define LLMC_EVAL_METRIC_H

#include <cstdint>
#include <functional>
#include <string>

namespace llmc {

/// llmc_aggregate, llmc_better and llmc_position of plugin.h.
enum class MetricAggregate { Mean = 1, ExpMean = 2, RootMean = 3 };
enum class MetricBetter { Lower = 1, Higher = 2, Neither = 3 };
constexpr const char *getBetterName(MetricBetter better) {
  return better == MetricBetter::Lower    ? "lower"
         : better == MetricBetter::Higher ? "higher"
                                          : "neither";
}

struct MetricPosition {
  int64_t vocabulary = 0, target = 0;
  const float *logits = nullptr, *reference = nullptr;
};

struct Metric {
  std::string name, summary;
  /// Of the aggregate; empty: none.
  std::string unit;
  MetricAggregate aggregate = MetricAggregate::Mean;
  MetricBetter better = MetricBetter::Lower;
  /// It is given both rows, and needs a reference.
  bool compares = false;
  /// The range of the value of a position.
  double lowest = 0, highest = 0;
  /// The file that brought it; empty: llmc.
  std::string plugin;
  /// Sets the value of a position. Returns what is wrong with it, as in "gave
  /// nan"; empty: nothing. May be called by several threads at once.
  std::function<std::string(const MetricPosition &position, double &value)>
      measure;
};

} // namespace llmc

#endif // LLMC_EVAL_METRIC_H
