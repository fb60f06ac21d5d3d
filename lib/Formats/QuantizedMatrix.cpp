//===- QuantizedMatrix.cpp - A matrix in a format, by components ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/QuantizedMatrix.h"
#include "llmc/Formats/Floats.h"
#include "llmc/Formats/Hadamard.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/CheckedArithmetic.h"

#include <algorithm>
#include <cstring>
#include <numeric>

using namespace llvm;
using namespace llmc;

Expected<QuantizedMatrix> QuantizedMatrix::create(FormatDescription format,
                                                  int64_t rows,
                                                  int64_t columns) {
  if (Error error = llmc::verify(format))
    return std::move(error);
  if (rows < 1 || columns < 1)
    return createStringError("expected a matrix of at least one row and one "
                             "column but got " +
                             Twine(rows) + "x" + Twine(columns));
  QuantizedMatrix matrix;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.format = std::move(format);
  // The largest array: no other has more entries than there are weights.
  auto bytes = checkedMul<int64_t>(rows, columns);
  if (bytes)
    bytes = checkedMul<int64_t>(*bytes, sizeof(float));
  if (!bytes)
    return createStringError("expected a matrix whose size fits 63 bits but "
                             "got " +
                             Twine(rows) + "x" + Twine(columns));
  matrix.codes.resize(rows * matrix.getRowBytes());
  for (const ScaleChain &chain : matrix.format.getChains()) {
    ChainValues &values = matrix.chains.emplace_back();
    values.reals.resize(rows * matrix.format.getReals(chain, columns));
    if (chain.code != ScaleCode::None)
      values.codes.resize(rows * matrix.getGroups());
  }
  // At most 2^8 ranks of rows and columns whose product fits with room to spare.
  int64_t rank = matrix.format.rank;
  if (rank && (rows > INT64_MAX >> 16 || columns > INT64_MAX >> 16))
    return createStringError("expected a matrix whose size fits 63 bits but "
                             "got " +
                             Twine(rows) + "x" + Twine(columns));
  matrix.lowRank.left.resize(rows * rank);
  matrix.lowRank.right.resize(columns * rank);
  int64_t sparse = matrix.format.getSparseCount(columns);
  if ((sparse || matrix.format.permuted) && columns > UINT32_MAX)
    return createStringError("expected at most 2^32 columns of a matrix with a "
                             "sparse part or an order of columns but got " +
                             Twine(columns));
  if (matrix.format.permuted) {
    matrix.order.resize(columns);
    std::iota(matrix.order.begin(), matrix.order.end(), 0);
  }
  matrix.sparse.columns.resize(rows * sparse);
  matrix.sparse.values.resize(rows * sparse);
  return matrix;
}

/// Codes of fewer bits than their byte must leave the rest of it 0.
static bool inRange(ArrayRef<uint8_t> codes, unsigned bits) {
  uint8_t seen = 0;
  for (uint8_t code : codes)
    seen |= code;
  return bits >= 8 || seen >> bits == 0;
}

/// Every column must be there once.
static Error verifyOrder(ArrayRef<uint32_t> order) {
  std::vector<bool> seen(order.size());
  for (auto [index, column] : enumerate(order)) {
    if (column >= order.size() || seen[column])
      return createStringError(
          "expected an order in which every column below " +
          Twine(order.size()) + " is once, but got column " + Twine(column) +
          (column < order.size() ? " again" : "") + " at place " +
          Twine(index));
    seen[column] = true;
  }
  return Error::success();
}

