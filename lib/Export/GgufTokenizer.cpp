//===- GgufTokenizer.cpp - A tokenizer as metadata of GGUF ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "GgufTokenizer.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/JSON.h"

using namespace llmc;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;
namespace json = llvm::json;

/// Values of tokenizer.ggml.token_type.
enum : int32_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };

static Error refuse(const Twine &what) {
  return llvm::createStringError("tokenizer.json: " + what +
                                 "; a GGUF file is written with byte-level BPE "
                                 "as GPT-2 or SmolLM have it");
}

static StringRef getType(const json::Object *object) {
  return object ? object->getString("type").value_or("") : "";
}

/// "gpt-2" or "smollm", as llama.cpp calls what cuts a text before BPE.
static Expected<StringRef> findPreTokenizer(const json::Object &root) {
  const json::Object *step = root.getObject("pre_tokenizer");
  StringRef name = "gpt-2";
  if (getType(step) == "Sequence") {
    const json::Array *steps = step->getArray("pretokenizers");
    const json::Object *digits =
        steps && steps->size() == 2 ? (*steps)[0].getAsObject() : nullptr;
    if (getType(digits) != "Digits" ||
        !digits->getBoolean("individual_digits").value_or(false))
      return refuse("expected a pre-tokenizer of single digits and ByteLevel");
    step = (*steps)[1].getAsObject();
    name = "smollm";
  }
  if (getType(step) != "ByteLevel" ||
      !step->getBoolean("use_regex").value_or(true) ||
      step->getBoolean("add_prefix_space").value_or(true))
    return refuse("expected the pre-tokenizer ByteLevel without a space before "
                  "the text but got '" +
                  getType(step) + "'");
  return name;
}

/// Whether texts begin with the begin token.
static Expected<bool> addsBegin(const json::Object &root) {
  const json::Object *step = root.getObject("post_processor");
  if (!step || getType(step) == "ByteLevel")
    return false;
  const json::Array *parts = getType(step) == "TemplateProcessing"
                                 ? step->getArray("single")
                                 : nullptr;
  if (!parts || parts->size() != 2 || !(*parts)[0].getAsObject() ||
      !(*parts)[0].getAsObject()->getObject("SpecialToken") ||
      !(*parts)[1].getAsObject() ||
      !(*parts)[1].getAsObject()->getObject("Sequence"))
    return refuse("expected a post-processor that adds a begin token or none");
  return true;
}

Error llmc::addTokenizer(GgufHead &head, const TextAssets &text,
                         int64_t vocabulary) {
  if (text.tokenizer.empty())
    return llvm::createStringError(
        "expected tokenizer.json beside the model, since a GGUF file holds the "
        "tokenizer");
  auto root = parseTextObject("tokenizer.json", text.tokenizer);
  if (!root)
    return root.takeError();
  const json::Object *model = root->getObject("model");
  if (getType(model) != "BPE")
    return refuse("expected a model of type BPE but got '" + getType(model) +
                  "'");
  if (root->getObject("normalizer"))
    return refuse("expected no normalizer but got '" +
                  getType(root->getObject("normalizer")) + "'");
  if (model->getBoolean("byte_fallback").value_or(false) ||
      model->getBoolean("ignore_merges").value_or(false))
    return refuse("expected BPE without byte fallback that applies merges");
  auto pre = findPreTokenizer(*root);
  if (!pre)
    return pre.takeError();
  auto begins = addsBegin(*root);
  if (!begins)
    return begins.takeError();

  std::vector<std::string> tokens(vocabulary);
  std::vector<int32_t> types(vocabulary, kUnused);
  auto place = [&](StringRef token, int64_t id, int32_t type) -> Error {
    if (id < 0 || id >= vocabulary)
      return refuse("expected ids below " + Twine(vocabulary) +
                    ", the rows of the embedding, but got " + Twine(id));
    tokens[id] = token.str();
    types[id] = type;
    return Error::success();
  };
  const json::Object *words = model->getObject("vocab");
  const json::Array *merges = model->getArray("merges");
  if (!words || !merges)
    return refuse("expected a vocabulary and merges");
  for (const auto &[token, id] : *words)
    if (Error error = place(token, id.getAsInteger().value_or(-1), kNormal))
      return error;
  if (const json::Array *added = root->getArray("added_tokens"))
    for (const json::Value &entry : *added) {
      const json::Object *token = entry.getAsObject();
      if (!token || !token->getString("content"))
        return refuse("expected added tokens with their text");
      if (Error error = place(*token->getString("content"),
                              token->getInteger("id").value_or(-1),
                              token->getBoolean("special").value_or(false)
                                  ? kControl
                                  : kUserDefined))
        return error;
    }
  for (int64_t id = 0; id < vocabulary; ++id)
    if (types[id] == kUnused)
      tokens[id] = "[PAD" + std::to_string(id) + "]";
  std::vector<std::string> pairs;
  for (const json::Value &merge : *merges) {
    std::string pair;
    if (auto whole = merge.getAsString())
      pair = whole->str();
    else if (const json::Array *two = merge.getAsArray();
             two && two->size() == 2 && (*two)[0].getAsString() &&
             (*two)[1].getAsString())
      pair = (*(*two)[0].getAsString() + " " + *(*two)[1].getAsString()).str();
    if (StringRef(pair).count(' ') != 1)
      return refuse("expected merges of two tokens without a space");
    pairs.push_back(std::move(pair));
  }

  head.addText("tokenizer.ggml.model", "gpt2");
  head.addText("tokenizer.ggml.pre", *pre);
  head.addTexts("tokenizer.ggml.tokens", tokens);
  head.addNumbers("tokenizer.ggml.token_type", types);
  head.addTexts("tokenizer.ggml.merges", pairs);
  if (text.bosId)
    head.addNumber("tokenizer.ggml.bos_token_id", *text.bosId);
  if (!text.eosIds.empty())
    head.addNumber("tokenizer.ggml.eos_token_id", text.eosIds.front());
  auto addId = [&](StringRef key, StringRef name) {
    StringRef token = text.specialToken(name);
    auto found = llvm::find(tokens, token);
    if (!token.empty() && found != tokens.end())
      head.addNumber(key, found - tokens.begin());
  };
  addId("tokenizer.ggml.unknown_token_id", "unk_token");
  addId("tokenizer.ggml.padding_token_id", "pad_token");
  head.addFlag("tokenizer.ggml.add_bos_token", *begins);
  if (!text.chatTemplate.empty())
    head.addText("tokenizer.chat_template", text.chatTemplate);
  return Error::success();
}
