/* @NAME@.c - A format for llmc.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Weights are a scale for each group times one of eight levels. llmc makes the
 * encoder, the decoder and the kernels for every processor from what stands here.
 * llmc plugin check uses all of them.
 */
#include <llmc/Plugin/plugin.h>

/* From a code to its level, as text of MLIR: llmc/Plugin/plugin.h says what it
 * may be made of. llmc runs it for every code, and splices it into kernels. */
static const char levels[] =
    "func.func @levels(%code: i8) -> i8 {\n"
    "  %all = arith.constant dense<[-16, -9, -4, -1, 1, 4, 9, 16]>\n"
    "       : vector<8xi8>\n"
    "  %place = arith.index_castui %code : i8 to index\n"
    "  %level = vector.extract %all[%place] : i8 from vector<8xi8>\n"
    "  return %level : i8\n"
    "}\n";

/* A scale of sixteen bits for each group. */
static const llmc_chain scale = {.size = sizeof(llmc_chain),
                                 .real = LLMC_REAL_F16};
static const llmc_term terms[] = {{.size = sizeof(llmc_term),
                                   .lowest = -16,
                                   .highest = 16,
                                   .scale = &scale,
                                   .function = levels}};
static const llmc_format_definition formats[] = {
    {.size = sizeof(llmc_format_definition),
     .name = "@NAME@.squares",
     .summary = "squares of both signs, three bits",
     .bits = 3,
     .group = 32,
     .terms = terms,
     .term_count = 1}};
static const llmc_plugin plugin = {.size = sizeof(llmc_plugin),
                                   .abi = LLMC_PLUGIN_ABI,
                                   .needs = 2,
                                   .vendor = "@NAME@",
                                   .version = "0.1",
                                   .formats = formats,
                                   .format_count = 1};

LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) { return &plugin; }
