/*===- plugin.h - What a plugin and llmc say to each other ----------------===*
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * A plugin is a shared library that brings compression methods, formats and
 * metrics. It exports one function, llmc_plugin_v1, and links nothing of llmc: all that it needs from
 * llmc comes to it as a table of functions. Plain C99; any language that can
 * make a shared library with C functions will do.
 *
 *   #include <llmc/Plugin/plugin.h>
 *
 *   static int half(void *context, llmc_row *row) { ... }
 *   static int run(const llmc_host *host, llmc_run *run, const llmc_job *job) {
 *     ...
 *     return host->each_row(run, half, &state, 0, 1);
 *   }
 *   static const llmc_method methods[] = {
 *       {sizeof(llmc_method), "example.half", "what it does", NULL, 0, 0, run}};
 *   static const llmc_plugin plugin = {
 *       .size = sizeof(llmc_plugin), .abi = LLMC_PLUGIN_ABI, .needs = 1,
 *       .vendor = "example", .version = "1.0",
 *       .methods = methods, .method_count = 1};
 *   LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) {
 *     return &plugin;
 *   }
 *
 * What never changes. This header is append-only: structs grow at their end,
 * enumerations by new numbers, and nothing that stands here gets another
 * meaning. Every struct begins with its size in bytes, set by whoever makes it.
 * A reader uses no member beyond that size, and takes one that is not there as
 * zero; what lies behind the members it knows it does not look at. So a plugin
 * runs in every later llmc, and in every earlier one that has what it `needs`.
 * LLMC_PLUGIN_HAS tells whether a struct is long enough for a member. Layouts
 * are those of the C compiler of the platform; the platform has pointers of 64
 * bits.
 *
 * Errors. Functions that return int return LLMC_METHOD_OK (0) or another
 * llmc_result, and a method that meets another one returns it, at once. The text
 * of an error is kept by llmc: by the service that failed, or by `fail`. Nothing
 * may be thrown or jumped across a function of this header. A method that
 * returns another result without a text, or LLMC_METHOD_OK before every row is
 * written, is an error that names the plugin.
 *
 * Threads. `run` is called by one thread; several matrices may be compressed at
 * the same time, so a plugin keeps nothing that it writes to outside of `run`.
 * The bodies of parallel_for and each_row run on many threads at once, and
 * services may be called from all of them; where that is not so it is said. A
 * row is written by one thread at a time.
 *
 * A plugin leaves the process as it is: signal handlers, locale, rounding mode,
 * working folder.
 *
 * Results depend on the job alone: never on the number of threads, the time, an
 * address or the processor. Sum in a fixed order, and compile with
 * -ffp-contract=off.
 *
 * Texts are UTF-8 without control characters. Matrices are row-major, and a
 * matrix W is used as y = W x: a row makes one output, a column takes one input.
 *===----------------------------------------------------------------------===*/
#ifndef LLMC_PLUGIN_PLUGIN_H
#define LLMC_PLUGIN_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counts what was appended to this header: 2 has formats of plugins, 3 metrics
 * and transforms of formats, 4 formats of vectors, 5 methods for sums of several
 * products. */
#define LLMC_PLUGIN_ABI 5

#if defined(_WIN32)
#define LLMC_PLUGIN_EXPORT __declspec(dllexport)
#else
#define LLMC_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

/* Whether the struct at `pointer` is long enough to have `member`. */
#define LLMC_PLUGIN_HAS(pointer, member)                                       \
  ((pointer)->size >=                                                          \
   (size_t)((const char *)(&(pointer)->member + 1) - (const char *)(pointer)))

/* How a call ended. */
typedef enum llmc_result {
  LLMC_METHOD_OK = 0,
  LLMC_METHOD_FAILED = 1, /* llmc has the text */
  LLMC_METHOD_STOPPED = 2 /* somebody asked not to go on: no error of anyone */
} llmc_result;

/* ---- options --------------------------------------------------------------*/

typedef enum llmc_option_type {
  LLMC_OPTION_INTEGER = 1,
  LLMC_OPTION_REAL = 2,
  LLMC_OPTION_CHOICE = 3, /* one of few words */
  LLMC_OPTION_FLAG = 4    /* true or false */
} llmc_option_type;

