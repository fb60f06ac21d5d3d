//===- llmc-opt.cpp - Runs llmc's passes on textual IR --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Driver/Registration.h"

int main(int argc, char **argv) { return llmc::optMain(argc, argv); }
