/*===- toy_model.c - Two entries written by hand --------------------------===*
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * What a compiler would have made of two small models, for tests of the
 * runtime. Weights: one tensor, w, f32 [16].
 *
 *   main(a[n], b[n]) -> sum[n], the element-wise a + b * w[0]
 *   lm(ids[seq])     -> logits[n_logits, 32]; state "seen", f32 [context]
 *
 * The next token of the language model is (3 * sum of all ids + 1) mod 32: its
 * logit is 4 - w[1] * (sum mod 5), the others are id / 64; w[1] is 0 unless a
 * test makes another model of it. So what came before matters, and a wrong
 * state shows. After id 31 every step takes long, so that a person has time to
 * interrupt.
 *===----------------------------------------------------------------------===*/
#include "llmc/Runtime/abi.h"

#define VOCABULARY 32

struct add {
  const float *a, *b;
  float *sum, scale;
};

static void add_range(void *arg, int64_t begin, int64_t end) {
  struct add *add = arg;
  for (int64_t i = begin; i != end; ++i)
    add->sum[i] = add->a[i] + add->b[i] * add->scale;
}

/* symbols: n */
void llmc_run_main(llmc_ctx *ctx, const int64_t *symbols, void *const *buffers,
                   const void *weights, void *arena) {
  struct add add = {buffers[0], buffers[1], buffers[2],
                    ((const float *)weights)[0]};
  ctx->parallel_for(ctx, add_range, &add, symbols[0]);
}

int64_t llmc_arena_main(const int64_t *symbols) { return 0; }

void llmc_shape_main(const int64_t *symbols, int64_t *dims) {
  dims[0] = dims[1] = dims[2] = symbols[0];
}

/* symbols: seq, past, n_logits, context */
void llmc_run_lm(llmc_ctx *ctx, const int64_t *symbols, void *const *buffers,
                 const void *weights, void *arena) {
  int64_t seq = symbols[0], past = symbols[1], rows = symbols[2];
  const int64_t *ids = buffers[0];
  float *logits = buffers[1], *seen = buffers[2];
  for (int64_t i = 0; i != seq; ++i)
    seen[past + i] = (float)ids[i];
  for (int64_t row = 0; row != rows; ++row) {
    int64_t sum = 0;
    int slow = 0;
    for (int64_t i = 0; i != past + seq - rows + row + 1; ++i) {
      sum += (int64_t)seen[i];
      slow |= seen[i] == 31;
    }
    for (volatile int64_t k = slow ? 10000000 : 0; k; --k)
      ;
    for (int64_t id = 0; id != VOCABULARY; ++id)
      logits[row * VOCABULARY + id] = (float)id / 64;
    logits[row * VOCABULARY + (3 * sum + 1) % VOCABULARY] =
        4 - ((const float *)weights)[1] * (float)(sum % 5);
  }
  /* Scratch is ours to spoil. */
  if (seq)
    ((char *)arena)[seq * 128 - 1] = 1;
}

/* What a replay has for a part: how many there are and where it stands. */
void llmc_replay_lm(llmc_ctx *ctx, const int64_t *symbols, void *const *buffers,
                    const void *weights, void *arena, int64_t part,
                    int64_t parts) {
  float *logits = buffers[1];
  logits[part] = (float)(1000 * parts + 10 * symbols[1] + part);
  logits[8 + part] += 1;
}

int64_t llmc_arena_lm(const int64_t *symbols) { return symbols[0] * 128; }

void llmc_shape_lm(const int64_t *symbols, int64_t *dims) {
  dims[0] = symbols[0];
  dims[1] = symbols[2];
  dims[2] = VOCABULARY;
  dims[3] = symbols[3];
}
