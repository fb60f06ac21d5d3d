//===- WriteQuantized.h - Compresses a weight into its file -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_WRITEQUANTIZED_H
#define LLMC_CODEGEN_WRITEQUANTIZED_H

#include "llmc/Codegen/WeightFile.h"
#include "llmc/Methods/Matrix.h"

namespace llmc {

/// Reads a weight of a quantized type, compresses it with its method, and packs
/// it into `out`, `weight.bytes` bytes of zeros. Holds the matrix in f32 and its
/// codes while it works. Fills in what the weight's `outcome` says.
llvm::Error writeQuantized(PlacedWeight &weight, const WeightStore &store,
                           Workers &workers, llvm::MutableArrayRef<char> out);

} // namespace llmc

#endif // LLMC_CODEGEN_WRITEQUANTIZED_H
