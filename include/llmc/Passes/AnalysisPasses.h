//===- AnalysisPasses.h - Passes around SymbolicElements --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_ANALYSISPASSES_H
#define LLMC_PASSES_ANALYSISPASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace llmc {

#define GEN_PASS_DECL
#include "llmc/Passes/AnalysisPasses.h.inc"

#define GEN_PASS_REGISTRATION
#include "llmc/Passes/AnalysisPasses.h.inc"

} // namespace llmc

#endif // LLMC_PASSES_ANALYSISPASSES_H
