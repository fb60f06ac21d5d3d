//===- OnnxPlan.h - Which tensors of a file are compressed ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Recipes speak of weights of the imported and fused module; a file has tensors
// and nodes. Here the one is found in the other: every compressed weight is a
// tensor of the file, or rows of one, perhaps transposed; tensors of the same
// numbers count as one; and every node that reads them is known.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_EXPORT_ONNXPLAN_H
#define LLMC_LIB_EXPORT_ONNXPLAN_H

#include "OnnxFile.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Import/Import.h"
#include "llmc/Report/Ledger.h"

namespace llmc {

/// A weight of the module that is to be compressed.
struct CompressedWeight {
  std::string name;
  pack::MethodAttr method;
  /// What is compressed: with the columns scaled as they should be.
  mlir::Attribute source;
  /// Null, or what the input of the product is multiplied by, [columns].
  mlir::Attribute columnScale;
  int64_t rows = 0, columns = 0;
  TensorRole role = TensorRole::Linear;
  /// Rows of the matrix that the tensor holds.
  int64_t firstRow = 0;
  /// `pack.statistics`, or null.
  mlir::Attribute statistics = nullptr;
};

/// A tensor of the file.
struct Holder {
  size_t initializer = 0;
  /// It is [columns][rows].
  bool transposed = false;
};

/// A node that reads a matrix.
struct Reader {
  size_t node = 0;
  enum class Kind {
    /// MatMul or Gemm: the second operand is the matrix, transposed as it
    /// should be.
    Linear,
    /// Gather along axis 0.
    Gather,
    /// Transpose or Identity: makes a value that is the matrix, too.
    Carrier,
    Other
  } kind = Kind::Other;
};

/// All that is compressed of one tensor.
struct PlannedMatrix {
  /// In the order of rows, without gaps.
  std::vector<CompressedWeight> parts;
  int64_t rows = 0, columns = 0;
  /// The first is the one that the parts name.
  std::vector<Holder> holders;
  std::vector<Reader> readers;
  /// A graph inside a node, or an output, has one of its values.
  bool escapes = false;

  mlir::Attribute getColumnScale() const { return parts.front().columnScale; }
};

/// Finds all matrices; fails, naming the weight and a remedy, where one is no
/// tensor of the main graph.
llvm::Expected<std::vector<PlannedMatrix>> planOnnx(const ImportedModel &model,
                                                    const onnx::OnnxFile &file);

/// Adds the names that graphs inside a node take from outside, and more.
void addInnerUses(const onnx::Node &node, llvm::StringSet<> &names);

} // namespace llmc

#endif // LLMC_LIB_EXPORT_ONNXPLAN_H
