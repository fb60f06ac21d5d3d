//===- Generate.h - Continue a text of token ids --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The loop around a language model: read a prompt in pieces, then choose and
// feed one token at a time. It knows ids only; text is somebody else's.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_GENERATE_H
#define LLMC_RUNTIME_GENERATE_H

#include "llmc/Runtime/Sampler.h"
#include "llmc/Runtime/llmc.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <memory>
#include <vector>

namespace llmc {

/// Why a generation ended.
enum class StopReason {
  EndToken,    ///< the model gave one of its end tokens
  MaxTokens,   ///< as many tokens as were asked for
  ContextFull, ///< no room for another token
  Interrupted  ///< the caller said so
};

/// One running text of a language model.
class Generator {
public:
  /// Makes a session of the model's language entry. `context` in tokens and
  /// `threads` may be 0 for the defaults.
  static Fault create(llmc_model *model, int64_t context, unsigned threads,
                      std::unique_ptr<Generator> &out);
  ~Generator();
  Generator(const Generator &) = delete;
  Generator &operator=(const Generator &) = delete;

  /// Makes `ids` the whole text. What the session has already read of it is
  /// kept, the rest is read in pieces of the model's chunk. `goOn` is asked
  /// before each piece; when it says no, the text is only partly read and
  /// `complete` is false. `ids` must not be empty and must fit the context.
  Fault setText(llvm::ArrayRef<int64_t> ids, llvm::function_ref<bool()> goOn,
                bool &complete);

  /// Continues the text by at most `maxTokens` tokens. Each is given to `emit`,
  /// the end token too, before the next is computed; `emit` returns false to
  /// stop. The text grows by what was emitted.
  Fault generate(int64_t maxTokens, Sampler &sampler,
                 llvm::function_ref<bool(int64_t)> emit, StopReason &reason);

  /// One step: reads `id` as the next token of the text and computes logits.
  Fault step(int64_t id);

  /// Another token that ends a text, beside those of the model.
  void addEndToken(int64_t id) { ends.push_back(id); }
  bool isEndToken(int64_t id) const;

  /// Logits of the last token read, [vocabulary].
  llvm::ArrayRef<float> logits() const { return {row, rowSize}; }

  llvm::ArrayRef<int64_t> text() const { return ids; }
  const llmc_language_model &model() const { return spec; }
  int64_t context() const { return llmc_session_context(session); }
  llmc_session *handle() { return session; }

private:
  Generator() = default;
  /// Reads `count` tokens of the text from the session's position on;
  /// computes logits of the last if `wanted`.
  Fault read(int64_t count, bool wanted);

  llmc_session *session = nullptr;
  llmc_language_model spec = {};
  /// The text; the session has read the first position() of it.
  std::vector<int64_t> ids;
  std::vector<int64_t> ends;
  const float *row = nullptr;
  size_t rowSize = 0;
};

} // namespace llmc

#endif // LLMC_RUNTIME_GENERATE_H
