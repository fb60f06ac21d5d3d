//===- QuantizedMatrix.h - A matrix in a format, by components -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The components of a compressed matrix in plain row-major arrays, before they
// are packed for a kernel and after they are unpacked: codes, scales, minimum.
// Methods fill it, Layout.h packs it, and the reference decoder reads it.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_FORMATS_QUANTIZEDMATRIX_H
#define LLMC_FORMATS_QUANTIZEDMATRIX_H

#include "llmc/Formats/Format.h"
#include "llmc/Formats/SumSearch.h"
#include "llmc/Formats/VectorSearch.h"
#include <optional>
#include <vector>

namespace llmc {

/// What a scale chain stores for a matrix.
struct ChainValues {
  /// [rows][getReals]: numbers that the type of the chain holds exactly; empty
  /// where it has no real.
  std::vector<float> reals;
  /// [rows][getGroups]; empty where the chain has no code.
  std::vector<uint8_t> codes;
};

/// What a format with a rank adds: the product of two matrices, in bits of bf16.
struct LowRank {
  /// [rows][rank]
  std::vector<uint16_t> left;
  /// [rank][columns]
  std::vector<uint16_t> right;

  bool operator==(const LowRank &other) const = default;
};

/// What a format with a sparse part adds: numbers to single weights, as many in
/// every row (FormatDescription::getSparseCount).
struct SparsePart {
  /// [rows][count]: below the columns of the matrix.
  std::vector<uint32_t> columns;
  /// [rows][count], in bits of bf16.
  std::vector<uint16_t> values;

  bool operator==(const SparsePart &other) const = default;
};

/// A compressed matrix.
struct QuantizedMatrix {
  FormatDescription format;
  int64_t rows = 0, columns = 0;
  /// [rows][getCodesOfRow]: a byte for each code. Dense formats: the bits of each
  /// number, little-endian, in indexBits / 8 bytes.
  std::vector<uint8_t> codes;
  /// One for each term, then the minimum if there is one.
  llvm::SmallVector<ChainValues, 2> chains;
  /// [columns]: which column of the matrix each stored column is. Empty where the
  /// format has no order of its own.
  std::vector<uint32_t> order;
  /// Empty where the format has no rank.
  LowRank lowRank;
  /// Empty where the format has no sparse part.
  SparsePart sparse;
  /// [columns], or empty: the matrix is what the format says, its transform done,
  /// with column k multiplied by columnScale[k]. It is no part of the packed
  /// bytes: it is folded into what comes before the product, or multiplies its
  /// input.
  std::vector<float> columnScale;

  /// Allocates zeros; the order is that of the matrix. Refuses formats that `verify` refuses, matrices without
  /// rows or columns, and sizes that do not fit.
  static llvm::Expected<QuantizedMatrix> create(FormatDescription format,
                                                int64_t rows, int64_t columns);

  int64_t getGroups() const { return format.getGroups(columns); }
  /// Bytes of one code in `codes`.
  int64_t getCodeBytes() const {
    return format.isDense() ? format.indexBits / 8 : 1;
  }
  /// Bytes of a row of `codes`.
  int64_t getRowBytes() const {
    return format.getCodesOfRow(columns) * getCodeBytes();
  }
  /// Number `chain` of the format for a group: the exact product.
  double getChainValue(unsigned chain, int64_t row, int64_t group) const;
};

/// Checks that all arrays have the lengths that the format asks for, and that
/// codes are in range. Whatever passes can be decoded and packed.
llvm::Error verify(const QuantizedMatrix &matrix);

/// Decodes rows [begin, end), row-major, columns in the order of the matrix. Each value is the sum in f64, in f32
/// rounded once more; with `scaleColumns`, the column scale is multiplied in
/// before that. What a rank adds is a sum of its own, in order, which comes last;
/// so is what a sparse part adds to one column, in f32.
/// Under a transform, stored values are rounded so, then transformed and scaled
/// in the type of `out` (Hadamard.h). The matrix must pass `verify`.
void decodeRows(const QuantizedMatrix &matrix, int64_t begin, int64_t end,
                llvm::MutableArrayRef<float> out, bool scaleColumns = true);
void decodeRows(const QuantizedMatrix &matrix, int64_t begin, int64_t end,
                llvm::MutableArrayRef<double> out, bool scaleColumns = true);

/// Stores the numbers that groups of one row should have, as near as the chain
/// can, and returns in `wanted` what it then decodes to. `reals` and `codes`
/// are the row's part of ChainValues. Fails where a number is not finite or
/// beyond the largest real; the error begins with "scale" and names no matrix.
llvm::Error encodeChain(const FormatDescription &format, unsigned chain,
                        int64_t columns, llvm::MutableArrayRef<float> wanted,
                        llvm::MutableArrayRef<float> reals,
                        llvm::MutableArrayRef<uint8_t> codes);

/// Rounds to what a real can hold.
float roundReal(RealType type, float value);
/// Writes `value`, rounded to what a real can hold, little-endian.
void storeReal(RealType type, float value, void *to);
/// Reads a stored real, little-endian, wherever it lies.
float loadReal(RealType type, const void *from);
/// The largest finite number of a real.
float getLargestReal(RealType type);
/// The smallest normal number of a real.
float getSmallestReal(RealType type);

/// Finds the nearest level, vector of levels, or sum of products: built once, used
/// for every row.
class LevelCoder {
public:
  /// The format must have a term, and of vectors no more.
  explicit LevelCoder(const FormatDescription &format);

  /// For each value of a row the code for which `scale * level + minimum` is
  /// nearest. `scales` [terms][groups] and `minimums` have an entry for each group
  /// of `groupColumns`; no minimums are zeros. Where a scale is 0, or so small that
  /// it has no reciprocal, the code has the level nearest to 0.
  ///
  /// A code of a vector is the one of the smallest sum of squared errors, each
  /// times the `importance` of its column, if that is given; single levels do not
  /// depend on it. Where no column of a code has any, all count the same.
  void encodeRow(llvm::ArrayRef<float> values, int64_t groupColumns,
                 llvm::ArrayRef<float> scales, llvm::ArrayRef<float> minimums,
                 uint8_t *codes, llvm::ArrayRef<float> importance = {}) const;

  /// The level of each of `count` values that are in units of the scale. Not of
  /// vectors and sums.
  void roundToLevels(const float *values, int64_t count, float *levels) const;

private:
  void encodeSums(llvm::ArrayRef<float> values, int64_t groupColumns,
                  llvm::ArrayRef<float> scales, llvm::ArrayRef<float> minimums,
                  uint8_t *codes) const;

  /// Of vectors, or sums, alone, which use nothing below.
  std::optional<VectorSearch> vectors;
  std::optional<SumSearch> sums;
  bool affine;
  /// Affine formats: level = code + offset.
  float offset = 0;
  float lowest, highest;
  /// Tables: distinct levels in ascending order, the code of each, and the
  /// points half-way between neighbors.
  std::vector<float> ordered, borders;
  std::vector<uint8_t> codeOf;
  bool orderIsCode = true;
  uint8_t zeroCode = 0;
};

} // namespace llmc

#endif // LLMC_FORMATS_QUANTIZEDMATRIX_H
