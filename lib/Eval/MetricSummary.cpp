//===- MetricSummary.cpp - What the values of a metric say together -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Eval/MetricSummary.h"
#include "Bootstrap.h"
#include "llmc/Support/SplitMix.h"
#include <algorithm>
#include <cmath>

using namespace llmc;

static double aggregate(MetricAggregate kind, double sum, int64_t count) {
  double mean = sum / count;
  switch (kind) {
  case MetricAggregate::ExpMean:
    return std::exp(mean);
  case MetricAggregate::RootMean:
    return std::sqrt(mean);
  case MetricAggregate::Mean:
    break;
  }
  return mean;
}

namespace {
/// Sums over tokens.
struct Sums {
  double value = 0, reference = 0;
  int64_t tokens = 0;

  void add(const Sums &other) {
    value += other.value;
    reference += other.reference;
    tokens += other.tokens;
  }
};
} // namespace

MetricSummary llmc::summarize(const MetricValues &values,
                              const BootstrapOptions &options) {
  MetricAggregate kind = values.metric.aggregate;
  MetricSummary summary;
  summary.hasReference = !values.reference.empty();
  size_t count = values.values.size();
  std::vector<Sums> blocks((count + kBlockTokens - 1) / kBlockTokens);
  for (size_t i = 0; i != count; ++i)
    blocks[i / kBlockTokens].add(
        {values.values[i], summary.hasReference ? values.reference[i] : 0, 1});
  Sums all;
  for (const Sums &block : blocks)
    all.add(block);
  auto reference = [&](const Sums &sums) {
    return aggregate(kind, sums.reference, sums.tokens);
  };
  summary.value.value = aggregate(kind, all.value, all.tokens);
  if (summary.hasReference) {
    summary.reference.value = reference(all);
    summary.difference.value = summary.value.value - summary.reference.value;
  }
  std::vector<double> sorted = values.values;
  std::sort(sorted.begin(), sorted.end());
  summary.median = quantile(sorted, 0.5);
  summary.tail = quantile(sorted, kTail);
  summary.largest = sorted.back();
  if (static_cast<int64_t>(blocks.size()) < kLeastBlocks)
    return summary;

  SplitMix random{options.seed};
  std::vector<double> drawn, references, differences;
  for (int i = 0; i != options.resamples; ++i) {
    Sums sums;
    for (size_t k = 0; k != blocks.size(); ++k)
      sums.add(blocks[random.below(blocks.size())]);
    drawn.push_back(aggregate(kind, sums.value, sums.tokens));
    references.push_back(reference(sums));
    differences.push_back(drawn.back() - references.back());
  }
  setInterval(summary.value, std::move(drawn));
  if (summary.hasReference) {
    setInterval(summary.reference, std::move(references));
    setInterval(summary.difference, std::move(differences));
  }
  return summary;
}
