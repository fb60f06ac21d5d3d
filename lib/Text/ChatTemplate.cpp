//===- ChatTemplate.cpp - A conversation becomes a prompt -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rendering is the Rust library's; this file checks sizes and builds contexts.
//
//===----------------------------------------------------------------------===//

#include "Shim.h"
#include "llmc/Text/Text.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace llmc;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

static Error failure(const std::string &text) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), text);
}

void ChatTemplate::Free::operator()(llmc_text_template *handle) const {
  llmc_text_template_free(handle);
}

Expected<ChatTemplate> ChatTemplate::open(StringRef source, Limits limits) {
  if (source.size() > limits.sourceBytes)
    return failure(
        llvm::formatv("chat template: expected at most {0} bytes but got {1}",
                      limits.sourceBytes, source.size())
            .str());
  llmc_text_template *opened = nullptr;
  if (Error error = toError(llmc_text_template_open(
          bytesOf(source), source.size(), limits.steps, limits.outputBytes,
          limits.milliseconds, &opened)))
    return std::move(error);
  ChatTemplate result;
  result.handle.reset(opened);
  return std::move(result);
}

Expected<std::string> ChatTemplate::render(StringRef contextJson) const {
  llmc_text_bytes text = {};
  if (Error error = toError(llmc_text_template_render(
          handle.get(), bytesOf(contextJson), contextJson.size(), &text)))
    return std::move(error);
  return take(text);
}

Expected<std::string> llmc::chatContext(llvm::ArrayRef<ChatMessage> messages,
                                        const TextAssets &assets,
                                        bool addGenerationPrompt,
                                        StringRef toolsJson) {
  // The writer asserts on other text, and on being left half-way.
  for (const ChatMessage &message : messages)
    for (StringRef text : {StringRef(message.role), StringRef(message.content)})
      if (size_t at = 0; !llvm::json::isUTF8(text, &at))
        return failure(
            llvm::formatv("a chat message is not valid UTF-8 at byte {0}", at)
                .str());
  std::string context;
  llvm::raw_string_ostream os(context);
  llvm::json::OStream json(os);
  json.objectBegin();
  json.attributeBegin("messages");
  json.arrayBegin();
  for (const ChatMessage &message : messages)
    json.object([&] {
      json.attribute("role", message.role);
      json.attribute("content", message.content);
    });
  json.arrayEnd();
  json.attributeEnd();
  json.attribute("add_generation_prompt", addGenerationPrompt);
  for (const auto &[name, token] : assets.specialTokens)
    json.attribute(name, token);
  // Parsed and checked by the template's reader, which bounds its nesting.
  if (!toolsJson.empty()) {
    json.attributeBegin("tools");
    json.rawValue(toolsJson);
    json.attributeEnd();
  }
  json.objectEnd();
  return context;
}
