//===- Growth.h - Does work leave something behind? ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_PLUGIN_GROWTH_H
#define LLMC_LIB_PLUGIN_GROWTH_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"

namespace llmc {

/// Runs `body` 25 times, on one thread at a time, and compares what the process holds after
/// 5, 15 and 25 of them: memory that was allocated, memory that was mapped, open
/// files, and threads. What grew in both parts, by the least that can be left by
/// each run, is an error; what a run keeps for the next is settled by the fifth,
/// and a buffer that is made larger now and then grows in one part alone. Nothing
/// else may run in the process.
llvm::Error findGrowth(llvm::function_ref<llvm::Error()> body);

} // namespace llmc

#endif // LLMC_LIB_PLUGIN_GROWTH_H
