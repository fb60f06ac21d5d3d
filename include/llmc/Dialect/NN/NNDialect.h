//===- NNDialect.h - The nn dialect, its enums and attributes ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNDIALECT_H
#define LLMC_DIALECT_NN_NNDIALECT_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"

#include "llmc/Dialect/NN/NNDialect.h.inc"
#include "llmc/Dialect/NN/NNEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "llmc/Dialect/NN/NNAttributes.h.inc"

namespace llmc::nn {

/// The type of the tensor a weight source yields; null where a part of it is
/// not an attribute of this dialect. Reports through `emitError` and returns
/// null as well when the parts do not fit.
mlir::RankedTensorType
getSourceType(mlir::Attribute source,
              llvm::function_ref<mlir::InFlightDiagnostic()> emitError);

/// The source with axis i being axis perm[i] of it: one transposition at most,
/// and the one of a `dequant` on its parts, where fewer bytes move.
mlir::Attribute permuteSource(mlir::Attribute source,
                              llvm::ArrayRef<int64_t> perm);

} // namespace llmc::nn

#endif // LLMC_DIALECT_NN_NNDIALECT_H
