//===- Terminal.cpp - Messages for people ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Driver/Terminal.h"
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <unistd.h>

using namespace llmc;

Terminal::Terminal() {
  auto set = [](const char *name) {
    const char *value = getenv(name);
    return value && *value;
  };
  const char *term = getenv("TERM");
  bool capable = term && strcmp(term, "dumb");
  bool color = capable && !set("NO_COLOR");
  inTerminal = isatty(STDIN_FILENO);
  outTerminal = isatty(STDOUT_FILENO);
  outColor = color && outTerminal;
  errColor = color && isatty(STDERR_FILENO);
  errRewrites = capable && isatty(STDERR_FILENO);
}

bool Terminal::out(std::string_view text) {
  return fwrite(text.data(), 1, text.size(), stdout) == text.size();
}

bool Terminal::flush() { return fflush(stdout) == 0 && !ferror(stdout); }

void Terminal::note(std::string_view text) {
  if (!quiet)
    fmt::print(stderr, "{}\n", text);
}

void Terminal::prompt(std::string_view text) {
  fflush(stdout);
  fmt::print(stderr, "{}", text);
}

void Terminal::message(const char *kind, const char *color,
                       std::string_view text) {
  // What was printed before stands before.
  fflush(stdout);
  if (errColor)
    fmt::print(stderr, "llmc: \x1b[1;{}m{}:\x1b[0m {}\n", color, kind, text);
  else
    fmt::print(stderr, "llmc: {}: {}\n", kind, text);
}

void Terminal::warning(std::string_view text) {
  message("warning", "35", text);
}

void Terminal::error(std::string_view text) { message("error", "31", text); }

int Terminal::fail(const Fault &fault) {
  error(fault.text);
  return static_cast<int>(fault.blame);
}

std::string Terminal::bold(std::string_view text) const {
  return outColor ? fmt::format("\x1b[1m{}\x1b[0m", text) : std::string(text);
}

std::string Terminal::dim(std::string_view text) const {
  return outColor ? fmt::format("\x1b[2m{}\x1b[0m", text) : std::string(text);
}
