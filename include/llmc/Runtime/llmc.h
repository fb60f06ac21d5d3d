/*===- llmc.h - Run compiled models from C --------------------------------===*
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Opens a bundle that `llmc compile` made and runs it. Plain C99, needs neither
 * the compiler nor MLIR; link with libllmcrt.
 *
 *   llmc_error *error = NULL;
 *   llmc_model *model = llmc_model_open("mlp", NULL, &error);
 *   llmc_session *session = llmc_session_create(model, "main", NULL, &error);
 *   float *x = llmc_session_input(session, "x", 2, (int64_t[]){1, 784},
 *&error);
 *   ... fill x ...
 *   llmc_session_run(session, &error);
 *   llmc_tensor y;
 *   llmc_session_output(session, "y", &y, &error);
 *
 * Errors. A function that can fail takes `llmc_error **error` (or NULL) as its
 * last argument. On failure it returns NULL or a status other than LLMC_OK, and
 * stores an error that the caller frees with llmc_error_free. On success
 * `*error` is left alone.
 *
 * Ownership. The caller owns models, sessions and errors and frees each with
 * the function of its name. Everything else that a function returns belongs to
 * the object it was asked of. A model outlives its sessions.
 *
 * Threads. Any number of threads may open models, and may read one model at
 * the same time. A session is used by one thread at a time; different sessions
 * of one model may run at the same time, and then the first has the model's
 * threads and the others run on their callers alone. The numbers that come out
 * do not depend on it.
 *
 * Tensors are dense and row-major; shapes are in elements. A size or a
 * position of a language model is in tokens.
 *===----------------------------------------------------------------------===*/
#ifndef LLMC_RUNTIME_LLMC_H
#define LLMC_RUNTIME_LLMC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LLMC_API __attribute__((visibility("default")))
#else
#define LLMC_API
#endif

typedef struct llmc_model llmc_model;
typedef struct llmc_session llmc_session;
typedef struct llmc_error llmc_error;

/* How a call ended, and whose fault it is. */
typedef enum llmc_status {
  LLMC_OK = 0,
  LLMC_BAD_INPUT = 1, /* the model, or the data given to it */
  LLMC_BAD_USAGE = 2, /* a name or a value that fits no model */
  LLMC_MACHINE = 3    /* out of memory, unreadable disk: may heal */
} llmc_status;

/* Element types. Append-only. LLMC_BOOL is one byte, 0 or 1. */
typedef enum llmc_dtype {
  LLMC_F32 = 1,
  LLMC_F16 = 2,
  LLMC_BF16 = 3,
  LLMC_F64 = 4,
  LLMC_I8 = 5,
  LLMC_I16 = 6,
  LLMC_I32 = 7,
  LLMC_I64 = 8,
  LLMC_U8 = 9,
  LLMC_U16 = 10,
  LLMC_U32 = 11,
  LLMC_U64 = 12,
  LLMC_BOOL = 13
} llmc_dtype;

/* A view of a tensor. */
typedef struct llmc_tensor {
  llmc_dtype dtype;
  size_t rank;
  const int64_t *extents; /* [rank] */
  void *data;
} llmc_tensor;

/* What a model says about one of its tensors. */
typedef struct llmc_signature {
  const char *name;
  llmc_dtype dtype;
  size_t rank;
  /* [rank]; -1 where the extent is not fixed. */
  const int64_t *extents;
  /* [rank]; the extent as text: "49152", "seq", "past + seq". */
  const char *const *formulas;
} llmc_signature;

/* ---- errors ---------------------------------------------------------------*/

LLMC_API llmc_status llmc_error_status(const llmc_error *error);
/* One sentence, lower case; lives as long as the error. */
LLMC_API const char *llmc_error_text(const llmc_error *error);
LLMC_API void llmc_error_free(llmc_error *error);

/* ---- models ---------------------------------------------------------------*/

/* Set `size` to sizeof(llmc_model_options) and the rest to zero for the
 * defaults; NULL stands for that. */
typedef struct llmc_model_options {
  size_t size;
  /* Threads of the model, shared by its sessions, the caller counted. 0: the
   * physical cores this process may use. */
  unsigned threads;
  /* Nonzero: leave out the hashes of the weights and of the texts beside them,
   * whose comparison reads all of them once. */
  int no_verify;
} llmc_model_options;

/* Opens the bundle in folder `dir`. The manifest, the sizes and hashes of the
 * files, the features of this CPU and the order of the weights are checked
 * before any code is loaded. Weights are mapped, not copied. */
LLMC_API llmc_model *llmc_model_open(const char *dir,
                                     const llmc_model_options *options,
                                     llmc_error **error);
