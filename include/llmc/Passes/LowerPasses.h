//===- LowerPasses.h - From nn to structured loops --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_LOWERPASSES_H
#define LLMC_PASSES_LOWERPASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace llmc {

#define GEN_PASS_DECL
#include "llmc/Passes/LowerPasses.h.inc"

#define GEN_PASS_REGISTRATION
#include "llmc/Passes/LowerPasses.h.inc"

} // namespace llmc

#endif // LLMC_PASSES_LOWERPASSES_H
