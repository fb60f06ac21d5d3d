//===- main.cpp - The program llmc ----------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Driver/CommandLine.h"

int main(int argc, char **argv) { return llmc::driverMain(argc, argv); }
