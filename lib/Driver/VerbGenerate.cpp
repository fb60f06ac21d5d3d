//===- VerbGenerate.cpp - llmc generate -----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One prompt, one continuation; text or token ids.
//
//===----------------------------------------------------------------------===//
#include "Generation.h"
#include "Speech.h"
#include "Verbs.h"
#include <cerrno>
#include <fmt/format.h>
#include <unistd.h>

using namespace llmc;

/// Longest prompt read from stdin, in bytes: more than any context.
static constexpr size_t kPromptLimit = size_t(64) << 20;

static Fault readStdin(std::string &text) {
  char piece[65536];
  while (true) {
    ssize_t count = read(STDIN_FILENO, piece, sizeof(piece));
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return Fault::machine("cannot read the prompt from stdin");
    if (count == 0)
      return {};
    text.append(piece, count);
    if (text.size() > kPromptLimit)
      return Fault::input("the prompt on stdin has more than " +
                          bytesText(kPromptLimit));
  }
}

namespace {
/// What to continue, from the command line.
struct Prompt {
  bool asIds = false, asChat = false;
  std::string text;
  std::vector<int64_t> ids;
};
} // namespace

static Fault readPrompt(const Arguments &arguments, const Terminal &terminal,
                        Prompt &prompt) {
  prompt.asIds = arguments.has("ids");
  prompt.asChat = arguments.has("chat");
  if (prompt.asIds && (arguments.has("prompt") || prompt.asChat))
    return Fault::usage("--ids stands instead of a text: leave out --prompt "
                        "and --chat");
  if (arguments.has("system") && !prompt.asChat)
    return Fault::usage("--system needs --chat");
  if (prompt.asIds)
    return parseIds(arguments.text("ids"), prompt.ids);
  prompt.text = arguments.text("prompt");
  if (arguments.has("prompt"))
    return {};
  if (terminal.stdinIsTerminal())
    return Fault::usage("'generate' needs --prompt TEXT or --ids 1,2,3");
  return readStdin(prompt.text);
}

int llmc::runGenerate(const Arguments &arguments, Terminal &terminal) {
  GenerationOptions options;
  Prompt prompt;
  if (Fault fault = readGenerationOptions(arguments, options))
    return terminal.fail(fault);
  if (Fault fault = readPrompt(arguments, terminal, prompt))
    return terminal.fail(fault);

  ModelHandle model;
  std::unique_ptr<Generator> generator;
  Speech speech;
  if (Fault fault =
          openGenerator(arguments, options.context, "give token ids with --ids",
                        model, generator, prompt.asIds ? nullptr : &speech))
    return terminal.fail(fault);
  if (prompt.asChat) {
    std::vector<ChatMessage> messages;
    if (arguments.has("system"))
      messages.push_back({"system", arguments.text("system")});
    messages.push_back({"user", prompt.text});
    if (Fault fault = speech.encodeChat(messages, prompt.ids))
      return terminal.fail(fault);
  } else if (!prompt.asIds) {
    if (Fault fault =
            speech.encode(prompt.text, generator->model(), prompt.ids))
      return terminal.fail(fault);
  }
  terminal.note(effectiveText(*generator, model.get(), options));

  Timing timing;
  double start = secondsNow();
  bool complete;
  if (Fault fault = generator->setText(
          prompt.ids, [] { return true; }, complete))
    return terminal.fail(fault);
  timing.promptTokens = prompt.ids.size();
  timing.promptSeconds = secondsNow() - start;

  Sampler sampler(options.sampling);
  AnswerWriter writer(speech, terminal);
  if (!prompt.asIds)
    if (Fault fault = writer.begin(prompt.ids))
      return terminal.fail(fault);
  StopReason reason;
  start = secondsNow();
  auto emit = [&](int64_t id) {
    ++timing.newTokens;
    if (!prompt.asIds)
      return generator->isEndToken(id) || writer.push(id);
    terminal.out(fmt::format("{}{}", timing.newTokens == 1 ? "" : ",", id));
    return terminal.flush();
  };
  Fault fault = generator->generate(options.maxTokens, sampler, emit, reason);
  timing.newSeconds = secondsNow() - start;
  if (!fault && !prompt.asIds)
    fault = writer.end();
  terminal.out("\n");
  if (fault)
    return terminal.fail(fault);
  terminal.flush();
  terminal.note(summaryText(timing, reason, *generator));
  return 0;
}
