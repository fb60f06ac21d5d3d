//===- GgufFile.h - The head of a GGUF file ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GGUF, version 3: "GGUF", version, how many tensors and entries, the entries
// of metadata, what tensors there are and where, and their bytes, each at a
// multiple of 32. Everything is little-endian; extents of tensors begin with the
// innermost.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_EXPORT_GGUFFILE_H
#define LLMC_LIB_EXPORT_GGUFFILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>
#include <vector>

namespace llmc {

/// The alignment that files have where they name no other.
constexpr uint64_t kGgufAlignment = 32;
/// The numbers of the types of tensors of f32, f16 and bf16.
constexpr uint32_t kGgufF32 = 0, kGgufF16 = 1, kGgufBF16 = 30;

/// A tensor of the file.
struct GgufTensor {
  std::string name;
  /// Row-major: rows, columns.
  std::vector<int64_t> shape;
  uint32_t type = kGgufF32;
  uint64_t bytes = 0;
};

/// Collects metadata, in the order of the calls.
class GgufHead {
public:
  void addNumber(llvm::StringRef key, uint32_t value);
  void addReal(llvm::StringRef key, float value);
  void addFlag(llvm::StringRef key, bool value);
  void addText(llvm::StringRef key, llvm::StringRef value);
  void addTexts(llvm::StringRef key, llvm::ArrayRef<std::string> values);
  void addNumbers(llvm::StringRef key, llvm::ArrayRef<int32_t> values);

  /// The head of a file with these tensors, up to where their bytes begin. Those
  /// lie in order, without gaps but for the alignment.
  std::string build(llvm::ArrayRef<GgufTensor> tensors) const;

private:
  void begin(llvm::StringRef key, uint32_t type);

  uint64_t count = 0;
  std::string entries;
};

} // namespace llmc

#endif // LLMC_LIB_EXPORT_GGUFFILE_H