/* One option of a method. llmc checks what people set, prints the help, and
 * gives the method a value for every option. */
typedef struct llmc_option {
  size_t size;
  /* 1 to 32 of a-z, 0-9 and _, a letter first. Not one of the words that rules
   * of recipes have: match, read, method, format, bits, group, activations. */
  const char *name;
  /* A line for people, at most 400 bytes: what it does, and in which unit. */
  const char *help;
  uint32_t type;     /* llmc_option_type */
  uint32_t reserved; /* 0 */
  /* The default as people write it: "20", "0.7", "true", a word of `choices`. */
  const char *fallback;
  /* INTEGER and REAL: the range, both bounds included, finite; of INTEGER
   * whole numbers within 2^53. Else not read. */
  double lowest, highest;
  /* CHOICE: the words, separated by '|', each as names are. Else NULL. */
  const char *choices;
} llmc_option;

/* ---- formats --------------------------------------------------------------*/

/* How a real number is stored. NONE: not at all, it is 1. */
typedef enum llmc_real {
  LLMC_REAL_NONE = 0,
  LLMC_REAL_F32 = 1,
  LLMC_REAL_F16 = 2,
  LLMC_REAL_BF16 = 3
} llmc_real;

/* The columns of a row that share a real: a group, 256, or all. */
typedef enum llmc_span {
  LLMC_SPAN_GROUP = 0,
  LLMC_SPAN_BLOCK = 1,
  LLMC_SPAN_ROW = 2
} llmc_span;

/* How the small factor of a group is stored. NONE: not at all, it is 1. E8M0 is
 * a power of two, UE4M3 a float of four bits of exponent and three of fraction
 * without a sign; the others are integers. */
typedef enum llmc_scale_code {
  LLMC_SCALE_NONE = 0,
  LLMC_SCALE_U4 = 1,
  LLMC_SCALE_U6 = 2,
  LLMC_SCALE_U8 = 3,
  LLMC_SCALE_I8 = 4,
  LLMC_SCALE_E8M0 = 5,
  LLMC_SCALE_UE4M3 = 6
} llmc_scale_code;

/* How the scale or the minimum of a group is stored: real * code, or
 * -real * code where it is negated. */
typedef struct llmc_chain {
  size_t size;
  uint32_t real; /* llmc_real */
  uint32_t span; /* llmc_span, of the real */
  uint32_t code; /* llmc_scale_code */
  /* Nonzero: what is stored has no sign and is subtracted, so the number cannot
   * be above 0. */
  uint32_t negated;
} llmc_chain;

/* What values a format can hold. The value of a code in group g of row r is
 *
 *   scale[r][g] * levels[code] + minimum[r][g]
 *
 * In a format of vectors a code stands for `weights` columns beside each other,
 * and the value of column k is
 *
 *   scale[r][g] * levels[code * weights + k % weights] + minimum[r][g]
 *
 * with code k / weights of the row. Such formats are given to methods that have
 * LLMC_TAKES_VECTORS.
 *
 * In a format that is a sum of several products, the value of a code is
 *
 *   sum over t of scale_t[r][g] * term_levels[t][code] + minimum[r][g]
 *
 * Such formats are given to methods that have LLMC_TAKES_SUMS.
 *
 * In a dense format there are no codes: every number is stored by itself. */
typedef struct llmc_format {
  size_t size;
  const char *name; /* for messages: "u4g64.f16" */
  /* Dense: how numbers are stored, an llmc_real, and the members below are 0
   * and NULL. Else LLMC_REAL_NONE. */
  uint32_t dense;
  uint32_t bits;        /* of a code, 1 to 8 */
  uint32_t level_count; /* codes are 0 to level_count - 1 */
  /* Nonzero: levels[code] is code + levels[0], so they are even. */
  uint32_t even;
  const int8_t *levels;    /* [level_count], not always ascending */
  int32_t lowest, highest; /* of the levels */
  const llmc_chain *scale;
  const llmc_chain *minimum; /* NULL: the format has none, it is 0 */
  /* Since 4: weights of a code, 1, 2, 4 or 8. Of more than one, `levels` is
   * [level_count][weights], and a row has columns / weights codes, rounded up. */
  uint32_t weights;
  uint32_t reserved; /* 0 */
  /* Since 5: products of the sum, 1 to 3; 0 in a dense format. `levels` and
   * `scale` are those of the first; of a sum of several, `even` is 0. */
  uint64_t term_count;
  const int8_t *const *term_levels;     /* [term_count], each as `levels` */
  const llmc_chain *const *term_scales; /* [term_count], each as `scale` */
} llmc_format;

