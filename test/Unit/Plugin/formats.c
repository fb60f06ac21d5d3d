/* formats.c - Formats that are right, or wrong in the one way that is defined.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 */
#if defined(FORMATS_FROZEN)
#include "frozen_v2.h"
#else
#include "llmc/Plugin/plugin.h"
#endif

/* Structs of a header that is newer than the host. */
typedef struct {
  llmc_term known;
  uint64_t more[1];
} newer_term;
typedef struct {
  llmc_format_definition known;
  uint64_t more[3];
} newer_format;

#if defined(FORMATS_EXTENDED)
typedef newer_term term;
typedef newer_format format;
#define KNOWN(...)                                                             \
  {__VA_ARGS__}, { 7 }
#else
typedef llmc_term term;
typedef llmc_format_definition format;
#define KNOWN(...) __VA_ARGS__
#endif

/* The last members of a format. */
#if defined(FORMATS_FROZEN)
#define TRANSFORM
#elif defined(FORMATS_HADAMARD)
#define TRANSFORM , 64, 0
#elif defined(BAD_HADAMARD)
#define TRANSFORM , 24, 0
#elif defined(RESERVED_FORMAT)
#define TRANSFORM , 0, 1
#else
#define TRANSFORM , 0, 0
#endif
#if defined(FORMATS_FROZEN)
#define WEIGHTS
#define NO_WEIGHTS
#elif defined(VECTOR_FORMATS) || defined(OLD_VECTORS) ||                       \
    defined(VECTOR_FUNCTION)
#define WEIGHTS , 2, 0
#elif defined(ODD_VECTORS)
#define WEIGHTS , 8, 0
#elif defined(BAD_WEIGHTS)
#define WEIGHTS , 3, 0
#elif defined(RESERVED_WEIGHTS)
#define WEIGHTS , 1, 1
#else
#define WEIGHTS , 0, 0
#endif
#if !defined(NO_WEIGHTS)
#define NO_WEIGHTS , 0, 0
#endif
#if defined(VECTOR_FORMATS) || defined(VECTOR_FUNCTION) || defined(ODD_VECTORS)
#define NEEDS 4
#else
#define NEEDS 2
#endif

__attribute__((unused)) static const llmc_chain half = {
    sizeof(llmc_chain), LLMC_REAL_F16, LLMC_SPAN_GROUP, LLMC_SCALE_NONE, 0};
/* Read by nobody but the cases below. */
__attribute__((unused)) static const llmc_chain other = {
#if defined(SMALL_CHAIN)
    16,
#else
    sizeof(llmc_chain),
#endif
#if defined(BAD_REAL)
    9,
#elif defined(NO_CHAIN)
    LLMC_REAL_NONE,
#else
    LLMC_REAL_F16,
#endif
#if defined(ROW_WITHOUT_CODE)
    LLMC_SPAN_ROW,
#elif defined(BLOCK_CHAIN)
    LLMC_SPAN_BLOCK,
#else
    LLMC_SPAN_GROUP,
#endif
#if defined(BLOCK_CHAIN)
    LLMC_SCALE_U6,
#else
    LLMC_SCALE_NONE,
#endif
#if defined(NEGATED)
    1
#else
    0
#endif
};
#if defined(SMALL_CHAIN) || defined(BAD_REAL) || defined(NO_CHAIN) ||          \
    defined(ROW_WITHOUT_CODE) || defined(BLOCK_CHAIN) || defined(NEGATED)
#define SCALE &other
#elif defined(NULL_SCALE)
#define SCALE NULL
#else
#define SCALE &half
#endif

#define BODY(lines)                                                            \
  "func.func @levels(%code: i8) -> i8 {\n" lines "\n  return %l : i8\n}\n"
#if defined(NOT_MLIR)
#define FUNCTION "levels of code are\ncode - 8"
#elif defined(NOT_PARSED)
#define FUNCTION                                                               \
  BODY("  %k = arith.constant -8 : i8\n  %l = arith.addi %code, %j : i8")
#elif defined(UNKNOWN_DIALECT)
#define FUNCTION BODY("  %l = llvm.add %code, %code : i8")
#elif defined(FORBIDDEN_OP)
#define FUNCTION                                                               \
  BODY("  %k = arith.constant 3 : i8\n  %l = arith.divsi %code, %k : i8")
