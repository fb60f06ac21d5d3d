//===- Ggml.h - Blocks of GGUF files ---------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Quantized tensors of GGUF files into components and back, without rounding
// anything again: the same values, bit for bit.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_FORMATS_GGML_H
#define LLMC_FORMATS_GGML_H

#include "llmc/Formats/QuantizedMatrix.h"

namespace llmc {

/// A block type of GGUF files that is also a format here.
struct GgmlType {
  /// Both the name of the type in lower case and that of the format.
  llvm::StringLiteral name;
  /// The number of the type in GGUF files.
  uint32_t number;
  /// Weights and bytes of a block.
  int64_t blockColumns, blockBytes;
};

/// All of them: q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k, iq4_nl.
llvm::ArrayRef<GgmlType> getGgmlTypes();
/// By number or name; null if there is none.
const GgmlType *findGgmlType(uint32_t number);
const GgmlType *findGgmlType(llvm::StringRef name);

/// Reads rows of blocks. The columns must be a multiple of the block's and the
/// bytes those of the matrix.
llvm::Expected<QuantizedMatrix> readGgml(const GgmlType &type, int64_t rows,
                                         int64_t columns,
                                         llvm::ArrayRef<char> bytes);

/// Writes rows of blocks. The matrix must have the format of the type, a
/// multiple of the block's columns and no column scale.
llvm::Expected<std::vector<char>> writeGgml(const GgmlType &type,
                                            const QuantizedMatrix &matrix);

} // namespace llmc

#endif // LLMC_FORMATS_GGML_H
