//===- TextAssets.cpp - The files around a model that deal with text ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sizes and nesting are checked before anything is parsed.
//
//===----------------------------------------------------------------------===//

#include "llmc/Text/TextAssets.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llmc;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::json::Object;
using llvm::json::Value;

namespace {
/// A file of the folder, with the bound of its size.
struct TextFile {
  const char *name;
  uint64_t maxBytes;
};
} // namespace

static constexpr TextFile tokenizerFile = {"tokenizer.json", maxTokenizerBytes};
static constexpr TextFile tokenizerConfigFile = {"tokenizer_config.json",
                                                 maxTextConfigBytes};
static constexpr TextFile specialTokensFile = {"special_tokens_map.json",
                                               maxTextConfigBytes};
static constexpr TextFile templateFile = {"chat_template.jinja",
                                          maxTemplateBytes};
static constexpr TextFile generationFile = {"generation_config.json",
                                            maxTextConfigBytes};
// Read for the ids of special tokens, not copied: a bundle keeps those ids in
// its manifest.
static constexpr TextFile modelConfigFile = {"config.json", maxTextConfigBytes};

static constexpr TextFile copiedFiles[] = {tokenizerFile, tokenizerConfigFile,
                                           specialTokensFile, templateFile,
                                           generationFile};

static constexpr unsigned maxJsonDepth = 64;

static constexpr StringRef specialTokenNames[] = {
    "bos_token", "eos_token", "unk_token", "sep_token",
    "pad_token", "cls_token", "mask_token"};

static Error failure(StringRef file, const std::string &text) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 file.str() + ": " + text);
}

/// The contents of a file of `folder`, nothing if it is not there.
static Expected<std::optional<std::string>> readFile(StringRef folder,
                                                     TextFile file) {
  llvm::SmallString<256> path(folder);
  llvm::sys::path::append(path, file.name);
  llvm::sys::fs::file_status status;
  std::error_code error = llvm::sys::fs::status(path, status);
  if (error == std::errc::no_such_file_or_directory)
    return std::nullopt;
  if (error)
    return failure(file.name, error.message());
  if (!llvm::sys::fs::is_regular_file(status))
    return failure(file.name, "expected a regular file");
  if (status.getSize() > file.maxBytes)
    return failure(file.name,
                   llvm::formatv("expected at most {0} bytes but got {1}",
                                 file.maxBytes, status.getSize()));
  // Volatile: read it instead of mapping it, so that a file that shrinks
  // meanwhile cannot raise a signal.
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false,
                                            /*IsVolatile=*/true);
  if (!buffer)
    return failure(file.name, buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

static unsigned jsonDepth(StringRef json) {
  unsigned depth = 0, deepest = 0;
  bool inString = false;
  for (size_t i = 0; i < json.size(); ++i) {
    char c = json[i];
    if (inString) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        inString = false;
    } else if (c == '"') {
      inString = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == '}' || c == ']') && depth) {
      --depth;
    }
  }
  return deepest;
}

Expected<Object> llmc::parseTextObject(StringRef file, StringRef json) {
  if (unsigned depth = jsonDepth(json); depth > maxJsonDepth)
    return failure(
        file,
        llvm::formatv("expected at most {0} levels of nesting but got {1}",
                      maxJsonDepth, depth));
  Expected<Value> value = llvm::json::parse(json);
  if (!value)
    return failure(file, llvm::toString(value.takeError()));
  Object *object = value->getAsObject();
  if (!object)
    return failure(file, "expected a JSON object");
  return std::move(*object);
}

/// A JSON file of `folder`; an empty object if it is not there.
static Expected<Object> readObject(StringRef folder, TextFile file) {
  auto text = readFile(folder, file);
  if (!text)
    return text.takeError();
  if (!*text)
    return Object();
  return parseTextObject(file.name, **text);
}

/// Adds the special tokens of `config` that `assets` does not have yet. A token
/// is a text or an object with its "content".
static Error addSpecialTokens(StringRef file, const Object &config,
                              TextAssets &assets) {
  for (StringRef name : specialTokenNames) {
    const Value *value = config.get(name);
    if (!value || value->getAsNull() || !assets.specialToken(name).empty())
      continue;
    std::optional<StringRef> text = value->getAsString();
    if (const Object *object = value->getAsObject())
      text = object->getString("content");
    if (!text)
      return failure(file, llvm::formatv("expected \"{0}\" to be a text or an "
                                         "object with \"content\"",
                                         name));
    assets.specialTokens.emplace_back(name.str(), text->str());
  }
  return Error::success();
}

/// Takes "chat_template": one source, or a list of named ones of which
/// "default" and "tool_use" mean something.
static Error addTemplates(StringRef file, const Object &config,
                          TextAssets &assets) {
  const Value *value = config.get("chat_template");
  if (!value || value->getAsNull())
    return Error::success();
  if (auto source = value->getAsString()) {
    assets.chatTemplate = source->str();
    return Error::success();
  }
  const llvm::json::Array *list = value->getAsArray();
  if (!list)
    return failure(file, "expected \"chat_template\" to be a text or a list");
  for (const Value &item : *list) {
    const Object *entry = item.getAsObject();
    auto name = entry ? entry->getString("name") : std::nullopt;
    auto source = entry ? entry->getString("template") : std::nullopt;
    if (!name || !source)
      return failure(file, "expected every item of \"chat_template\" to have "
                           "the texts \"name\" and \"template\"");
    if (*name == "default")
      assets.chatTemplate = source->str();
    else if (*name == "tool_use")
      assets.toolUseTemplate = source->str();
  }
  return Error::success();
}