/* ---- jobs -----------------------------------------------------------------*/

/* What is known of the inputs x of the matrix, by column. NULL: not known. All
 * numbers are finite; means and squares are at least 0. Under a transform of the
 * format they are those of the inputs of what is stored, where they are known. */
typedef struct llmc_statistics {
  size_t size;
  const float *mean_absolute; /* [columns], mean of |x| */
  const float *mean_square;   /* [columns], mean of x^2 */
  const float *gram;          /* [columns][columns], mean of x x^T */
} llmc_statistics;

/* Statistics that a method makes use of, as bits of llmc_method.uses. Results
 * are better where they are there; a method works without them, too. */
#define LLMC_USES_MEAN_ABSOLUTE ((uint64_t)1)
#define LLMC_USES_MEAN_SQUARE ((uint64_t)2)
#define LLMC_USES_GRAM ((uint64_t)4)

/* Since 4, another bit of llmc_method.uses: the method knows what a format of
 * vectors is. One that chooses scales and minimums and leaves codes to encode_row
 * does; one that writes codes must count them by llmc_format.weights. */
#define LLMC_TAKES_VECTORS ((uint64_t)8)

/* Since 5: the method knows what a sum of several products is. Of those, scales
 * are [term_count][groups] in llmc_row, store_scales and encode_row. */
#define LLMC_TAKES_SUMS ((uint64_t)16)

/* One matrix to compress. It and all that it points to belong to llmc, are not
 * written to, and live until `run` returns. */
typedef struct llmc_job {
  size_t size;
  const char *weight; /* its name, for messages; llmc puts it before errors */
  int64_t rows, columns; /* at least 1 */
  /* Groups of a row, and columns of a group. The last group of a row may have
   * fewer columns. 0 in a dense format. */
  int64_t groups, group_columns;
  const llmc_format *format;
  const llmc_statistics *statistics;
  /* [columns]: a scale of columns that was chosen before; NULL: there is none,
   * and the method may set one. */
  const float *column_scale;
  /* [options of the method], in their order. Of INTEGER the number, of FLAG 0 or
   * 1, of CHOICE the position of the word, of REAL not used. */
  const int64_t *integers;
  /* [options of the method]. Of REAL and INTEGER the number, else not used. */
  const double *reals;
  /* For random numbers: the same for every run on the same weight. */
  uint64_t seed;
} llmc_job;

/* A row that each_row gives to a body: numbers that were read, and room to work
 * in. The body may write to all of it; it is gone when the body returns. */
typedef struct llmc_row {
  size_t size;
  int64_t index;
  float *values; /* [columns], as `read` gives them */
  /* [groups], not initialized; in a sum of several products
   * [term_count][groups]. */
  float *scales;
  float *minimums; /* [groups], zeros */
  uint8_t *codes;  /* [columns], not initialized */
} llmc_row;

/* ---- services -------------------------------------------------------------*/

/* One run of a method, known to llmc alone. */
typedef struct llmc_run llmc_run;

/* Bodies of loops. Return LLMC_METHOD_OK, or what made them stop. */
typedef int (*llmc_body)(void *context, int64_t index);
typedef int (*llmc_row_body)(void *context, llmc_row *row);

