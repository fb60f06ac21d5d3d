//===- CodegenPasses.h - From tensors to memory to LLVM ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_CODEGENPASSES_H
#define LLMC_PASSES_CODEGENPASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir {
class ModuleOp;
}

namespace llmc {

#define GEN_PASS_DECL
#include "llmc/Passes/CodegenPasses.h.inc"

#define GEN_PASS_REGISTRATION
#include "llmc/Passes/CodegenPasses.h.inc"

} // namespace llmc

#endif // LLMC_PASSES_CODEGENPASSES_H
