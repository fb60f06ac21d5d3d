//===- Sinkhorn.h - Column scales that even out a matrix -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// SINQ's normalization. The matrix is cut into tiles of all rows and some
// columns. Rows and columns of a tile are scaled, step by step, until their
// standard deviations are as alike as they get; what is kept is the scale of
// each column. A quantizer with a scale for each row and group then loses less,
// since a column of large values no longer sets the scale of its neighbors.
// Row scales need not be kept: a scale for each row and group takes them up.
//
// The scale belongs to the input: W x = (W / t) (t * x). Matrices with the same
// input may have one scale together; they are stacked.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_METHODS_SINKHORN_H
#define LLMC_METHODS_SINKHORN_H

#include "llmc/Methods/Matrix.h"

namespace llmc {

struct SinkhornOptions {
  /// Columns of a tile; the last may be narrower.
  int64_t tileColumns = 64;
  /// Steps at most. What the last one would find is not looked at.
  int64_t steps = 16;
  /// False: the procedure as it was published. True: it is given the tile in
  /// units of the median deviation of its rows, and rows and columns below a
  /// thousandth of that take no part. So a tile of small numbers is evened out
  /// like any other, and a row of zeros does not set the target of all. Tiles of
  /// fewer than four rows or columns stay as they are.
  bool robust = true;
};

/// What was found for one tile.
struct SinkhornTile {
  /// [columns], [rows].
  std::vector<float> columnScale, rowScale;
  /// Largest deviation of a row or column over the smallest, before and after.
  float imbalanceBefore = 1, imbalanceAfter = 1;
  /// The step that was best, from 0.
  int64_t bestStep = 0;
};

/// Evens out one tile, [rows][columns].
SinkhornTile normalizeTile(llvm::ArrayRef<float> values, int64_t rows,
                           int64_t columns, const SinkhornOptions &options);

/// Takes the numbers of neighboring tiles, in any order.
class TileWriter {
public:
  virtual ~TileWriter() = default;
  /// Rows that are best given at a time.
  static constexpr int64_t kRows = 8;

  /// `count` whole rows from `row` on, [count][columns].
  virtual void setRows(int64_t row, int64_t count, const float *from) = 0;
  /// Numbers of a column from `row` on.
  virtual void setColumn(int64_t row, int64_t column,
                         llvm::ArrayRef<float> from) = 0;
};

/// Columns of a matrix that are best given to computeTileScales at a time, a
/// multiple of those of a tile: rows are read in longer pieces, tiles stay in
/// the cache, and enough is left for other threads.
int64_t getTogetherColumns(int64_t rows, int64_t columns,
                           const SinkhornOptions &options);

/// Evens out the tiles of some columns of a larger matrix and writes the scales
/// of these columns. `fill` sets every number; where it returns false nothing is
/// written and the result is false.
bool computeTileScales(int64_t rows, int64_t columns,
                       llvm::function_ref<bool(TileWriter &)> fill,
                       const SinkhornOptions &options, float *scale);

/// The scale of every column of matrices that have the same columns, stacked in
/// order. Fails where a number is not finite, naming the matrix and the place,
/// and where `progress` (of MethodRequest) says not to go on.
llvm::Expected<std::vector<float>>
computeColumnScale(llvm::ArrayRef<MatrixView> weights,
                   const SinkhornOptions &options,
                   ParallelFor parallelFor = nullptr,
                   llvm::function_ref<bool(double)> progress = nullptr);

} // namespace llmc

#endif // LLMC_METHODS_SINKHORN_H