/* What llmc does for a method. Rows count from 0. */
typedef struct llmc_host {
  size_t size;
  uint32_t abi;      /* LLMC_PLUGIN_ABI of the llmc that runs the method */
  uint32_t reserved; /* 0 */

  /* Memory of `bytes`, at least 1, zeroed, at a multiple of 64 bytes; NULL with
   * an error where there is none. What is not released is when `run` returns. */
  void *(*allocate)(llmc_run *run, size_t bytes);
  /* NULL is allowed. */
  void (*release)(llmc_run *run, void *memory);

  /* Keeps the text of an error, which is copied. Returns LLMC_METHOD_FAILED, so
   * that one can write `return host->fail(run, "..."); `. A text says what was
   * expected and what came, begins in lower case and has no period at its end. */
  int (*fail)(llmc_run *run, const char *text);
  /* What reports should say beside the matrix; the last text counts, copied. */
  void (*note)(llmc_run *run, const char *text);

  /* Calls body(context, i) once for every i in [0, count), on any threads in any
   * order, and returns when all are done. Where one returns another result than
   * OK, or somebody asks to stop, those that have not begun are left out, and
   * that result is returned. Progress goes from `from` to `to` meanwhile, parts
   * of the whole run between 0 and 1; equal ones report none. Not to be called
   * from within a body. */
  int (*parallel_for)(llmc_run *run, int64_t count, llmc_body body,
                      void *context, double from, double to);
  /* The same for every row of the matrix, which is read before. */
  int (*each_row)(llmc_run *run, llmc_row_body body, void *context, double from,
                  double to);
  /* For work outside of those loops: `part` of it, 0 to 1, is done. Returns
   * LLMC_METHOD_STOPPED where somebody asks to stop. Call it at least once in
   * 100 ms. */
  int (*progress)(llmc_run *run, double part);

  /* 64 random bits. `state` begins as any number, say job->seed plus the index of
   * a row, and is advanced; the sequence is the same everywhere. */
  uint64_t (*random)(uint64_t *state);

  /* Columns [begin, end) of a row as f32, divided by the scale of columns if
   * there is one by now, and after the transform of the format if it has one:
   * what is to be rounded. All are finite; a matrix with others is refused, with
   * the place. */
  int (*read)(llmc_run *run, int64_t row, int64_t begin, int64_t end,
              float *out);
  /* Chooses the scale of columns: the matrix that is compressed has column k
   * divided by scale[k], and what multiplies the matrix makes up for it. Numbers
   * are positive, normal, and so are their reciprocals. Once, before any row is
   * stored, not from within a body, and only where job->column_scale is NULL. In
   * llmc compile it is not. Under a transform of the format, columns are divided
   * before it: read_plain gives them. */
  int (*set_column_scale)(llmc_run *run, const float *scale);

  /* A row of a format with codes is written by three calls, in this order, which
   * may be repeated; the last counts.
   *
   * Stores the scales of the groups as near as the format can, and writes back
   * to `scales` [groups] what it then holds. So what comes later can make up for
   * the rounding. Fails where one is not finite or too large for the format. */
  int (*store_scales)(llmc_run *run, int64_t row, float *scales);
  /* The same for minimums; only where format->minimum is not NULL. */
  int (*store_minimums)(llmc_run *run, int64_t row, float *minimums);
  /* For each of values [columns] the code for which scale * level + minimum is
   * the nearest, with scales and minimums [groups] as they were written back;
   * minimums may be NULL where the format has none. In a group whose scale is 0
   * it is the code of the level nearest to 0. In a format of vectors, the code is
   * that of the smallest sum of squared errors, which count by mean_square of
   * their columns, times the square of the scale of columns, where it is known. */
  int (*encode_row)(llmc_run *run, int64_t row, const float *values,
                    const float *scales, const float *minimums);
  /* Instead of encode_row: codes [columns] that the method chose itself, each
   * below format->level_count. Of vectors: [columns / weights, rounded up]. */
  int (*write_codes)(llmc_run *run, int64_t row, const uint8_t *codes);
  /* A row of a dense format, rounded to the nearest. Fails where a number is not
   * finite or too large. */
  int (*write_values)(llmc_run *run, int64_t row, const float *values);

  /* Since 3: as `read`, before the transform of the format. */
  int (*read_plain)(llmc_run *run, int64_t row, int64_t begin, int64_t end,
                    float *out);
} llmc_host;

/* ---- what a plugin brings -------------------------------------------------*/

/* A way to compress a matrix. */
typedef struct llmc_method {
  size_t size;
  /* "vendor.name": the vendor of the plugin, a dot, and 1 to 32 of a-z, 0-9 and
   * _, a letter first. Recipes and reports say it. */
  const char *name;
  /* A line for people, at most 400 bytes. */
  const char *summary;
  /* [option_count], all of the size that the first one has; NULL if none. At
   * most 64. */
  const llmc_option *options;
  size_t option_count;
  uint64_t uses; /* LLMC_USES_... and LLMC_TAKES_..., or 0 */
  /* Compresses one matrix. Returns when all of its work is done. */
  int (*run)(const llmc_host *host, llmc_run *run, const llmc_job *job);
} llmc_method;

