//===- Manifest.h - The manifest of a bundle, read ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// manifest.json as MANIFEST.md describes it, in structs. Reading checks the
// schema, so that everything after may rely on it: dtypes and symbols exist,
// extents are not negative, file names stay inside the bundle.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_MANIFEST_H
#define LLMC_RUNTIME_MANIFEST_H

#include "llmc/Runtime/llmc.h"
#include "llmc/Support/Fault.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <string>
#include <vector>

namespace llmc {

/// Bytes of one element; 0 for a number that is no dtype.
size_t elementBytes(llmc_dtype dtype);
/// The word of the manifest: "f32", "bool".
const char *dtypeName(llmc_dtype dtype);
/// False when `name` is no dtype.
bool parseDType(llvm::StringRef name, llmc_dtype &dtype);
/// The bytes of a tensor; false when they do not fit 62 bits or an extent is
/// negative.
bool tensorBytes(llmc_dtype dtype, llvm::ArrayRef<int64_t> extents,
                 uint64_t &bytes);

/// One extent of a tensor.
struct DimSpec {
  /// The extent, -1 when it depends on symbols.
  int64_t extent = -1;
  /// The text of the manifest.
  std::string text;
  /// Index of the symbol that stands here alone, or -1.
  int symbol = -1;
};

struct TensorSpec {
  std::string name;
  llmc_dtype dtype = LLMC_F32;
  std::vector<DimSpec> shape;
  /// Of a state whose rows are encoded; else empty.
  std::string format;
};

struct SymbolSpec {
  std::string name;
  int64_t min = 0;
  int64_t max = INT64_MAX;
  /// For a symbol "INPUT[i]": the input and the element; else input is -1.
  int input = -1;
  int64_t element = 0;
};

struct EntrySpec {
  std::string name;
  std::vector<SymbolSpec> symbols;
  /// What is wrong where llmc_arena_E returns -1 - i.
  std::vector<std::string> conditions;
  std::vector<TensorSpec> inputs, outputs, states;
  /// Ops by name as the model was fused; may be empty.
  std::vector<std::pair<std::string, int64_t>> operators;
  /// Scratch memory in bytes for the values of the symbols that follow; -1 when
  /// the manifest does not say.
  int64_t arenaBytes = -1;
  std::vector<std::pair<std::string, int64_t>> arenaAt;

  /// Index of the symbol of that name, or -1.
  int symbol(llvm::StringRef name) const;
};

struct FileSpec {
  std::string file;
  uint64_t bytes = 0;
  /// 32 hexadecimal digits; may be empty where the format allows.
  std::string xxh3;
};

/// Where in the data section indices lie.
struct IndexSpec {
  /// `blocks` of `count` indices, each of `bytes` bytes, 2 or 4; the first begins at
  /// `begin`, the others `distance` bytes apart.
  int64_t begin = 0, blocks = 0, distance = 0, count = 0, bytes = 0;
  /// All indices are below.
  int64_t limit = 0;
  /// Whether each block has every index below `limit` once.
  bool once = false;
};

struct WeightSpec {
  std::string name, xxh3, layout;
  /// Numbers that a compressed tensor stands for; 0 where the manifest does not
  /// say: then they are what is stored.
  int64_t numbers = 0;
  std::optional<IndexSpec> indices;
};

struct LanguageModelSpec {
  std::string entry;
  int64_t vocabulary = 0, context = 0, chunk = 0, bos = -1;
  std::vector<int64_t> eos;
  /// Bytes of weights one token reads; 0 when the manifest does not say.
  uint64_t bytesPerToken = 0;
  std::vector<std::pair<std::string, std::string>> policy;
};

struct Manifest {
  int64_t format = 0;
  std::string compiler, triple, cpu, recipe;
  std::vector<std::string> features;
  FileSpec code, weights, source;
  /// The texts of the model: its tokenizer, its chat template.
  std::vector<FileSpec> files;
  std::string producer;
  std::vector<WeightSpec> tensors;
  std::vector<EntrySpec> entries;
  bool hasLanguageModel = false;
  LanguageModelSpec languageModel;

  /// Null when there is no entry of that name.
  const EntrySpec *entry(llvm::StringRef name) const;
};

/// Reads the text of a manifest and compares its hash.
Fault parseManifest(llvm::StringRef text, Manifest &out);

/// Refuses JSON that nests deeper than `limit`, since the parser recurses.
Fault checkDepth(llvm::StringRef json, unsigned limit);

} // namespace llmc

#endif // LLMC_RUNTIME_MANIFEST_H
