//===- CommandLine.h - Verbs, options and their help ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tables describe every verb; parsing, help, completion and the suggestion of
// the nearest right word all read the same tables. Boost.Program_options parses
// behind this interface, which throws nothing.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DRIVER_COMMANDLINE_H
#define LLMC_DRIVER_COMMANDLINE_H

#include "llmc/Driver/Terminal.h"
#include "llmc/Support/Fault.h"
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace llmc {

/// One option of a verb.
struct OptionSpec {
  /// Long name, and after a comma a letter: "output,o".
  const char *name;
  /// What the value is called in the help; null for a switch.
  const char *value;
  const char *help;
  /// For options that take one of few words: the words, separated by blanks.
  const char *words = nullptr;
};

/// The command line of a verb, parsed.
class Arguments {
public:
  std::vector<std::string> positional;
  /// Values in the order given; a switch has an empty one.
  std::map<std::string, std::vector<std::string>> options;

  bool has(const std::string &name) const { return options.count(name); }
  /// The last value, or `fallback`.
  std::string text(const std::string &name,
                   const std::string &fallback = {}) const;
  /// All values.
  const std::vector<std::string> &all(const std::string &name) const;
  /// Writes the value of an option that is a whole number in [min, max] to
  /// `value`, or leaves it when the option is not given.
  Fault number(const std::string &name, int64_t min, int64_t max,
               int64_t &value) const;
  Fault number(const std::string &name, double &value) const;
};

struct VerbSpec {
  const char *name;
  /// One line for the list of verbs.
  const char *summary;
  /// Shown first in the help: command lines with a word on each.
  const char *examples;
  /// Names of what stands without an option: "DIR", or "[DIR]" where it may be
  /// left out, which is so for all after it.
  std::vector<const char *> positional;
  std::vector<OptionSpec> options;
  /// Last words of the help; may be null.
  const char *notes;
  /// Does the work; returns the exit code.
  int (*run)(const Arguments &arguments, Terminal &terminal);
};

/// All verbs in the order of the help.
const std::vector<VerbSpec> &verbs();

/// Options every verb has.
const std::vector<OptionSpec> &commonOptions();

/// Parses what follows the verb.
Fault parseArguments(const VerbSpec &verb, int argc, const char *const *argv,
                     Arguments &out);

/// The word nearest to `word` among `known`, or "" when none is near.
std::string nearest(const std::string &word,
                    const std::vector<std::string> &known);

/// Help of a verb, of the program, and a script that completes words in a
/// shell ("bash", "zsh" or "fish").
std::string helpText(const VerbSpec &verb, const Terminal &terminal,
                     const std::string &program = "llmc");
std::string helpText(const Terminal &terminal);
std::string completionScript(const std::string &shell);

/// The whole program; returns the exit code.
int driverMain(int argc, const char *const *argv);

} // namespace llmc

#endif // LLMC_DRIVER_COMMANDLINE_H
