//===- ParallelFor.h - How work in parts is given to threads ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_SUPPORT_PARALLELFOR_H
#define LLMC_SUPPORT_PARALLELFOR_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include <cstdint>

namespace llmc {

/// Calls `body(i)` once for each i in [0, count), on any threads in any order,
/// and returns when all are done.
using ParallelFor =
    llvm::function_ref<void(int64_t count, llvm::function_ref<void(int64_t)>)>;

/// A ParallelFor on the calling thread.
inline void runSerially(int64_t count, llvm::function_ref<void(int64_t)> body) {
  for (int64_t i = 0; i < count; ++i)
    body(i);
}

} // namespace llmc

#endif // LLMC_SUPPORT_PARALLELFOR_H
