/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Continues the token 1 with a model that is linked in, by the binary contract
 * alone: use_library WEIGHTS COUNT. The header is that of a language model.
 */
#include MODEL_HEADER
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(LLMC_lm_SYMBOLS == 4 && LLMC_lm_INPUTS == 1 &&
                   LLMC_lm_OUTPUTS == 1,
               "a language model");

enum { CONTEXT = 64, BUFFERS = 2 + LLMC_lm_STATES };

/* One thread does all. */
static void all(llmc_ctx *ctx, llmc_range_body body, void *arg, int64_t n) {
  (void)ctx;
  if (n > 0)
    body(arg, 0, n);
}

static void *get(size_t bytes) {
  bytes = (bytes + LLMC_ALIGNMENT - 1) / LLMC_ALIGNMENT * LLMC_ALIGNMENT;
  void *memory = aligned_alloc(LLMC_ALIGNMENT, bytes ? bytes : LLMC_ALIGNMENT);
  return memory ? memset(memory, 0, bytes) : (exit(3), (void *)0);
}

int main(int argc, char **argv) {
  FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
  void *weights = get(LLMC_WEIGHTS_BYTES);
  if (!file || fseek(file, LLMC_WEIGHTS_OFFSET, SEEK_SET) ||
      fread(weights, 1, LLMC_WEIGHTS_BYTES, file) != LLMC_WEIGHTS_BYTES)
    return 1;
  fclose(file);
  llmc_ctx ctx = {sizeof ctx, all};
  /* seq, past, n_logits, context */
  int64_t symbols[4] = {1, 0, 1, CONTEXT};
  /* Extents of ids [1], logits [2] and states [3 each]. */
  int64_t dims[3 + 3 * LLMC_lm_STATES];
  llmc_shape_lm(symbols, dims);
  void *buffers[BUFFERS];
  int64_t vocabulary = dims[2];
  buffers[0] = get(sizeof(int64_t));
  buffers[1] = get(vocabulary * sizeof(float));
  for (int i = 0; i < LLMC_lm_STATES; ++i) {
    const int64_t *extents = dims + 3 + 3 * i;
    buffers[2 + i] = get(extents[0] * extents[1] * extents[2] * sizeof(float));
  }
  int64_t id = 1;
  for (int64_t past = 0, count = atoi(argv[2]); past < count; ++past) {
    symbols[1] = past;
    *(int64_t *)buffers[0] = id;
    int64_t bytes = llmc_arena_lm(symbols);
    if (bytes < 0)
      return 1;
    void *arena = get(bytes);
    llmc_run_lm(&ctx, symbols, buffers, weights, arena);
    free(arena);
    const float *logits = buffers[1];
    id = 0;
    for (int64_t i = 1; i < vocabulary; ++i)
      if (logits[i] > logits[id])
        id = i;
    printf("%s%d", past ? "," : "", (int)id);
  }
  printf("\n");
  return 0;
}
