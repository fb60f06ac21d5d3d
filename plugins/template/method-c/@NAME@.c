/* @NAME@.c - A compression method for llmc.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Groups get the scale that reaches their largest number. llmc plugin check
 * says whether the plugin keeps what llmc/Plugin/plugin.h asks of it.
 */
#include <llmc/Plugin/plugin.h>
#include <math.h>
#include <stdio.h>

typedef struct {
  const llmc_host *host;
  llmc_run *run;
  const llmc_job *job;
} work;

static int compress(void *context, llmc_row *row) {
  const work *w = context;
  const llmc_job *job = w->job;
  float reach = (float)job->reals[0] * (float)job->format->highest;
  for (int64_t g = 0; g < job->groups; ++g) {
    int64_t begin = g * job->group_columns, end = begin + job->group_columns;
    float largest = 0;
    for (int64_t k = begin; k < end && k < job->columns; ++k)
      largest = fmaxf(largest, fabsf(row->values[k]));
    row->scales[g] = largest / reach;
  }
  int status = w->host->store_scales(w->run, row->index, row->scales);
  if (status != LLMC_METHOD_OK)
    return status;
  return w->host->encode_row(w->run, row->index, row->values, row->scales,
                             NULL);
}

static int run(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  work w = {host, run, job};
  if (job->format->dense || job->format->minimum || job->format->highest < 1) {
    char text[200];
    snprintf(text, sizeof text,
             "expected a format of codes without minimums but got '%s'",
             job->format->name);
    return host->fail(run, text);
  }
  return host->each_row(run, compress, &w, 0, 1);
}

static const llmc_option options[] = {
    {sizeof(llmc_option), "reach", "the part of the largest level that is used",
     LLMC_OPTION_REAL, 0, "1.0", 0.5, 2.0, NULL}};
static const llmc_method methods[] = {
    {sizeof(llmc_method), "@NAME@.@NAME@",
     "scales that reach the largest number of a group", options, 1, 0, run}};
static const llmc_plugin plugin = {.size = sizeof(llmc_plugin),
                                   .abi = LLMC_PLUGIN_ABI,
                                   .needs = 1,
                                   .vendor = "@NAME@",
                                   .version = "0.1",
                                   .methods = methods,
                                   .method_count = 1};

LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) { return &plugin; }
