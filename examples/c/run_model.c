/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Runs an entry of a bundle once, on inputs of ones, and prints what comes out.
 *
 *   cc -std=c99 run_model.c -Iinclude -Lbuild/lib -lllmcrt -o run_model
 *   LD_LIBRARY_PATH=build/lib ./run_model bundle main
 */
#include "llmc/Runtime/llmc.h"
#include <stdio.h>

int main(int argc, char **argv) {
  llmc_error *error = NULL;
  llmc_model *model = argc == 3 ? llmc_model_open(argv[1], NULL, &error) : NULL;
  llmc_session *s =
      model ? llmc_session_create(model, argv[2], NULL, &error) : NULL;
  for (size_t i = 0; s && !error && i < llmc_session_input_count(s); ++i) {
    const llmc_signature *in = llmc_session_input_signature(s, i);
    int64_t extents[64], count = 1;
    for (size_t axis = 0; axis < in->rank; ++axis) {
      /* An extent that is not fixed is ours to choose: 4. */
      extents[axis] = in->extents[axis] < 0 ? 4 : in->extents[axis];
      count *= extents[axis];
    }
    void *x = llmc_session_input(s, in->name, in->rank, extents, &error);
    for (int64_t k = 0; x && k < count; ++k)
      if (in->dtype == LLMC_F32)
        ((float *)x)[k] = 1;
      else if (in->dtype == LLMC_I64)
        ((int64_t *)x)[k] = 1;
  }
  if (s && !error && llmc_session_run(s, &error) == LLMC_OK)
    for (size_t i = 0; i < llmc_session_output_count(s); ++i) {
      llmc_tensor y;
      const char *name = llmc_session_output_signature(s, i)->name;
      if (!llmc_session_output(s, name, &y, &error) && y.dtype == LLMC_F32)
        printf("%s of rank %u begins with %g\n", name, (unsigned)y.rank,
               *(float *)y.data);
    }
  if (error || argc != 3)
    fprintf(stderr, "run_model: %s\n",
            error ? llmc_error_text(error) : "expected a bundle and an entry");
  int code = error || argc != 3;
  llmc_error_free(error);
  llmc_session_free(s);
  llmc_model_free(model);
  return code;
}
