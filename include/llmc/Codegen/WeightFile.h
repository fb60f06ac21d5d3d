//===- WeightFile.h - weights.safetensors of a bundle -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The packed weights lie in one file in the order in which the model reads
// them, each at a multiple of 64 bytes and in the order of its kernel. The file
// is a valid safetensors file: what fills up to 64 bytes is a tensor of its own.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_WEIGHTFILE_H
#define LLMC_CODEGEN_WEIGHTFILE_H

#include "llmc/Report/Ledger.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>
#include <vector>

namespace llmc {

/// What compressing a weight came to; known after writing.
struct CompressionOutcome {
  /// sqrt(sum of squared differences / sum of squares).
  double relativeError = 0;
  /// Of reading, compressing and measuring.
  double seconds = 0;
  /// What the method had to say. May be empty.
  std::string note;
  /// The method that made it, where it is another one than was asked.
  std::string method;
};

/// Columns that a sparse part has, by tile, or an order of columns
/// (llmc/Formats/Layout.h).
struct PlacedIndices {
  /// Bytes from the beginning of the weight, and of a tile to the next.
  int64_t begin = 0, distance = 0;
  int64_t tiles = 0;
  /// In a tile, and the bytes of one.
  int64_t count = 0, bytes = 0;
  /// All are below.
  int64_t columns = 0;
  /// Whether each column is there once.
  bool once = false;
};

/// One weight and its place.
struct PlacedWeight {
  std::string name;
  mlir::Type type;
  mlir::Attribute source;
  TensorRole role = TensorRole::Other;
  /// `#pack.method` of a compressed weight, else null.
  mlir::Attribute method;
  /// What inputs of products with a compressed weight are, "i16"; empty for i8
  /// that nobody asked about. With the reason where they were measured.
  std::string activations;
  /// Whether a calibration was to choose them.
  bool measured = false;
  /// `pack.statistics` of these inputs, or null.
  mlir::Attribute statistics;
  /// Why a matrix is not compressed; empty where nobody would ask.
  std::string kept;
  CompressionOutcome outcome;
  /// As safetensors spells them; the shape is that of the stored blocks.
  std::string dtype;
  std::vector<int64_t> shape;
  /// For the manifest: "row-major", "f32 rows32".
  std::string layout;
  /// From the beginning of the data section, in bytes.
  int64_t offset = 0, bytes = 0;
  /// Checked when the file is opened.
  std::optional<PlacedIndices> indices;
  /// XXH3-128 of the stored bytes; known after writing.
  std::string hash;

  /// Numbers in the tensor, without what fills up.
  int64_t countNumbers() const;
};

/// The file of a bundle that has its weights.
constexpr llvm::StringLiteral kWeightsFile = "weights.safetensors";

/// Seconds that parts of the work took, as a clock on the wall sees them.
struct WorkSeconds {
  double reading = 0, compressing = 0, checking = 0, writing = 0;
  /// Of tensors that no method makes.
  double copying = 0;

  /// Adds `part` of another one.
  void add(const WorkSeconds &other, double part = 1);
};

struct WeightFile {
  std::vector<PlacedWeight> weights;
  int64_t dataBytes = 0;
  /// Header and data; known after writing.
  int64_t fileBytes = 0;
  /// What an earlier run had finished, and where the time of this one went;
  /// known after writing.
  int64_t reusedTensors = 0, reusedBytes = 0;
  WorkSeconds seconds;
};

/// Gives every weight that the code uses a place, in the order of first use,
/// and writes it as `llmc.offset` into the module. Unused weights are erased.
llvm::Expected<WeightFile> placeWeights(mlir::ModuleOp module);

/// The header: its length in 8 bytes, JSON, and spaces up to a multiple of the
/// page size, so that the data section is aligned in a map.
std::string buildWeightHeader(const WeightFile &file);

/// A line for each weight, in the order of the file.
std::vector<LedgerLine> buildLedger(const WeightFile &file);

} // namespace llmc

#endif // LLMC_CODEGEN_WEIGHTFILE_H