/* The levels of one product of a format, and its scale. */
typedef struct llmc_term {
  size_t size;
  /* [2^bits]: the level of each code; of vectors [2^bits][weights]. Two codes may have the same; methods then
   * make the first of them. NULL: as `function` says. */
  const int8_t *levels;
  /* The range in which they lie, both bounds included. */
  int32_t lowest, highest;
  /* How the scale is stored where a recipe does not say it. Not negated. */
  const llmc_chain *scale;
  /* How kernels compute the level of a code, as text of MLIR, at most 8192 bytes;
   * NULL: llmc finds a way, which for more than 16 levels that are not one apart
   * is slow. NULL in a format of vectors. One function of one block,
   *
   *   func.func @levels(%code: i8) -> i8 {
   *     %offset = arith.constant -8 : i8
   *     %level = arith.addi %code, %offset : i8
   *     return %level : i8
   *   }
   *
   * whose ops are arith.constant, addi, subi, muli, andi, ori, xori, shli, shrui,
   * shrsi, maxsi, maxui, minsi, minui, cmpi, select, extui, extsi and trunci on
   * i1, i8, i16 and i32, and a look-up in up to 256 levels,
   *
   *   %table = arith.constant dense<[-1, 0, 1, 0]> : vector<4xi8>
   *   %index = arith.index_castui %code : i8 to index
   *   %level = vector.extract %table[%index] : i8 from vector<4xi8>
   *
   * at most 64 of them, without flags. llmc runs it once for each code when the
   * plugin is loaded, and must get the levels of the table, if there is one. Into
   * kernels it is spliced with vectors of the processor's width in the place of
   * i8: one text for all. Bytes are the fastest; look-ups of up to 16 levels are
   * one instruction on most processors. */
  const char *function;
} llmc_term;

/* A format: what the values of a compressed matrix can be,
 *
 *   W[r][k] = sum over terms t of scale_t[r][g] * levels_t[code] + minimum[r][g]
 *
 * for column k in group g of row r; in a format of vectors the levels are those of
 * a table of vectors, as in llmc_format. From this come what methods see of it, the
 * order and the number of the bytes, and the kernels for every processor. A
 * model that is compiled has its kernels in it, so it runs without the plugin.
 *
 * Recipes say the name, and may say the group and the chains behind it, as for
 * formats of llmc: vendor.name, vendor.nameg64, vendor.namerow.f16,
 * vendor.nameg64.f32r-u8. A format of several terms has the chains of the table. */
typedef struct llmc_format_definition {
  size_t size;
  /* "vendor.name", as for methods. No name may be read as that of another format
   * with something behind it: a group, chains, or a transform or a rank, as
   * vendor.h64 and vendor.lr16 would be. */
  const char *name;
  /* A line for people, at most 400 bytes. */
  const char *summary;
  uint32_t bits; /* of a code: 1 to 6, or 8 */
  /* Columns of a group where a recipe does not say it: a multiple of 16; 0: the
   * whole row. */
  uint32_t group;
  /* [term_count], 1 to 3, all of the size that the first one has. */
  const llmc_term *terms;
  size_t term_count;
  /* How the minimum is stored where a recipe does not say it; NULL: the format
   * has none. Negated where the code has no sign (U4, U6, U8, E8M0, UE4M3). */
  const llmc_chain *minimum;
  /* Since 3: columns of a Hadamard transform where a recipe does not say it: 16,
   * 32, 64, 128 or 256; 0: none. What is stored, with the values above, is then
   * W H: H has blocks on its diagonal, Hadamard matrices of so many columns in
   * Sylvester's order times 1/sqrt(columns), which spread outliers of a column
   * over its block. Where columns are no multiple, the rest is cut into smaller
   * blocks, down to 16. Recipes say vendor.nameg64.h64. */
  uint32_t hadamard;
  uint32_t reserved; /* 0 */
  /* Since 4: weights of a code: 2, 4 or 8 in a format of vectors, with tables of
   * levels and no functions, and bits that are a multiple of it; else 0 or 1. A
   * plugin with such a format `needs` 4. */
  uint32_t weights;
  uint32_t reserved_too; /* 0 */
} llmc_format_definition;

