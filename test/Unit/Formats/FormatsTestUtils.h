//===- FormatsTestUtils.h - What tests of formats share --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_TEST_UNIT_FORMATS_FORMATSTESTUTILS_H
#define LLMC_TEST_UNIT_FORMATS_FORMATSTESTUTILS_H

#include "llmc/Formats/Layout.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>

namespace llmc::test {

/// Names that reach every kind of levels, span, code and real.
inline std::vector<llvm::StringRef> getTestFormats() {
  return {"f32",
          "bf16",
          "f16",
          "q4_0",
          "q4_1",
          "q5_0",
          "q5_1",
          "q8_0",
          "q4_k",
          "q5_k",
          "q6_k",
          "iq4_nl",
          "nl4",
          "sl4",
          "nl3",
          "mxfp4",
          "ternary",
          "nf4g64",
          "nf3",
          "i2g16",
          "i3g48.f32",
          "i4g128.bf16",
          "i5row",
          "i6g32.f32r-u4",
          "i8row.f32",
          "u1g32",
          "u2g16.f16b-u4",
          "u3g32",
          "u4g64.f32",
          "u5g48",
          "u6g256.f16r-u8",
          "u8g32",
          "u8row.f32",
          "i4g32.e8m0",
          "i4g16.f32r-ue4m3",
          "u4g16.f16b-u6",
          "u4g32.f16.mf32",
          "u4g32.f32.zu4",
          "u2g16.f16.zu6",
          "u8g64.bf16.zi8",
          "nf4g32.f32r-u8.zu8",
          "nl4g32.f16.mf16",
          "i4g32.bf16r-e8m0",
          "v4b8",
          "v2b6g16.f32r-u8",
          "v2b6row.bf16",
          "v4b8g48.f16.mf16",
          "v2b6g64.lr8",
          "i4g64.lr8",
          "u4g16.f16b-u6.lr16",
          "nl4.lr32",
          "i4g64.sp5",
          "u4g16.f16b-u6.sp30",
          "nl3.sp100",
          "i4g64.p",
          "u4g16.f16b-u6.p"};
}

inline FormatDescription getFormat(llvm::StringRef name) {
  auto format = parseFormat(name);
  if (!format) {
    ADD_FAILURE() << llvm::toString(format.takeError());
    return {};
  }
  return *format;
}

inline QuantizedMatrix create(const FormatDescription &format, int64_t rows,
                              int64_t columns) {
  auto matrix = QuantizedMatrix::create(format, rows, columns);
  if (!matrix) {
    ADD_FAILURE() << llvm::toString(matrix.takeError());
    return {};
  }
  return std::move(*matrix);
}

inline PackedLayout createLayout(const FormatDescription &format, int64_t rows,
                                 int64_t columns, int64_t tileRows = 16) {
  auto layout = PackedLayout::create(format, rows, columns, tileRows);
  if (!layout) {
    ADD_FAILURE() << llvm::toString(layout.takeError());
    return {};
  }
  return *layout;
}

/// Makes columns of a sparse part, which may be any bytes, columns of the matrix,
/// and of an order, too, each of which is there once.
inline void limitColumns(const PackedLayout &layout,
                         llvm::MutableArrayRef<char> bytes) {
  // A shuffle that swaps with what the bytes say.
  std::vector<uint32_t> order(layout.order ? layout.columns : 0);
  for (size_t j = 0; j < order.size(); ++j) {
    char *at = bytes.data() + layout.order + j * layout.columnBytes;
    uint32_t other = 0;
    std::memcpy(&other, at, layout.columnBytes);
    order[j] = static_cast<uint32_t>(j);
    std::swap(order[j], order[other % (j + 1)]);
  }
  for (size_t j = 0; j < order.size(); ++j)
    std::memcpy(bytes.data() + layout.order + j * layout.columnBytes, &order[j],
                layout.columnBytes);
  for (int64_t tile = 0; layout.sparseCount && tile < layout.tiles; ++tile)
    for (int64_t i = 0; i < layout.sparseCount * layout.tileRows; ++i) {
      char *at = bytes.data() + layout.sparse + tile * layout.sparseTileBytes +
                 i * layout.columnBytes;
      uint32_t column = 0;
      std::memcpy(&column, at, layout.columnBytes);
      column = static_cast<uint32_t>(column % layout.columns);
      std::memcpy(at, &column, layout.columnBytes);
    }
}

/// The bits, so that what is not a number compares, too.
template <typename T>
inline bool sameBits(const std::vector<T> &a, const std::vector<T> &b) {
  return a.size() == b.size() &&
         (a.empty() ||
          std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

inline bool sameComponents(const QuantizedMatrix &a, const QuantizedMatrix &b) {
  if (!(a.format == b.format) || a.rows != b.rows || a.columns != b.columns ||
      !(a.lowRank == b.lowRank) || !(a.sparse == b.sparse) ||
      a.order != b.order || !sameBits(a.codes, b.codes) ||
      a.chains.size() != b.chains.size())
    return false;
  for (size_t i = 0; i < a.chains.size(); ++i)
    if (!sameBits(a.chains[i].reals, b.chains[i].reals) ||
        !sameBits(a.chains[i].codes, b.chains[i].codes))
      return false;
  return true;
}

} // namespace llmc::test

#endif // LLMC_TEST_UNIT_FORMATS_FORMATSTESTUTILS_H
