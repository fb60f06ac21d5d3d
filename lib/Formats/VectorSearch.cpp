//===- VectorSearch.cpp - The nearest vector of a table -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// |y - c|^2 is the smallest where |c|^2 / 2 - y c is. Sixteen vectors y lie side by
// side, so that nothing is added across lanes and each is compared on its own.
// Levels are integers: where y is one of the vectors, all sums are exact.
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/VectorSearch.h"
#include "llmc/Support/Vectorized.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace llvm;
using namespace llmc;

typedef float Lanes __attribute__((vector_size(64)));
typedef int IntegerLanes __attribute__((vector_size(64)));

static constexpr int64_t kLanes = 16;
static constexpr float kFarthest = 0x1p20f;

/// What is compared with the table: sixteen vectors, by entry. Of the score
/// sum over i of (half[i] * c[i] - product[i]) * c[i], or, where all counts the
/// same, |c|^2 / 2 - product c.
struct Batch {
  Lanes product[8], half[8];
};

template <int N, bool Weighted>
static inline __attribute__((always_inline)) void
compare(const Batch &batch, const float *levels, const float *halfSquares,
        int64_t count, IntegerLanes &codes) {
  Lanes zero = {}, best = zero + INFINITY;
  codes = IntegerLanes{};
  for (int64_t code = 0; code < count; ++code) {
    Lanes score = Weighted ? zero : zero + halfSquares[code];
    for (int i = 0; i < N; ++i) {
      float level = levels[code * N + i];
      if (Weighted)
        score += (batch.half[i] * level - batch.product[i]) * level;
      else
        score -= batch.product[i] * level;
    }
    IntegerLanes nearer = score < best, none = {};
    best = nearer ? score : best;
    codes = nearer ? none + static_cast<int>(code) : codes;
  }
}

LLMC_VECTORIZED
static void compareBatch(const Batch &batch, unsigned weights,
                         const float *levels, const float *halfSquares,
                         int64_t count, bool weighted, IntegerLanes &codes) {
  switch (weights) {
  case 2:
    return weighted
               ? compare<2, true>(batch, levels, halfSquares, count, codes)
               : compare<2, false>(batch, levels, halfSquares, count, codes);
  case 4:
    return weighted
               ? compare<4, true>(batch, levels, halfSquares, count, codes)
               : compare<4, false>(batch, levels, halfSquares, count, codes);
  default:
    return weighted
               ? compare<8, true>(batch, levels, halfSquares, count, codes)
               : compare<8, false>(batch, levels, halfSquares, count, codes);
  }
}

VectorSearch::VectorSearch(ArrayRef<int8_t> table, unsigned weights)
    : weights(weights), levels(table.begin(), table.end()) {
  for (size_t first = 0; first < levels.size(); first += weights) {
    float sum = 0;
    for (unsigned i = 0; i < weights; ++i)
      sum += levels[first + i] * levels[first + i];
    halfSquares.push_back(sum / 2);
  }
}

void VectorSearch::find(const float *values, const float *importance,
                        int64_t count, uint8_t *codes) const {
  for (int64_t begin = 0; begin < count; begin += kLanes) {
    int64_t used = std::min(kLanes, count - begin);
    Batch batch = {};
    for (int64_t lane = 0; lane < used; ++lane) {
      int64_t first = (begin + lane) * weights;
      // In units of the largest, which keeps sums inside f32.
      float most = 0;
      for (unsigned i = 0; importance && i < weights; ++i)
        most = larger(importance[first + i], most);
      for (unsigned i = 0; i < weights; ++i) {
        float value = larger(smaller(values[first + i], kFarthest), -kFarthest);
        float weight = most > 0 ? importance[first + i] / most : 1;
        batch.product[i][lane] = weight * value;
        batch.half[i][lane] = weight / 2;
      }
    }
    IntegerLanes found;
    compareBatch(batch, weights, levels.data(), halfSquares.data(),
                 static_cast<int64_t>(halfSquares.size()), importance, found);
    for (int64_t lane = 0; lane < used; ++lane)
      codes[begin + lane] = static_cast<uint8_t>(found[lane]);
  }
}
