//===- Tokenizer.cpp - Ids of a text and text of ids ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Thin: the work is done by the Rust library of lib/Text/shim.
//
//===----------------------------------------------------------------------===//

#include "Shim.h"
#include "llmc/Text/Text.h"

#include "llvm/Support/FormatVariadic.h"

using namespace llmc;
using llvm::ArrayRef;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

static Error failure(const std::string &text) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), text);
}

void Tokenizer::Free::operator()(llmc_text_tokenizer *handle) const {
  llmc_text_tokenizer_free(handle);
}

Expected<Tokenizer> Tokenizer::open(StringRef json) {
  if (json.size() > maxTokenizerBytes)
    return failure(
        llvm::formatv(
            "malformed tokenizer: expected at most {0} bytes but got {1}",
            maxTokenizerBytes, json.size())
            .str());
  llmc_text_tokenizer *opened = nullptr;
  if (Error error = toError(
          llmc_text_tokenizer_open(bytesOf(json), json.size(), &opened)))
    return std::move(error);
  Tokenizer tokenizer;
  tokenizer.handle.reset(opened);
  return std::move(tokenizer);
}

Expected<std::vector<uint32_t>> Tokenizer::encode(StringRef text,
                                                  bool addSpecialTokens) const {
  llmc_text_ids ids = {};
  if (Error error = toError(llmc_text_encode(
          handle.get(), bytesOf(text), text.size(), addSpecialTokens, &ids)))
    return std::move(error);
  std::vector<uint32_t> result(ids.data, ids.data + ids.size);
  llmc_text_ids_free(ids);
  return std::move(result);
}

Expected<std::string> Tokenizer::decode(ArrayRef<uint32_t> ids,
                                        bool skipSpecialTokens) const {
  llmc_text_bytes text = {};
  if (Error error = toError(llmc_text_decode(
          handle.get(), ids.data(), ids.size(), skipSpecialTokens, &text)))
    return std::move(error);
  return take(text);
}

uint64_t Tokenizer::vocabularySize() const {
  return llmc_text_vocabulary_size(handle.get());
}

std::optional<uint32_t> Tokenizer::tokenToId(StringRef token) const {
  int64_t id =
      llmc_text_token_to_id(handle.get(), bytesOf(token), token.size());
  if (id < 0)
    return std::nullopt;
  return static_cast<uint32_t>(id);
}

Expected<std::string> Tokenizer::idToToken(uint32_t id) const {
  llmc_text_bytes text = {};
  if (Error error = toError(llmc_text_id_to_token(handle.get(), id, &text)))
    return std::move(error);
  return take(text);
}

Error Tokenizer::checkFits(uint64_t rows) const {
  if (vocabularySize() <= rows)
    return Error::success();
  return failure(llvm::formatv("the tokenizer does not fit the model: expected "
                               "at most {0} tokens but got {1}",
                               rows, vocabularySize())
                     .str());
}

void TokenStream::Free::operator()(llmc_text_stream *handle) const {
  llmc_text_stream_free(handle);
}

Expected<TokenStream> TokenStream::open(const Tokenizer &tokenizer,
                                        ArrayRef<uint32_t> prompt,
                                        bool skipSpecialTokens) {
  llmc_text_stream *opened = nullptr;
  if (Error error = toError(llmc_text_stream_open(tokenizer.handle.get(),
                                                  prompt.data(), prompt.size(),
                                                  skipSpecialTokens, &opened)))
    return std::move(error);
  TokenStream stream;
  stream.handle.reset(opened);
  return std::move(stream);
}

Expected<std::string> TokenStream::push(uint32_t id) {
  llmc_text_bytes text = {};
  if (Error error = toError(llmc_text_stream_push(handle.get(), id, &text)))
    return std::move(error);
  return take(text);
}

Expected<std::string> TokenStream::flush() {
  llmc_text_bytes text = {};
  if (Error error = toError(llmc_text_stream_flush(handle.get(), &text)))
    return std::move(error);
  return take(text);
}
