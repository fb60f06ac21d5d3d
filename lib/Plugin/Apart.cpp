//===- Apart.cpp - Work in a process of its own ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Apart.h"
#include "llvm/Support/FormatVariadic.h"

#include <chrono>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace llvm;
using namespace llmc;
using Clock = std::chrono::steady_clock;

static void writeAll(int file, StringRef text) {
  while (!text.empty()) {
    ssize_t count = write(file, text.data(), text.size());
    if (count <= 0)
      return;
    text = text.drop_front(count);
  }
}

/// Reads until the other end is closed; false if that takes too long.
static bool readAll(int file, int64_t seconds, std::string &text) {
  auto end = Clock::now() + std::chrono::seconds(seconds);
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - Clock::now());
    if (left.count() <= 0)
      return false;
    pollfd wait{file, POLLIN, 0};
    if (poll(&wait, 1, static_cast<int>(left.count())) <= 0)
      continue;
    char buffer[4096];
    ssize_t count = read(file, buffer, sizeof(buffer));
    if (count <= 0)
      return true;
    text.append(buffer, count);
  }
}

std::string llmc::describeEnd(int status) {
  if (!WIFSIGNALED(status))
    return formatv("it ended the program, with exit code {0}",
                   WEXITSTATUS(status));
  int signal = WTERMSIG(status);
  std::string text =
      formatv("it was ended by signal {0} ({1})", signal, strsignal(signal));
  if (signal == SIGSEGV || signal == SIGBUS)
    text += ": it read or wrote where it has no memory";
  return text;
}

void llmc::beginApart() {
  rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  for (int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT})
    std::signal(signal, SIG_DFL);
}

Outcome llmc::runApart(int64_t seconds,
                       function_ref<Expected<std::string>()> body) {
  Outcome outcome;
  int ends[2];
  if (pipe(ends)) {
    outcome.text = std::string("cannot make a pipe: ") + strerror(errno);
    return outcome;
  }
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    beginApart();
    auto said = body();
    std::string text = said ? "+" + *said : "-" + toString(said.takeError());
    writeAll(ends[1], text + '\0');
    _exit(0);
  }
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    outcome.text = std::string("cannot start a process: ") + strerror(errno);
    return outcome;
  }
  std::string text;
  bool inTime = readAll(ends[0], seconds, text);
  close(ends[0]);
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  outcome.whole = !text.empty() && text.back() == '\0';
  if (outcome.whole) {
    outcome.good = text[0] == '+';
    outcome.text = text.substr(1, text.size() - 2);
  } else {
    outcome.late = !inTime;
    outcome.text =
        inTime ? describeEnd(status)
               : formatv("it did not return within {0} s", seconds).str();
  }
  return outcome;
}
