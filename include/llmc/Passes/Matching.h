//===- Matching.h - Small questions that the fuse passes ask ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Exporters spell one formula in many ways: with casts that do nothing, with
// constants of rank 0 or 1, with factors in any order. These helpers answer the
// questions below that noise, so that a pass states its formula once.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_MATCHING_H
#define LLMC_PASSES_MATCHING_H

#include "llmc/Dialect/NN/NNOps.h"
#include "mlir/IR/PatternMatch.h"

namespace llmc {

inline mlir::RankedTensorType tensorType(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType());
}

/// The number that a constant tensor holds in every element, seen through casts
/// between floating point types and through ops that only change the shape.
std::optional<double> getScalar(mlir::Value value);

/// Whether `value` is a constant that equals `number` but for the rounding of
/// single precision.
bool isScalar(mlir::Value value, double number);

/// `value` without casts from one floating point type to another.
mlir::Value skipCasts(mlir::Value value);

/// Whether the bytes of `value` are known when compiling: a weight, a constant,
/// or a transposition, a cast or a slice of one.
bool isWeight(mlir::Value value);

/// For an op of two operands: the pairs (lhs, rhs) and (rhs, lhs).
template <typename Op>
std::array<std::pair<mlir::Value, mlir::Value>, 2> bothOrders(Op op) {
  return {{{op.getLhs(), op.getRhs()}, {op.getRhs(), op.getLhs()}}};
}

/// A product taken apart: `constant` times the tensors `factors`, through
/// nested products, quotients by constants, negations and casts.
struct Product {
  double constant = 1;
  llvm::SmallVector<mlir::Value, 4> factors;
};
Product getProduct(mlir::Value value);

/// `input / sqrt(meanSquare + epsilon)` in any spelling: rsqrt, square root and
/// quotient or reciprocal, powers of -1/2.
struct Normalized {
  mlir::Value input;
  mlir::Value meanSquare;
  double epsilon;
};
std::optional<Normalized> matchNormalized(mlir::Value value);

/// The x of `x * x` or `pow(x, 2)`; null otherwise.
mlir::Value matchSquare(mlir::Value value);

/// The x of `reduce_mean(x)` along the last axis with that axis kept.
mlir::Value matchLastMean(mlir::Value value);

/// Integer constant of rank 1.
mlir::Value makeInts(mlir::OpBuilder &builder, mlir::Location loc,
                     llvm::ArrayRef<int64_t> values);

/// `value` transposed by `perm`; one transposition where it was one already,
/// and nothing where the two cancel.
mlir::Value makeTranspose(mlir::OpBuilder &builder, mlir::Location loc,
                          mlir::Value value, llvm::ArrayRef<int64_t> perm);

/// Replaces the one result of `op` by `value`, which has the same elements. A
/// more static type of the result is handed to `value` where an op of nn makes
/// it; fails where the types do not allow the replacement.
llvm::LogicalResult replaceBySame(mlir::RewriterBase &rewriter,
                                  mlir::Operation *op, mlir::Value value);

} // namespace llmc

#endif // LLMC_PASSES_MATCHING_H