#elif defined(CALLS)
#define FUNCTION BODY("  %l = func.call @levels(%code) : (i8) -> i8")
#elif defined(WIDE_TYPE)
#define FUNCTION                                                               \
  BODY("  %w = arith.extui %code : i8 to i64\n  %l = arith.trunci %w : i64 "   \
       "to i8")
#elif defined(VECTORS)
#define FUNCTION                                                               \
  BODY("  %v = arith.constant dense<1> : vector<4xi8>\n"                       \
       "  %w = arith.addi %v, %v : vector<4xi8>\n"                             \
       "  %l = arith.addi %code, %code : i8")
#elif defined(TWO_BLOCKS)
#define FUNCTION                                                               \
  BODY("  cf.br ^next\n^next:\n  %l = arith.addi %code, %code : i8")
#elif defined(LOOPS)
#define FUNCTION                                                               \
  "func.func @levels(%code: i8) -> i8 {\n  return %code : i8\n^other:\n"       \
  "  return %code : i8\n}\n"
#elif defined(OTHER_NAME)
#define FUNCTION "func.func @level(%code: i8) -> i8 {\n  return %code : i8\n}\n"
#elif defined(OTHER_TYPE)
#define FUNCTION                                                               \
  "func.func @levels(%code: i32) -> i32 {\n  return %code : i32\n}\n"
#elif defined(TWO_FUNCTIONS)
#define FUNCTION                                                               \
  BODY("  %l = arith.addi %code, %code : i8")                                  \
  "func.func private @more()\n"
#elif defined(WIDE_SHIFT)
#define FUNCTION                                                               \
  BODY("  %k = arith.constant 3 : i8\n  %s = arith.addi %code, %k : i8\n"      \
       "  %l = arith.shli %code, %s : i8")
#elif defined(SHORT_TABLE)
#define FUNCTION                                                               \
  BODY("  %t = arith.constant dense<[-8, 7, 1]> : vector<3xi8>\n"              \
       "  %i = arith.index_castui %code : i8 to index\n"                       \
       "  %l = vector.extract %t[%i] : i8 from vector<3xi8>")
#elif defined(TABLE_AGAINST_FUNCTION)
#define FUNCTION                                                               \
  BODY("  %k = arith.constant -7 : i8\n  %l = arith.addi %code, %k : i8")
#elif defined(FUNCTION_BEYOND_RANGE)
#define FUNCTION                                                               \
  BODY("  %k = arith.constant 9 : i8\n  %l = arith.muli %code, %k : i8")
#elif defined(DEEP)
#define TEN "((((((((((("
#define FUNCTION BODY("  %l = arith.constant " TEN TEN)
#elif defined(LONG_FUNCTION)
#define LINE "// 012345678901234567890123456789012345678901234567890123456789\n"
#define LINES LINE LINE LINE LINE LINE LINE LINE LINE LINE LINE LINE LINE
#define PAGE                                                                   \
  LINES LINES LINES LINES LINES LINES LINES LINES LINES LINES LINES LINES
#define FUNCTION PAGE BODY("  %l = arith.addi %code, %code : i8")
#elif defined(MANY_OPS)
#define FOUR(a, b, c, d) "  %" a b c d " = arith.addi %code, %code : i8\n"
#define SIXTEEN(a, b, c)                                                       \
  FOUR(a, b, c, "0") FOUR(a, b, c, "1") FOUR(a, b, c, "2") FOUR(a, b, c, "3")
#define MORE(a, b)                                                             \
  SIXTEEN(a, b, "0") SIXTEEN(a, b, "1") SIXTEEN(a, b, "2") SIXTEEN(a, b, "3")
#define FUNCTION                                                               \
  BODY(MORE("a", "0") MORE("a", "1") MORE("a", "2")                            \
           MORE("a", "3") "  %l = arith.addi %code, %code : i8")
#elif defined(CONTROL_FUNCTION)
#define FUNCTION "func.func\033[31m"
#elif defined(FORMATS_GOOD) || defined(FORMATS_EXTENDED) ||                    \
    defined(VECTOR_FUNCTION)
#define FUNCTION                                                               \
  BODY("  %k = arith.constant -8 : i8\n  %l = arith.addi %code, %k : i8")
#else
#define FUNCTION NULL
#endif

__attribute__((unused)) static const int8_t four[32] = {
    -8, -7, -6, -5, -4, -3, -2, -1, 0,  1,  2,  3,  4,  5,  6,  7,
    7,  6,  5,  4,  3,  2,  1,  0,  -1, -2, -3, -4, -5, -6, -7, -8};
