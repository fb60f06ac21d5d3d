/* seen.c - A method that leaves what it is told of inputs in files.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * $SEEN/WEIGHT.f32 gets [2][columns] numbers: the means of |x|, and those of x^2.
 */
#include <llmc/Plugin/plugin.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct work {
  const llmc_host *host;
  llmc_run *run;
  const llmc_job *job;
} work;

static int compress(void *context, llmc_row *row) {
  const work *w = context;
  for (int64_t g = 0; g < w->job->groups; ++g) {
    int64_t begin = g * w->job->group_columns,
            end = begin + w->job->group_columns;
    float largest = 0;
    for (int64_t k = begin; k < end && k < w->job->columns; ++k)
      largest = fmaxf(largest, fabsf(row->values[k]));
    row->scales[g] = largest / (float)w->job->format->highest;
  }
  int status = w->host->store_scales(w->run, row->index, row->scales);
  return status ? status
                : w->host->encode_row(w->run, row->index, row->values,
                                      row->scales, NULL);
}

static int run(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  const llmc_statistics *known = job->statistics;
  work w = {host, run, job};
  if (known->mean_absolute && known->mean_square) {
    char path[4096];
    size_t count = (size_t)job->columns;
    snprintf(path, sizeof path, "%s/%s.f32", getenv("SEEN"), job->weight);
    FILE *file = fopen(path, "wb");
    if (!file)
      return host->fail(run, "cannot create a file in SEEN");
    fwrite(known->mean_absolute, sizeof(float), count, file);
    fwrite(known->mean_square, sizeof(float), count, file);
    if (fclose(file))
      return host->fail(run, "cannot write a file in SEEN");
  }
  return host->each_row(run, compress, &w, 0, 1);
}

static const llmc_method methods[] = {
    {sizeof(llmc_method), "seen.inputs", "leaves statistics in files", NULL, 0,
     LLMC_USES_MEAN_ABSOLUTE | LLMC_USES_MEAN_SQUARE, run}};

static const llmc_plugin plugin = {.size = sizeof(llmc_plugin),
                                   .abi = LLMC_PLUGIN_ABI,
                                   .needs = 1,
                                   .vendor = "seen",
                                   .version = "1.0",
                                   .methods = methods,
                                   .method_count = 1};

LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) { return &plugin; }
