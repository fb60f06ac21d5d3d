//===- metrics.cpp - Metrics that do wrong while they measure -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One is right. What each of the others breaks is in its name.
//
//===----------------------------------------------------------------------===//
#include "llmc/Plugin/plugin.h"
#include <cmath>
#include <stdexcept>

namespace {

double good(const llmc_position *at) {
  return at->reference[at->target] < at->logits[at->target] ? 1 : 0;
}

double remember(const llmc_position *at) {
  static double before = 0;
  double value = before;
  before = at->logits[0];
  return value;
}

double overflow(const llmc_position *at) {
  double sum = 0;
  for (int64_t i = 0; i < at->vocabulary; ++i)
    sum += std::exp(double(at->logits[i]));
  return std::log(sum);
}

double beyond(const llmc_position *at) { return at->logits[at->vocabulary]; }

double writes(const llmc_position *at) {
  const_cast<float *>(at->logits)[0] = 0;
  return 0;
}

double itself(const llmc_position *at) { return at->logits[0] == 0 ? 0 : 1; }

double second(const llmc_position *at) {
  // There is none in a vocabulary of one word.
  return at->vocabulary > 1 ? at->logits[1] : NAN;
}

double negative(const llmc_position *at) { return at->logits ? -1 : 0; }

double fails(const llmc_position *at) {
  if (at->target == 0)
    throw std::runtime_error("no token 0 today");
  return 0;
}

double leaves(const llmc_position *at) {
  static double *volatile last;
  last = new double[8]{at->logits[0]};
  return std::isfinite(*last) ? 0 : 1;
}

#define METRIC(name, flags, lowest, highest)                                   \
  {                                                                            \
    sizeof(llmc_metric), "bad." #name, "see its name", nullptr,                \
        LLMC_AGGREGATE_MEAN, LLMC_BETTER_LOWER, flags, 0, lowest, highest,     \
        name                                                                   \
  }

const llmc_metric kMetrics[] = {METRIC(good, LLMC_METRIC_COMPARES, 0, 1),
                                METRIC(remember, 0, -INFINITY, INFINITY),
                                METRIC(overflow, 0, -INFINITY, INFINITY),
                                METRIC(beyond, 0, -INFINITY, INFINITY),
                                METRIC(writes, 0, 0, 1),
                                METRIC(itself, LLMC_METRIC_COMPARES, 0, 1),
                                METRIC(second, 0, -INFINITY, INFINITY),
                                METRIC(negative, 0, 0, INFINITY),
                                METRIC(fails, 0, 0, 1),
                                METRIC(leaves, 0, 0, 1)};
const llmc_plugin kPlugin = {sizeof(llmc_plugin),
                             LLMC_PLUGIN_ABI,
                             3,
                             "bad",
                             "1.0",
                             nullptr,
                             0,
                             nullptr,
                             0,
                             kMetrics,
                             sizeof(kMetrics) / sizeof(kMetrics[0])};

} // namespace

extern "C" LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1() {
  return &kPlugin;
}
