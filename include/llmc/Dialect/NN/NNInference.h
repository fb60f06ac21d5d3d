//===- NNInference.h - Type inference shared by the op families -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every function appends the inferred type to `types`, or reports through
// `loc` (if there is one) with the name of the op and fails.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNINFERENCE_H
#define LLMC_DIALECT_NN_NNINFERENCE_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Value.h"
#include <optional>

namespace llmc::nn {

using MaybeLoc = std::optional<mlir::Location>;
using Types = llvm::SmallVectorImpl<mlir::Type>;

constexpr int64_t kDynamic = mlir::ShapedType::kDynamic;

/// The type of an operand, which the ops of the dialect require to be a tensor.
inline mlir::RankedTensorType tensorType(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}

/// Whether two extents, or all extents of two shapes, may be equal.
inline bool agree(int64_t a, int64_t b) {
  return a == b || mlir::ShapedType::isDynamic(a) ||
         mlir::ShapedType::isDynamic(b);
}
inline bool agree(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b) {
  return a.size() == b.size() &&
         llvm::all_of(llvm::zip(a, b), [](std::tuple<int64_t, int64_t> pair) {
           return agree(std::get<0>(pair), std::get<1>(pair));
         });
}

/// Whether `actual` may stand where `inferred` was inferred: equal element
/// types and ranks, and no two static extents that differ.
bool areCompatibleTypes(mlir::TypeRange inferred, mlir::TypeRange actual);

/// Reports "'OP' op MESSAGE" at `loc`, if there is one; always a failure.
llvm::LogicalResult inferError(MaybeLoc loc, llvm::StringRef op,
                               const llvm::Twine &message);

/// The shape that `shapes` broadcast to; empty where they do not.
std::optional<llvm::SmallVector<int64_t>>
broadcastShapes(llvm::ArrayRef<llvm::ArrayRef<int64_t>> shapes);

/// Text of a shape for messages: "?x4x64".
std::string shapeText(llvm::ArrayRef<int64_t> shape);

llvm::LogicalResult inferBinary(MaybeLoc loc, llvm::StringRef op,
                                mlir::ValueRange operands, Types &types);
llvm::LogicalResult inferReduce(MaybeLoc loc, llvm::StringRef op,
                                mlir::Value input, llvm::ArrayRef<int64_t> axes,
                                bool keepdims, Types &types);
llvm::LogicalResult inferArgReduce(MaybeLoc loc, llvm::StringRef op,
                                   mlir::Value input, int64_t axis,
                                   bool keepdims, Types &types);
llvm::LogicalResult inferPool(MaybeLoc loc, llvm::StringRef op,
                              mlir::Value input, llvm::ArrayRef<int64_t> kernel,
                              llvm::ArrayRef<int64_t> strides,
                              llvm::ArrayRef<int64_t> pads,
                              llvm::ArrayRef<int64_t> dilations, bool ceil,
                              Types &types);

/// The number of windows along an axis, of static extents; empty where they do
/// not fit 64 bits.
std::optional<int64_t> countWindows(int64_t extent, int64_t kernel,
                                    int64_t stride, int64_t before,
                                    int64_t after, int64_t dilation, bool ceil);

/// Checks that `axes` are ascending and in [0, rank); [C1] of several ops.
llvm::LogicalResult checkAxes(MaybeLoc loc, llvm::StringRef op,
                              llvm::ArrayRef<int64_t> axes, int64_t rank);
/// Checks 0 <= axis < rank.
llvm::LogicalResult checkAxis(MaybeLoc loc, llvm::StringRef op, int64_t axis,
                              int64_t rank);

/// Sum and product of extents, of which any may be unknown or, as an
/// intermediate value, negative: empty where they do not fit 64 bits.
std::optional<int64_t> sumOfExtents(llvm::ArrayRef<int64_t> terms);
std::optional<int64_t> productOfExtents(int64_t a, int64_t b);
/// Reports that an extent of the result does not fit.
llvm::LogicalResult overflowError(MaybeLoc loc, llvm::StringRef op);

/// The integers a one-dimensional constant holds; empty where it is no
/// constant.
std::optional<llvm::SmallVector<int64_t>> getConstantInts(mlir::Value value);

} // namespace llmc::nn

#endif // LLMC_DIALECT_NN_NNINFERENCE_H
