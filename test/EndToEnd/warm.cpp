//===- warm.cpp - Runs many commands of llmc from one warm process --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loading the compiler library takes longer than compiling a model of one node.
// Here it is loaded once, and each command runs in a fork, under a time limit.
//
// A line of stdin is `SECONDS<tab>FILE<tab>ARGUMENT<tab>...`: the command runs
// with stdout and stderr in FILE, and the answer is a line with its exit code,
// or minus the signal that ended it (-14 where the time was up).
//
//===----------------------------------------------------------------------===//
#include "llmc/Driver/CommandLine.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <fcntl.h>
#include <iostream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

static std::vector<std::string> split(const std::string &line) {
  std::vector<std::string> fields(1);
  for (char c : line)
    if (c == '\t')
      fields.emplace_back();
    else
      fields.back() += c;
  return fields;
}

[[noreturn]] static void runCommand(const std::vector<std::string> &fields) {
  int file = open(fields[1].c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  int nothing = open("/dev/null", O_RDONLY);
  if (file < 0 || nothing < 0 || dup2(file, 1) < 0 || dup2(file, 2) < 0 ||
      dup2(nothing, 0) < 0)
    _exit(126);
  std::vector<const char *> arguments{"llmc"};
  for (size_t i = 2; i < fields.size(); ++i)
    arguments.push_back(fields[i].c_str());
  alarm(std::max(1, atoi(fields[0].c_str())));
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  exit(llmc::driverMain(count, arguments.data()));
}

int main() {
  std::string self(4096, '\0');
  ssize_t length = readlink("/proc/self/exe", self.data(), self.size());
  self.resize(length > 0 ? length : 0);
  std::string library =
      self.substr(0, self.rfind('/') + 1) + "../lib/libllmc.so";
  if (!dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    std::cerr << "cannot load the compiler: " << dlerror() << "\n";
    return 1;
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::vector<std::string> fields = split(line);
    if (fields.size() < 3)
      return 2;
    pid_t child = fork();
    if (child == 0)
      runCommand(fields);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child)
      return 3;
    std::cout << (WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status))
              << std::endl;
  }
  return 0;
}
