//===- ModelFolder.cpp - What lies beside an ONNX model -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Driver/ModelFolder.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llmc;

/// Configuration files are small; a larger one is refused unread.
static constexpr uint64_t kMaxConfigBytes = 16 << 20;

static llvm::Expected<llvm::json::Object> readJson(const std::string &path) {
  auto fail = [&](const llvm::Twine &what) {
    return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                   "'" + path + "': " + what);
  };
  uint64_t size = 0;
  if (auto code = llvm::sys::fs::file_size(path, size))
    return fail(code.message());
  if (size > kMaxConfigBytes)
    return fail("expected a configuration of at most 16 MiB");
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return fail(buffer.getError().message());
  // The parser recurses: refuse what nests deeper than any configuration.
  int depth = 0, deepest = 0;
  for (char c : (*buffer)->getBuffer()) {
    depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    deepest = std::max(deepest, depth);
  }
  if (deepest > 200)
    return fail("nested too deeply");
  auto value = llvm::json::parse((*buffer)->getBuffer());
  if (!value)
    return fail(llvm::toString(value.takeError()));
  llvm::json::Object *object = value->getAsObject();
  if (!object)
    return fail("expected a JSON object");
  return std::move(*object);
}

/// An id or a list of ids under `key`.
static std::vector<int64_t> getIds(const llvm::json::Object &object,
                                   llvm::StringRef key) {
  std::vector<int64_t> ids;
  if (auto id = object.getInteger(key))
    ids.push_back(*id);
  else if (const llvm::json::Array *list = object.getArray(key))
    for (const llvm::json::Value &entry : *list)
      if (auto id = entry.getAsInteger())
        ids.push_back(*id);
  return ids;
}

llvm::Expected<ModelFolder> ModelFolder::read(llvm::StringRef folder) {
  ModelFolder result;
  auto path = [&](llvm::StringRef name) { return (folder + "/" + name).str(); };
  auto takeIds = [&](const llvm::json::Object &object) {
    std::vector<int64_t> bos = getIds(object, "bos_token_id");
    if (!bos.empty())
      result.bos = bos.front();
    std::vector<int64_t> eos = getIds(object, "eos_token_id");
    if (!eos.empty())
      result.eos = eos;
  };
  // Later files are more specific.
  for (llvm::StringRef name :
       {"config.json", "genai_config.json", "generation_config.json"}) {
    if (!llvm::sys::fs::exists(path(name)))
      continue;
    auto object = readJson(path(name));
    if (!object)
      return object.takeError();
    const llvm::json::Object *model = object->getObject("model");
    const llvm::json::Object &values =
        name == "genai_config.json" && model ? *model : *object;
    takeIds(values);
    for (llvm::StringRef key : {"max_position_embeddings", "context_length"})
      if (auto length = values.getInteger(key); length && *length > 0)
        result.context = *length;
  }
  for (llvm::StringRef name :
       {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "chat_template.jinja", "generation_config.json"})
    if (llvm::sys::fs::is_regular_file(path(name)))
      result.files.push_back(path(name));
  return result;
}
