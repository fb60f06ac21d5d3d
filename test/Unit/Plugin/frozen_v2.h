/* frozen_v2.h - llmc/Plugin/plugin.h as it was with LLMC_PLUGIN_ABI 2, without
 * its comments. Never changes: plugins compiled with it must load.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 */
#ifndef LLMC_PLUGIN_PLUGIN_H
#define LLMC_PLUGIN_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LLMC_PLUGIN_ABI 2

#if defined(_WIN32)
#define LLMC_PLUGIN_EXPORT __declspec(dllexport)
#else
#define LLMC_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

#define LLMC_PLUGIN_HAS(pointer, member)                                       \
  ((pointer)->size >=                                                          \
   (size_t)((const char *)(&(pointer)->member + 1) - (const char *)(pointer)))

typedef enum llmc_result {
  LLMC_METHOD_OK = 0,
  LLMC_METHOD_FAILED = 1,
  LLMC_METHOD_STOPPED = 2
} llmc_result;

typedef enum llmc_option_type {
  LLMC_OPTION_INTEGER = 1,
  LLMC_OPTION_REAL = 2,
  LLMC_OPTION_CHOICE = 3,
  LLMC_OPTION_FLAG = 4
} llmc_option_type;

typedef struct llmc_option {
  size_t size;

  const char *name;

  const char *help;
  uint32_t type;
  uint32_t reserved;

  const char *fallback;

  double lowest, highest;

  const char *choices;
} llmc_option;

typedef enum llmc_real {
  LLMC_REAL_NONE = 0,
  LLMC_REAL_F32 = 1,
  LLMC_REAL_F16 = 2,
  LLMC_REAL_BF16 = 3
} llmc_real;

typedef enum llmc_span {
  LLMC_SPAN_GROUP = 0,
  LLMC_SPAN_BLOCK = 1,
  LLMC_SPAN_ROW = 2
} llmc_span;

typedef enum llmc_scale_code {
  LLMC_SCALE_NONE = 0,
  LLMC_SCALE_U4 = 1,
  LLMC_SCALE_U6 = 2,
  LLMC_SCALE_U8 = 3,
  LLMC_SCALE_I8 = 4,
  LLMC_SCALE_E8M0 = 5,
  LLMC_SCALE_UE4M3 = 6
} llmc_scale_code;

typedef struct llmc_chain {
  size_t size;
  uint32_t real;
  uint32_t span;
  uint32_t code;

  uint32_t negated;
} llmc_chain;

typedef struct llmc_format {
  size_t size;
  const char *name;

  uint32_t dense;
  uint32_t bits;
  uint32_t level_count;

  uint32_t even;
  const int8_t *levels;
  int32_t lowest, highest;
  const llmc_chain *scale;
  const llmc_chain *minimum;
} llmc_format;

typedef struct llmc_statistics {
  size_t size;
  const float *mean_absolute;
  const float *mean_square;
  const float *gram;
} llmc_statistics;

#define LLMC_USES_MEAN_ABSOLUTE ((uint64_t)1)
#define LLMC_USES_MEAN_SQUARE ((uint64_t)2)
#define LLMC_USES_GRAM ((uint64_t)4)

typedef struct llmc_job {
  size_t size;
  const char *weight;
  int64_t rows, columns;

  int64_t groups, group_columns;
  const llmc_format *format;
  const llmc_statistics *statistics;

  const float *column_scale;

  const int64_t *integers;

  const double *reals;

  uint64_t seed;
} llmc_job;

typedef struct llmc_row {
  size_t size;
  int64_t index;
  float *values;
  float *scales;
  float *minimums;
  uint8_t *codes;
} llmc_row;

typedef struct llmc_run llmc_run;

typedef int (*llmc_body)(void *context, int64_t index);
typedef int (*llmc_row_body)(void *context, llmc_row *row);

typedef struct llmc_host {
  size_t size;
  uint32_t abi;
  uint32_t reserved;

  void *(*allocate)(llmc_run *run, size_t bytes);

  void (*release)(llmc_run *run, void *memory);

  int (*fail)(llmc_run *run, const char *text);

  void (*note)(llmc_run *run, const char *text);

  int (*parallel_for)(llmc_run *run, int64_t count, llmc_body body,
                      void *context, double from, double to);

  int (*each_row)(llmc_run *run, llmc_row_body body, void *context, double from,
                  double to);

  int (*progress)(llmc_run *run, double part);

  uint64_t (*random)(uint64_t *state);

  int (*read)(llmc_run *run, int64_t row, int64_t begin, int64_t end,
              float *out);

  int (*set_column_scale)(llmc_run *run, const float *scale);

  int (*store_scales)(llmc_run *run, int64_t row, float *scales);

  int (*store_minimums)(llmc_run *run, int64_t row, float *minimums);

  int (*encode_row)(llmc_run *run, int64_t row, const float *values,
                    const float *scales, const float *minimums);

  int (*write_codes)(llmc_run *run, int64_t row, const uint8_t *codes);

  int (*write_values)(llmc_run *run, int64_t row, const float *values);
} llmc_host;

typedef struct llmc_method {
  size_t size;

  const char *name;

  const char *summary;

  const llmc_option *options;
  size_t option_count;
  uint64_t uses;

  int (*run)(const llmc_host *host, llmc_run *run, const llmc_job *job);
} llmc_method;

typedef struct llmc_term {
  size_t size;

  const int8_t *levels;

  int32_t lowest, highest;

  const llmc_chain *scale;

  const char *function;
} llmc_term;

typedef struct llmc_format_definition {
  size_t size;

  const char *name;

  const char *summary;
  uint32_t bits;

  uint32_t group;

  const llmc_term *terms;
  size_t term_count;

  const llmc_chain *minimum;
} llmc_format_definition;

typedef struct llmc_plugin {
  size_t size;
  uint32_t abi;

  uint32_t needs;

  const char *vendor;
  const char *version;

  const llmc_method *methods;
  size_t method_count;

  const llmc_format_definition *formats;
  size_t format_count;
} llmc_plugin;

typedef const llmc_plugin *(*llmc_plugin_entry)(void);
LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void);

#ifdef __cplusplus
}
#endif

#endif
