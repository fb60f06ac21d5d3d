/* @NAME@.c - A metric for llmc eval.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The entropy of the model's next-token distribution: how sure it is. llmc plugin
 * check says whether the plugin keeps what llmc/Plugin/plugin.h asks of it.
 */
#include <llmc/Plugin/plugin.h>
#include <math.h>

static double measure(const llmc_position *at) {
  double top = at->logits[0], sum = 0, weighted = 0;
  for (int64_t i = 1; i < at->vocabulary; ++i)
    top = at->logits[i] > top ? at->logits[i] : top;
  for (int64_t i = 0; i < at->vocabulary; ++i) {
    double x = at->logits[i] - top, p = exp(x);
    sum += p;
    /* The product is nothing where p is, however far x is. */
    weighted += p > 0 ? p * x : 0;
  }
  double entropy = log(sum) - weighted / sum;
  return entropy > 0 ? entropy : 0;
}

static const llmc_metric metrics[] = {
    {.size = sizeof(llmc_metric),
     .name = "@NAME@.@NAME@",
     .summary = "entropy of the model's next-token distribution",
     .unit = "nats",
     .aggregate = LLMC_AGGREGATE_MEAN,
     .better = LLMC_BETTER_NEITHER,
     .lowest = 0,
     .highest = INFINITY,
     .measure = measure}};
static const llmc_plugin plugin = {.size = sizeof(llmc_plugin),
                                   .abi = LLMC_PLUGIN_ABI,
                                   .needs = 3,
                                   .vendor = "@NAME@",
                                   .version = "0.1",
                                   .metrics = metrics,
                                   .metric_count = 1};

LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) { return &plugin; }
