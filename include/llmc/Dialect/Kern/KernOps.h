//===- KernOps.h - The kern dialect -----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_KERN_KERNOPS_H
#define LLMC_DIALECT_KERN_KERNOPS_H

#include "llmc/Dialect/Pack/PackOps.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"

#include "llmc/Dialect/Kern/KernDialect.h.inc"

#define GET_OP_CLASSES
#include "llmc/Dialect/Kern/KernOps.h.inc"

namespace llmc::kern {

/// Positions that lie side by side in a cache of keys.
constexpr int64_t kKeyBlock = 16;
/// Positions of a cache that one partial softmax covers.
constexpr int64_t kChunk = 256;
/// Numbers that `kern.attention_chunks` keeps for a head with values of that
/// size: sums in whole vectors of up to 16 lanes, then maximum and sum.
constexpr int64_t getChunkRow(int64_t valueSize) {
  return (valueSize + 15) / 16 * 16 + 16;
}
/// Columns of a group of an input row that `kern.quantize` made.
constexpr int64_t kInputGroup = 32;

/// What the columns of such a row are; the number is the bytes of one.
enum class Activations : int64_t { I8 = 1, I16 = 2, F32 = 4 };
constexpr Activations kActivations[] = {Activations::I8, Activations::I16,
                                        Activations::F32};

/// Bytes that a group takes: its columns, a scale and sums, in cache lines.
constexpr int64_t getInputGroupBytes(Activations activations) {
  return (kInputGroup * static_cast<int64_t>(activations) + 32 + 63) / 64 * 64;
}

/// Bytes of a row of `columns` columns.
constexpr int64_t getInputRowBytes(int64_t columns, Activations activations) {
  return (columns + kInputGroup - 1) / kInputGroup *
         getInputGroupBytes(activations);
}

/// What a row of that many columns and bytes holds; empty where the two do not
/// fit.
std::optional<Activations> findActivations(int64_t columns, int64_t bytes);

/// Whether an op multiplies with a packed matrix.
bool isProduct(mlir::Operation *op);
/// Whether a product runs together with the one before it.
bool isJoined(mlir::Operation *op);
/// Whether a product is added to what another op has computed.
bool isAdded(mlir::Operation *op);

} // namespace llmc::kern

#endif // LLMC_DIALECT_KERN_KERNOPS_H
