//===- VerbChat.cpp - llmc chat -------------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A conversation. Each turn renders all of it with the model's template; the
// generator reads only what it has not read before. From a pipe every line is
// a turn, and nothing but answers is printed.
//
//===----------------------------------------------------------------------===//
#include "Console.h"
#include "Generation.h"
#include "Speech.h"
#include "Verbs.h"
#include <fmt/format.h>

using namespace llmc;

namespace {

class Conversation {
public:
  Conversation(Console &console, Terminal &terminal, Generator &generator,
               const Speech &speech, const GenerationOptions &options)
      : console(console), terminal(terminal), generator(generator),
        speech(speech), options(options), sampler(options.sampling) {}

  void setSystem(std::string text) {
    messages.push_back({"system", std::move(text)});
    kept = 1;
  }

  /// Asks and prints the answer. After a fault the question is forgotten.
  Fault ask(const std::string &question);

  /// Forgets all turns.
  void clear() { messages.resize(kept); }

private:
  Fault answer(std::string &text, bool &interrupted);

  Console &console;
  Terminal &terminal;
  Generator &generator;
  const Speech &speech;
  const GenerationOptions &options;
  Sampler sampler;
  std::vector<ChatMessage> messages;
  /// Messages that stay: the system text.
  size_t kept = 0;
};

} // namespace

Fault Conversation::answer(std::string &text, bool &interrupted) {
  std::vector<int64_t> ids;
  if (Fault fault = speech.encodeChat(messages, ids))
    return fault;
  Timing timing;
  double start = secondsNow();
  auto goOn = [&] {
    interrupted |= console.interrupted();
    return !interrupted;
  };
  bool complete;
  if (Fault fault = generator.setText(ids, goOn, complete))
    return fault;
  if (!complete)
    return {};
  timing.promptTokens = ids.size();
  timing.promptSeconds = secondsNow() - start;

  AnswerWriter writer(speech, terminal);
  if (Fault fault = writer.begin(ids))
    return fault;
  StopReason reason;
  start = secondsNow();
  auto emit = [&](int64_t id) {
    ++timing.newTokens;
    return (generator.isEndToken(id) || writer.push(id)) && goOn();
  };
  Fault fault = generator.generate(options.maxTokens, sampler, emit, reason);
  timing.newSeconds = secondsNow() - start;
  Fault writing = writer.end();
  text = writer.answer();
  terminal.out("\n");
  if (!terminal.flush())
    return Fault::machine("cannot write to stdout");
  if (fault || writing)
    return fault ? fault : writing;
  if (options.timing || reason == StopReason::ContextFull ||
      (reason == StopReason::MaxTokens && timing.newTokens))
    terminal.note(summaryText(timing, reason, generator));
  return {};
}

Fault Conversation::ask(const std::string &question) {
  messages.push_back({"user", question});
  std::string text;
  bool interrupted = false;
  Fault fault = answer(text, interrupted);
  if (fault || (interrupted && text.empty()))
    messages.pop_back();
  else
    messages.push_back({"assistant", text});
  if (interrupted)
    terminal.note(text.empty() ? "(stopped; the question is forgotten)"
                               : "(stopped)");
  return fault;
}

int llmc::runChat(const Arguments &arguments, Terminal &terminal) {
  GenerationOptions options;
  if (Fault fault = readGenerationOptions(arguments, options))
    return terminal.fail(fault);
  Console console;
  ModelHandle model;
  std::unique_ptr<Generator> generator;
  Speech speech;
  if (Fault fault =
          openGenerator(arguments, options.context,
                        "'llmc generate' takes token ids instead, with --ids",
                        model, generator, &speech))
    return terminal.fail(fault);
  if (!speech.hasTemplate())
    return terminal.fail(Fault::input(
        "the model has no chat template; 'llmc generate' continues a text"));
  Conversation conversation(console, terminal, *generator, speech, options);
  if (arguments.has("system"))
    conversation.setSystem(arguments.text("system"));

  bool interactive = terminal.stdinIsTerminal();
  if (interactive) {
    terminal.note(effectiveText(*generator, model.get(), options));
    terminal.note("Ctrl-C stops an answer, /clear forgets, Ctrl-D ends");
  }
  while (true) {
    if (interactive)
      terminal.prompt("> ");
    std::string line;
    switch (console.readLine(line)) {
    case Console::Event::Interrupt:
      // From a pipe there is nobody who could go on typing.
      if (!interactive)
        return 130;
      terminal.prompt("\n");
      continue;
    case Console::Event::End:
      if (interactive)
        terminal.prompt("\n");
      return 0;
    case Console::Event::Line:
      break;
    }
    if (line.find_first_not_of(" \t\r") == std::string::npos)
      continue;
    if (interactive && line == "/clear") {
      conversation.clear();
      continue;
    }
    if (interactive && (line == "/exit" || line == "/quit"))
      return 0;
    if (interactive && line[0] == '/' && line.find(' ') == std::string::npos) {
      terminal.note("there is no command '" + line +
                    "'; there are /clear and /exit");
      continue;
    }
    Fault fault = conversation.ask(line);
    if (!fault)
      continue;
    int code = terminal.fail(fault);
    if (!interactive || fault.blame == Blame::Machine)
      return code;
  }
}
