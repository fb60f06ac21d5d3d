//===- Console.cpp - Lines from a person, and Ctrl-C ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Console.h"
#include <cerrno>
#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

using namespace llmc;

Console::Console() {
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, &before);
  signals = signalfd(-1, &interrupt, SFD_NONBLOCK | SFD_CLOEXEC);
  // Without the descriptor Ctrl-C ends the program, as everywhere else.
  if (signals < 0)
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Console::~Console() {
  if (signals < 0)
    return;
  close(signals);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

bool Console::interrupted() {
  bool any = false;
  signalfd_siginfo info;
  while (signals >= 0 && read(signals, &info, sizeof(info)) == sizeof(info))
    any = true;
  return any;
}

Console::Event Console::readLine(std::string &line) {
  while (true) {
    size_t end = pending.find('\n');
    if (end != std::string::npos) {
      line = pending.substr(0, end);
      pending.erase(0, end + 1);
      return Event::Line;
    }
    if (ended) {
      line = std::move(pending);
      pending.clear();
      return line.empty() ? Event::End : Event::Line;
    }
    pollfd sources[2] = {{STDIN_FILENO, POLLIN, 0}, {signals, POLLIN, 0}};
    if (poll(sources, signals < 0 ? 1 : 2, -1) < 0 && errno != EINTR)
      ended = true;
    if (interrupted())
      return Event::Interrupt;
    if (!sources[0].revents)
      continue;
    char piece[4096];
    ssize_t count = read(STDIN_FILENO, piece, sizeof(piece));
    if (count > 0)
      pending.append(piece, count);
    else if (count == 0 || errno != EINTR)
      ended = true;
  }
}
