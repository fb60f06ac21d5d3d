//===- KernelPasses.h - Packed weights and generated kernels ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_KERNELPASSES_H
#define LLMC_PASSES_KERNELPASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace llmc {

#define GEN_PASS_DECL
#include "llmc/Passes/KernelPasses.h.inc"

/// Whether an operand is a weight that is read in a way that a packed tensor
/// offers: by `nn.linear` as its weight, or by `nn.gather` along axis 0.
bool readsPacked(mlir::OpOperand &use);

#define GEN_PASS_REGISTRATION
#include "llmc/Passes/KernelPasses.h.inc"

} // namespace llmc

#endif // LLMC_PASSES_KERNELPASSES_H
