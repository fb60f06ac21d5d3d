/*===- llmc_text.h - Tokenizers and chat templates behind C ---------------===*
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The interface of the Rust static library of this folder; lib/Text is its only
 * user. Strings are pointer and length, never zero-terminated. A call that can
 * fail returns its error text: `data` is null on success, else the caller frees
 * it. Outputs are written on success only. No call unwinds or aborts on bad
 * input. Handles may be shared between threads, except streams.
 *===----------------------------------------------------------------------===*/
#ifndef LLMC_TEXT_SHIM_H
#define LLMC_TEXT_SHIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes or ids that the library allocated and the caller frees. */
typedef struct llmc_text_bytes {
  uint8_t *data;
  size_t size;
} llmc_text_bytes;
typedef struct llmc_text_ids {
  uint32_t *data;
  size_t size;
} llmc_text_ids;

void llmc_text_bytes_free(llmc_text_bytes bytes);
void llmc_text_ids_free(llmc_text_ids ids);

typedef struct llmc_text_tokenizer llmc_text_tokenizer;
typedef struct llmc_text_stream llmc_text_stream;
typedef struct llmc_text_template llmc_text_template;

/* Opens the contents of a tokenizer.json. Truncation and padding, which some
 * files carry, are dropped: lengths are the caller's business. */
llmc_text_bytes llmc_text_tokenizer_open(const uint8_t *json, size_t size,
                                         llmc_text_tokenizer **out);
void llmc_text_tokenizer_free(llmc_text_tokenizer *tokenizer);
llmc_text_bytes llmc_text_encode(const llmc_text_tokenizer *tokenizer,
                                 const uint8_t *text, size_t size,
                                 int add_special_tokens, llmc_text_ids *out);
llmc_text_bytes llmc_text_decode(const llmc_text_tokenizer *tokenizer,
                                 const uint32_t *ids, size_t count,
                                 int skip_special_tokens, llmc_text_bytes *out);
/* Largest id plus one, added tokens included. */
uint64_t llmc_text_vocabulary_size(const llmc_text_tokenizer *tokenizer);
/* The id of a token, -1 if there is none. */
int64_t llmc_text_token_to_id(const llmc_text_tokenizer *tokenizer,
                              const uint8_t *token, size_t size);
llmc_text_bytes llmc_text_id_to_token(const llmc_text_tokenizer *tokenizer,
                                      uint32_t id, llmc_text_bytes *out);

/* Text of ids that come one by one. `ids` are those before the first pushed
 * one (the prompt); their text is not given out. The tokenizer may be freed
 * before the stream. */
llmc_text_bytes llmc_text_stream_open(const llmc_text_tokenizer *tokenizer,
                                      const uint32_t *ids, size_t count,
                                      int skip_special_tokens,
                                      llmc_text_stream **out);
llmc_text_bytes llmc_text_stream_push(llmc_text_stream *stream, uint32_t id,
                                      llmc_text_bytes *out);
llmc_text_bytes llmc_text_stream_flush(llmc_text_stream *stream,
                                       llmc_text_bytes *out);
void llmc_text_stream_free(llmc_text_stream *stream);

/* A Jinja chat template, rendered as Hugging Face's Python does. One step is an
 * instruction or 64 bytes of data. What the engine does not count as steps ends
 * at a bound of memory derived from `max_steps` and `max_output_bytes`, or at
 * the time limit; both hold for opening and for each rendering. */
llmc_text_bytes llmc_text_template_open(const uint8_t *source, size_t size,
                                        uint64_t max_steps,
                                        uint64_t max_output_bytes,
                                        uint64_t max_milliseconds,
                                        llmc_text_template **out);
/* `context` is one JSON object: messages, tools, add_generation_prompt, ... */
llmc_text_bytes llmc_text_template_render(const llmc_text_template *tmpl,
                                          const uint8_t *context, size_t size,
                                          llmc_text_bytes *out);
void llmc_text_template_free(llmc_text_template *tmpl);

#ifdef __cplusplus
}
#endif

#endif /* LLMC_TEXT_SHIM_H */
