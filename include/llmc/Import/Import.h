//===- Import.h - ONNX models become nn modules ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_IMPORT_IMPORT_H
#define LLMC_IMPORT_IMPORT_H

#include "llmc/Import/HandlerTable.h"
#include "llmc/Weights/WeightStore.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringMap.h"
#include <map>

namespace llmc {

struct ImportOptions {
  /// Values for named dimensions of the inputs (`batch_size` = 1).
  std::vector<std::pair<std::string, int64_t>> dims;
  /// Handlers beside those of llmc, of operators that llmc has none for. They go
  /// before functions of the model.
  std::vector<onnx::Converter> converters = {};
};

/// A matrix in few bits that a node of the file holds.
struct StoredMatrix {
  /// Of the f32 matrix [rows, columns].
  mlir::Attribute source;
  /// The element type of what the node computes.
  mlir::Type element;
};

/// A model as `func.func @main` of an nn module, and the bytes of its weights.
struct ImportedModel {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<WeightStore> weights;

  /// The ONNX file and the folder it lies in, as the user named them.
  std::string file, folder;
  std::string producer, producerVersion;
  int64_t irVersion = 0;
  /// Domain ("ai.onnx" for the default one) and version.
  std::map<std::string, int64_t> opsets;
  /// Number of the ONNX file in `weights`.
  unsigned fileNumber = 0;
  /// What MatMulNBits, GatherBlockQuantized, DequantizeLinear and DequantizeBlocks
  /// of the main graph hold, by the name of their result.
  llvm::StringMap<StoredMatrix> stored = {};

  uint64_t fileBytes() const {
    return weights->getFile(fileNumber).bytes().size();
  }
  /// XXH3-128 of the ONNX file (without external data); reads all of it.
  std::string fileHash() const;
};

/// Reads the ONNX model at `path`, a file or a folder that holds `model.onnx`.
/// The context must have the dialects nn, arith and func loaded or registered.
/// An error lists everything that is wrong, one sentence a line.
llvm::Expected<ImportedModel> importOnnx(mlir::MLIRContext &context,
                                         llvm::StringRef path,
                                         const ImportOptions &options = {});

} // namespace llmc

#endif // LLMC_IMPORT_IMPORT_H
