//===- ElementRules.h - What each op says of shapes and elements -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The rules of the nn dialect, one file per group of ops. A rule that returns
// nothing has no answer for the op, and the next is asked. Shapes of operands
// are known before the rule of an op runs; an extent may be left null, and then
// becomes a new symbol.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_ANALYSIS_ELEMENTRULES_H
#define LLMC_LIB_ANALYSIS_ELEMENTRULES_H

#include "llmc/Analysis/SymbolicElements.h"
#include "llmc/Dialect/NN/NNOps.h"

namespace llmc::rules {

/// What a rule may ask and tell.
struct Asker {
  SymbolicElements &elements;
  SymContext &c;
  llvm::SmallVectorImpl<SymAssumption> &assumptions;

  llvm::ArrayRef<SymExpr> shape(mlir::Value value) {
    return elements.shape(value);
  }
  SymExpr dim(mlir::Value value, int64_t axis) {
    return elements.dim(value, axis);
  }
  SymExpr element(mlir::Value value, llvm::ArrayRef<SymExpr> index) {
    return elements.element(value, index);
  }
  SymExpr n(int64_t value) { return c.constant(value); }
  /// Element i of a one-dimensional tensor.
  SymExpr entry(mlir::Value vector, int64_t i) { return element(vector, n(i)); }
  /// All entries of a one-dimensional tensor of static length; entries may be
  /// null.
  SymIndex entries(mlir::Value vector);
  /// `a` and `b`, of which one is chosen; records that they were assumed to be
  /// equal where that is not known.
  SymExpr unify(SymExpr a, SymExpr b, mlir::Operation *op);
  SymIndex broadcast(llvm::ArrayRef<llvm::ArrayRef<SymExpr>> shapes,
                     mlir::Operation *op);
  /// The element of an operand that broadcasts to the shape `index` is in.
  SymExpr broadcastElement(mlir::Value operand, llvm::ArrayRef<SymExpr> index);
  /// A count that cannot be negative: max(a, 0).
  SymExpr count(SymExpr a) { return c.max(a, n(0)); }
};

inline int64_t rankOf(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType()).getRank();
}
inline SymType typeOf(mlir::Value value) {
  return SymbolicElements::typeOf(mlir::getElementTypeOrSelf(value.getType()));
}

using MaybeShape = std::optional<SymIndex>;
using MaybeSource = std::optional<ElementSource>;

// Ops that move elements or speak of shapes.
MaybeShape shapeOfMovement(Asker &ask, mlir::Operation *op);
MaybeSource stepOfMovement(Asker &ask, mlir::Operation *op,
                           llvm::ArrayRef<SymExpr> index);
SymExpr elementOfMovement(Asker &ask, mlir::Operation *op,
                          llvm::ArrayRef<SymExpr> index);
// Gathers.
MaybeShape shapeOfGather(Asker &ask, mlir::Operation *op);
MaybeSource stepOfGather(Asker &ask, mlir::Operation *op,
                         llvm::ArrayRef<SymExpr> index);
// Reshape.
MaybeShape shapeOfReshape(Asker &ask, mlir::Operation *op);
MaybeSource stepOfReshape(Asker &ask, mlir::Operation *op,
                          llvm::ArrayRef<SymExpr> index);
// Slices.
MaybeShape shapeOfSlice(Asker &ask, mlir::Operation *op);
MaybeSource stepOfSlice(Asker &ask, mlir::Operation *op,
                        llvm::ArrayRef<SymExpr> index);
// Element by element.
MaybeShape shapeOfElementwise(Asker &ask, mlir::Operation *op);
SymExpr elementOfElementwise(Asker &ask, mlir::Operation *op,
                             llvm::ArrayRef<SymExpr> index);
// Products, reductions, running sums, layers.
MaybeShape shapeOfLayer(Asker &ask, mlir::Operation *op);
MaybeShape shapeOfReduction(Asker &ask, mlir::Operation *op);
SymExpr elementOfLayer(Asker &ask, mlir::Operation *op,
                       llvm::ArrayRef<SymExpr> index);
SymExpr elementOfReduction(Asker &ask, mlir::Operation *op,
                           llvm::ArrayRef<SymExpr> index);
// Constants.
SymExpr elementOfConstant(Asker &ask, mlir::ElementsAttr values,
                          llvm::ArrayRef<SymExpr> index);

} // namespace llmc::rules

#endif // LLMC_LIB_ANALYSIS_ELEMENTRULES_H
