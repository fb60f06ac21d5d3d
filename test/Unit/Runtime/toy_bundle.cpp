//===- toy_bundle.cpp - Write the toy bundle into a folder ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// For tests of the program `llmc`: toy-bundle DIR
//
//===----------------------------------------------------------------------===//
#include "ToyBundle.h"
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sys/stat.h>

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: toy-bundle DIR\n");
    return 2;
  }
  if (mkdir(argv[1], 0777) && errno != EEXIST) {
    fprintf(stderr, "cannot make '%s': %s\n", argv[1], strerror(errno));
    return 1;
  }
  llmc::ToyBundle bundle(argv[1]);
  return 0;
}
