//===- AbiTest.cpp - The plugin interface does not change -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where every member lies. Lines may be added at the end of a struct, with a
// larger size; none may change. The same numbers hold for the frozen header, so
// that a plugin compiled with it is understood.
//
//===----------------------------------------------------------------------===//
#include "llmc/Plugin/plugin.h"

#include <gtest/gtest.h>
// The entry is one function to C, of either type.
#define llmc_plugin_v1 llmc_plugin_frozen
#undef LLMC_PLUGIN_ABI
namespace frozen {
#include "frozen_v1.h"
} // namespace frozen

/// Offsets in the order of the header; equal in both, and as they were.
#define LLMC_AT(type, member, offset)                                          \
  EXPECT_EQ(offsetof(::type, member), size_t(offset)) << #type "." #member;    \
  EXPECT_EQ(offsetof(frozen::type, member), size_t(offset)) << #type "." #member
#define LLMC_SIZE(type, bytes)                                                 \
  EXPECT_EQ(sizeof(frozen::type), size_t(bytes)) << #type;                     \
  EXPECT_GE(sizeof(::type), size_t(bytes)) << #type

TEST(PluginAbi, WhatAPluginBringsStaysWhereItIs) {
  LLMC_AT(llmc_option, size, 0);
  LLMC_AT(llmc_option, name, 8);
  LLMC_AT(llmc_option, help, 16);
  LLMC_AT(llmc_option, type, 24);
  LLMC_AT(llmc_option, reserved, 28);
  LLMC_AT(llmc_option, fallback, 32);
  LLMC_AT(llmc_option, lowest, 40);
  LLMC_AT(llmc_option, highest, 48);
  LLMC_AT(llmc_option, choices, 56);
  LLMC_SIZE(llmc_option, 64);
  LLMC_AT(llmc_method, size, 0);
  LLMC_AT(llmc_method, name, 8);
  LLMC_AT(llmc_method, summary, 16);
  LLMC_AT(llmc_method, options, 24);
  LLMC_AT(llmc_method, option_count, 32);
  LLMC_AT(llmc_method, uses, 40);
  LLMC_AT(llmc_method, run, 48);
  LLMC_SIZE(llmc_method, 56);
  LLMC_AT(llmc_plugin, size, 0);
  LLMC_AT(llmc_plugin, abi, 8);
  LLMC_AT(llmc_plugin, needs, 12);
  LLMC_AT(llmc_plugin, vendor, 16);
  LLMC_AT(llmc_plugin, version, 24);
  LLMC_AT(llmc_plugin, methods, 32);
  LLMC_AT(llmc_plugin, method_count, 40);
  LLMC_SIZE(llmc_plugin, 48);
}

#define LLMC_NEW_AT(type, member, offset)                                      \
  EXPECT_EQ(offsetof(::type, member), size_t(offset)) << #type "." #member

