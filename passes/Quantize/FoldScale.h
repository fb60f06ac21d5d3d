//===- FoldScale.h - Scales of columns move into parameters ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_QUANTIZE_FOLDSCALE_H
#define LLMC_PASSES_QUANTIZE_FOLDSCALE_H

#include "llmc/Dialect/NN/NNOps.h"

#include "mlir/IR/SymbolTable.h"

namespace llmc {

/// Takes away products of activations with one scale of columns, `factors`, by
/// scaling what makes the activations, where that is exact:
///   * rms_norm and layer_norm: their weight and bias;
///   * a gated product `f(gate) * up` with `up` linear: the rows of its weight
///     and its bias.
/// Every value that would change must be read by these products alone, and every
/// reader of a changed parameter must make such values; else nothing happens and
/// the answer is false. The products are erased.
bool foldScale(mlir::SymbolTable &symbols, llvm::ArrayRef<nn::MulOp> products,
               mlir::Attribute factors);

} // namespace llmc

#endif // LLMC_PASSES_QUANTIZE_FOLDSCALE_H
