//===- HeadersTest.cpp - Both interfaces in one file ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A program that runs models may be a plugin's, too. Here the headers come in the
// other order than in headers.c.
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/llmc.h"

#include "llmc/Runtime/abi.h"

#include "llmc/Plugin/plugin.h"

#include <gtest/gtest.h>
#include <type_traits>

extern "C" int64_t llmc_test_sum(void);

namespace {

TEST(Headers, LoopsHaveTheirOwnBodies) {
  static_assert(
      std::is_same_v<llmc_body, int (*)(void *context, int64_t index)>);
  static_assert(
      std::is_same_v<llmc_range_body,
                     void (*)(void *arg, int64_t begin, int64_t end)>);
  EXPECT_EQ(llmc_test_sum(), 1 + 2 + 3 + 10);
  int64_t sum = 0;
  llmc_range_body range = [](void *arg, int64_t begin, int64_t end) {
    *static_cast<int64_t *>(arg) += end - begin;
  };
  llmc_ctx ctx = {sizeof(llmc_ctx),
                  [](llmc_ctx *, llmc_range_body body, void *arg, int64_t n) {
                    body(arg, 0, n);
                  }};
  ctx.parallel_for(&ctx, range, &sum, 7);
  EXPECT_EQ(sum, 7);
}

} // namespace
