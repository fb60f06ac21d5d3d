//===- Terminal.h - Messages for people -----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Results go to stdout, everything else to stderr. Color and progress only
// where a person looks: not into files, not with NO_COLOR or TERM=dumb.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DRIVER_TERMINAL_H
#define LLMC_DRIVER_TERMINAL_H

#include "llmc/Support/Fault.h"
#include <string>
#include <string_view>

namespace llmc {

class Terminal {
public:
  /// Looks at the environment and at what stdout and stderr are.
  Terminal();

  /// Writes to stdout; false when nobody reads any more or the disk is full.
  bool out(std::string_view text);
  bool flush();
  /// A note on stderr, unless quiet.
  void note(std::string_view text);
  /// Writes to stderr as it is, quiet or not: what a person is to answer.
  void prompt(std::string_view text);
  void warning(std::string_view text);
  void error(std::string_view text);
  /// Prints a fault; returns its exit code.
  int fail(const Fault &fault);

  bool isQuiet() const { return quiet; }
  void setQuiet(bool on) { quiet = on; }
  void noColor() { outColor = errColor = false; }
  bool colorsStderr() const { return errColor; }
  /// Whether a line that is rewritten in place makes sense on stderr.
  bool showsProgress() const { return errRewrites; }
  bool stdinIsTerminal() const { return inTerminal; }
  bool stdoutIsTerminal() const { return outTerminal; }

  /// `text` in bold or dim when stdout takes color.
  std::string bold(std::string_view text) const;
  std::string dim(std::string_view text) const;

private:
  void message(const char *kind, const char *color, std::string_view text);

  bool inTerminal, outTerminal, outColor, errColor, errRewrites, quiet = false;
};

} // namespace llmc

#endif // LLMC_DRIVER_TERMINAL_H
