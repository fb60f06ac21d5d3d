//===- Bundle.h - Describe and write a bundle -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_BUNDLE_H
#define LLMC_CODEGEN_BUNDLE_H

#include "llmc/Codegen/BundleFolder.h"
#include "llmc/Codegen/WeightFile.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <optional>
#include <string>
#include <vector>

namespace llmc {

/// What a language model's manifest says beside its entries.
struct LanguageModelInfo {
  std::string entry = "lm";
  int64_t vocabulary = 0, context = 0, chunk = 0;
  std::optional<int64_t> bos;
  std::vector<int64_t> eos;
  /// Bytes of weights that one decoded token reads.
  int64_t bytesPerToken = 0;
};

/// The largest value each symbol may take; -1 stands for no bound.
struct SymbolBounds {
  int64_t chunk = -1, context = -1;
};

/// The entry of the manifest for a function whose symbols are index arguments:
/// symbols, inputs, outputs, states.
llvm::json::Object describeEntry(mlir::func::FuncOp function,
                                 const SymbolBounds &bounds);

/// How many ops of each name a function of the nn dialect has; constants and
/// the reading of weights are not counted.
llvm::json::Object countOperators(mlir::func::FuncOp function);

/// The largest scratch memory of a described entry, from the size functions
/// that `llmc-bufferize` made: {"bytes": N, "at": {SYMBOL: value}}.
std::optional<llvm::json::Object>
describeArena(mlir::ModuleOp module, const llvm::json::Object &entry);

struct BundleContents {
  std::string triple, cpu;
  std::vector<std::string> features;
  std::string recipe;
  std::string sourceFile, sourceHash, producer;
  int64_t sourceBytes = 0;
  llvm::json::Array entries;
  std::optional<LanguageModelInfo> languageModel;
  /// Files to take along (tokenizer, template), copied under their own name.
  std::vector<std::string> files;
  /// Object files that make up the code.
  llvm::ArrayRef<std::string> objects;
  /// For report.json and report.html.
  Ledger ledger;
};

/// Links model.so and writes it, model.h, the reports and manifest.json into the
/// folder, and copies the files to take along. The weights are there already.
llvm::Error writeBundle(const BundleFolder &folder, BundleContents &contents,
                        const WeightFile &weights);

} // namespace llmc

#endif // LLMC_CODEGEN_BUNDLE_H