/// What came after the frozen header.
TEST(PluginAbi, WhatWasAppendedStaysWhereItIs) {
  LLMC_NEW_AT(llmc_plugin, formats, 48);
  LLMC_NEW_AT(llmc_plugin, format_count, 56);
  LLMC_NEW_AT(llmc_term, size, 0);
  LLMC_NEW_AT(llmc_term, levels, 8);
  LLMC_NEW_AT(llmc_term, lowest, 16);
  LLMC_NEW_AT(llmc_term, highest, 20);
  LLMC_NEW_AT(llmc_term, scale, 24);
  LLMC_NEW_AT(llmc_term, function, 32);
  LLMC_NEW_AT(llmc_format_definition, size, 0);
  LLMC_NEW_AT(llmc_format_definition, name, 8);
  LLMC_NEW_AT(llmc_format_definition, summary, 16);
  LLMC_NEW_AT(llmc_format_definition, bits, 24);
  LLMC_NEW_AT(llmc_format_definition, group, 28);
  LLMC_NEW_AT(llmc_format_definition, terms, 32);
  LLMC_NEW_AT(llmc_format_definition, term_count, 40);
  LLMC_NEW_AT(llmc_format_definition, minimum, 48);
  LLMC_NEW_AT(llmc_format_definition, hadamard, 56);
  LLMC_NEW_AT(llmc_format_definition, reserved, 60);
  LLMC_NEW_AT(llmc_format_definition, weights, 64);
  LLMC_NEW_AT(llmc_format_definition, reserved_too, 68);
  LLMC_NEW_AT(llmc_format, weights, 64);
  LLMC_NEW_AT(llmc_format, reserved, 68);
  LLMC_NEW_AT(llmc_format, term_count, 72);
  LLMC_NEW_AT(llmc_format, term_levels, 80);
  LLMC_NEW_AT(llmc_format, term_scales, 88);
  LLMC_NEW_AT(llmc_host, read_plain, 136);

  LLMC_NEW_AT(llmc_plugin, metrics, 64);
  LLMC_NEW_AT(llmc_plugin, metric_count, 72);
  LLMC_NEW_AT(llmc_position, size, 0);
  LLMC_NEW_AT(llmc_position, vocabulary, 8);
  LLMC_NEW_AT(llmc_position, target, 16);
  LLMC_NEW_AT(llmc_position, logits, 24);
  LLMC_NEW_AT(llmc_position, reference, 32);
  LLMC_NEW_AT(llmc_metric, size, 0);
  LLMC_NEW_AT(llmc_metric, name, 8);
  LLMC_NEW_AT(llmc_metric, summary, 16);
  LLMC_NEW_AT(llmc_metric, unit, 24);
  LLMC_NEW_AT(llmc_metric, aggregate, 32);
  LLMC_NEW_AT(llmc_metric, better, 36);
  LLMC_NEW_AT(llmc_metric, flags, 40);
  LLMC_NEW_AT(llmc_metric, reserved, 44);
  LLMC_NEW_AT(llmc_metric, lowest, 48);
  LLMC_NEW_AT(llmc_metric, highest, 56);
  LLMC_NEW_AT(llmc_metric, measure, 64);

  EXPECT_GE(sizeof(llmc_plugin), 80u);
  EXPECT_GE(sizeof(llmc_position), 40u);
  EXPECT_GE(sizeof(llmc_metric), 72u);
  EXPECT_GE(sizeof(llmc_term), 40u);
  EXPECT_GE(sizeof(llmc_format_definition), 72u);
  EXPECT_GE(sizeof(llmc_format), 96u);
  EXPECT_GE(sizeof(llmc_host), 144u);
}

TEST(PluginAbi, WhatAMethodIsToldStaysWhereItIs) {
  LLMC_AT(llmc_chain, size, 0);
  LLMC_AT(llmc_chain, real, 8);
  LLMC_AT(llmc_chain, span, 12);
  LLMC_AT(llmc_chain, code, 16);
  LLMC_AT(llmc_chain, negated, 20);
  LLMC_SIZE(llmc_chain, 24);
  LLMC_AT(llmc_format, size, 0);
  LLMC_AT(llmc_format, name, 8);
  LLMC_AT(llmc_format, dense, 16);
  LLMC_AT(llmc_format, bits, 20);
  LLMC_AT(llmc_format, level_count, 24);
  LLMC_AT(llmc_format, even, 28);
  LLMC_AT(llmc_format, levels, 32);
  LLMC_AT(llmc_format, lowest, 40);
  LLMC_AT(llmc_format, highest, 44);
  LLMC_AT(llmc_format, scale, 48);
  LLMC_AT(llmc_format, minimum, 56);
  LLMC_SIZE(llmc_format, 64);
  LLMC_AT(llmc_statistics, size, 0);
  LLMC_AT(llmc_statistics, mean_absolute, 8);
  LLMC_AT(llmc_statistics, mean_square, 16);
  LLMC_AT(llmc_statistics, gram, 24);
  LLMC_SIZE(llmc_statistics, 32);
  LLMC_AT(llmc_job, size, 0);
  LLMC_AT(llmc_job, weight, 8);
  LLMC_AT(llmc_job, rows, 16);
  LLMC_AT(llmc_job, columns, 24);
  LLMC_AT(llmc_job, groups, 32);
  LLMC_AT(llmc_job, group_columns, 40);
  LLMC_AT(llmc_job, format, 48);
  LLMC_AT(llmc_job, statistics, 56);
  LLMC_AT(llmc_job, column_scale, 64);
  LLMC_AT(llmc_job, integers, 72);
  LLMC_AT(llmc_job, reals, 80);
  LLMC_AT(llmc_job, seed, 88);
  LLMC_SIZE(llmc_job, 96);
  LLMC_AT(llmc_row, size, 0);
  LLMC_AT(llmc_row, index, 8);
  LLMC_AT(llmc_row, values, 16);
  LLMC_AT(llmc_row, scales, 24);
  LLMC_AT(llmc_row, minimums, 32);
  LLMC_AT(llmc_row, codes, 40);
  LLMC_SIZE(llmc_row, 48);
}

