/* runs.c - Methods that do wrong while they run, each in one way.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 */
#include "llmc/Plugin/plugin.h"
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
  const llmc_host *host;
  llmc_run *run;
  const llmc_job *job;
  int kind;
} work;

enum {
  RIGHT,
  NAN_SCALE,
  WRONG_CODE,
  NO_CODES,
  SKIPS_ROWS,
  OVERRUN,
  NESTED,
  BEYOND,
  CHANCE
};

static int nothing(void *context, int64_t index) {
  (void)context;
  (void)index;
  return LLMC_METHOD_OK;
}

static int compress(void *context, llmc_row *row) {
  const work *w = context;
  const llmc_host *host = w->host;
  int64_t g, k, groups = w->job->groups, width = w->job->group_columns;
  for (g = 0; g < groups; ++g) {
    float largest = 0;
    for (k = g * width; k < (g + 1) * width && k < w->job->columns; ++k)
      largest = fmaxf(largest, fabsf(row->values[k]));
    row->scales[g] = largest / (float)w->job->format->highest;
  }
  if (w->kind == NAN_SCALE)
    row->scales[groups / 2] = NAN;
  if (w->kind == OVERRUN)
    row->scales[groups] = 1;
  if (w->kind == CHANCE)
    row->scales[0] *= 1 + (float)((size_t)(void *)&k % 4096) / 1e4f;
  if (w->kind == SKIPS_ROWS && row->index % 2)
    return LLMC_METHOD_OK;
  if (w->kind == NESTED)
    return host->parallel_for(w->run, 2, nothing, NULL, 0, 0);
  if (w->kind == BEYOND)
    return host->read(w->run, w->job->rows, 0, 1, row->values);
  if (host->store_scales(w->run, row->index, row->scales))
    return w->kind == NAN_SCALE ? LLMC_METHOD_OK : LLMC_METHOD_FAILED;
  if (w->kind == NO_CODES)
    return LLMC_METHOD_OK;
  if (w->kind == WRONG_CODE) {
    for (k = 0; k < w->job->columns; ++k)
      row->codes[k] = (uint8_t)w->job->format->level_count;
    return host->write_codes(w->run, row->index, row->codes);
  }
  return host->encode_row(w->run, row->index, row->values, row->scales, NULL);
}

static int each(int kind, const llmc_host *host, llmc_run *run,
                const llmc_job *job) {
  work w = {host, run, job, kind};
  if (job->format->dense || job->format->minimum) {
    char text[200];
    snprintf(text, sizeof text, "expected no minimum but got '%s'",
             job->format->name);
    return host->fail(run, text);
  }
  return host->each_row(run, compress, &w, 0, 1);
}

#define KIND(name, kind)                                                       \
  static int name(const llmc_host *host, llmc_run *run, const llmc_job *job) { \
    return each(kind, host, run, job);                                         \
  }
KIND(right, RIGHT)
KIND(nan_scale, NAN_SCALE)
KIND(wrong_code, WRONG_CODE)
KIND(no_codes, NO_CODES)
KIND(skips_rows, SKIPS_ROWS)
KIND(overrun, OVERRUN)
KIND(nested, NESTED)
KIND(beyond, BEYOND)
KIND(chance, CHANCE)

static int does_nothing(const llmc_host *host, llmc_run *run,
                        const llmc_job *job) {
  (void)host;
  (void)run;
  (void)job;
  return LLMC_METHOD_OK;
}

static int silent(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  (void)host;
  (void)run;
  (void)job;
  return LLMC_METHOD_FAILED;
}

static int stops(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  (void)host;
  (void)run;
  (void)job;
  return LLMC_METHOD_STOPPED;
}

static int bad_columns(const llmc_host *host, llmc_run *run,
                       const llmc_job *job) {
  float *scale = host->allocate(run, sizeof(float) * (size_t)job->columns);
  if (!scale)
    return LLMC_METHOD_FAILED;
  for (int64_t k = 0; k < job->columns; ++k)
    scale[k] = 1;
  scale[job->columns - 1] = -1;
  return host->set_column_scale(run, scale);
}

static int crashes(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  (void)host;
  (void)run;
  (void)job;
  abort();
}

static int ends(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  (void)host;
  (void)run;
  (void)job;
  _exit(0);
}

static int hangs(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  (void)host;
  (void)run;
  (void)job;
  for (;;)
    pause();
}