LLMC_API void llmc_model_free(llmc_model *model);

LLMC_API size_t llmc_model_entry_count(const llmc_model *model);
/* NULL when index is too large. */
LLMC_API const char *llmc_model_entry_name(const llmc_model *model,
                                           size_t index);
/* Threads a session may use at most. */
LLMC_API unsigned llmc_model_threads(const llmc_model *model);
/* Bytes of weights in the map. */
LLMC_API uint64_t llmc_model_weight_bytes(const llmc_model *model);

/* What the manifest says of a language model. */
typedef struct llmc_language_model {
  const char *entry;   /* its inputs, symbols and states follow MANIFEST.md */
  int64_t vocabulary;  /* ids are in [0, vocabulary) */
  int64_t context;     /* default context of a session, in tokens */
  int64_t max_context; /* largest context a session may ask for */
  int64_t chunk;       /* most tokens one run may take */
  int64_t bos;         /* first token of a text, -1: none */
  size_t eos_count;    /* tokens that end a text */
  const int64_t *eos;  /* [eos_count] */
} llmc_language_model;

/* Fills `out` and returns 1, or returns 0 when the model is none. */
LLMC_API int llmc_model_language_model(const llmc_model *model,
                                       llmc_language_model *out);

/* ---- sessions -------------------------------------------------------------*/

typedef struct llmc_session_options {
  size_t size; /* sizeof(llmc_session_options) */
  /* Most tokens the states can hold; 0: the model's default. */
  int64_t context;
  /* Threads of this session; 0: all of the model. */
  unsigned threads;
} llmc_session_options;

/* A session has the inputs, outputs, states and scratch memory of one entry.
 * `entry` NULL: the model's only entry, or "main". */
LLMC_API llmc_session *llmc_session_create(llmc_model *model, const char *entry,
                                           const llmc_session_options *options,
                                           llmc_error **error);
LLMC_API void llmc_session_free(llmc_session *session);

LLMC_API size_t llmc_session_input_count(const llmc_session *session);
LLMC_API size_t llmc_session_output_count(const llmc_session *session);
/* NULL when index is too large. */
LLMC_API const llmc_signature *
llmc_session_input_signature(const llmc_session *session, size_t index);
LLMC_API const llmc_signature *
llmc_session_output_signature(const llmc_session *session, size_t index);

/* Memory of input `name` for the given extents, to be filled before the run:
 * aligned to 64 bytes, owned by the session, and valid until the next call of
 * this function for the same input. Values stay from run to run. */
LLMC_API void *llmc_session_input(llmc_session *session, const char *name,
                                  size_t rank, const int64_t *extents,
                                  llmc_error **error);
/* The same with a copy of `tensor`, whose dtype must be that of the input. */
LLMC_API llmc_status llmc_session_set_input(llmc_session *session,
                                            const char *name,
                                            const llmc_tensor *tensor,
                                            llmc_error **error);

/* Sets a symbol that no input determines, such as "n_logits". Stays set. */
LLMC_API llmc_status llmc_session_set_symbol(llmc_session *session,
                                             const char *name, int64_t value,
                                             llmc_error **error);

/* Runs the entry on the inputs. Symbols come from the extents of the inputs;
 * of those that are left, "past" is the position of the session, "context" its
 * context, and "n_logits" is "seq" unless set. Afterwards the position has
 * grown by "seq" if the entry has states. On failure the position and the
 * states are as before. */
LLMC_API llmc_status llmc_session_run(llmc_session *session,
                                      llmc_error **error);

/* A view of output `name` of the last run, valid until the next run. */
LLMC_API llmc_status llmc_session_output(llmc_session *session,
                                         const char *name, llmc_tensor *out,
                                         llmc_error **error);

/* Tokens the states hold, and can hold. */
LLMC_API int64_t llmc_session_position(const llmc_session *session);
LLMC_API int64_t llmc_session_context(const llmc_session *session);
/* Forgets everything: states zero, position 0. */
LLMC_API void llmc_session_reset(llmc_session *session);
/* Forgets the tokens from `position` on, for entries whose states are caches
 * with an extent "context". */
LLMC_API llmc_status llmc_session_truncate(llmc_session *session,
                                           int64_t position,
                                           llmc_error **error);
/* Bytes of scratch memory and of states the session holds now. */
LLMC_API uint64_t llmc_session_arena_bytes(const llmc_session *session);
LLMC_API uint64_t llmc_session_state_bytes(const llmc_session *session);

#ifdef __cplusplus
}
#endif

#endif /* LLMC_RUNTIME_LLMC_H */
