//===- RoundToNearest.cpp - Scales from the extremes of groups ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "RowQuantizer.h"
#include "llmc/Support/Vectorized.h"

#include <cmath>

using namespace llvm;
using namespace llmc;

typedef float Lanes __attribute__((vector_size(64)));
typedef float UnalignedLanes __attribute__((vector_size(64), aligned(4)));

/// The extremes of `count` numbers, sixteen at a time and the rest one by one.
static inline void findGroup(const float *values, int64_t count, float &low,
                             float &high) {
  low = high = values[0];
  int64_t k = 0;
  if (count >= 16) {
    Lanes lows = *reinterpret_cast<const UnalignedLanes *>(values);
    Lanes highs = lows;
    for (k = 16; k + 16 <= count; k += 16) {
      Lanes x = *reinterpret_cast<const UnalignedLanes *>(values + k);
      lows = x < lows ? x : lows;
      highs = x > highs ? x : highs;
    }
    float a[16], b[16];
    *reinterpret_cast<UnalignedLanes *>(a) = lows;
    *reinterpret_cast<UnalignedLanes *>(b) = highs;
    for (int half = 8; half; half /= 2)
      for (int i = 0; i < half; ++i) {
        a[i] = smaller(a[i], a[i + half]);
        b[i] = larger(b[i], b[i + half]);
      }
    low = a[0], high = b[0];
  }
  for (; k < count; ++k) {
    low = smaller(values[k], low);
    high = larger(values[k], high);
  }
}

LLMC_VECTORIZED
static void findGroups(const float *values, int64_t columns, int64_t width,
                       float *lows, float *highs) {
  for (int64_t begin = 0; begin < columns; begin += width) {
    int64_t count = columns - begin < width ? columns - begin : width;
    findGroup(values + begin, count, *lows++, *highs++);
  }
}

void llmc::findExtremes(ArrayRef<float> values, int64_t width, float *lows,
                        float *highs) {
  findGroups(values.data(), values.size(), width, lows, highs);
}

/// Scale and minimum that reach from `low` to `high`.
static void reach(float low, float high, const Row &row, ZeroPoint zero,
                  float &scale, float &minimum) {
  float bottom = row.grid.getLowest(), top = row.grid.getHighest();
  // A minimum that is subtracted cannot raise a group.
  if (row.isMinimumNegative())
    low = smaller(low, 0.0f);
  if (low == high) {
    scale = 0;
    minimum = low;
    return;
  }
  // The difference of two finite numbers may be none.
  scale = high / (top - bottom) - low / (top - bottom);
  float code = -low / scale;
  if (zero == ZeroPoint::Free || !(std::abs(code) < 0x1p22f))
    minimum = low - scale * bottom;
  else
    minimum = -scale * (roundEven(code) + bottom);
}

/// The smallest scale that clips nothing about `center`.
static float cover(float low, float high, float center, const LevelGrid &grid) {
  float scale = larger((high - center) / grid.getHighest(), 0.0f);
  return larger((low - center) / grid.getLowest(), scale);
}

void RoundToNearest::propose(Row &row) const {
  int64_t groups = row.getGroups();
  SmallVector<float, 256> lows(groups), highs(groups);
  findExtremes(row.values, row.width, lows.data(), highs.data());
  for (int64_t g = 0; g < groups; ++g) {
    if (row.hasMinimum() && row.grid.isAffine()) {
      reach(lows[g], highs[g], row, zero, row.scales[g], row.minimums[g]);
      continue;
    }
    float center = 0;
    if (row.hasMinimum()) {
      // Codebooks are made for numbers about their mean.
      double sum = 0;
      ArrayRef<float> group = row.getGroup(g);
      for (float value : group)
        sum += value;
      center = static_cast<float>(sum / static_cast<double>(group.size()));
      if (row.isMinimumNegative())
        center = smaller(center, 0.0f);
    }
    row.minimums[g] = center;
    row.scales[g] = cover(lows[g], highs[g], center, row.grid);
  }
}

void RoundToNearest::settle(Row &row, ArrayRef<float> wanted) const {
  if (!row.grid.isAffine())
    return;
  for (int64_t g = 0, groups = row.getGroups(); g < groups; ++g) {
    if (wanted[g] == 0)
      continue;
    if (zero == ZeroPoint::Integer)
      row.minimums[g] *= row.scales[g] / wanted[g];
    else
      row.minimums[g] += (wanted[g] - row.scales[g]) * row.grid.getLowest();
  }
}
