/* jensen.c - Two distances between the models' next-token distributions.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * jensen.shannon is the Jensen-Shannon divergence (J. Lin, "Divergence Measures
 * Based on the Shannon Entropy", 1991, (3.6), with equal weights): the mean of
 * the divergences of both models from the mixture of both. Unlike KL it is
 * symmetric and at most log 2, so no single token can decide it. jensen.variation
 * is the total variation, half the sum of |p - q|: the largest difference of the
 * probabilities of any set of tokens.
 */
#include <llmc/Plugin/plugin.h>
#include <math.h>

#define LOG_2 0.69314718055994530942

/* A row of logits as probabilities: exp(row[i] - top) / sum. */
struct softmax {
  const float *row;
  double top, sum;
};

static struct softmax softmax_of(const float *row, int64_t count) {
  struct softmax all = {row, row[0], 0};
  for (int64_t i = 1; i < count; ++i)
    all.top = row[i] > all.top ? row[i] : all.top;
  for (int64_t i = 0; i < count; ++i)
    all.sum += exp(row[i] - all.top);
  return all;
}

static double probability(const struct softmax *all, int64_t i) {
  return exp(all->row[i] - all->top) / all->sum;
}

static double within(double value, double highest) {
  return value < 0 ? 0 : value > highest ? highest : value;
}

/* p log(2 p / (p + q)), with nothing for p = 0. */
static double part(double p, double q) {
  return p > 0 ? p * log(2 * p / (p + q)) : 0;
}

static double shannon(const llmc_position *at) {
  int64_t count = at->vocabulary;
  struct softmax model = softmax_of(at->logits, count),
                 reference = softmax_of(at->reference, count);
  double total = 0;
  for (int64_t i = 0; i < count; ++i) {
    double q = probability(&model, i), p = probability(&reference, i);
    total += 0.5 * (part(p, q) + part(q, p));
  }
  /* Rounding may leave the range. */
  return within(total, LOG_2);
}

static double variation(const llmc_position *at) {
  int64_t count = at->vocabulary;
  struct softmax model = softmax_of(at->logits, count),
                 reference = softmax_of(at->reference, count);
  double total = 0;
  for (int64_t i = 0; i < count; ++i)
    total += fabs(probability(&model, i) - probability(&reference, i));
  return within(total / 2, 1);
}

static const llmc_metric metrics[] = {
    {.size = sizeof(llmc_metric),
     .name = "jensen.shannon",
     .summary = "Jensen-Shannon divergence between model and reference",
     .unit = "nats",
     .aggregate = LLMC_AGGREGATE_MEAN,
     .better = LLMC_BETTER_LOWER,
     .flags = LLMC_METRIC_COMPARES,
     .lowest = 0,
     .highest = LOG_2,
     .measure = shannon},
    {.size = sizeof(llmc_metric),
     .name = "jensen.variation",
     .summary = "total variation between model and reference",
     .aggregate = LLMC_AGGREGATE_MEAN,
     .better = LLMC_BETTER_LOWER,
     .flags = LLMC_METRIC_COMPARES,
     .lowest = 0,
     .highest = 1,
     .measure = variation}};
static const llmc_plugin plugin = {.size = sizeof(llmc_plugin),
                                   .abi = LLMC_PLUGIN_ABI,
                                   .needs = 3,
                                   .vendor = "jensen",
                                   .version = "1.0",
                                   .metrics = metrics,
                                   .metric_count = 2};

LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) { return &plugin; }
