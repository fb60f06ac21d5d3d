//===- Speech.h - The words of a language model ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tokenizer and chat template of a bundle, for the verbs that talk. Reading a
// large vocabulary takes longer than opening a model, so both happen at once.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_DRIVER_SPEECH_H
#define LLMC_LIB_DRIVER_SPEECH_H

#include "Verbs.h"
#include "llmc/Runtime/Generate.h"
#include "llmc/Text/Text.h"
#include <optional>

namespace llmc {

class Speech {
public:
  /// Reads the text files of `folder`. `remedy` tells what to do where there is
  /// no tokenizer.
  static Fault open(const std::string &folder, const char *remedy, Speech &out);

  /// Fails if the tokenizer gives ids the model does not have.
  Fault checkFits(const llmc_language_model &model) const;

  /// Ids of a plain prompt, with the tokens a text begins with.
  Fault encode(const std::string &text, const llmc_language_model &model,
               std::vector<int64_t> &ids) const;

  /// Ids of a conversation that the model is to answer.
  Fault encodeChat(llvm::ArrayRef<ChatMessage> messages,
                   std::vector<int64_t> &ids) const;

  /// Ids of a file of text of at most 64 MiB, without the tokens that a text
  /// begins with; `begins`: whether these are the model's begin token.
  Fault encodeFile(const std::string &path, const llmc_language_model &model,
                   std::vector<int64_t> &ids, bool &begins) const;

  bool hasTemplate() const { return chat.has_value(); }
  const Tokenizer &tokens() const { return *tokenizer; }
  const std::vector<uint32_t> &endTokens() const { return assets.eosIds; }

private:
  TextAssets assets;
  std::optional<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat;
};

/// Opens the bundle of the command line, makes a generator with
/// `context` tokens (0: the model's default), and, if `speech` is given, its
/// text side at the same time, where `remedy` is for Speech::open.
Fault openGenerator(const Arguments &arguments, int64_t context,
                    const char *remedy, ModelHandle &model,
                    std::unique_ptr<Generator> &generator, Speech *speech);

/// Writes generated tokens to stdout as text, each as soon as it is complete.
class AnswerWriter {
public:
  AnswerWriter(const Speech &speech, Terminal &terminal)
      : speech(speech), terminal(terminal) {}

  /// `prompt` is what the model has read.
  Fault begin(llvm::ArrayRef<int64_t> prompt);
  /// False when the text cannot be written or made; then see fault().
  bool push(int64_t id);
  /// Writes what was held back.
  Fault end();
  const std::string &answer() const { return text; }
  const Fault &fault() const { return failure; }

private:
  bool write(llvm::Expected<std::string> piece);

  const Speech &speech;
  Terminal &terminal;
  std::optional<TokenStream> stream;
  std::string text;
  Fault failure;
};

} // namespace llmc

#endif // LLMC_LIB_DRIVER_SPEECH_H
