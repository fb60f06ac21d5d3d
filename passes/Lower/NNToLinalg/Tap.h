//===- Tap.h - Lowering of what calibration measures ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_LOWER_NNTOLINALG_TAP_H
#define LLMC_PASSES_LOWER_NNTOLINALG_TAP_H

#include "llmc/Passes/NNLowering.h"

namespace llmc::lower {

void addTap(Handlers &handlers);

} // namespace llmc::lower

#endif // LLMC_PASSES_LOWER_NNTOLINALG_TAP_H