/* Chooses the codes itself: the same as those of `right`. */
static int choose(void *context, llmc_row *row) {
  const work *w = context;
  const llmc_format *format = w->job->format;
  int64_t g, k, groups = w->job->groups, width = w->job->group_columns;
  for (g = 0; g < groups; ++g) {
    float largest = 0;
    for (k = g * width; k < (g + 1) * width && k < w->job->columns; ++k)
      largest = fmaxf(largest, fabsf(row->values[k]));
    row->scales[g] = largest / (float)format->highest;
  }
  if (w->host->store_scales(w->run, row->index, row->scales))
    return LLMC_METHOD_FAILED;
  for (k = 0; k < w->job->columns; ++k) {
    double best = INFINITY;
    for (uint32_t code = 0; code < format->level_count; ++code) {
      double off = fabs((double)row->values[k] -
                        (double)row->scales[k / width] * format->levels[code]);
      if (off < best) {
        best = off;
        row->codes[k] = (uint8_t)code;
      }
    }
  }
  return w->host->write_codes(w->run, row->index, row->codes);
}

/* Asks for everything that the others do not. */
static int services(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  work w = {host, run, job, RIGHT};
  uint64_t state = 0;
  char *memory;
  if (job->format->dense || job->format->minimum)
    return each(RIGHT, host, run, job);
  /* The first number of SplitMix64 from 0. */
  if (host->random(&state) != 0xe220a8397b1dcdafu)
    return host->fail(run, "expected SplitMix64");
  if (host->allocate(run, (size_t)-1))
    return host->fail(run, "expected no memory of that size");
  memory = host->allocate(run, 100);
  if (!memory || (size_t)memory % 64 || memory[0] || memory[99])
    return host->fail(run, "expected zeros at a multiple of 64 bytes");
  host->release(run, NULL);
  host->release(run, memory);
  if (!host->allocate(run, 1000) || host->progress(run, 0.25))
    return LLMC_METHOD_STOPPED;
  host->note(run, "first");
  host->note(run, job->statistics->mean_square ? "known\ninputs" : "second");
  return host->each_row(run, choose, &w, 0.5, 1);
}

/* Leave something behind, each run or where it fails. */
static void *volatile taken;

static int leaves_memory(const llmc_host *host, llmc_run *run,
                         const llmc_job *job) {
  taken = malloc(65536);
  return right(host, run, job);
}

static int leaves_at_errors(const llmc_host *host, llmc_run *run,
                            const llmc_job *job) {
  void *memory = malloc(24);
  int status = right(host, run, job);
  taken = memory;
  if (status == LLMC_METHOD_OK)
    free(memory);
  return status;
}

static int leaves_files(const llmc_host *host, llmc_run *run,
                        const llmc_job *job) {
  return open("/dev/null", O_RDONLY) < 0 ? LLMC_METHOD_FAILED
                                         : right(host, run, job);
}

static int leaves_pages(const llmc_host *host, llmc_run *run,
                        const llmc_job *job) {
  taken = mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return right(host, run, job);
}

static void *wait_for_ever(void *context) {
  (void)context;
  for (;;)
    pause();
}

static int leaves_threads(const llmc_host *host, llmc_run *run,
                          const llmc_job *job) {
  pthread_t thread;
  return pthread_create(&thread, NULL, wait_for_ever, NULL)
             ? LLMC_METHOD_FAILED
             : right(host, run, job);
}

/* What one run keeps for the next is no leak. */
static int keeps(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  static int64_t largest;
  if (job->columns > largest) {
    largest = job->columns;
    taken = realloc(taken, sizeof(float) * (size_t)largest);
  }
  return right(host, run, job);
}

#define METHOD(name)                                                           \
  { sizeof(llmc_method), "runs." #name, "does what it says", NULL, 0, 0, name }

static const llmc_method methods[] = {METHOD(right),
                                      METHOD(nan_scale),
                                      METHOD(wrong_code),
                                      METHOD(no_codes),
                                      METHOD(skips_rows),
                                      METHOD(overrun),
                                      METHOD(nested),
                                      METHOD(beyond),
                                      METHOD(chance),
                                      METHOD(does_nothing),
                                      METHOD(silent),
                                      METHOD(stops),
                                      METHOD(bad_columns),
                                      METHOD(crashes),
                                      METHOD(ends),
                                      METHOD(hangs),
                                      METHOD(services),
                                      METHOD(leaves_memory),
                                      METHOD(leaves_at_errors),
                                      METHOD(leaves_files),
                                      METHOD(leaves_pages),
                                      METHOD(leaves_threads),
                                      METHOD(keeps)};
static const llmc_plugin plugin = {sizeof(llmc_plugin),
                                   LLMC_PLUGIN_ABI,
                                   1,
                                   "runs",
                                   "1.0",
                                   methods,
                                   sizeof methods / sizeof methods[0],
                                   NULL,
                                   0,
                                   NULL,
                                   0};

LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) { return &plugin; }