Error llmc::verify(const QuantizedMatrix &matrix) {
  if (Error error = verify(matrix.format))
    return error;
  if (matrix.rows < 1 || matrix.columns < 1)
    return createStringError("expected at least one row and one column");
  auto checkLength = [](const char *what, size_t got, int64_t rows,
                        int64_t each) -> Error {
    auto wanted = checkedMul<int64_t>(rows, each);
    if (!wanted || static_cast<uint64_t>(*wanted) != got)
      return createStringError(Twine("expected ") + what + " of " +
                               Twine(rows) + " rows of " + Twine(each) +
                               " but got " + Twine(got));
    return Error::success();
  };
  if (!checkedMul<int64_t>(matrix.columns, matrix.getCodeBytes()))
    return createStringError("expected rows whose size fits 63 bits");
  if (Error error = checkLength("codes", matrix.codes.size(), matrix.rows,
                                matrix.getRowBytes()))
    return error;
  if (!matrix.format.isDense() &&
      !inRange(matrix.codes, matrix.format.indexBits))
    return createStringError("expected codes of " +
                             Twine(matrix.format.indexBits) + " bits");
  if (!matrix.columnScale.empty() &&
      matrix.columnScale.size() != static_cast<uint64_t>(matrix.columns))
    return createStringError("expected a column scale of " +
                             Twine(matrix.columns) + " but got " +
                             Twine(matrix.columnScale.size()));
  auto chains = matrix.format.getChains();
  if (chains.size() != matrix.chains.size())
    return createStringError("expected " + Twine(chains.size()) +
                             " scale chains but got " +
                             Twine(matrix.chains.size()));
  for (auto [chain, values] : zip_equal(chains, matrix.chains)) {
    if (Error error = checkLength(
            "reals of a scale chain", values.reals.size(), matrix.rows,
            matrix.format.getReals(chain, matrix.columns)))
      return error;
    bool coded = chain.code != ScaleCode::None;
    if (Error error = checkLength("codes of a scale chain", values.codes.size(),
                                  matrix.rows, coded ? matrix.getGroups() : 0))
      return error;
    if (coded && !inRange(values.codes, getCodeBits(chain.code)))
      return createStringError("expected scale codes of " +
                               Twine(getCodeBits(chain.code)) + " bits");
  }
  if (Error error = checkLength("columns of an order", matrix.order.size(),
                                matrix.format.permuted ? 1 : 0, matrix.columns))
    return error;
  if (Error error = verifyOrder(matrix.order))
    return error;
  int64_t rank = matrix.format.rank;
  if (Error error = checkLength("numbers left of the rank",
                                matrix.lowRank.left.size(), matrix.rows, rank))
    return error;
  if (Error error =
          checkLength("numbers right of the rank", matrix.lowRank.right.size(),
                      rank, matrix.columns))
    return error;
  int64_t count = matrix.format.getSparseCount(matrix.columns);
  if (Error error =
          checkLength("columns of the sparse part",
                      matrix.sparse.columns.size(), matrix.rows, count))
    return error;
  for (auto [index, column] : enumerate(matrix.sparse.columns))
    if (column >= matrix.columns)
      return createStringError("expected columns of the sparse part below " +
                               Twine(matrix.columns) + " but got " +
                               Twine(column) + " in row " +
                               Twine(static_cast<int64_t>(index) / count));
  return checkLength("numbers of the sparse part", matrix.sparse.values.size(),
                     matrix.rows, count);
}

//===----------------------------------------------------------------------===//
// The reference decoder
//===----------------------------------------------------------------------===//

/// Row `row` of what the sparse part adds.
static std::vector<double> decodeSparse(const QuantizedMatrix &matrix,
                                        int64_t row) {
  int64_t count = matrix.format.getSparseCount(matrix.columns);
  std::vector<float> sums(matrix.columns);
  for (int64_t i = row * count; i < (row + 1) * count; ++i)
    sums[matrix.sparse.columns[i]] += bf16ToFloat(matrix.sparse.values[i]);
  return std::vector<double>(sums.begin(), sums.end());
}

/// Row `row` of what is added to the codes; empty where nothing is.
static std::vector<double> decodeAdded(const QuantizedMatrix &matrix,
                                       int64_t row) {
  if (matrix.format.sparse)
    return decodeSparse(matrix, row);
  int64_t rank = matrix.format.rank, columns = matrix.columns;
  std::vector<double> sums(rank ? columns : 0);
  for (int64_t j = 0; j < rank; ++j) {
    double left = bf16ToFloat(matrix.lowRank.left[row * rank + j]);
    const uint16_t *right = matrix.lowRank.right.data() + j * columns;
    for (int64_t k = 0; k < columns; ++k)
      sums[k] += left * static_cast<double>(bf16ToFloat(right[k]));
  }
  return sums;
}

