//===- MetricSummary.h - What the values of a metric say together ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_EVAL_METRICSUMMARY_H
#define LLMC_EVAL_METRICSUMMARY_H

#include "llmc/Eval/Metric.h"
#include "llmc/Eval/Statistics.h"

namespace llmc {

/// A metric, and what it measured so far.
struct MetricValues {
  Metric metric;
  /// Of every scored token, in the order of the text; `reference` is that of
  /// the reference by itself, and empty where the metric compares, or there is
  /// no reference.
  std::vector<double> values, reference;
};

struct MetricSummary {
  Estimate value;
  /// Of values of tokens; between two of them linear, as NumPy does it.
  double median = 0, tail = 0, largest = 0;
  /// Whether the next two are set.
  bool hasReference = false;
  Estimate reference;
  /// value - reference.
  Estimate difference;
};

/// `values` has at least one. Blocks are drawn as in `summarize` with the same
/// options, so that the intervals of all figures are of the same drawings.
MetricSummary summarize(const MetricValues &values,
                        const BootstrapOptions &options);

} // namespace llmc

#endif // LLMC_EVAL_METRICSUMMARY_H