/* ---- metrics, since 3 -----------------------------------------------------*/

/* One token that is scored: what the models said of it before they read it. */
typedef struct llmc_position {
  size_t size;
  int64_t vocabulary; /* at least 1 */
  int64_t target;     /* the token that comes, below vocabulary */
  /* [vocabulary], finite: the model is the softmax of them. Belongs to llmc and
   * is gone when the metric returns. */
  const float *logits;
  /* The same of the reference; NULL unless the metric has
   * LLMC_METRIC_COMPARES. */
  const float *reference;
} llmc_position;

/* What is made of the values of all positions, which are summed in the order of
 * the text. */
typedef enum llmc_aggregate {
  LLMC_AGGREGATE_MEAN = 1,
  LLMC_AGGREGATE_EXP_MEAN = 2, /* exp of the mean, as in perplexity */
  LLMC_AGGREGATE_ROOT_MEAN = 3 /* square root of the mean */
} llmc_aggregate;

typedef enum llmc_better {
  LLMC_BETTER_LOWER = 1,
  LLMC_BETTER_HIGHER = 2,
  LLMC_BETTER_NEITHER = 3 /* a fact about the model, such as its entropy */
} llmc_better;

/* Flags of a metric: it compares with the reference, and is not to be had
 * without one. Others are measured on the reference, too, where there is one. */
#define LLMC_METRIC_COMPARES ((uint32_t)1)

/* A figure of `llmc eval`: a number for each position, and what is made of all.
 * llmc keeps the numbers, and draws its intervals, percentiles and differences
 * between two models from them; a metric keeps nothing. */
typedef struct llmc_metric {
  size_t size;
  const char *name; /* "vendor.name", as for methods */
  /* A line for people, at most 400 bytes. */
  const char *summary;
  const char *unit;   /* of the aggregate, at most 16 bytes; NULL: none */
  uint32_t aggregate; /* llmc_aggregate */
  uint32_t better;    /* llmc_better */
  uint32_t flags;     /* LLMC_METRIC_..., or 0; others are refused */
  uint32_t reserved;  /* 0 */
  /* The range of the value of a position, both bounds included; they may be
   * infinite, of ROOT_MEAN the lower is at least 0. A value outside is an error.
   * Where a metric compares, and its better bound is finite, equal rows have it,
   * but for rounding. */
  double lowest, highest;
  /* The value of one position: a number in the range; what is not finite is an
   * error, which names the metric and the token. It depends on the position
   * alone. Called by many threads at once, for positions in any order, and
   * perhaps not for all of a text. */
  double (*measure)(const llmc_position *position);
} llmc_metric;

typedef struct llmc_plugin {
  size_t size;
  uint32_t abi; /* LLMC_PLUGIN_ABI: of the header it was compiled with */
  /* The lowest LLMC_PLUGIN_ABI of a host that it can work with: 1, unless it
   * cannot do without something that was appended. */
  uint32_t needs;
  /* Whose plugin it is: 1 to 32 of a-z, 0-9 and _, a letter first, not llmc. */
  const char *vendor;
  const char *version; /* of the plugin, for reports, at most 64 bytes */
  /* [method_count], all of the size that the first one has. At most 256. */
  const llmc_method *methods;
  size_t method_count;
  /* Since 2: [format_count], all of the size that the first one has. At most
   * 256. A plugin has one method, format or metric at least. */
  const llmc_format_definition *formats;
  size_t format_count;
  /* Since 3: [metric_count], all of the size that the first one has. At most
   * 256. */
  const llmc_metric *metrics;
  size_t metric_count;
} llmc_plugin;

/* The one function that a plugin exports. What it returns belongs to the plugin
 * and stays as it is until the process ends; plugins are not unloaded. It is a
 * function and not a variable, since not every language can make a variable with
 * addresses in it; it takes nothing, since a plugin that kept the host's table
 * would have a variable that all runs share. */
typedef const llmc_plugin *(*llmc_plugin_entry)(void);
LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void);

#ifdef __cplusplus
}
#endif

#endif /* LLMC_PLUGIN_PLUGIN_H */
