//===- SourceReader.h - Evaluates weight sources ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared by the units that read sources of one kind each.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_WEIGHTS_SOURCEREADER_H
#define LLMC_LIB_WEIGHTS_SOURCEREADER_H

#include "llmc/Dialect/NN/NNDialect.h"
#include "llmc/Formats/Floats.h"
#include "llmc/Weights/WeightStore.h"
#include <cstring>

namespace llmc {

/// Rows and bytes of a tensor seen as a list along axis 0.
struct SourceLayout {
  mlir::RankedTensorType type;
  int64_t rows, rowBytes, elementBytes;
};

/// Reads one source. Every call checks the types of the tree, so that what is
/// read lies inside of what is stored.
class SourceReader {
public:
  explicit SourceReader(const WeightStore &store) : store(store) {}

  llvm::Expected<SourceLayout> layout(mlir::Attribute source);
  /// Rows `begin .. end-1` along axis 0; `out` has exactly their size.
  llvm::Error read(mlir::Attribute source, int64_t begin, int64_t end,
                   llvm::MutableArrayRef<char> out);
  /// Calls `use` with chunks of the rows `begin .. end-1`: the first row, the
  /// one behind the last, and the bytes.
  llvm::Error forChunks(
      mlir::Attribute source, int64_t begin, int64_t end,
      llvm::function_ref<void(int64_t, int64_t, llvm::ArrayRef<char>)> use);
  /// The same rows as numbers.
  llvm::Expected<std::vector<double>> readNumbers(mlir::Attribute source,
                                                  int64_t begin, int64_t end);

  /// Columns `begin .. end-1` of all rows of a matrix of bytes, row-major.
  llvm::Error readColumns(mlir::Attribute source, int64_t begin, int64_t end,
                          llvm::MutableArrayRef<char> out);

private:
  /// The bytes of a source that lie in order somewhere; empty where they do
  /// not.
  llvm::Expected<std::optional<llvm::ArrayRef<char>>>
  direct(mlir::Attribute source);

  llvm::Error readDense(mlir::ElementsAttr values, const SourceLayout &at,
                        int64_t begin, int64_t end,
                        llvm::MutableArrayRef<char> out);
  llvm::Error readTranspose(nn::TransposeSourceAttr source,
                            const SourceLayout &at, int64_t begin, int64_t end,
                            llvm::MutableArrayRef<char> out);
  llvm::Error readReshape(nn::ReshapeSourceAttr source, const SourceLayout &at,
                          int64_t begin, int64_t end,
                          llvm::MutableArrayRef<char> out);
  llvm::Error readCast(nn::CastSourceAttr source, int64_t begin, int64_t end,
                       llvm::MutableArrayRef<char> out);
  llvm::Error readAffine(nn::AffineSourceAttr source, const SourceLayout &at,
                         int64_t begin, int64_t end,
                         llvm::MutableArrayRef<char> out);
  llvm::Error readScale(nn::ScaleSourceAttr source, const SourceLayout &at,
                        int64_t begin, int64_t end,
                        llvm::MutableArrayRef<char> out);
  llvm::Error readRotary(nn::RotaryTableAttr source, const SourceLayout &at,
                         int64_t begin, int64_t end,
                         llvm::MutableArrayRef<char> out);
  // Quantized sources: DequantReader.cpp.
  llvm::Error readUnpack(nn::UnpackSourceAttr source, const SourceLayout &at,
                         int64_t begin, int64_t end,
                         llvm::MutableArrayRef<char> out);
  llvm::Error readDequant(nn::DequantSourceAttr source, const SourceLayout &at,
                          int64_t begin, int64_t end,
                          llvm::MutableArrayRef<char> out);
  llvm::Error readBlocks(nn::BlocksSourceAttr source, const SourceLayout &at,
                         int64_t begin, int64_t end,
                         llvm::MutableArrayRef<char> out);

  const WeightStore &store;
  unsigned depth = 0;
};

template <typename T> T loadAs(const char *at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

/// Calls `use` with a loader of elements of `type`: double for floating point
/// (exact for all of them), int64_t or uint64_t for integers. False for types
/// without one.
template <typename Use> bool withLoader(mlir::Type type, Use use) {
  if (type.isF32())
    use([](const char *p) { return double(loadAs<float>(p)); });
  else if (type.isF64())
    use([](const char *p) { return loadAs<double>(p); });
  else if (type.isF16())
    use([](const char *p) { return double(f16ToFloat(loadAs<uint16_t>(p))); });
  else if (type.isBF16())
    use([](const char *p) { return double(bf16ToFloat(loadAs<uint16_t>(p))); });
  else if (type.isInteger(1))
    use([](const char *p) { return int64_t(*p != 0); });
  else if (type.isUnsignedInteger(8))
    use([](const char *p) { return int64_t(loadAs<uint8_t>(p)); });
  else if (type.isUnsignedInteger(16))
    use([](const char *p) { return int64_t(loadAs<uint16_t>(p)); });
  else if (type.isUnsignedInteger(32))
    use([](const char *p) { return int64_t(loadAs<uint32_t>(p)); });
  else if (type.isUnsignedInteger(64))
    use([](const char *p) { return loadAs<uint64_t>(p); });
  else if (type.isInteger(8))
    use([](const char *p) { return int64_t(loadAs<int8_t>(p)); });
  else if (type.isInteger(16))
    use([](const char *p) { return int64_t(loadAs<int16_t>(p)); });
  else if (type.isInteger(32))
    use([](const char *p) { return int64_t(loadAs<int32_t>(p)); });
  else if (type.isInteger(64))
    use([](const char *p) { return loadAs<int64_t>(p); });
  else
    return false;
  return true;
}

} // namespace llmc

#endif // LLMC_LIB_WEIGHTS_SOURCEREADER_H
