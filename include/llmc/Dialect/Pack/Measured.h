//===- Measured.h - What a calibration says of a weight ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attributes of an `nn.weight`, beside those of PackDialect.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_PACK_MEASURED_H
#define LLMC_DIALECT_PACK_MEASURED_H

#include "llvm/ADT/StringRef.h"

namespace llmc::pack {

/// There where a recipe leaves `pack.activations` to a calibration.
inline constexpr llvm::StringLiteral kMeasured = "pack.measured";
/// What the inputs of products with a weight of C columns are like, of type
/// tensor<2xCxf32>: the means of |x|, and those of x^2.
inline constexpr llvm::StringLiteral kStatistics = "pack.statistics";
/// The relative error that rounding to i8 makes of these inputs, an f64: the root
/// of the sum of squared errors by that of squares.
inline constexpr llvm::StringLiteral kRounding = "pack.rounding";

} // namespace llmc::pack

#endif // LLMC_DIALECT_PACK_MEASURED_H
