//===- OnnxKept.h - Codes that nodes of a file hold -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MatMulNBits, GatherBlockQuantized and DequantizeBlocks hold their matrices
// themselves. Where those are to stand behind DequantizeLinear, the nodes must
// become others, which read them.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_EXPORT_ONNXKEPT_H
#define LLMC_LIB_EXPORT_ONNXKEPT_H

#include "OnnxFile.h"
#include "llmc/Formats/Format.h"
#include "llmc/Import/Import.h"

namespace llmc {

/// A node that holds a matrix in few bits.
struct KeptReader {
  size_t node = 0;
  enum class Kind {
    /// MatMulNBits.
    Linear,
    /// GatherBlockQuantized.
    Gather,
    /// DequantizeBlocks: its result is the matrix.
    Value
  } kind = Kind::Linear;
  /// Of its result.
  mlir::Type element;
};

/// A matrix in few bits that the model comes with.
struct KeptMatrix {
  mlir::Attribute source;
  FormatDescription format;
  int64_t rows = 0, columns = 0;
  std::vector<KeptReader> readers;

  /// Whether a reader takes it as [rows][columns].
  bool isReadByRows() const {
    return llvm::any_of(readers, [](const KeptReader &reader) {
      return reader.kind != KeptReader::Kind::Linear;
    });
  }
};

/// All matrices of such nodes, those of equal numbers as one. Fails, naming the
/// node, why and a remedy, where DequantizeLinear cannot have a matrix or where
/// the node is none of the main graph.
llvm::Expected<std::vector<KeptMatrix>> planKept(const ImportedModel &model,
                                                 const onnx::OnnxFile &file);

/// Refuses kept matrices of other nodes, naming one and a remedy: of them no
/// MatMulNBits is made.
llvm::Error refuseOtherNodes(const ImportedModel &model,
                             const onnx::OnnxFile &file);

} // namespace llmc

#endif // LLMC_LIB_EXPORT_ONNXKEPT_H
