//===- Text.h - Tokenizers and chat templates -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The runtime knows ids only; this room turns text into ids and back, and a
// conversation into the text a model was trained on. Ids and rendered prompts
// equal those of Hugging Face's Python libraries. Everything here may come with
// an untrusted model: bad input is an error, never an abort.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_TEXT_TEXT_H
#define LLMC_TEXT_TEXT_H

#include "llmc/Text/TextAssets.h"

#include "llvm/ADT/ArrayRef.h"

#include <memory>

struct llmc_text_stream;
struct llmc_text_template;
struct llmc_text_tokenizer;

namespace llmc {

/// A tokenizer.json, opened. Calls on one object may run on many threads.
class Tokenizer {
public:
  /// Opens the contents of a tokenizer.json. Truncation and padding that it may
  /// ask for are ignored.
  static llvm::Expected<Tokenizer> open(llvm::StringRef json);

  /// The ids of `text`, which must be UTF-8. `addSpecialTokens` adds what the
  /// tokenizer's post-processor adds (a begin token, say): wanted for plain
  /// prompts, unwanted for rendered chats, which contain theirs.
  llvm::Expected<std::vector<uint32_t>> encode(llvm::StringRef text,
                                               bool addSpecialTokens) const;

  /// The text of `ids`; an id without a token is an error.
  llvm::Expected<std::string> decode(llvm::ArrayRef<uint32_t> ids,
                                     bool skipSpecialTokens = true) const;

  /// Largest id plus one, added tokens included.
  uint64_t vocabularySize() const;

  std::optional<uint32_t> tokenToId(llvm::StringRef token) const;
  llvm::Expected<std::string> idToToken(uint32_t id) const;

  /// Fails if the tokenizer gives ids that a model with `rows` rows of
  /// embeddings does not have.
  llvm::Error checkFits(uint64_t rows) const;

private:
  friend class TokenStream;
  struct Free {
    void operator()(llmc_text_tokenizer *handle) const;
  };
  std::unique_ptr<llmc_text_tokenizer, Free> handle;
};

/// Text of generated tokens, as they come. A character that is spread over
/// several tokens is given out when its last one arrives.
class TokenStream {
public:
  /// `prompt` is what stands before the first pushed id. It decides, for
  /// instance, whether a first word begins with a space.
  static llvm::Expected<TokenStream> open(const Tokenizer &tokenizer,
                                          llvm::ArrayRef<uint32_t> prompt,
                                          bool skipSpecialTokens = true);

  /// The text that `id` completes; often empty.
  llvm::Expected<std::string> push(uint32_t id);

  /// What is held back, incomplete characters as U+FFFD. Call it at the end.
  llvm::Expected<std::string> flush();

private:
  struct Free {
    void operator()(llmc_text_stream *handle) const;
  };
  std::unique_ptr<llmc_text_stream, Free> handle;
};

/// One turn of a conversation.
struct ChatMessage {
  std::string role; // "system", "user", "assistant", "tool"
  std::string content;
};

/// A Jinja template that turns a conversation into a prompt. It belongs to the
/// model and is not trusted: it sees its context and nothing else, and ends.
class ChatTemplate {
public:
  struct Limits {
    uint64_t sourceBytes = maxTemplateBytes;
    /// Instructions executed; 64 bytes of data count as one more, so this
    /// bounds memory, too.
    uint64_t steps = 2000000;
    uint64_t outputBytes = uint64_t(64) << 20;
    /// For opening and for each rendering. A last resort: steps and memory
    /// usually end a hostile template long before.
    uint64_t milliseconds = 5000;
  };

  static llvm::Expected<ChatTemplate> open(llvm::StringRef source,
                                           Limits limits);
  static llvm::Expected<ChatTemplate> open(llvm::StringRef source) {
    return open(source, Limits());
  }

  /// Renders with one JSON object: "messages", "tools",
  /// "add_generation_prompt", "bos_token", "eos_token", and whatever else the
  /// template knows.
  llvm::Expected<std::string> render(llvm::StringRef contextJson) const;

private:
  struct Free {
    void operator()(llmc_text_template *handle) const;
  };
  std::unique_ptr<llmc_text_template, Free> handle;
};

/// The context of `messages` for ChatTemplate::render, with the model's special
/// tokens. `toolsJson` is a JSON array of function schemas, or empty.
llvm::Expected<std::string> chatContext(llvm::ArrayRef<ChatMessage> messages,
                                        const TextAssets &assets,
                                        bool addGenerationPrompt,
                                        llvm::StringRef toolsJson = {});

} // namespace llmc

#endif // LLMC_TEXT_TEXT_H
