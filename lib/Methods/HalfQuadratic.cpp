//===- HalfQuadratic.cpp - Minimums that forget outliers ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The norm |e|^p with p < 1 counts a large error hardly more than a small one,
// so the minimum of a group follows the many numbers and not the few. It is made
// small by turns: errors above a threshold are set apart (a shrinkage), then the
// minimum is the mean of what is left. Errors are in steps of the scale here, so
// that the threshold means the same for every matrix.
//
//===----------------------------------------------------------------------===//
#include "RowQuantizer.h"
#include "llmc/Support/Vectorized.h"
#include "llvm/ADT/bit.h"

#include <cmath>

using namespace llvm;
using namespace llmc;

/// Accurate to about 1e-5, for normal x > 0.
static inline float logarithm2(float x) {
  uint32_t bits = bit_cast<uint32_t>(x);
  float exponent = static_cast<float>(static_cast<int32_t>(bits >> 23) - 127);
  float m = bit_cast<float>((bits & 0x7fffff) | 0x3f800000);
  float t = (m - 1) / (m + 1), s = t * t;
  float series = t * (1 + s * (1.0f / 3 + s * (0.2f + s * (1.0f / 7))));
  return exponent + 2.8853901f * series;
}

static inline float power2(float x) {
  x = larger(smaller(x, 126.0f), -126.0f);
  float whole = roundEven(x), f = (x - whole) * 0.69314718f;
  float series =
      1 + f * (1 + f * (0.5f + f * (1.0f / 6 + f * (1.0f / 24 + f / 120))));
  return series *
         bit_cast<float>(
             static_cast<uint32_t>(static_cast<int32_t>(whole) + 127) << 23);
}

/// One step: returns the sum of what the minimum should be, and through `error`
/// that of absolute errors with the present one. Sums in sixteen lanes.
LLMC_VECTORIZED
static float step(const float *values, int64_t count, float minimum,
                  float bottom, float top, float exponent, float inverseBeta,
                  float &error) {
  float sums[16] = {}, errors[16] = {};
  for (int64_t first = 0; first < count; first += 16) {
    int64_t n = count - first < 16 ? count - first : 16;
    float next[16] = {}, distance[16] = {};
    for (int64_t i = 0; i < n; ++i) {
      float y = values[first + i];
      float level = roundEven(larger(smaller(y - minimum, top), bottom));
      float off = y - (level + minimum);
      float size = off < 0 ? -off : off;
      float threshold =
          power2(exponent * logarithm2(larger(size, 1e-30f))) * inverseBeta;
      float shrunk = larger(size - threshold, 0.0f);
      next[i] = y - (off < 0 ? -shrunk : shrunk) - level;
      distance[i] = size;
    }
    for (int i = 0; i < 16; ++i) {
      sums[i] += next[i];
      errors[i] += distance[i];
    }
  }
  float sum = 0;
  error = 0;
  for (int i = 0; i < 16; ++i) {
    sum += sums[i];
    error += errors[i];
  }
  return sum;
}

void HalfQuadratic::settle(Row &row, ArrayRef<float> wanted) const {
  start.settle(row, wanted);
  SmallVector<float, 256> scaled;
  float bottom = row.grid.getLowest(), top = row.grid.getHighest();
  for (int64_t g = 0, groups = row.getGroups(); g < groups; ++g) {
    float scale = row.scales[g], inverse = 1 / scale;
    if (!std::isfinite(inverse))
      continue;
    ArrayRef<float> group = row.getGroup(g);
    scaled.clear();
    for (float value : group)
      scaled.push_back(value * inverse);
    float minimum = row.minimums[g] * inverse, best = minimum, least = INFINITY;
    // The best seen is kept, not the last; the first is the one of `start`.
    for (int64_t i = 0; i <= steps; ++i) {
      float error;
      float sum = step(scaled.data(), scaled.size(), minimum, bottom, top,
                       static_cast<float>(norm - 1),
                       static_cast<float>(1 / beta), error);
      if (error < least) {
        least = error;
        best = minimum;
      }
      minimum = sum / static_cast<float>(group.size());
      if (row.isMinimumNegative())
        minimum = smaller(minimum, 0.0f);
    }
    row.minimums[g] = best * scale;
  }
}
