/* ternary.c - Weights -1, 0 and 1 times a scale for each group.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * A method for formats whose levels are -1, 0 and 1 (`ternary`, `t2g64`, ...).
 * If the n numbers of largest magnitude in a group become +-s, and the others 0,
 * the squared error is the sum of all squares less 2 s A + n s^2, where A is the
 * sum of those magnitudes. The best s is A / n, which takes A^2 / n off; so the
 * best of all is found by trying every n on the sorted magnitudes. A number is
 * then among the n exactly if it is nearer to s than to 0.
 *
 * The option `threshold: mean` takes instead those above 0.7 times the mean
 * magnitude, as Ternary Weight Networks do (Li, Zhang and Liu 2016, arXiv
 * 1605.04711, section 2.2), and the mean of their magnitudes as s.
 */
#include <llmc/Plugin/plugin.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const llmc_host *host;
  llmc_run *run;
  const llmc_job *job;
} work;

/* Places of options, and of the words of `threshold`. */
enum { THRESHOLD };
enum { BEST, MEAN };

static int descending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x < y) - (x > y);
}

/* The scale of the smallest squared error; sorts the magnitudes [count]. */
static float find_best(float *magnitudes, int64_t count) {
  double sum = 0, most = 0, scale = 0;
  qsort(magnitudes, (size_t)count, sizeof *magnitudes, descending);
  for (int64_t n = 1; n <= count; ++n) {
    sum += magnitudes[n - 1];
    double gain = sum * sum / (double)n;
    if (gain > most) {
      most = gain;
      scale = sum / (double)n;
    }
  }
  return (float)scale;
}

/* The mean of the magnitudes [count] above 0.7 times their mean. */
static float find_mean(const float *magnitudes, int64_t count) {
  double sum = 0, above = 0;
  int64_t n = 0;
  for (int64_t k = 0; k < count; ++k)
    sum += magnitudes[k];
  for (int64_t k = 0; k < count; ++k)
    if (magnitudes[k] > 0.7 * sum / (double)count) {
      above += magnitudes[k];
      ++n;
    }
  return n ? (float)(above / (double)n) : 0;
}

static int compress(void *context, llmc_row *row) {
  const work *w = context;
  const llmc_job *job = w->job;
  float *magnitudes = w->host->allocate(w->run, sizeof *magnitudes *
                                                    (size_t)job->group_columns);
  if (!magnitudes)
    return LLMC_METHOD_FAILED;
  for (int64_t g = 0; g < job->groups; ++g) {
    int64_t begin = g * job->group_columns, left = job->columns - begin;
    int64_t count = left < job->group_columns ? left : job->group_columns;
    for (int64_t k = 0; k < count; ++k)
      magnitudes[k] = fabsf(row->values[begin + k]);
    row->scales[g] = job->integers[THRESHOLD] == BEST
                         ? find_best(magnitudes, count)
                         : find_mean(magnitudes, count);
  }
  w->host->release(w->run, magnitudes);
  int status = w->host->store_scales(w->run, row->index, row->scales);
  if (status != LLMC_METHOD_OK)
    return status;
  return w->host->encode_row(w->run, row->index, row->values, row->scales,
                             NULL);
}

static int run(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  work w = {host, run, job};
  const llmc_format *format = job->format;
  if (format->dense || format->minimum || format->lowest != -1 ||
      format->highest != 1) {
    char text[160] = "expected levels -1, 0 and 1, as 'ternary' has them, but "
                     "got format '";
    strncat(text, format->name, sizeof text - strlen(text) - 2);
    return host->fail(run, strcat(text, "'"));
  }
  return host->each_row(run, compress, &w, 0, 1);
}

static const llmc_option options[] = {
    {sizeof(llmc_option), "threshold",
     "which numbers become 0: best is the smallest squared error, mean those "
     "below 0.7 times the mean magnitude",
     LLMC_OPTION_CHOICE, 0, "best", 0, 0, "best|mean"}};
static const llmc_method methods[] = {
    {sizeof(llmc_method), "example.ternary",
     "-1, 0 or 1 times a scale for each group, of the smallest squared error",
     options, 1, 0, run}};
static const llmc_plugin plugin = {.size = sizeof(llmc_plugin),
                                   .abi = LLMC_PLUGIN_ABI,
                                   .needs = 1,
                                   .vendor = "example",
                                   .version = "1.0",
                                   .methods = methods,
                                   .method_count = 1};

LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) { return &plugin; }
