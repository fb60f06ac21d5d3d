//===- OnnxTensors.h - The tensors that an export adds ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Nodes have been settled; here every new tensor gets its place in the data file
// and its entry in the model, and is written there later.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_EXPORT_ONNXTENSORS_H
#define LLMC_LIB_EXPORT_ONNXTENSORS_H

#include "DataFile.h"
#include "OnnxKept.h"
#include "OnnxPlan.h"
#include "llmc/Export/OnnxCodes.h"
#include "llmc/Methods/Matrix.h"

namespace llmc {

/// How the codes of a matrix are written.
struct OnnxCoding {
  int64_t rows = 0, columns = 0, bits = 0, block = 0;
  bool hasZeros = false;

  /// Whether a row has one scale.
  bool isRow() const { return block >= columns; }
  /// Codes count from 0 where they have zero points, except in bytes.
  bool isSigned() const { return !hasZeros || bits == 8; }
  int64_t countGroups() const { return llvm::divideCeil(columns, block); }
};

/// Names of the operands of a DequantizeLinear.
struct DequantizedNames {
  std::string codes, scales, zeros;
  /// They are [columns][rows].
  bool transposed = false;
};

/// A tensor with a place, and what its bytes are made of.
struct OnnxTensor {
  enum class Part {
    /// Codes as MatMulNBits has them, as GatherBlockQuantized has them, and the
    /// zeros of both.
    Blocks,
    Rows,
    PackedZeros,
    /// As tensors of the standard have them.
    Codes,
    Zeros,
    /// For all of these.
    Scales,
    /// Numbers without codes.
    Numbers
  } part;
  bool transposed = false;
  onnx::Place place;
};

/// Tensors that are made together.
struct OnnxEntry {
  size_t entry = 0;
  std::vector<OnnxTensor> tensors;

  int64_t countBytes() const;
};

/// A matrix and what is written of it.
struct ExportedMatrix : OnnxCoding {
  PlannedMatrix matrix;
  /// Names of the new tensors; those of codes where they are needed.
  std::string linear, gather, scales, zeros;
  /// By holder.
  std::vector<DequantizedNames> dequantized;
  /// The element type of tensors of numbers, each named by its holder; 0: there
  /// are codes.
  int32_t element = 0;
  std::vector<std::string> numbers;
  OnnxEntry data;

  int64_t getNumberBytes() const { return element == onnx::kFloat ? 4 : 2; }
};

/// A matrix whose nodes hold it no longer.
struct MovedMatrix : OnnxCoding {
  KeptMatrix matrix;
  DequantizedNames dequantized;
  /// Its values, as it is stored and as [columns][rows].
  std::string value, turned;
  OnnxEntry data;
};

/// The operand of a node with the codes.
const std::string &getCodes(const onnx::Node &node, KeptReader::Kind kind);

class OnnxTensors {
public:
  OnnxTensors(const ExportRequest &request, onnx::OnnxFile &file,
              OnnxStyle style);

  /// Places what is only copied: external tensors that stay, since their file may
  /// be far away; and scales of columns, by name.
  llvm::Error
  placeCopies(llvm::ArrayRef<std::pair<std::string, mlir::Attribute>> scales);
  void place(ExportedMatrix &item);
  void place(MovedMatrix &item);

  bool isEmpty() const { return data.getSize() == 0; }
  /// Reserves the space of all that was placed.
  llvm::Error open() { return data.open(); }

  llvm::Error writeCopies();
  llvm::Error write(const ExportedMatrix &item);
  llvm::Error write(const MovedMatrix &item);
  /// Waits for what is on its way to the disk; returns lines of matrices, in the
  /// order in which they were written.
  llvm::Expected<ExportResult> close();

private:
  /// A tensor with the bytes of the model, or of a scale.
  struct Copy {
    size_t entry = 0;
    onnx::Place place;
    std::string key;
    mlir::Attribute scale;
  };
  llvm::Error write(const Copy &copy);
  onnx::Place add(OnnxEntry &entry, OnnxTensor::Part part, bool transposed,
                  const std::string &name, int32_t type,
                  llvm::ArrayRef<int64_t> dims, int64_t bytes);
  void addDequantized(OnnxEntry &entry, const DequantizedNames &names,
                      const OnnxCoding &coding);
  void addNumbers(ExportedMatrix &item);
  void addBlocks(ExportedMatrix &item);
  llvm::Expected<QuantizedMatrix> compress(const CompressedWeight &part,
                                           CompressionOutcome &outcome);
  llvm::Error compress(const ExportedMatrix &item,
                       llvm::MutableArrayRef<CompressionOutcome> outcomes);
  llvm::Error writeCodes(const OnnxEntry &entry, const OnnxCoding &coding,
                         const OnnxCodes &matrix);
  llvm::Error writeNumbers(const ExportedMatrix &item,
                           llvm::ArrayRef<char> numbers);
  void tell(LedgerLine line);

  const ExportRequest &request;
  onnx::OnnxFile &file;
  const onnx::Graph &graph;
  const WeightStore &store;
  OnnxStyle style;
  std::string location;
  DataFile data;
  Workers workers;
  std::vector<Copy> copies;
  std::vector<LedgerLine> lines;
};

} // namespace llmc

#endif // LLMC_LIB_EXPORT_ONNXTENSORS_H
