//===- Driver.cpp - From the command line to a verb -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Verbs.h"
#include "llmc/Driver/Version.h"
#include "llmc/Plugin/plugin.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/TargetParser/Host.h"
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <new>
#include <unistd.h>

using namespace llmc;

static const VerbSpec *findVerb(const std::string &name) {
  for (const VerbSpec &verb : verbs())
    if (name == verb.name)
      return &verb;
  return nullptr;
}

static int unknownVerb(const std::string &name, Terminal &terminal) {
  std::vector<std::string> names;
  for (const VerbSpec &verb : verbs())
    names.push_back(verb.name);
  std::string near = nearest(name, names);
  return terminal.fail(
      Fault::usage("there is no verb '" + name + "'" +
                   (near.empty() ? "; see 'llmc --help'"
                                 : "; did you mean '" + near + "'?")));
}

static std::string versionText() {
  return fmt::format(
      "llmc {} ({})\n"
      "compiler {}, LLVM {}, bundle format 1, plugin interface {}\n"
      "host {} {}\n",
      LLMC_VERSION, LLMC_COMMIT, __VERSION__, LLVM_VERSION_STRING,
      LLMC_PLUGIN_ABI, llvm::sys::getProcessTriple(),
      llvm::sys::getHostCPUName().str());
}

/// What was printed must have arrived: a full disk is not a success.
static int finish(int code, Terminal &terminal) {
  if (terminal.flush() || code)
    return code;
  return terminal.fail(Fault::machine(std::string("cannot write to stdout: ") +
                                      strerror(errno)));
}

/// Reads what stands behind a verb, and runs it or prints its help. `bundle` is
/// the first positional argument where the program, of name `program`, has it.
static int runVerb(const VerbSpec &verb, int argc, const char *const *argv,
                   Terminal &terminal, const std::string &program = "llmc",
                   const std::string &bundle = "") {
  Arguments arguments;
  Fault fault = parseArguments(verb, argc - 2, argv + 2, arguments);
  if (arguments.has("no-color"))
    terminal.noColor();
  if (fault)
    return terminal.fail(fault);
  if (arguments.has("help")) {
    terminal.out(helpText(verb, terminal, program));
    return 0;
  }
  terminal.setQuiet(arguments.has("quiet"));
  if (!bundle.empty())
    arguments.positional.insert(arguments.positional.begin(), bundle);
  return verb.run(arguments, terminal);
}

namespace {
/// A program that `llmc compile --emit=exe` made: this one, with a bundle of its
/// own beside it. Its verbs are those that run a bundle, and leave it out.
struct OwnModel {
  std::string name, bundle;
  bool exists() const { return !bundle.empty(); }
  static bool offers(const VerbSpec &verb) {
    return !verb.positional.empty() && (!strcmp(verb.positional[0], "DIR") ||
                                        !strcmp(verb.positional[0], "PATH"));
  }
};
} // namespace

static OwnModel findOwnModel() {
  OwnModel model;
  std::string self = ownPath();
  model.name = self.substr(self.rfind('/') + 1);
  if (!self.empty() && !access((self + ".bundle/manifest.json").c_str(), F_OK))
    model.bundle = self + ".bundle";
  return model;
}

/// The table without what a program of one model cannot do: verbs that it lacks
/// are gone, the bundle is no argument, and examples name the program.
static std::vector<VerbSpec> verbsOf(const OwnModel &model,
                                     std::vector<std::string> &texts) {
  std::vector<VerbSpec> table;
  texts.reserve(verbs().size());
  for (VerbSpec verb : verbs()) {
    if (!OwnModel::offers(verb))
      continue;
    verb.positional.erase(verb.positional.begin());
    std::string text = verb.examples, from = "llmc " + std::string(verb.name);
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;) {
      size_t end = text.find_first_of(" \n", at + from.size() + 1);
      std::string to = model.name + " " + verb.name;
      text.replace(at, end - at, to);
      at += to.size();
    }
    texts.push_back(std::move(text));
    verb.examples = texts.back().c_str();
    table.push_back(std::move(verb));
  }
  return table;
}

/// The whole program where it has a model of its own.
static int runOwnModel(const OwnModel &model, int argc, const char *const *argv,
                       Terminal &terminal) {
  std::vector<std::string> texts;
  std::vector<VerbSpec> table = verbsOf(model, texts);
  std::string first = argc > 1 ? argv[1] : "--help";
  if (first == "--help" || first == "-h" || first == "help") {
    std::string text =
        fmt::format("{} runs the model beside it, '{}'.\n\n{}\n", model.name,
                    model.bundle, terminal.bold("Verbs"));
    for (const VerbSpec &verb : table)
      text += fmt::format("  {:<12}{}\n", verb.name, verb.summary);
    terminal.out(text + fmt::format("\n'{} VERB --help' explains a verb.\n",
                                    model.name));
    return 0;
  }
  const VerbSpec *verb = nullptr;
  std::vector<std::string> names;
  for (const VerbSpec &known : table) {
    names.push_back(known.name);
    if (first == known.name)
      verb = &known;
  }
  if (!verb) {
    std::string near = nearest(first, names);
    return terminal.fail(Fault::usage(
        fmt::format("expected a verb but got '{}'; {}", first,
                    near.empty() ? fmt::format("see '{} --help'", model.name)
                                 : fmt::format("did you mean '{}'?", near))));
  }
  return runVerb(*verb, argc, argv, terminal, model.name, model.bundle);
}

int llmc::driverMain(int argc, const char *const *argv) {
  // Without exceptions a small allocation that fails would abort.
  std::set_new_handler([] {
    static const char text[] = "llmc: error: out of memory\n";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(static_cast<int>(Blame::Machine));
  });
  Terminal terminal;
  std::string first = argc > 1 ? argv[1] : "";
  if (OwnModel model = findOwnModel(); model.exists() && first != "--version")
    return finish(runOwnModel(model, argc, argv, terminal), terminal);
  if (argc < 2 || first == "--help" || first == "-h") {
    terminal.out(helpText(terminal));
    return finish(0, terminal);
  }
  if (first == "--version" || first == "-V") {
    terminal.out(versionText());
    return finish(0, terminal);
  }
  if (first.starts_with('-'))
    return terminal.fail(Fault::usage("expected a verb but got '" + first +
                                      "'; options stand behind the verb, see "
                                      "'llmc --help'"));
  const VerbSpec *verb = findVerb(first);
  if (!verb)
    return unknownVerb(first, terminal);
  if (first == "help" && argc > 2) {
    verb = findVerb(argv[2]);
    if (!verb)
      return unknownVerb(argv[2], terminal);
    terminal.out(helpText(*verb, terminal));
    return finish(0, terminal);
  }
  return finish(runVerb(*verb, argc, argv, terminal), terminal);
}