TEST(PluginAbi, ServicesStayWhereTheyAre) {
  LLMC_AT(llmc_host, size, 0);
  LLMC_AT(llmc_host, abi, 8);
  LLMC_AT(llmc_host, reserved, 12);
  LLMC_AT(llmc_host, allocate, 16);
  LLMC_AT(llmc_host, release, 24);
  LLMC_AT(llmc_host, fail, 32);
  LLMC_AT(llmc_host, note, 40);
  LLMC_AT(llmc_host, parallel_for, 48);
  LLMC_AT(llmc_host, each_row, 56);
  LLMC_AT(llmc_host, progress, 64);
  LLMC_AT(llmc_host, random, 72);
  LLMC_AT(llmc_host, read, 80);
  LLMC_AT(llmc_host, set_column_scale, 88);
  LLMC_AT(llmc_host, store_scales, 96);
  LLMC_AT(llmc_host, store_minimums, 104);
  LLMC_AT(llmc_host, encode_row, 112);
  LLMC_AT(llmc_host, write_codes, 120);
  LLMC_AT(llmc_host, write_values, 128);
  LLMC_SIZE(llmc_host, 136);
}

TEST(PluginAbi, NumbersKeepTheirMeaning) {
  EXPECT_EQ(LLMC_METHOD_OK, 0);
  EXPECT_EQ(LLMC_METHOD_FAILED, 1);
  EXPECT_EQ(LLMC_METHOD_STOPPED, 2);
  EXPECT_EQ(LLMC_OPTION_INTEGER, 1);
  EXPECT_EQ(LLMC_OPTION_REAL, 2);
  EXPECT_EQ(LLMC_OPTION_CHOICE, 3);
  EXPECT_EQ(LLMC_OPTION_FLAG, 4);
  EXPECT_EQ(LLMC_REAL_F32, 1);
  EXPECT_EQ(LLMC_REAL_F16, 2);
  EXPECT_EQ(LLMC_REAL_BF16, 3);
  EXPECT_EQ(LLMC_SPAN_BLOCK, 1);
  EXPECT_EQ(LLMC_SPAN_ROW, 2);
  EXPECT_EQ(LLMC_SCALE_U4, 1);
  EXPECT_EQ(LLMC_SCALE_U6, 2);
  EXPECT_EQ(LLMC_SCALE_U8, 3);
  EXPECT_EQ(LLMC_SCALE_I8, 4);
  EXPECT_EQ(LLMC_SCALE_E8M0, 5);
  EXPECT_EQ(LLMC_SCALE_UE4M3, 6);
  EXPECT_EQ(LLMC_USES_MEAN_ABSOLUTE, 1u);
  EXPECT_EQ(LLMC_USES_MEAN_SQUARE, 2u);
  EXPECT_EQ(LLMC_USES_GRAM, 4u);
  EXPECT_EQ(LLMC_TAKES_VECTORS, 8u);
  EXPECT_EQ(LLMC_TAKES_SUMS, 16u);
  EXPECT_EQ(LLMC_AGGREGATE_MEAN, 1);
  EXPECT_EQ(LLMC_AGGREGATE_EXP_MEAN, 2);
  EXPECT_EQ(LLMC_AGGREGATE_ROOT_MEAN, 3);
  EXPECT_EQ(LLMC_BETTER_LOWER, 1);
  EXPECT_EQ(LLMC_BETTER_HIGHER, 2);
  EXPECT_EQ(LLMC_BETTER_NEITHER, 3);
  EXPECT_EQ(LLMC_METRIC_COMPARES, 1u);
}

TEST(PluginAbi, HasTellsWhatIsLongEnough) {
  llmc_host host{};
  host.size = offsetof(llmc_host, write_codes);
  EXPECT_TRUE(LLMC_PLUGIN_HAS(&host, encode_row));
  EXPECT_FALSE(LLMC_PLUGIN_HAS(&host, write_codes));
}
