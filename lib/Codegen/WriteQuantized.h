//===- WriteQuantized.h - Compresses a weight into its file -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_WRITEQUANTIZED_H
#define LLMC_CODEGEN_WRITEQUANTIZED_H

#include "llmc/Codegen/TensorFile.h"
#include "llmc/Codegen/WeightFile.h"
#include "llmc/Support/ParallelFor.h"

namespace llmc {

class MethodSet;
class WeightStore;

/// Reads a weight of a quantized type, compresses it with its method, packs it
/// and writes it at its offset in the file. Holds the matrix in f32 with its codes
/// and scales while it works, and then these with the packed bytes. Fills in the
/// weight's `outcome` and `hash`, and adds to `seconds`.
llvm::Error writeQuantized(PlacedWeight &weight, const MethodSet &methods,
                           const WeightStore &store, ParallelFor parallel,
                           const TensorFile &output, WorkSeconds &seconds);

} // namespace llmc

#endif // LLMC_CODEGEN_WRITEQUANTIZED_H
