/* headers.c - The interfaces of plugins and of models in one file of C.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 */
#include "llmc/Plugin/plugin.h"
#include "llmc/Runtime/abi.h"
#include "llmc/Runtime/llmc.h"

static int add_one(void *context, int64_t index) {
  *(int64_t *)context += index;
  return LLMC_METHOD_OK;
}

static void add_range(void *arg, int64_t begin, int64_t end) {
  for (; begin < end; ++begin)
    add_one(arg, begin);
}

int64_t llmc_test_sum(void);
int64_t llmc_test_sum(void) {
  llmc_body one = add_one;
  llmc_range_body range = add_range;
  int64_t sum = 0;
  range(&sum, 1, 4);
  return one(&sum, 10) == LLMC_METHOD_OK ? sum : -1;
}