static Expected<uint32_t> readId(StringRef file, StringRef key,
                                 const Value &value) {
  auto id = value.getAsInteger();
  if (!id || *id < 0 || *id > int64_t(UINT32_MAX))
    return failure(file,
                   llvm::formatv("expected \"{0}\" to be a token id", key));
  return static_cast<uint32_t>(*id);
}

/// Takes "bos_token_id" and "eos_token_id" (an id or a list) unless known.
static Error addIds(StringRef file, const Object &config, TextAssets &assets) {
  const Value *bos = config.get("bos_token_id");
  if (bos && !bos->getAsNull() && !assets.bosId) {
    Expected<uint32_t> id = readId(file, "bos_token_id", *bos);
    if (!id)
      return id.takeError();
    assets.bosId = *id;
  }
  const Value *eos = config.get("eos_token_id");
  if (!eos || eos->getAsNull() || !assets.eosIds.empty())
    return Error::success();
  auto add = [&](const Value &value) -> Error {
    Expected<uint32_t> id = readId(file, "eos_token_id", value);
    if (!id)
      return id.takeError();
    assets.eosIds.push_back(*id);
    return Error::success();
  };
  if (const llvm::json::Array *list = eos->getAsArray()) {
    for (const Value &value : *list)
      if (Error error = add(value))
        return error;
    return Error::success();
  }
  return add(*eos);
}

/// Last resort for the ids: the special tokens looked up in the tokenizer's
/// list of added tokens, where special tokens stand.
static Error addIdsFromTokenizer(TextAssets &assets) {
  StringRef bos = assets.specialToken("bos_token");
  StringRef eos = assets.specialToken("eos_token");
  bool wantBos = !assets.bosId && !bos.empty();
  bool wantEos = assets.eosIds.empty() && !eos.empty();
  if (assets.tokenizer.empty() || (!wantBos && !wantEos))
    return Error::success();
  StringRef file = tokenizerFile.name;
  Expected<Object> tokenizer = parseTextObject(file, assets.tokenizer);
  if (!tokenizer)
    return tokenizer.takeError();
  const llvm::json::Array *added = tokenizer->getArray("added_tokens");
  if (!added)
    return Error::success();
  for (const Value &item : *added) {
    const Object *token = item.getAsObject();
    const Value *value = token ? token->get("id") : nullptr;
    auto content = token ? token->getString("content") : std::nullopt;
    if (!value || !content)
      return failure(file, "expected every item of \"added_tokens\" to have "
                           "\"id\" and \"content\"");
    bool isBos = wantBos && *content == bos;
    bool isEos = wantEos && *content == eos;
    if (!isBos && !isEos)
      continue;
    Expected<uint32_t> id = readId(file, "id", *value);
    if (!id)
      return id.takeError();
    if (isBos)
      assets.bosId = *id;
    if (isEos)
      assets.eosIds.push_back(*id);
  }
  return Error::success();
}

StringRef TextAssets::specialToken(StringRef name) const {
  for (const auto &[key, text] : specialTokens)
    if (key == name)
      return text;
  return {};
}

Expected<TextAssets> llmc::readTextAssets(StringRef folder) {
  TextAssets assets;
  auto tokenizer = readFile(folder, tokenizerFile);
  if (!tokenizer)
    return tokenizer.takeError();
  if (*tokenizer && (*tokenizer)->empty())
    return failure(tokenizerFile.name,
                   "expected a tokenizer but got an empty file");
  assets.tokenizer = std::move(*tokenizer).value_or(std::string());

  for (TextFile file : {tokenizerConfigFile, specialTokensFile}) {
    Expected<Object> config = readObject(folder, file);
    if (!config)
      return config.takeError();
    if (Error error = addSpecialTokens(file.name, *config, assets))
      return std::move(error);
    if (Error error = addTemplates(file.name, *config, assets))
      return std::move(error);
  }

  // The file wins over the entry of tokenizer_config.json.
  auto source = readFile(folder, templateFile);
  if (!source)
    return source.takeError();
  if (*source)
    assets.chatTemplate = std::move(**source);

  for (TextFile file : {generationFile, modelConfigFile}) {
    Expected<Object> config = readObject(folder, file);
    if (!config)
      return config.takeError();
    if (Error error = addIds(file.name, *config, assets))
      return std::move(error);
  }
  if (Error error = addIdsFromTokenizer(assets))
    return std::move(error);
  return std::move(assets);
}

Expected<std::vector<std::string>> llmc::copyTextAssets(StringRef from,
                                                        StringRef to) {
  Expected<TextAssets> assets = readTextAssets(from);
  if (!assets)
    return assets.takeError();
  std::vector<std::string> copied;
  for (TextFile file : copiedFiles) {
    auto text = readFile(from, file);
    if (!text)
      return text.takeError();
    if (!*text)
      continue;
    llvm::SmallString<256> path(to);
    llvm::sys::path::append(path, file.name);
    std::error_code error;
    llvm::raw_fd_ostream out(path, error);
    if (error)
      return failure(path, error.message());
    out << **text;
    out.close();
    if (out.has_error()) {
      error = out.error();
      out.clear_error();
      return failure(path, error.message());
    }
    copied.push_back(file.name);
  }
  return std::move(copied);
}
