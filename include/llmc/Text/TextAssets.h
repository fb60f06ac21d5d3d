//===- TextAssets.h - The files around a model that deal with text --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Hugging Face model folders and our bundles keep the tokenizer, the chat
// template and the special tokens in the same files. The compiler copies them
// into a bundle, the runtime reads them from it. No tokenizer is needed here,
// so both worlds may link this part.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_TEXT_TEXTASSETS_H
#define LLMC_TEXT_TEXTASSETS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace llmc {

/// Upper bounds in bytes of the files read; the largest vocabularies in use
/// take 35 MB of JSON.
constexpr uint64_t maxTokenizerBytes = uint64_t(256) << 20;
constexpr uint64_t maxTextConfigBytes = uint64_t(16) << 20;
constexpr uint64_t maxTemplateBytes = uint64_t(1) << 20;

/// What a model folder or a bundle says about text. Parts that the folder does
/// not have are empty.
struct TextAssets {
  /// Contents of tokenizer.json, for Tokenizer::open.
  std::string tokenizer;

  /// Source of the chat template, and of the one for prompts with tools where
  /// the model has another.
  std::string chatTemplate;
  std::string toolUseTemplate;

  /// Special tokens by Hugging Face's names ("bos_token", "eos_token",
  /// "pad_token", ...), as templates see them.
  std::vector<std::pair<std::string, std::string>> specialTokens;

  /// Id of the token that begins a text, and those that end an answer: from
  /// generation_config.json, else config.json, else by the special tokens.
  std::optional<uint32_t> bosId;
  std::vector<uint32_t> eosIds;

  /// The text of a special token; empty if the model has none of that name.
  llvm::StringRef specialToken(llvm::StringRef name) const;

  /// The template for a prompt with or without tools; empty if there is none.
  llvm::StringRef templateFor(bool withTools) const {
    return withTools && !toolUseTemplate.empty() ? toolUseTemplate
                                                 : chatTemplate;
  }
};

/// The object in a JSON file of such a folder, `file` for messages. Nesting is
/// checked first: LLVM's parser recurses without a limit.
llvm::Expected<llvm::json::Object> parseTextObject(llvm::StringRef file,
                                                   llvm::StringRef json);

/// Reads the text files of `folder`. A folder without any gives empty assets; a
/// file that is malformed, too large or not a regular file is an error.
llvm::Expected<TextAssets> readTextAssets(llvm::StringRef folder);

/// Copies the text files that `from` has to the folder `to`, byte by byte, and
/// returns their names. The files are checked as by readTextAssets first.
llvm::Expected<std::vector<std::string>> copyTextAssets(llvm::StringRef from,
                                                        llvm::StringRef to);

} // namespace llmc

#endif // LLMC_TEXT_TEXTASSETS_H
