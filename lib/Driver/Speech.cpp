//===- Speech.cpp - The words of a language model -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Speech.h"
#include "llmc/Runtime/MappedFile.h"
#include <thread>

using namespace llmc;

static Fault faultOf(llvm::Error error) {
  return Fault::input(llvm::toString(std::move(error)));
}

Fault Speech::open(const std::string &folder, const char *remedy, Speech &out) {
  llvm::Expected<TextAssets> assets = readTextAssets(folder);
  if (!assets)
    return faultOf(assets.takeError());
  if (assets->tokenizer.empty())
    return Fault::input("bundle '" + folder + "' has no tokenizer; " + remedy);
  llvm::Expected<Tokenizer> tokenizer = Tokenizer::open(assets->tokenizer);
  if (!tokenizer)
    return faultOf(tokenizer.takeError());
  out.tokenizer.emplace(std::move(*tokenizer));
  assets->tokenizer = {};
  if (llvm::StringRef source = assets->templateFor(false); !source.empty()) {
    llvm::Expected<ChatTemplate> chat = ChatTemplate::open(source);
    if (!chat)
      return faultOf(chat.takeError());
    out.chat.emplace(std::move(*chat));
  }
  out.assets = std::move(*assets);
  return {};
}

Fault Speech::checkFits(const llmc_language_model &model) const {
  if (llvm::Error error = tokenizer->checkFits(model.vocabulary))
    return faultOf(std::move(error));
  return {};
}

static Fault collect(llvm::Expected<std::vector<uint32_t>> encoded,
                     std::vector<int64_t> &ids) {
  if (!encoded)
    return faultOf(encoded.takeError());
  ids.assign(encoded->begin(), encoded->end());
  return {};
}

Fault Speech::encode(const std::string &text, const llmc_language_model &model,
                     std::vector<int64_t> &ids) const {
  if (Fault fault = collect(tokenizer->encode(text, true), ids))
    return fault;
  // Nothing at all is a text, too, when the model has a token to begin with.
  if (ids.empty() && model.bos >= 0)
    ids.push_back(model.bos);
  return {};
}

/// Longest file of text, in bytes: while it is cut into tokens, it takes 80 times
/// as much memory.
static constexpr uint64_t kTextLimit = uint64_t(64) << 20;

Fault Speech::encodeFile(const std::string &path,
                         const llmc_language_model &model,
                         std::vector<int64_t> &ids, bool &begins) const {
  MappedFile file;
  if (Fault fault = MappedFile::open(path, file))
    return fault;
  if (file.size() > kTextLimit)
    return Fault::input("'" + path + "' has " + bytesText(file.size()) +
                        " but at most " + bytesText(kTextLimit) +
                        " are read; take a part of it");
  if (Fault fault = collect(tokenizer->encode(file.text(), false), ids))
    return {fault.blame, "'" + path + "': " + fault.text};
  std::vector<int64_t> before;
  if (Fault fault = collect(tokenizer->encode("", true), before))
    return fault;
  begins = model.bos >= 0 && !before.empty() && before.front() == model.bos;
  return {};
}

Fault Speech::encodeChat(llvm::ArrayRef<ChatMessage> messages,
                         std::vector<int64_t> &ids) const {
  if (!chat)
    return Fault::input("the model has no chat template; 'llmc generate' "
                        "without --chat continues a text");
  llvm::Expected<std::string> context = chatContext(messages, assets, true);
  if (!context)
    return faultOf(context.takeError());
  llvm::Expected<std::string> prompt = chat->render(*context);
  if (!prompt)
    return faultOf(prompt.takeError());
  return collect(tokenizer->encode(*prompt, false), ids);
}

Fault llmc::openGenerator(const Arguments &arguments, int64_t context,
                          const char *remedy, ModelHandle &model,
                          std::unique_ptr<Generator> &generator,
                          Speech *speech) {
  Fault speechFault;
  std::thread reader;
  if (speech)
    reader = std::thread([&] {
      speechFault = Speech::open(arguments.positional[0], remedy, *speech);
    });
  Fault fault = openModel(arguments, model);
  if (!fault)
    fault = Generator::create(model.get(), context, 0, generator);
  if (speech)
    reader.join();
  if (fault)
    return fault;
  if (!speech)
    return {};
  if (speechFault)
    return speechFault;
  for (uint32_t id : speech->endTokens())
    generator->addEndToken(id);
  return speech->checkFits(generator->model());
}

Fault AnswerWriter::begin(llvm::ArrayRef<int64_t> prompt) {
  std::vector<uint32_t> ids(prompt.begin(), prompt.end());
  llvm::Expected<TokenStream> opened = TokenStream::open(speech.tokens(), ids);
  if (!opened)
    return faultOf(opened.takeError());
  stream.emplace(std::move(*opened));
  return {};
}

bool AnswerWriter::write(llvm::Expected<std::string> piece) {
  if (!piece) {
    failure = faultOf(piece.takeError());
    return false;
  }
  text += *piece;
  return piece->empty() || (terminal.out(*piece) && terminal.flush());
}

bool AnswerWriter::push(int64_t id) { return write(stream->push(id)); }

Fault AnswerWriter::end() {
  if (!failure)
    write(stream->flush());
  return failure;
}
