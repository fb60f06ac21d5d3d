//===- VectorSearch.h - The nearest vector of a table ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Encoding of formats whose codes stand for several weights: all vectors of the
// table are tried, for sixteen at a time. It takes time in proportion to their
// number, some hundred times that of a single level.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_FORMATS_VECTORSEARCH_H
#define LLMC_FORMATS_VECTORSEARCH_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace llmc {

/// Finds the nearest of at most 256 vectors of 2, 4 or 8 levels.
class VectorSearch {
public:
  /// `table` is [vectors][weights].
  VectorSearch(llvm::ArrayRef<int8_t> table, unsigned weights);

  unsigned getWeights() const { return weights; }
  /// [weights] of a code.
  const float *getLevels(uint8_t code) const {
    return levels.data() + static_cast<size_t>(code) * weights;
  }

  /// For each of `count` vectors [weights], in units of the scale, the code of the
  /// vector with the smallest sum of squared differences; of equal ones the first.
  /// Numbers beyond 2^20 count as that. With `importance` [count][weights] each
  /// square is multiplied by it; what has none does not count, and if that is the
  /// whole vector, all of it counts.
  void find(const float *values, const float *importance, int64_t count,
            uint8_t *codes) const;

private:
  unsigned weights;
  /// [vectors][weights], and half the sum of squares of each.
  std::vector<float> levels, halfSquares;
};

} // namespace llmc

#endif // LLMC_FORMATS_VECTORSEARCH_H
