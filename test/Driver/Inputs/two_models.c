/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Two models that are linked into one program, each under its own prefix.
 */
#include "libone.h"
#include "libtwo.h"
#include <stdio.h>

int main(void) {
  /* seq, past, n_logits, context */
  int64_t symbols[4] = {1, 0, 1, 64};
  /* Extents of ids [1], logits [2] and states [3 each]. */
  int64_t one[3 + 3 * ONE_lm_STATES], two[3 + 3 * TWO_lm_STATES];
  one_shape_lm(symbols, one);
  two_shape_lm(symbols, two);
  if (one_arena_lm(symbols) < 0 || two_arena_lm(symbols) < 0 ||
      (void *)one_run_lm == (void *)two_run_lm)
    return 1;
  printf("%d and %d words, %d and %d states\n", (int)one[2], (int)two[2],
         ONE_lm_STATES, TWO_lm_STATES);
  return 0;
}
