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

/// What the columns of such a row are.
enum class Activations { I8, I16, BF16, F32 };
constexpr Activations kActivations[] = {Activations::I8, Activations::I16,
                                        Activations::BF16, Activations::F32};

/// Whether columns are real numbers; else they are codes under a scale.
constexpr bool areReals(Activations activations) {
  return activations == Activations::BF16 || activations == Activations::F32;
}

/// Bytes of the columns of a group.
constexpr int64_t getInputColumnsBytes(Activations activations) {
  return kInputGroup * (activations == Activations::I8    ? 1
                        : activations == Activations::F32 ? 4
                                                          : 2);
}

/// Bytes that a group takes: its columns, a scale and sums, in cache lines; of
/// bf16 in halves of one. No two have the same, so that they tell what it holds.
constexpr int64_t getInputGroupBytes(Activations activations) {
  int64_t bytes = getInputColumnsBytes(activations) + 32,
          unit = activations == Activations::BF16 ? 32 : 64;
  return (bytes + unit - 1) / unit * unit;
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
