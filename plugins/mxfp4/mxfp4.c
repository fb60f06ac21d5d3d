/* mxfp4.c - MXFP4: floats of four bits under powers of two.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The format of that name of OCP Microscaling Formats 1.0, section 5.3.3: groups
 * of 32 numbers with a sign, two bits of exponent and one of fraction (e2m1),
 * times a power of two (e8m0). Levels of llmc are integers, so these are doubled,
 * and a scale code here is one less than that of the standard: its 1 to 254 are 0
 * to 253 here, and its 0, 2^-127, has no place.
 *
 * Negative zero, code 8, is read as 0 and not made.
 */
#include <llmc/Plugin/plugin.h>

/* One look-up: sixteen levels are one instruction on most processors. */
static const char levels[] =
    "func.func @levels(%code: i8) -> i8 {\n"
    "  %all = arith.constant dense<[0, 1, 2, 3, 4, 6, 8, 12,\n"
    "                               0, -1, -2, -3, -4, -6, -8, -12]>\n"
    "       : vector<16xi8>\n"
    "  %place = arith.index_castui %code : i8 to index\n"
    "  %level = vector.extract %all[%place] : i8 from vector<16xi8>\n"
    "  return %level : i8\n"
    "}\n";

static const llmc_chain scale = {.size = sizeof(llmc_chain),
                                 .code = LLMC_SCALE_E8M0};
static const llmc_term terms[] = {{.size = sizeof(llmc_term),
                                   .lowest = -12,
                                   .highest = 12,
                                   .scale = &scale,
                                   .function = levels}};
static const llmc_format_definition formats[] = {
    {.size = sizeof(llmc_format_definition),
     .name = "example.mxfp4",
     .summary = "floats of four bits, in halves, under a power of two for 32",
     .bits = 4,
     .group = 32,
     .terms = terms,
     .term_count = 1}};
static const llmc_plugin plugin = {.size = sizeof(llmc_plugin),
                                   .abi = LLMC_PLUGIN_ABI,
                                   .needs = 2,
                                   .vendor = "example",
                                   .version = "1.0",
                                   .formats = formats,
                                   .format_count = 1};

LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) { return &plugin; }
