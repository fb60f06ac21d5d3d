//===- CompressWeight.h - A weight in the format of its method -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_COMPRESSWEIGHT_H
#define LLMC_CODEGEN_COMPRESSWEIGHT_H

#include "llmc/Codegen/WeightFile.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Methods/Method.h"

namespace llmc {

class WeightStore;

/// Reads a matrix [rows][columns] and compresses it with its method; with the
/// method `keep` it takes the codes that the source has. Columns have been
/// scaled as they should be: the source says how, and the result has no column
/// scale. Holds the matrix in f32 and its codes while it works. Errors name the
/// weight. Fills in `outcome`, and adds to `seconds` if it is not null.
/// `statistics` are the `pack.statistics` of its inputs, or null.
llvm::Expected<QuantizedMatrix> compressWeight(
    llvm::StringRef name, mlir::Attribute source, int64_t rows, int64_t columns,
    pack::MethodAttr method, const MethodSet &methods, const WeightStore &store,
    ParallelFor parallelFor, CompressionOutcome &outcome,
    WorkSeconds *seconds = nullptr, mlir::Attribute statistics = nullptr);

/// Writes into the line of a weight how it was compressed.
void describe(LedgerLine &line, pack::MethodAttr method,
              const CompressionOutcome &outcome);

} // namespace llmc

#endif // LLMC_CODEGEN_COMPRESSWEIGHT_H
