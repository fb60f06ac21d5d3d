//===- TableSearch.h - Many scales on the levels of a table ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sums for candidates of a scale without walking over all levels for each. From
// the largest scale to the smallest a number moves away from 0 and passes few
// borders between levels: which ones is found once for a group, and a candidate
// takes two comparisons for each number, however many levels there are. Sums are
// the same to the last bit.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_METHODS_TABLESEARCH_H
#define LLMC_LIB_METHODS_TABLESEARCH_H

#include "RowQuantizer.h"

namespace llmc {

/// The levels of a table, from 0 outwards.
class TableSearch {
public:
  /// Borders that a number may pass on its way.
  static constexpr int kPassed = 2;

  /// `narrowest` is the smallest candidate over the largest.
  TableSearch(const LevelGrid &grid, float narrowest);

  /// Whether no number passes more than `kPassed` borders. If not, nothing else
  /// may be called.
  bool isUsable() const { return usable; }

  /// For each of `inverses`, which are of one sign and move away from 0, sums
  /// over numbers x of importance w with the levels L nearest to x * inverse:
  /// `squares` Σ w L², `products` Σ w L x. `values` and `importance` are padded
  /// to a multiple of 16 by numbers without importance.
  void addUp(llvm::ArrayRef<float> values, llvm::ArrayRef<float> importance,
             llvm::ArrayRef<float> inverses, float *squares,
             float *products) const;

private:
  /// Where a number lies under the largest scale: its level, and the next borders
  /// outwards (of magnitudes, which are to be above) with the steps there.
  struct Cell {
    float level, border[kPassed], step[kPassed];
  };

  bool usable = false;
  /// Of positive numbers, then of the others: magnitudes of borders, padded with
  /// infinity to one length. Cells are one more for each side.
  std::vector<float> borders;
  std::vector<Cell> cells;
  int64_t length = 0;
};

} // namespace llmc

#endif // LLMC_LIB_METHODS_TABLESEARCH_H
