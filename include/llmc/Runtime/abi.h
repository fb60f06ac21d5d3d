/*===- abi.h - The contract between compiled models and their host --------===*
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * What a compiled model (`model.so`, `model.o`) exports and what it needs from
 * the program that runs it. Plain C, no library behind it. The bundle's
 * manifest.json names the entries, their symbols and their buffers; this file
 * says how they are called.
 *
 * For every entry E the object exports three functions:
 *
 *   void    llmc_run_E  (llmc_ctx *, const int64_t *symbols,
 *                        void *const *buffers, const void *weights, void
 **arena); int64_t llmc_arena_E(const int64_t *symbols); void llmc_shape_E(const
 *int64_t *symbols, int64_t *dims);
 *
 * symbols  the values of the entry's symbols ("seq", "past", ...) in the order
 *          of the manifest.
 * buffers  one pointer per input, then per output, then per state, in the order
 *          of the manifest. Row-major; aligned to LLMC_ALIGNMENT bytes. A state
 *          is read and written in place, its memory order is private to the
 *          model; a new state is all zero bytes.
 * weights  first byte of the data section of weights.safetensors, aligned to
 *          LLMC_ALIGNMENT.
 * arena    scratch memory of llmc_arena_E(symbols) bytes, aligned to
 *          LLMC_ALIGNMENT. Nothing lives in it between calls. Where the number
 *          is negative, -1 - i, condition i of the entry does not hold (the
 *          manifest says what it is) and llmc_run_E must not be called.
 * dims     receives the extents of all inputs, outputs and states one after the
 *          other (a tensor of rank r takes r places). The host compares the
 *          extents of what it was given with them before it calls.
 *
 * An entry with a special case for one token may export a fourth:
 *
 *   void llmc_replay_E(llmc_ctx *, const int64_t *symbols, void *const *buffers,
 *                      const void *weights, void *arena, int64_t part,
 *                      int64_t parts);
 *
 * It computes part `part` of `parts` of every product with weights of that case
 * and nothing else, over whatever the arena holds, and spoils the outputs; parts
 * may run at the same time. States stay, and ctx is not used. It is there to be
 * measured.
 *
 * The generated code allocates nothing, locks nothing and calls nothing but
 * `parallel_for` and, for few functions, the C mathematical library. The result
 * does not depend on the number of threads.
 *===----------------------------------------------------------------------===*/
#ifndef LLMC_RUNTIME_ABI_H
#define LLMC_RUNTIME_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Alignment in bytes of every buffer, of the arena and of the weights. */
#define LLMC_ALIGNMENT 64

typedef struct llmc_ctx llmc_ctx;

/* A piece of parallel work: handle the items [begin, end). */
typedef void (*llmc_range_body)(void *arg, int64_t begin, int64_t end);

/* Host services of one call. Append-only; `size` is sizeof(llmc_ctx) of the
 * host. */
struct llmc_ctx {
  uint64_t size;
  /* Calls `body` so that the ranges passed cover [0, n) exactly once, on any
   * number of threads, and returns when all have returned. Ranges are never
   * empty. Not reentrant: a body does not call it. */
  void (*parallel_for)(llmc_ctx *ctx, llmc_range_body body, void *arg,
                       int64_t n);
};

typedef void (*llmc_run_fn)(llmc_ctx *ctx, const int64_t *symbols,
                            void *const *buffers, const void *weights,
                            void *arena);
typedef void (*llmc_replay_fn)(llmc_ctx *ctx, const int64_t *symbols,
                               void *const *buffers, const void *weights,
                               void *arena, int64_t part, int64_t parts);
typedef int64_t (*llmc_arena_fn)(const int64_t *symbols);
typedef void (*llmc_shape_fn)(const int64_t *symbols, int64_t *dims);

#ifdef __cplusplus
}
#endif

#endif /* LLMC_RUNTIME_ABI_H */
