//===- Help.cpp - Help, version and completion ----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Verbs.h"
#include "llmc/Support/WrapText.h"
#include <fmt/format.h>

using namespace llmc;

/// "--output" and "o" of "output,o".
static std::pair<std::string, std::string> names(const OptionSpec &option) {
  std::string all = option.name;
  size_t comma = all.find(',');
  return {"--" + all.substr(0, comma),
          comma == std::string::npos ? "" : all.substr(comma + 1)};
}

static std::string optionLines(const std::vector<OptionSpec> &options) {
  constexpr size_t column = 26;
  std::string text;
  for (const OptionSpec &option : options) {
    auto [longName, letter] = names(option);
    std::string left = letter.empty() ? "      " : "  -" + letter + ", ";
    left += longName;
    if (option.value)
      left += std::string(" ") + option.value;
    if (left.size() + 2 > column)
      left += "\n" + std::string(column, ' ');
    else
      left.resize(column, ' ');
    text += left + wrapText(option.help, column, 79 - column) + "\n";
  }
  return text;
}

std::string llmc::helpText(const VerbSpec &verb, const Terminal &terminal,
                           const std::string &program) {
  std::string text =
      fmt::format("{} {}: {}\n\n{}\n{}", program, verb.name, verb.summary,
                  terminal.bold("Examples"), verb.examples);
  std::string usage = fmt::format("{} {}", program, verb.name);
  for (const char *name : verb.positional)
    usage += fmt::format(" {}", name);
  text += fmt::format("\n{}\n  {} [options]\n\n{}\n{}{}",
                      terminal.bold("Usage"), usage, terminal.bold("Options"),
                      optionLines(verb.options), optionLines(commonOptions()));
  if (verb.notes)
    text += fmt::format("\n{}\n", wrapText(verb.notes, 0, 79));
  return text;
}

std::string llmc::helpText(const Terminal &terminal) {
  std::string text =
      fmt::format("llmc compiles neural networks to native code and runs "
                  "them.\n\n{}\n"
                  "  llmc compile model.onnx -o bundle\n"
                  "  llmc generate bundle --prompt 'Once upon a time'\n"
                  "  llmc run bundle --input x=a.npy --output-dir out\n\n{}\n",
                  terminal.bold("Examples"), terminal.bold("Verbs"));
  for (const VerbSpec &verb : verbs())
    text += fmt::format("  {:<12}{}\n", verb.name, verb.summary);
  text += fmt::format(
      "\n'llmc VERB --help' explains a verb, 'llmc --version' names this "
      "build.\nExit codes: 0 done, 1 the input or the model is at fault, 2 "
      "usage\nor a plugin, 3 the machine. Nothing is sent over a network.\n");
  return text;
}

int llmc::runHelp(const Arguments &arguments, Terminal &terminal) {
  terminal.out(helpText(terminal));
  return 0;
}

//===----------------------------------------------------------------------===//
// Completion
//===----------------------------------------------------------------------===//

static std::string optionWords(const VerbSpec &verb) {
  std::string words;
  for (auto *list : {&verb.options, &commonOptions()})
    for (const OptionSpec &option : *list)
      words += (words.empty() ? "" : " ") + names(option).first;
  return words;
}

static std::string verbWords() {
  std::string words;
  for (const VerbSpec &verb : verbs())
    words += (words.empty() ? "" : " ") + std::string(verb.name);
  return words;
}

static std::string bashScript() {
  std::string text = "_llmc() {\n"
                     "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
                     "  local previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
                     "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                     "    COMPREPLY=($(compgen -W \"" +
                     verbWords() +
                     " --help --version\" -- \"$cur\"))\n"
                     "    return\n"
                     "  fi\n"
                     "  case \"${COMP_WORDS[1]} $previous\" in\n";
  for (const VerbSpec &verb : verbs())
    for (const OptionSpec &option : verb.options)
      if (option.words)
        text += fmt::format("  \"{} {}\") words=\"{}\" ;;\n", verb.name,
                            names(option).first, option.words);
  text += "  \"completion completion\") words=\"bash zsh fish\" ;;\n"
          "  \"plugin plugin\") words=\"list check new\" ;;\n"
          "  \"help help\") words=\"" +
          verbWords() +
          "\" ;;\n"
          "  esac\n"
          "  if [ -z \"$words\" ] && [[ \"$cur\" == -* ]]; then\n"
          "    case \"${COMP_WORDS[1]}\" in\n";
  for (const VerbSpec &verb : verbs())
    text +=
        fmt::format("    {}) words=\"{}\" ;;\n", verb.name, optionWords(verb));
  text += "    esac\n"
          "  fi\n"
          "  if [ -n \"$words\" ]; then\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "  else\n"
          "    COMPREPLY=($(compgen -f -- \"$cur\"))\n"
          "  fi\n"
          "}\n"
          "complete -o filenames -F _llmc llmc\n";
  return text;
}

static std::string fishScript() {
  std::string text;
  auto quoted = [](std::string words) {
    for (size_t at = 0; (at = words.find('\'', at)) != std::string::npos;
         at += 2)
      words.insert(at, "\\");
    return "'" + words + "'";
  };
  for (const VerbSpec &verb : verbs()) {
    text += fmt::format("complete -c llmc -n __fish_use_subcommand -a {} -d "
                        "{}\n",
                        verb.name, quoted(verb.summary));
    for (auto *list : {&verb.options, &commonOptions()})
      for (const OptionSpec &option : *list) {
        auto [longName, letter] = names(option);
        text += fmt::format(
            "complete -c llmc -n '__fish_seen_subcommand_from {}' -l {}{}{} "
            "-d {}\n",
            verb.name, longName.substr(2),
            letter.empty() ? "" : " -s " + letter,
            option.words   ? " -x -a " + quoted(option.words)
            : option.value ? " -r"
                           : "",
            quoted(option.help));
      }
  }
  return text;
}

std::string llmc::completionScript(const std::string &shell) {
  if (shell == "bash")
    return bashScript();
  if (shell == "zsh")
    return "autoload -U +X bashcompinit && bashcompinit\n" + bashScript();
  if (shell == "fish")
    return fishScript();
  return {};
}

int llmc::runCompletion(const Arguments &arguments, Terminal &terminal) {
  std::string script = completionScript(arguments.positional[0]);
  if (script.empty())
    return terminal.fail(
        Fault::usage("expected SHELL to be bash, zsh or fish but got '" +
                     arguments.positional[0] + "'"));
  terminal.out(script);
  return 0;
}