__attribute__((unused)) static const int8_t zeros[16] = {0};
__attribute__((unused)) static const int8_t two[4] = {-3, -1, 1, 3};

#if defined(NULL_LEVELS) || defined(FUNCTION_BEYOND_RANGE) ||                  \
    defined(FORMATS_EXTENDED)
#define LEVELS NULL
#elif defined(ZERO_LEVELS)
#define LEVELS zeros
#else
#define LEVELS four
#endif
#if defined(BEYOND_RANGE)
#define RANGE -8, 6
#elif defined(NO_RANGE)
#define RANGE -200, 7
#else
#define RANGE -8, 7
#endif

__attribute__((unused)) static const term four_terms[] = {{KNOWN(
#if defined(SMALL_TERM)
    16,
#else
    sizeof(term),
#endif
    LEVELS, RANGE, SCALE, FUNCTION)}};
/* A sum of two products of one code. */
__attribute__((unused)) static const term two_terms[] = {
    {KNOWN(sizeof(term), two, -3, 3, &half, NULL)},
    {KNOWN(sizeof(term), two, -3, 3, &half, NULL)}};

#if defined(FORMATS_EXTENDED)
#define TERMS(all) &all[0].known
#else
#define TERMS(all) all
#endif

__attribute__((unused)) static const format formats[] = {
    {KNOWN(
#if defined(SMALL_FORMAT)
        24,
#else
        sizeof(format),
#endif
#if defined(NULL_FORMAT_NAME)
        NULL,
#elif defined(UNPREFIXED_FORMAT)
        "four",
#elif defined(CONTROL_FORMAT)
        "forms.fo\007ur",
#elif defined(VENDOR_LIKE_FORMAT)
        "u4.f16",
#elif defined(LIKE_A_RANK)
        "forms.lr16",
#elif defined(LIKE_A_BAD_RANK)
        "forms.lr0",
#elif defined(LIKE_A_TRANSFORM)
        "forms.h64",
#elif defined(LIKE_A_BAD_TRANSFORM)
        "forms.h5",
#elif defined(LIKE_AN_ALIAS)
        "ternary.lr8",
#elif defined(NOT_LIKE_AN_OPTION)
        "forms.lrh64",
#else
        "forms.four",
#endif
        "sixteen levels that are one apart",
#if defined(SEVEN_BITS)
        7,
#elif defined(NO_BITS)
        0,
#else
        4,
#endif
#if defined(ODD_GROUP)
        24,
#elif defined(BLOCK_CHAIN)
        48,
#else
        64,
#endif
#if defined(NULL_TERMS)
        NULL,
#else
        TERMS(four_terms),
#endif
#if defined(NO_TERMS)
        0,
#elif defined(MANY_TERMS)
        4,
#else
        1,
#endif
#if defined(POSITIVE_MINIMUM)
        &(const llmc_chain){sizeof(llmc_chain), LLMC_REAL_F16, LLMC_SPAN_ROW,
                            LLMC_SCALE_U6, 0}
#else
        NULL
#endif
        TRANSFORM WEIGHTS)},
    {KNOWN(sizeof(format),
#if defined(TWIN_FORMATS)
           "forms.four",
#elif defined(TWIN_NAMES)
           "forms.fourg32",
#elif defined(LIKE_AN_ALIAS)
           "ternary.sum",
#else
           "forms.sum",
#endif
           "a sum of two products", 2, 32, TERMS(two_terms), 2,
           &half TRANSFORM NO_WEIGHTS)}};

static const llmc_plugin plugin = {sizeof(llmc_plugin),
                                   LLMC_PLUGIN_ABI,
                                   NEEDS,
#if defined(VENDOR_LIKE_FORMAT)
                                   "u4",
#elif defined(LIKE_AN_ALIAS)
                                   "ternary",
#else
                                   "forms",
#endif
                                   "1.0",
                                   NULL,
                                   0,
#if defined(NULL_FORMATS)
                                   NULL,
#elif defined(FORMATS_EXTENDED)
                                   &formats[0].known,
#else
                                   formats,
#endif
#if defined(MANY_FORMATS)
                                   1000000000
#elif defined(NOTHING)
                                   0
#else
                                   2
#endif
#if !defined(FORMATS_FROZEN)
                                   ,
                                   NULL,
                                   0
#endif
};

LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) { return &plugin; }
