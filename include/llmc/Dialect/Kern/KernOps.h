//===- KernOps.h - The kern dialect -----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_KERN_KERNOPS_H
#define LLMC_DIALECT_KERN_KERNOPS_H

#include "llmc/Dialect/Pack/PackOps.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "llvm/Support/MathExtras.h"

#include "llmc/Dialect/Kern/KernDialect.h.inc"

#define GET_OP_CLASSES
#include "llmc/Dialect/Kern/KernOps.h.inc"

namespace llmc::kern {

/// Positions that lie side by side in a cache of keys.
constexpr int64_t kKeyBlock = 16;
/// Positions of a cache that one partial softmax covers.
constexpr int64_t kChunk = 256;
/// Columns of a group of a quantized row, and bytes that it takes.
constexpr int64_t kInputGroup = 32, kInputGroupBytes = 64;

/// Bytes of a quantized row of `columns` columns.
inline int64_t getQuantizedRowBytes(int64_t columns) {
  return llvm::divideCeil(columns, kInputGroup) * kInputGroupBytes;
}

} // namespace llmc::kern

#endif // LLMC_DIALECT_KERN_KERNOPS_H
