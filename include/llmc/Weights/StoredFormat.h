//===- StoredFormat.h - Weights that are quantized already -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A source made of codes and scales often is a matrix in one of llmc's own
// formats, only packed in another way. Then it is kept as it is: nothing is
// rounded a second time.
//
// What is kept: all block types of GGUF files that llmc has formats for; codes
// of 2, 4 and 8 bits with a scale in f32, f16 or bf16 for each 16, 32, ... columns
// of a row, for a row, or for all, and with integer zero points or none. Zero
// points in floating point are kept where their products with the scales are
// numbers of f32 (of halves they are). Not kept: a scale for each column, groups
// that are no multiple of 16 columns, scales that are not finite, codes of 16 and
// 32 bits, tensors of other ranks.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_WEIGHTS_STOREDFORMAT_H
#define LLMC_WEIGHTS_STOREDFORMAT_H

#include "llmc/Formats/QuantizedMatrix.h"
#include "llmc/Weights/WeightStore.h"

namespace llmc {

/// The name of the format that holds the f32 matrix of `source` exactly, and in
/// which it is stored already; an error that says why, where there is none. Sees
/// through rows, transpositions and concatenations of such sources. Reads scales
/// and zero points, not codes.
llvm::Expected<std::string> findStoredFormat(const WeightStore &store,
                                             mlir::Attribute source);

/// The components of that matrix. decodeRows of them gives the values of the
/// source, bit for bit. Fails where findStoredFormat does. Takes as many
/// bytes of memory as the matrix has weights, and its scales.
llvm::Expected<QuantizedMatrix> readStored(const WeightStore &store,
                                           mlir::Attribute source);

} // namespace llmc

#endif // LLMC_WEIGHTS_STOREDFORMAT_H
