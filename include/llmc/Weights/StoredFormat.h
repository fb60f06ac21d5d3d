//===- StoredFormat.h - Weights that are quantized already -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A source made of codes and scales often is a matrix in one of llmc's own
// formats, only packed in another way. Then it is kept as it is: nothing is
// rounded a second time.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_WEIGHTS_STOREDFORMAT_H
#define LLMC_WEIGHTS_STOREDFORMAT_H

#include "llmc/Formats/QuantizedMatrix.h"
#include "llmc/Weights/WeightStore.h"

namespace llmc {

/// The name of the format that holds the f32 matrix of `source` exactly, and in
/// which it is stored already; empty where there is none. Sees through rows,
/// transpositions and concatenations of such sources. Reads scales and zero
/// points, not codes.
std::optional<std::string> getStoredFormat(const WeightStore &store,
                                           mlir::Attribute source);

/// The same, or why there is none: for the ledger.
llvm::Expected<std::string> findStoredFormat(const WeightStore &store,
                                             mlir::Attribute source);

/// The components of that matrix. decodeRows of them gives the values of the
/// source, bit for bit. Fails where getStoredFormat says nothing. Takes as many
/// bytes of memory as the matrix has weights, and its scales.
llvm::Expected<QuantizedMatrix> readStored(const WeightStore &store,
                                           mlir::Attribute source);

} // namespace llmc

#endif // LLMC_WEIGHTS_STOREDFORMAT_H
