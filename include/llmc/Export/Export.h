//===- Export.h - Compressed models for other tools ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The model that was imported is written again in a format that other tools
// load, with the weights that a recipe compresses in place of the old ones.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_EXPORT_EXPORT_H
#define LLMC_EXPORT_EXPORT_H

#include "llmc/Codegen/BundleFolder.h"
#include "llmc/Import/Import.h"
#include "llmc/Report/Ledger.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <optional>

namespace llmc {

class MethodSet;

/// How compressed weights stand in an ONNX file.
enum class OnnxStyle {
  /// MatMulNBits and GatherBlockQuantized of com.microsoft instead of the old
  /// nodes.
  NBits,
  /// DequantizeLinear in front of the old nodes.
  QDQ
};

/// One export.
struct ExportRequest {
  /// As it was imported, with `pack.method` on what is to be compressed.
  const ImportedModel &model;
  /// What those names mean.
  const MethodSet &methods;
  /// Null: NBits, but what comes compressed and is kept stands as it did.
  std::optional<OnnxStyle> style;
  /// Of a language model, in tokens.
  int64_t context = 0;
  /// The file to make, and the folder in which it is made.
  llvm::StringRef output;
  BundleFolder &place;
  unsigned threads = 0;
  /// Told how much there is to compress, and of every matrix that is done, in
  /// bytes of f32. May be null.
  llvm::function_ref<void(int64_t)> expect, done;
};

/// The tensors of a file, by the names of weights, and bytes of them; and those
/// of both that an earlier run had finished.
struct ExportedTensors {
  int64_t tensors = 0, bytes = 0, reusedTensors = 0, reusedBytes = 0;
};

struct ExportResult {
  std::vector<LedgerLine> lines;
  ExportedTensors tensors;
};

/// The file in the folder of an export that has the tensors of its journal.
constexpr llvm::StringLiteral kExportedData = "data";

/// Refuses to write over the model itself, and over any file unless `replace` or
/// unless it is the half of what an earlier run to the same output began to
/// publish.
llvm::Error checkOutput(const ImportedModel &model, llvm::StringRef output,
                        bool replace);

/// Writes the ONNX file `output`, and `output`.data with compressed tensors and
/// all that was external before. Nodes and tensors that the recipe leaves alone
/// keep their bytes. Both files appear when they are complete. Their space is
/// reserved before anything is compressed, and tensors that an earlier run
/// finished, by the journal of the request's folder, are taken over. Fails, naming
/// the weight and what would do, where a weight cannot be written with the very
/// values that the recipe gives it. Returns a line for each compressed weight.
llvm::Expected<ExportResult> exportOnnx(const ExportRequest &request);

/// Writes the GGUF file `output`, with the tokenizer that lies beside the model.
/// The module must have the entry @lm of a model of the architecture Llama, by
/// its structure. Compressed weights become blocks of the format that their
/// recipe names, all others f32. Reserves space, goes on and fails as exportOnnx
/// does. Returns a line for each tensor.
llvm::Expected<ExportResult> exportGguf(const ExportRequest &request);

} // namespace llmc

#endif // LLMC_EXPORT_EXPORT_H
