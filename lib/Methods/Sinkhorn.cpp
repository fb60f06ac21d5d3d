//===- Sinkhorn.cpp - Column scales that even out a matrix ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A step needs the deviation of every row and column of the scaled tile. With
// scales a_i of rows and b_j of columns, those are a_i times the deviation of
// m_ij * b_j along the row, and b_j times that of m_ij * a_i along the column.
// So one walk over the tile as it was gives all four sums of a step, and scaled
// tiles are never written.
//
// The tile lies in blocks of 64 rows, column by column: sums of rows are kept in
// registers over all columns, and those of columns take one addition of vectors
// for 64 numbers.
//
// The published procedure keeps logarithms of scales. A product that is clamped
// between the exponentials of their bounds is the same, without a logarithm and
// an exponential for each row and step.
//
//===----------------------------------------------------------------------===//
#include "llmc/Methods/Sinkhorn.h"
#include "Lanes.h"
#include "llmc/Support/Vectorized.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cmath>

using namespace llvm;
using namespace llmc;

/// Rows of a block, and numbers of a vector of sixteen.
static constexpr int64_t kBlockRows = 64, kLanes = 16;

/// Eight rows of a tile: columns of them, a block's rows apart.
LLMC_VECTORIZED
static void transposeRows(const float *from, int64_t stride, int64_t columns,
                          float *to) {
  static_assert(TileWriter::kRows == 8);
  typedef float Eight __attribute__((vector_size(32)));
  typedef float UnalignedEight __attribute__((vector_size(32), aligned(4)));
  int64_t k = 0;
  for (; k + 8 <= columns; k += 8) {
    Eight a[8], b[8];
    for (int i = 0; i < 8; ++i)
      a[i] = *reinterpret_cast<const UnalignedEight *>(from + i * stride + k);
    // Pairs of rows, then of pairs, then halves.
    for (int i = 0; i < 8; i += 2) {
      b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
      b[i + 1] =
          __builtin_shufflevector(a[i], a[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 8; i += 4)
      for (int j = 0; j < 2; ++j) {
        Eight low = b[i + j], high = b[i + j + 2];
        a[i + 2 * j] =
            __builtin_shufflevector(low, high, 0, 1, 8, 9, 4, 5, 12, 13);
        a[i + 2 * j + 1] =
            __builtin_shufflevector(low, high, 2, 3, 10, 11, 6, 7, 14, 15);
      }
    for (int i = 0; i < 4; ++i) {
      auto *column =
          reinterpret_cast<UnalignedEight *>(to + (k + i) * kBlockRows);
      *column =
          __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
      column =
          reinterpret_cast<UnalignedEight *>(to + (k + i + 4) * kBlockRows);
      *column =
          __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
  }
  for (; k < columns; ++k)
    for (int64_t i = 0; i < 8; ++i)
      to[k * kBlockRows + i] = from[i * stride + k];
}

namespace {

constexpr float kLowestDeviation = 1e-3f, kHighestDeviation = 1e3f;
constexpr float kLowestRatio = 0.7f, kHighestRatio = 2.0f;
constexpr float kEpsilon = 1e-6f;
/// Rows and columns of the smallest tile that is evened out.
constexpr int64_t kFewest = 4;
/// exp(-0.3) and exp(10).
constexpr float kLowestScale = 0.74081822f, kHighestScale = 22026.466f;

/// One tile, and what the steps need beside it.
struct Tile {
  Tile(int64_t rows, int64_t columns)
      : rows(rows), columns(columns), blocks(divideCeil(rows, kBlockRows)),
        values(new float[blocks * kBlockRows * columns]),
        rowInverse(blocks * kBlockRows), rowSum(blocks * kBlockRows),
        rowSquares(blocks * kBlockRows), rowSkip(blocks * kBlockRows),
        columnInverse(columns), columnSum(columns * kLanes),
        columnSquares(columns * kLanes), columnDeviation(columns),
        columnSkip(columns) {
    if (int64_t used = rows % kBlockRows)
      for (float *at = place(rows, 0), *end = values.get() + size(); at < end;
           at += kBlockRows)
        std::fill_n(at, kBlockRows - used, 0.0f);
  }

  int64_t rows, columns, blocks;
  /// [blocks][columns][64]; rows beyond the last are zeros.
  std::unique_ptr<float[]> values;
  /// 1 / scale, and the deviations in rowSum once rowDeviations has run.
  std::vector<float> rowInverse, rowSum, rowSquares;
  /// 0, or infinity where a row takes no part.
  std::vector<float> rowSkip;
  std::vector<float> columnInverse;
  /// [columns][16].
  std::vector<float> columnSum, columnSquares;
  std::vector<float> columnDeviation, columnSkip;

  float *place(int64_t row, int64_t column) {
    return values.get() + row / kBlockRows * columns * kBlockRows +
           column * kBlockRows + row % kBlockRows;
  }
  int64_t size() const { return blocks * kBlockRows * columns; }
  /// `stride` numbers lie between rows.
  void setRows(int64_t row, int64_t count, const float *from, int64_t stride) {
    if (count == TileWriter::kRows && row % count == 0)
      return transposeRows(from, stride, columns, place(row, 0));
    for (int64_t i = 0; i < count; ++i) {
      float *to = place(row + i, 0);
      for (int64_t k = 0; k < columns; ++k)
        to[k * kBlockRows] = from[i * stride + k];
    }
  }
  void setColumn(int64_t row, int64_t column, ArrayRef<float> from) {
    while (!from.empty()) {
      size_t count =
          std::min<size_t>(from.size(), kBlockRows - row % kBlockRows);
      std::copy_n(from.begin(), count, place(row, column));
      from = from.drop_front(count);
      row += static_cast<int64_t>(count);
    }
  }
};

/// Tiles beside each other.
struct Tiles : TileWriter {
  Tiles(int64_t rows, int64_t columns, int64_t width) : width(width) {
    for (int64_t begin = 0; begin < columns; begin += width)
      tiles.emplace_back(rows, std::min(width, columns - begin));
  }

  void setRows(int64_t row, int64_t count, const float *from) override {
    int64_t begin = 0,
            columns = (tiles.size() - 1) * width + tiles.back().columns;
    for (Tile &tile : tiles) {
      tile.setRows(row, count, from + begin, columns);
      begin += width;
    }
  }
  void setColumn(int64_t row, int64_t column, ArrayRef<float> from) override {
    tiles[column / width].setColumn(row, column % width, from);
  }

  int64_t width;
  std::vector<Tile> tiles;
};

} // namespace

/// All sums of a step.
LLMC_VECTORIZED
static void addUp(const float *values, int64_t blocks, int64_t columns,
                  const float *rowInverse, const float *columnInverse,
                  float *rowSum, float *rowSquares, float *columnSum,
                  float *columnSquares) {
  for (int64_t i = 0; i < columns * kLanes; ++i)
    columnSum[i] = columnSquares[i] = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    const auto *a = reinterpret_cast<const UnalignedLanes *>(
        rowInverse + block * kBlockRows);
    Lanes a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3];
    Lanes s0 = {}, s1 = {}, s2 = {}, s3 = {}, q0 = {}, q1 = {}, q2 = {},
          q3 = {};
    for (int64_t j = 0; j < columns; ++j) {
      const auto *m = reinterpret_cast<const UnalignedLanes *>(values);
      values += kBlockRows;
      float b = columnInverse[j];
      Lanes m0 = m[0], m1 = m[1], m2 = m[2], m3 = m[3];
      Lanes p0 = m0 * b, p1 = m1 * b, p2 = m2 * b, p3 = m3 * b;
      s0 += p0, s1 += p1, s2 += p2, s3 += p3;
      q0 += p0 * p0, q1 += p1 * p1, q2 += p2 * p2, q3 += p3 * p3;
      m0 *= a0, m1 *= a1, m2 *= a2, m3 *= a3;
      auto *sum = reinterpret_cast<UnalignedLanes *>(columnSum + j * kLanes);
      auto *squares =
          reinterpret_cast<UnalignedLanes *>(columnSquares + j * kLanes);
      *sum += (m0 + m1) + (m2 + m3);
      *squares += (m0 * m0 + m1 * m1) + (m2 * m2 + m3 * m3);
    }
    auto *s = reinterpret_cast<UnalignedLanes *>(rowSum + block * kBlockRows);
    auto *q =
        reinterpret_cast<UnalignedLanes *>(rowSquares + block * kBlockRows);
    s[0] = s0, s[1] = s1, s[2] = s2, s[3] = s3;
    q[0] = q0, q[1] = q1, q[2] = q2, q[3] = q3;
  }
}

/// Deviation of `n` numbers from their sums. (One number has none: 0/0.)
static inline float deviation(float sum, float squares, float n) {
  float variance = (squares - sum * sum / n) / (n - 1);
  return __builtin_sqrtf(variance < 0 ? 0 : variance);
}

/// Turns sums of rows into deviations of the scaled tile, in place.
LLMC_VECTORIZED
static void rowDeviations(int64_t count, int64_t columns, float unit,
                          const float *inverse, const float *squares,
                          float *sum) {
  float n = static_cast<float>(columns);
  for (int64_t i = 0; i < count; ++i)
    sum[i] = deviation(sum[i], squares[i], n) * inverse[i] * unit;
}

/// Raises `highest` and lowers `lowest` (16 lanes each) by numbers that are not
/// skipped. `count` is a multiple of 16.
LLMC_VECTORIZED
static void findRange(const float *values, const float *skip, int64_t count,
                      float *lowest, float *highest) {
  for (int64_t i = 0; i < count; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      float value = values[i + lane], off = skip[i + lane];
      lowest[lane] = smaller(value + off, lowest[lane]);
      highest[lane] = larger(value - off, highest[lane]);
    }
}

/// The step itself, for rows or columns.
LLMC_VECTORIZED
static void rescale(const float *deviations, const float *skip, int64_t count,
                    float target, float *inverse) {
  for (int64_t i = 0; i < count; ++i) {
    float value =
        larger(smaller(deviations[i], kHighestDeviation), kLowestDeviation);
    float ratio = larger(smaller(value / target, kHighestRatio), kLowestRatio);
    float scale = 1 / inverse[i] * ratio;
    scale = larger(smaller(scale, kHighestScale), kLowestScale);
    inverse[i] = skip[i] == 0 ? 1 / scale : inverse[i];
  }
}

LLMC_VECTORIZED
static void multiply(float *values, int64_t count, float factor) {
  for (int64_t i = 0; i < count; ++i)
    values[i] *= factor;
}

/// Largest magnitude as bits, whose order is that of the magnitudes.
LLMC_VECTORIZED
static uint32_t findLargest(const float *values, int64_t count) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits = bit_cast<uint32_t>(values[i]) & 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

static float findMedian(std::vector<float> values) {
  auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Brings squares of numbers far from 1 into the range of f32, which changes no
/// scale.
static void bringIntoRange(Tile &tile) {
  uint32_t bits = findLargest(tile.values.get(), tile.size());
  int exponent = static_cast<int>(bits >> 23) - 127;
  if (bits == 0 || std::abs(exponent) < 30)
    return;
  // In two steps, for neither power of two may be out of range itself.
  for (int part : {-exponent / 2, -exponent - -exponent / 2})
    multiply(tile.values.get(), tile.size(), std::ldexp(1.0f, part));
}

/// Runs the steps. Returns what normalizeTile does, but for row scales.
static SinkhornTile normalize(Tile &tile, const SinkhornOptions &options,
                              bool wantRows) {
  int64_t rows = tile.rows, columns = tile.columns;
  SinkhornTile result;
  result.columnScale.assign(columns, 1);
  if (wantRows)
    result.rowScale.assign(rows, 1);
  // One row has no deviation across, and that of a few is chance.
  if (options.robust && (rows < kFewest || columns < kFewest))
    return result;
  if (options.robust)
    bringIntoRange(tile);

  std::fill(tile.rowInverse.begin(), tile.rowInverse.end(), 1.0f);
  std::fill(tile.rowSkip.begin() + rows, tile.rowSkip.end(), INFINITY);
  std::fill(tile.columnInverse.begin(), tile.columnInverse.end(), 1.0f);
  float unit = 1, target = 0, best = INFINITY;
  for (int64_t step = 0; step < options.steps; ++step) {
    addUp(tile.values.get(), tile.blocks, columns, tile.rowInverse.data(),
          tile.columnInverse.data(), tile.rowSum.data(), tile.rowSquares.data(),
          tile.columnSum.data(), tile.columnSquares.data());
    rowDeviations(tile.rowSum.size(), columns, unit, tile.rowInverse.data(),
                  tile.rowSquares.data(), tile.rowSum.data());
    std::vector<float> &rowDeviation = tile.rowSum;
    for (int64_t j = 0; j < columns; ++j) {
      double sum = 0, squares = 0;
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        sum += tile.columnSum[j * kLanes + lane];
        squares += tile.columnSquares[j * kLanes + lane];
      }
      double n = static_cast<double>(rows);
      double variance = (squares - sum * sum / n) / (n - 1);
      tile.columnDeviation[j] =
          static_cast<float>(std::sqrt(variance < 0 ? 0 : variance)) *
          tile.columnInverse[j] * unit;
    }
    if (step == 0 && options.robust) {
      // From now on in units of the median of rows that are not constant.
      std::vector<float> used;
      for (int64_t i = 0; i < rows; ++i)
        if (rowDeviation[i] > 0)
          used.push_back(rowDeviation[i]);
      if (used.empty())
        return result;
      unit = 1 / findMedian(std::move(used));
      multiply(rowDeviation.data(), rowDeviation.size(), unit);
      multiply(tile.columnDeviation.data(), columns, unit);
      for (int64_t i = 0; i < rows; ++i)
        tile.rowSkip[i] = rowDeviation[i] < kLowestDeviation ? INFINITY : 0;
      for (int64_t j = 0; j < columns; ++j)
        tile.columnSkip[j] =
            tile.columnDeviation[j] < kLowestDeviation ? INFINITY : 0;
    }
    float lowest[kLanes], highest[kLanes];
    std::fill_n(lowest, kLanes, INFINITY);
    std::fill_n(highest, kLanes, 0.0f);
    findRange(rowDeviation.data(), tile.rowSkip.data(), rowDeviation.size(),
              lowest, highest);
    for (int64_t j = 0; j < columns; ++j)
      if (tile.columnSkip[j] == 0) {
        lowest[0] = smaller(tile.columnDeviation[j], lowest[0]);
        highest[0] = larger(tile.columnDeviation[j], highest[0]);
      }
    float least = *std::min_element(lowest, lowest + kLanes);
    float most = *std::max_element(highest, highest + kLanes);
    float imbalance = most / std::max(least, 1e-12f);
    if (step == 0) {
      result.imbalanceBefore = imbalance;
      target =
          std::clamp(least, kLowestDeviation, kHighestDeviation) + kEpsilon;
    }
    // Ties take the later step.
    if (!(imbalance <= best))
      break;
    best = imbalance;
    result.imbalanceAfter = imbalance;
    result.bestStep = step;
    for (int64_t j = 0; j < columns; ++j)
      result.columnScale[j] = 1 / tile.columnInverse[j];
    if (wantRows)
      for (int64_t i = 0; i < rows; ++i)
        result.rowScale[i] = 1 / tile.rowInverse[i];
    rescale(rowDeviation.data(), tile.rowSkip.data(), rowDeviation.size(),
            target, tile.rowInverse.data());
    rescale(tile.columnDeviation.data(), tile.columnSkip.data(), columns,
            target, tile.columnInverse.data());
  }
  return result;
}

SinkhornTile llmc::normalizeTile(ArrayRef<float> values, int64_t rows,
                                 int64_t columns,
                                 const SinkhornOptions &options) {
  Tile tile(rows, columns);
  tile.setRows(0, rows, values.data(), columns);
  return normalize(tile, options, true);
}

int64_t llmc::getTogetherColumns(int64_t rows, int64_t columns,
                                 const SinkhornOptions &options) {
  // Bytes of tiles on one thread, and tasks that threads should find.
  constexpr int64_t mostBytes = 4 << 20, fewestTasks = 8;
  int64_t width = options.tileColumns;
  int64_t fitting = mostBytes / (rows * width * int64_t(sizeof(float)));
  int64_t shared = divideCeil(columns, width) / fewestTasks;
  return std::max<int64_t>(1, std::min(fitting, shared)) * width;
}

bool llmc::computeTileScales(int64_t rows, int64_t columns,
                             function_ref<bool(TileWriter &)> fill,
                             const SinkhornOptions &options, float *scale) {
  Tiles together(rows, columns, options.tileColumns);
  if (!fill(together))
    return false;
  for (Tile &tile : together.tiles) {
    SinkhornTile result = normalize(tile, options, false);
    scale =
        std::copy(result.columnScale.begin(), result.columnScale.end(), scale);
  }
  return true;
}