/// One row. `Value` is what is written: float rounds once more.
template <typename Value>
static void decodeRow(const QuantizedMatrix &matrix, int64_t row,
                      const float *columnScale, Value *out) {
  const FormatDescription &format = matrix.format;
  int64_t columns = matrix.columns;
  const uint8_t *codes = matrix.codes.data() + row * matrix.getRowBytes();
  std::vector<double> added = decodeAdded(matrix, row);
  auto finish = [&](double value, int64_t k) {
    if (!added.empty())
      value += added[k];
    out[k] = static_cast<Value>(columnScale ? value * columnScale[k] : value);
  };
  if (format.isDense()) {
    int64_t bytes = matrix.getCodeBytes();
    for (int64_t k = 0; k < columns; ++k)
      finish(loadReal(format.dense, codes + k * bytes), k);
    return;
  }
  int64_t width = format.getGroupColumns(columns);
  unsigned terms = format.terms.size();
  double table[256];
  for (int64_t g = 0, groups = matrix.getGroups(); g < groups; ++g) {
    double scale[kMaxTerms], minimum = 0;
    for (unsigned t = 0; t < terms; ++t)
      scale[t] = matrix.getChainValue(t, row, g);
    if (format.hasMinimum)
      minimum = matrix.getChainValue(terms, row, g);
    // Of a format of vectors: `code` counts their entries.
    auto decode = [&](unsigned code) {
      double value = 0;
      for (unsigned t = 0; t < terms; ++t)
        value += scale[t] * format.terms[t].levels.get(code);
      return value + minimum;
    };
    int64_t begin = g * width, end = std::min(columns, begin + width);
    if (format.isVector()) {
      int64_t weights = format.weightsPerIndex;
      for (int64_t k = begin; k < end; ++k)
        finish(decode(codes[k / weights] * weights + k % weights), k);
      continue;
    }
    // Every code once, where a group has more columns than there are codes.
    int64_t count = format.getCodeCount();
    if (count <= end - begin) {
      for (int64_t code = 0; code < count; ++code)
        table[code] = decode(code);
      if (!columnScale && added.empty()) {
        Value rounded[256];
        std::copy_n(table, count, rounded);
        for (int64_t k = begin; k < end; ++k)
          out[k] = rounded[codes[k]];
        continue;
      }
      for (int64_t k = begin; k < end; ++k)
        finish(table[codes[k]], k);
    } else {
      for (int64_t k = begin; k < end; ++k)
        finish(decode(codes[k]), k);
    }
  }
}

template <typename Value>
static void decodeAll(const QuantizedMatrix &matrix, int64_t begin, int64_t end,
                      MutableArrayRef<Value> out, bool scaleColumns) {
  const float *scale = scaleColumns && !matrix.columnScale.empty()
                           ? matrix.columnScale.data()
                           : nullptr;
  int64_t hadamard = matrix.format.hadamard, columns = matrix.columns;
  std::vector<Value> stored(matrix.order.size());
  std::vector<float> storedScale;
  for (int64_t j = 0; scale && j < std::ssize(matrix.order); ++j)
    storedScale.push_back(scale[matrix.order[j]]);
  for (int64_t row = begin; row < end; ++row) {
    Value *values = out.data() + (row - begin) * columns;
    if (!stored.empty()) {
      decodeRow(matrix, row, scale ? storedScale.data() : nullptr,
                stored.data());
      for (int64_t j = 0; j < columns; ++j)
        values[matrix.order[j]] = stored[j];
      continue;
    }
    decodeRow(matrix, row, hadamard ? nullptr : scale, values);
    if (!hadamard)
      continue;
    rotateColumns(hadamard, columns, 0, MutableArrayRef(values, columns));
    for (int64_t k = 0; scale && k < columns; ++k)
      values[k] *= static_cast<Value>(scale[k]);
  }
}

void llmc::decodeRows(const QuantizedMatrix &matrix, int64_t begin, int64_t end,
                      MutableArrayRef<float> out, bool scaleColumns) {
  decodeAll(matrix, begin, end, out, scaleColumns);
}

void llmc::decodeRows(const QuantizedMatrix &matrix, int64_t begin, int64_t end,
                      MutableArrayRef<double> out, bool scaleColumns) {
  decodeAll(matrix, begin, end, out, scaleColumns);
}
