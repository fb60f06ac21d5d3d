//===- Console.h - Lines from a person, and Ctrl-C ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// While a Console exists, Ctrl-C is a message to it instead of the end of the
// program. It arrives through a file descriptor, so there is no handler and no
// global state. Make it before any thread, which inherit what is blocked.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_DRIVER_CONSOLE_H
#define LLMC_LIB_DRIVER_CONSOLE_H

#include <csignal>
#include <string>

namespace llmc {

class Console {
public:
  Console();
  ~Console();
  Console(const Console &) = delete;
  Console &operator=(const Console &) = delete;

  enum class Event { Line, End, Interrupt };
  /// Waits for a line of stdin (without its line break) or Ctrl-C. The last
  /// line may lack its line break.
  Event readLine(std::string &line);

  /// True if Ctrl-C was pressed since the last look. Never waits.
  bool interrupted();

private:
  int signals = -1;
  sigset_t before;
  /// Read from stdin and not yet returned.
  std::string pending;
  bool ended = false;
};

} // namespace llmc

#endif // LLMC_LIB_DRIVER_CONSOLE_H
