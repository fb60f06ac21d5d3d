//===- BuiltinMetrics.cpp - The metrics that llmc brings ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// They know llmc by its plugin interface alone. With LLMC_METRICS_VENDOR, a text,
// this file and RowSums.cpp make a plugin of that vendor.
//
//===----------------------------------------------------------------------===//
#include "RowSums.h"
#include "llmc/Plugin/plugin.h"
#include <algorithm>
#include <cmath>
#include <iterator>

#ifdef LLMC_METRICS_VENDOR
#define LLMC_METRICS_PREFIX LLMC_METRICS_VENDOR "."
#else
#define LLMC_METRICS_VENDOR "llmc"
#define LLMC_METRICS_PREFIX ""
#endif

namespace llmc {
const llmc_plugin &getBuiltinMetrics();
} // namespace llmc

using namespace llmc;

static double measureLoss(const llmc_position *position) {
  return negativeLogLikelihood(position->logits, position->target,
                               position->vocabulary);
}

static double measureDivergence(const llmc_position *position) {
  int64_t count = position->vocabulary;
  PairSums sums = sumPair(position->logits, largestOf(position->logits, count),
                          position->reference,
                          largestOf(position->reference, count), count);
  return sums.divergence(std::log(sums.model), std::log(sums.reference));
}

/// Of equal logits the first counts.
static double measureAgreement(const llmc_position *position) {
  auto best = [&](const float *row) {
    return std::max_element(row, row + position->vocabulary) - row;
  };
  return best(position->logits) == best(position->reference) ? 1 : 0;
}

static constexpr llmc_metric kMetrics[] = {
    {sizeof(llmc_metric), LLMC_METRICS_PREFIX "perplexity",
     "exp of the mean of -log of the probability of the token that comes",
     nullptr, LLMC_AGGREGATE_EXP_MEAN, LLMC_BETTER_LOWER, 0, 0, 0, INFINITY,
     measureLoss},
    {sizeof(llmc_metric), LLMC_METRICS_PREFIX "kl",
     "Kullback-Leibler divergence of the model from the reference", "nats",
     LLMC_AGGREGATE_MEAN, LLMC_BETTER_LOWER, LLMC_METRIC_COMPARES, 0, 0,
     INFINITY, measureDivergence},
    {sizeof(llmc_metric), LLMC_METRICS_PREFIX "top1",
     "share of tokens for which both models have the same best token", nullptr,
     LLMC_AGGREGATE_MEAN, LLMC_BETTER_HIGHER, LLMC_METRIC_COMPARES, 0, 0, 1,
     measureAgreement}};

static constexpr llmc_plugin kPlugin = {sizeof(llmc_plugin),
                                        LLMC_PLUGIN_ABI,
                                        3,
                                        LLMC_METRICS_VENDOR,
                                        "1.0",
                                        nullptr,
                                        0,
                                        nullptr,
                                        0,
                                        kMetrics,
                                        std::size(kMetrics)};

const llmc_plugin &llmc::getBuiltinMetrics() { return kPlugin; }
