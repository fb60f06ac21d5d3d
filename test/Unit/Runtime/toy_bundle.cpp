//===- toy_bundle.cpp - Write the toy bundle into a folder ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// For tests of the program `llmc`: toy-bundle DIR [SLOPE], the second number of
// its weights.
//
//===----------------------------------------------------------------------===//
#include "ToyBundle.h"
#include "llmc/Support/Hash.h"
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/stat.h>

int main(int argc, char **argv) {
  if (argc != 2 && argc != 3) {
    fprintf(stderr, "usage: toy-bundle DIR [SLOPE]\n");
    return 2;
  }
  if (mkdir(argv[1], 0777) && errno != EEXIST) {
    fprintf(stderr, "cannot make '%s': %s\n", argv[1], strerror(errno));
    return 1;
  }
  llmc::ToyBundle bundle(argv[1]);
  if (argc == 3) {
    char *data = bundle.weights.data() + bundle.weights.size() - 64;
    std::string before = llmc::hashText(data, 64);
    float slope = strtof(argv[2], nullptr);
    memcpy(data + sizeof(slope), &slope, sizeof(slope));
    bundle.edit(before, llmc::hashText(data, 64));
    bundle.write();
  }
  return 0;
}
