/* watched.c - Methods whose faults only a sanitizer finds, and one without.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 */
#include <llmc/Plugin/plugin.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct work {
  const llmc_host *host;
  llmc_run *run;
  const llmc_job *job;
  float *copy; /* [columns] */
  void (*fault)(const struct work *w, const llmc_row *row);
} work;

static int compress(void *context, llmc_row *row) {
  const work *w = context;
  w->fault(w, row);
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

static int run(const llmc_host *host, llmc_run *run, const llmc_job *job,
               void (*fault)(const work *w, const llmc_row *row)) {
  work w = {host, run, job, NULL, fault};
  if (strcmp(job->format->name, "i4g64") != 0) {
    char text[160];
    snprintf(text, sizeof text, "expected i4g64 but got '%s'",
             job->format->name);
    return host->fail(run, text);
  }
  w.copy = calloc((size_t)job->columns, sizeof(float));
  if (!w.copy)
    return host->fail(run, "out of memory");
  int status = host->each_row(run, compress, &w, 0, 1);
  free(w.copy);
  return status;
}

static __thread volatile float seen;
static int64_t rows;
static void *volatile lost;

static void no_fault(const work *w, const llmc_row *row) {
  seen = w->copy[row->index % w->job->columns];
}
/* One float behind an array of its own. */
static void reads(const work *w, const llmc_row *row) {
  if (row->index == 0)
    seen = w->copy[w->job->columns];
}
static void leaks(const work *w, const llmc_row *row) {
  if (row->index == 0 && w)
    lost = malloc(64);
}
/* Without an effect on what is stored. */
static void races(const work *w, const llmc_row *row) {
  rows += w->job->columns + row->index;
}
static void overflows(const work *w, const llmc_row *row) {
  int most = 2147483647;
  seen = (float)(most + (int)w->job->columns + (int)row->index);
}

#define METHOD(name, fault)                                                    \
  static int name(const llmc_host *host, llmc_run *r, const llmc_job *job) {   \
    return run(host, r, job, fault);                                           \
  }
METHOD(good, no_fault)
METHOD(read, reads)
METHOD(leak, leaks)
METHOD(race, races)
METHOD(overflow, overflows)

#define ENTRY(name)                                                            \
  { sizeof(llmc_method), "watched." #name, "see its name", NULL, 0, 0, name }
static const llmc_method methods[] = {ENTRY(good), ENTRY(read), ENTRY(leak),
                                      ENTRY(race), ENTRY(overflow)};

static int64_t rows_of_metric;

static double measure(const llmc_position *at) {
  rows_of_metric += at->vocabulary;
  return 0;
}

static const llmc_metric metrics[] = {{.size = sizeof(llmc_metric),
                                       .name = "watched.count",
                                       .summary = "races, too",
                                       .aggregate = LLMC_AGGREGATE_MEAN,
                                       .better = LLMC_BETTER_LOWER,
                                       .lowest = 0,
                                       .highest = 1,
                                       .measure = measure}};
static const llmc_plugin plugin = {.size = sizeof(llmc_plugin),
                                   .abi = LLMC_PLUGIN_ABI,
                                   .needs = 3,
                                   .vendor = "watched",
                                   .version = "1.0",
                                   .methods = methods,
                                   .method_count =
                                       sizeof methods / sizeof methods[0],
                                   .metrics = metrics,
                                   .metric_count = 1};

LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) { return &plugin; }
