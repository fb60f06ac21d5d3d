//===- RowOps.h - Ops that treat each row of time by itself ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_RESTRUCTURE_ROWOPS_H
#define LLMC_LIB_RESTRUCTURE_ROWOPS_H

#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Dialect/Pack/PackOps.h"

namespace llmc {

/// Ops of one or two activations, element by element.
inline bool isElementwise(mlir::Operation *op) {
  return mlir::isa<nn::AddOp, nn::SubOp, nn::MulOp, nn::DivOp, nn::PowOp,
                   nn::MinOp, nn::MaxOp, nn::NegOp, nn::AbsOp, nn::ExpOp,
                   nn::LogOp, nn::SqrtOp, nn::RsqrtOp, nn::ReciprocalOp,
                   nn::TanhOp, nn::ErfOp, nn::ReluOp, nn::SigmoidOp, nn::SiluOp,
                   nn::SoftplusOp, nn::GeluOp, nn::LeakyReluOp, nn::EluOp,
                   nn::HardSigmoidOp, nn::CastOp>(op);
}

/// Ops on the last axis of their first operand, with parameters.
inline bool isLayer(mlir::Operation *op) {
  return mlir::isa<nn::LinearOp, pack::LinearOp, nn::RmsNormOp,
                   nn::LayerNormOp>(op);
}

} // namespace llmc

#endif // LLMC_LIB_RESTRUCTURE_ROWOPS_H
