//===- LowerUnary.h - Lowering of ops with one operand ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_LOWER_NNTOLINALG_LOWERUNARY_H
#define LLMC_PASSES_LOWER_NNTOLINALG_LOWERUNARY_H

#include "llmc/Passes/NNLowering.h"

namespace llmc::lower {

/// `body` of each element, computed in at least single precision.
template <class Op> mlir::Value lowerUnary(Op op, Lowering &l, Body body) {
  mlir::Type element = mlir::getElementTypeOrSelf(op.getType());
  return l.each(l.shape(op.getResult()), element, l.whole(l.get(op.getInput())),
                [&](ScalarBuilder &b, mlir::ValueRange x) {
                  mlir::Value wide =
                      castScalar(b, x[0], computeType(x[0].getType()));
                  return castScalar(b, body(b, wide), element);
                });
}

} // namespace llmc::lower

#endif // LLMC_PASSES_LOWER_NNTOLINALG_LOWERUNARY_H
