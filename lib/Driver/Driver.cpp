//===- Driver.cpp - From the command line to a verb -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Verbs.h"
#include "llmc/Driver/Version.h"
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
  return fmt::format("llmc {} ({})\n"
                     "compiler {}, LLVM {}, bundle format 1\n"
                     "host {} {}\n",
                     LLMC_VERSION, LLMC_COMMIT, __VERSION__,
                     LLVM_VERSION_STRING, llvm::sys::getProcessTriple(),
                     llvm::sys::getHostCPUName().str());
}

/// What was printed must have arrived: a full disk is not a success.
static int finish(int code, Terminal &terminal) {
  if (terminal.flush() || code)
    return code;
  return terminal.fail(Fault::machine(std::string("cannot write to stdout: ") +
                                      strerror(errno)));
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
                                      "'; see 'llmc --help'"));
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
  Arguments arguments;
  Fault fault = parseArguments(*verb, argc - 2, argv + 2, arguments);
  if (arguments.has("no-color"))
    terminal.noColor();
  if (fault)
    return terminal.fail(fault);
  if (arguments.has("help")) {
    terminal.out(helpText(*verb, terminal));
    return finish(0, terminal);
  }
  terminal.setQuiet(arguments.has("quiet"));
  return finish(verb->run(arguments, terminal), terminal);
}
