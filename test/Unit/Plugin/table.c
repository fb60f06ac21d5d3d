/* table.c - A plugin that is right, or wrong in the one way that is defined.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 */
#ifdef FROZEN
#include "frozen_v1.h"
#else
#include "llmc/Plugin/plugin.h"
#endif
#include <stdlib.h>
#include <unistd.h>

static int compress(void *context, llmc_row *row) {
  (void)context;
  (void)row;
  return LLMC_METHOD_FAILED;
}

static int run(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  (void)job;
  return host->each_row(run, compress, NULL, 0, 1);
}

/* Structs of a header that is newer than the host. */
typedef struct {
  llmc_option known;
  const char *unit;
} newer_option;
typedef struct {
  llmc_method known;
  uint64_t more[2];
} newer_method;
typedef struct {
  llmc_plugin known;
  const void *passes;
  size_t pass_count;
} newer_plugin;

#if defined(EXTENDED)
#define OPTION_SIZE sizeof(newer_option)
#define METHOD_SIZE sizeof(newer_method)
#define PLUGIN_SIZE sizeof(newer_plugin)
#define ABI 7
#else
#define OPTION_SIZE sizeof(llmc_option)
#define METHOD_SIZE sizeof(llmc_method)
#define PLUGIN_SIZE sizeof(llmc_plugin)
#define ABI LLMC_PLUGIN_ABI
#endif

#define LINE "0123456789012345678901234567890123456789012345678901234567890123"

static const newer_option options[] = {
    {{OPTION_SIZE, "count",
#if defined(CONTROL_HELP)
      "a\nb",
#elif defined(LONG_HELP)
      LINE LINE LINE LINE LINE LINE LINE,
#elif defined(NOT_UTF8)
      "a\xff",
#else
      "how many",
#endif
#if defined(BAD_TYPE)
      9,
#else
      LLMC_OPTION_INTEGER,
#endif
      0,
#if defined(BAD_DEFAULT)
      "11",
#else
      "3",
#endif
#if defined(BAD_RANGE)
      10, 1,
#else
      1, 10,
#endif
      NULL},
     "1"},
    {{
#if defined(SMALL_OPTION)
         8,
#else
         OPTION_SIZE,
#endif
#if defined(TWIN_OPTIONS)
         "count",
#elif defined(RESERVED_OPTION)
         "bits",
#else
         "shape",
#endif
         "which", LLMC_OPTION_CHOICE, 0, "round", 0, 0,
#if defined(BAD_CHOICES)
         "round|round"
#else
         "round|flat"
#endif
     },
     "1"}};

#if defined(EXTENDED)
#define OPTIONS &options[0].known, 2
#else
/* Without what is newer, arrays have the known struct's stride. */
static llmc_option plain[2];
#define OPTIONS plain, 2
__attribute__((constructor)) static void fill(void) {
  plain[0] = options[0].known;
  plain[1] = options[1].known;
}
#endif

#if defined(EXTENDED)
static const newer_method methods[] = {
    {{METHOD_SIZE, "test.one", "the first", OPTIONS, 0, run}, {1, 2}},
    {{METHOD_SIZE, "test.two", "the second", NULL, 0, 1u << 20, run}, {3, 4}}};
#define METHODS &methods[0].known
#else
__attribute__((unused)) static const llmc_method methods[] = {
    {
#if defined(SMALL_METHOD)
        16,
#else
        METHOD_SIZE,
#endif
#if defined(NULL_NAME)
        NULL,
#elif defined(UNPREFIXED)
        "rtn",
#elif defined(CONTROL_NAME)
        "test.o\033[31mne",
#elif defined(LLMC_VENDOR)
        "llmc.one",
#else
        "test.one",
#endif
        "the first", OPTIONS, 0,
#if defined(NULL_RUN)
        NULL
#else
        run
#endif
    },
    {METHOD_SIZE,
#if defined(TWIN_METHODS)
     "test.one",
#else
     "test.two",
#endif
     "the second", NULL, 0, 0, run}};
#define METHODS methods
#endif

__attribute__((unused)) static const newer_plugin plugin = {{
#if defined(SMALL_PLUGIN)
                                                                8,
#elif defined(HUGE_PLUGIN)
                                                                (size_t)1 << 40,
#else
                                                                PLUGIN_SIZE,
#endif
                                                                ABI,
#if defined(OLD_HOST)
                                                                99,
#else
                                                                1,
#endif
#if defined(LLMC_VENDOR)
                                                                "llmc",
#else
                                                                "test",
#endif
                                                                "1.0",
#if defined(NO_METHODS)
                                                                NULL,
#else
                                                                METHODS,
#endif
#if defined(MANY_METHODS)
                                                                1000000000
#else
                                                                2
#endif
#if !defined(FROZEN)
                                                                ,
                                                                NULL, 0, NULL, 0
#endif
                                                            },
                                                            NULL,
                                                            0};

#if defined(EXITS)
__attribute__((constructor)) static void leave(void) { exit(0); }
#elif defined(CRASHES)
__attribute__((constructor)) static void crash(void) { abort(); }
#elif defined(LEAVES)
__attribute__((constructor)) static void leave(void) { _exit(0); }
#elif defined(HANGS)
__attribute__((constructor)) static void hang(void) {
  for (;;)
    pause();
}
#endif

#if !defined(NO_SYMBOL)
LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) {
#if defined(NULL_TABLE)
  return NULL;
#else
  return &plugin.known;
#endif
}
#else
LLMC_PLUGIN_EXPORT const llmc_plugin *other_entry(void) {
  return &plugin.known;
}
#endif
