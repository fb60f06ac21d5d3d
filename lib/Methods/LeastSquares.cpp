//===- LeastSquares.cpp - The scale of the smallest squared error ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// For given codes, the best scale and minimum are those of a line through the
// points (level, number): closed formulas of a few sums. For a given scale and
// minimum the best codes are the nearest. So some scales are tried that clip
// more and more of the extremes, each is judged by the line through its codes,
// and from the best one both steps are taken by turns.
//
// Groups are copied to multiples of sixteen numbers; what fills up has no
// importance.
//
//===----------------------------------------------------------------------===//
#include "Lanes.h"
#include "RowQuantizer.h"
#include "TableSearch.h"
#include "llmc/Support/Vectorized.h"
#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>

using namespace llvm;
using namespace llmc;

namespace {

/// Weighted sums over a group: of levels l and numbers x.
struct Sums {
  float l, ll, xl;
};

/// A group, and its sums that do not depend on levels.
struct Group {
  SmallVector<float, 256> values, importance;
  /// Whether all columns, a multiple of 16, have the same importance.
  bool even = false;
  float w = 0, x = 0;
};

} // namespace

/// Sums with levels that are the nearest to `(x - minimum) * inverse`.
LLMC_VECTORIZED
static void addAffine(const float *values, const float *importance,
                      int64_t count, float inverse, float minimum, float bottom,
                      float top, Sums &sums) {
  constexpr float kRound = 0x1.8p23f;
  Lanes l = {}, ll = {}, xl = {};
  for (int64_t k = 0; k < count; k += 16) {
    Lanes x = *reinterpret_cast<const UnalignedLanes *>(values + k);
    Lanes w = *reinterpret_cast<const UnalignedLanes *>(importance + k);
    Lanes y = (x - minimum) * inverse;
    Lanes lowest = {}, highest = {};
    lowest += bottom;
    highest += top;
    y = y < highest ? y : highest;
    y = y > lowest ? y : lowest;
    y = (y + kRound) - kRound;
    Lanes wy = w * y;
    l += wy;
    ll += wy * y;
    xl += wy * x;
  }
  sums = {addLanes(l), addLanes(ll), addLanes(xl)};
}

/// The same for each of some inverses and no minimum, without the sum of levels.
LLMC_VECTORIZED
static void addCandidates(const float *values, const float *importance,
                          int64_t count, const float *inverses,
                          int64_t candidates, float bottom, float top,
                          float *squares, float *products) {
  constexpr float kRound = 0x1.8p23f;
  Lanes lowest = {}, highest = {};
  lowest += bottom;
  highest += top;
  for (int64_t i = 0; i < candidates; ++i) {
    float inverse = inverses[i];
    Lanes ll = {}, xl = {};
    for (int64_t k = 0; k < count; k += 16) {
      Lanes x = *reinterpret_cast<const UnalignedLanes *>(values + k);
      Lanes w = *reinterpret_cast<const UnalignedLanes *>(importance + k);
      Lanes y = x * inverse;
      y = y < highest ? y : highest;
      y = y > lowest ? y : lowest;
      y = (y + kRound) - kRound;
      Lanes wy = w * y;
      ll += wy * y;
      xl += wy * x;
    }
    squares[i] = addLanes(ll);
    products[i] = addLanes(xl);
  }
}

/// As addAffine for a table: the lowest level, and the step at each border passed.
LLMC_VECTORIZED
static void addTable(const float *values, const float *importance,
                     int64_t count, float inverse, float minimum, float lowest,
                     const float *borders, const float *steps,
                     int64_t borderCount, Sums &sums) {
  Lanes l = {}, ll = {}, xl = {};
  for (int64_t k = 0; k < count; k += 16) {
    Lanes x = *reinterpret_cast<const UnalignedLanes *>(values + k);
    Lanes w = *reinterpret_cast<const UnalignedLanes *>(importance + k);
    Lanes scaled = (x - minimum) * inverse, y = {}, zero = {};
    y += lowest;
    for (int64_t b = 0; b < borderCount; ++b)
      y += scaled > borders[b] ? zero + steps[b] : zero;
    Lanes wy = w * y;
    l += wy;
    ll += wy * y;
    xl += wy * x;
  }
  sums = {addLanes(l), addLanes(ll), addLanes(xl)};
}

/// The scaled numbers of a group.
LLMC_VECTORIZED
static void scale(const float *values, int64_t count, float inverse,
                  float minimum, float *scaled) {
  for (int64_t k = 0; k < count; ++k)
    scaled[k] = (values[k] - minimum) * inverse;
}

/// Sums with given levels.
LLMC_VECTORIZED
static void addLevels(const float *values, const float *importance,
                      const float *levels, int64_t count, Sums &sums) {
  Lanes l = {}, ll = {}, xl = {};
  for (int64_t k = 0; k < count; k += 16) {
    Lanes x = *reinterpret_cast<const UnalignedLanes *>(values + k);
    Lanes w = *reinterpret_cast<const UnalignedLanes *>(importance + k);
    Lanes y = *reinterpret_cast<const UnalignedLanes *>(levels + k), wy = w * y;
    l += wy;
    ll += wy * y;
    xl += wy * x;
  }
  sums = {addLanes(l), addLanes(ll), addLanes(xl)};
}

/// As addAffine for vectors: the nearest of the table to each.
static void addVectors(const Group &group, const VectorSearch &search,
                       float inverse, float minimum, Sums &sums) {
  size_t count = group.values.size(), weights = search.getWeights();
  SmallVector<float, 256> scaled(count);
  SmallVector<uint8_t, 128> codes(count / weights);
  scale(group.values.data(), static_cast<int64_t>(count), inverse, minimum,
        scaled.data());
  search.find(scaled.data(), group.even ? nullptr : group.importance.data(),
              static_cast<int64_t>(codes.size()), codes.data());
  for (auto [i, code] : enumerate(codes))
    std::copy_n(search.getLevels(code), weights, scaled.begin() + i * weights);
  addLevels(group.values.data(), group.importance.data(), scaled.data(),
            static_cast<int64_t>(count), sums);
}

/// Copies a group less `shift`, without its sums.
static void copy(Group &group, ArrayRef<float> values,
                 ArrayRef<float> importance, float shift) {
  size_t count = values.size(), padded = (count + 15) / 16 * 16;
  group.values.resize_for_overwrite(padded);
  group.importance.resize_for_overwrite(padded);
  for (size_t k = 0; k < count; ++k)
    group.values[k] = values[k] - shift;
  double total = 0;
  for (float each : importance)
    total += each;
  // Inputs that are all 0 say nothing.
  bool unknown = importance.empty() || !(total > 0);
  group.even = unknown && count == padded;
  if (unknown)
    std::fill_n(group.importance.begin(), count, 1.0f);
  else
    // In units of their mean, which keeps the sums far from the limits of f32.
    for (size_t k = 0; k < count; ++k)
      group.importance[k] = static_cast<float>(importance[k] / total *
                                               static_cast<double>(count));
  std::fill(group.values.begin() + count, group.values.end(), 0.0f);
  std::fill(group.importance.begin() + count, group.importance.end(), 0.0f);
}

/// The same with sums.
static void fill(Group &group, ArrayRef<float> values,
                 ArrayRef<float> importance, float shift) {
  copy(group, values, importance, shift);
  double w = 0, x = 0;
  for (size_t k = 0; k < values.size(); ++k) {
    w += group.importance[k];
    x += static_cast<double>(group.importance[k]) * group.values[k];
  }
  group.w = static_cast<float>(w);
  group.x = static_cast<float>(x);
}

static Sums addUp(Group &group, const LevelGrid &grid, float inverse,
                  float minimum) {
  Sums sums;
  int64_t count = group.values.size();
  if (grid.isAffine()) {
    addAffine(group.values.data(), group.importance.data(), count, inverse,
              minimum, grid.getLowest(), grid.getHighest(), sums);
    return sums;
  }
  if (const VectorSearch *vectors = grid.getVectors()) {
    addVectors(group, *vectors, inverse, minimum, sums);
    return sums;
  }
  addTable(group.values.data(), group.importance.data(), count, inverse,
           minimum, grid.getLowest(), grid.getBorders().data(),
           grid.getSteps().data(), grid.getBorders().size(), sums);
  return sums;
}

/// The part of the extremes that the narrowest candidate keeps: the fewer the
/// levels, the more it pays to clip.
static float getNarrowest(unsigned bits) {
  return bits <= 2 ? 0.3f : bits == 3 ? 0.5f : bits == 4 ? 0.7f : 0.85f;
}

/// A line through the points of a group, and what it leaves less of the squares.
struct Line {
  float scale = 0, minimum = 0, gain = -INFINITY;
};

static Line fitThroughZero(const Sums &sums) {
  if (!(sums.ll > 0))
    return {};
  float scale = sums.xl / sums.ll;
  return {scale, 0, scale * sums.xl};
}

/// The gains of lines through 0; none is -infinity.
LLMC_VECTORIZED
static void findGains(const float *squares, const float *products,
                      int64_t count, float *gains) {
  for (int64_t i = 0; i < count; ++i) {
    float gain = products[i] / squares[i] * products[i];
    gains[i] = squares[i] > 0 ? gain : -INFINITY;
  }
}

/// Inverses of parts of a scale.
LLMC_VECTORIZED
static void invert(const float *parts, int64_t count, float scale, float sign,
                   float *inverses) {
  for (int64_t i = 0; i < count; ++i)
    inverses[i] = sign / (scale * parts[i]);
}

/// Of the powers of two about a scale, the one of the smallest error: it need not
/// be the nearest.
static float choosePower(Group &group, const LevelGrid &grid, float scale) {
  if (!(scale > 0))
    return scale;
  float below = std::exp2(std::floor(std::log2(scale)));
  float best = below, most = -INFINITY;
  for (float power : {below, 2 * below, below / 2}) {
    float inverse = 1 / power;
    if (!std::isfinite(inverse))
      continue;
    Sums sums = addUp(group, grid, inverse, 0);
    float gain = power * (2 * sums.xl - power * sums.ll);
    if (gain > most) {
      best = power;
      most = gain;
    }
  }
  return best;
}

void LeastSquares::solveSymmetric(Row &row, const TableSearch &search,
                                  ArrayRef<float> parts, int64_t index) const {
  Group group;
  ArrayRef<float> values = row.getGroup(index);
  copy(group, values, row.getImportance(index), 0);
  float low, high;
  findExtremes(values, values.size(), &low, &high);
  uint32_t code = row.format.scale->code;
  bool signedScale = code == LLMC_SCALE_NONE || code == LLMC_SCALE_I8;
  Line best;
  SmallVector<float, 32> inverses, squares, products, gains;
  // Where levels are not symmetric, a negative scale is another set of levels.
  for (float sign : {1.0f, -1.0f}) {
    bool symmetric = !row.grid.getVectors() &&
                     row.grid.getLowest() == -row.grid.getHighest();
    if (sign < 0 && (!signedScale || symmetric))
      continue;
    float scale = larger(larger(sign * high / row.grid.getHighest(),
                                sign * low / row.grid.getHighest()),
                         larger(sign * high / row.grid.getLowest(),
                                sign * low / row.grid.getLowest()));
    // The smaller the part, the larger the inverse: those in range come first.
    inverses.resize_for_overwrite(parts.size());
    invert(parts.data(), candidates, scale, sign, inverses.data());
    while (!inverses.empty() && !std::isfinite(inverses.back()))
      inverses.pop_back();
    if (row.grid.isAffine() || search.isUsable()) {
      squares.resize_for_overwrite(inverses.size());
      products.resize_for_overwrite(inverses.size());
      gains.resize_for_overwrite(inverses.size());
      if (search.isUsable())
        search.addUp(group.values, group.importance, inverses, squares.data(),
                     products.data());
      else
        addCandidates(group.values.data(), group.importance.data(),
                      static_cast<int64_t>(group.values.size()),
                      inverses.data(), static_cast<int64_t>(inverses.size()),
                      row.grid.getLowest(), row.grid.getHighest(),
                      squares.data(), products.data());
      findGains(squares.data(), products.data(), gains.size(), gains.data());
      size_t chosen = gains.size();
      for (float most = best.gain; auto [i, gain] : enumerate(gains))
        if (gain > most) {
          most = gain;
          chosen = i;
        }
      if (chosen < gains.size())
        best = fitThroughZero({0, squares[chosen], products[chosen]});
      continue;
    }
    for (float inverse : inverses) {
      Line line = fitThroughZero(addUp(group, row.grid, inverse, 0));
      if (line.gain > best.gain)
        best = line;
    }
  }
  for (int64_t i = 0; i < refinements && best.scale != 0; ++i) {
    float inverse = 1 / best.scale;
    if (!std::isfinite(inverse))
      break;
    Line line = fitThroughZero(addUp(group, row.grid, inverse, 0));
    if (!(line.gain > best.gain))
      break;
    best = line;
  }
  bool isPower =
      row.format.scale->real == LLMC_REAL_NONE && code == LLMC_SCALE_E8M0;
  row.scales[index] =
      isPower ? choosePower(group, row.grid, best.scale) : best.scale;
  row.minimums[index] = 0;
}

/// The best line for levels, of numbers that are less `shift`; the minimum with
/// the shift is at most 0 where `negative`.
static Line fit(const Group &group, const Sums &sums, float shift,
                bool negative) {
  float mean = group.x / group.w;
  float variance = sums.ll - sums.l * sums.l / group.w;
  float covariance = sums.xl - sums.l * mean;
  Line line;
  if (!(variance > 0) || !(covariance > 0))
    return line;
  line.scale = covariance / variance;
  line.minimum = mean - line.scale * sums.l / group.w;
  line.gain = line.scale * covariance;
  if (!negative || line.minimum + shift <= 0)
    return line;
  // Through 0, which is `-shift` here. Squares less those about the mean, as
  // above.
  float xl = sums.xl + shift * sums.l, scale = xl / sums.ll;
  if (!(scale > 0))
    return {};
  float total = mean + shift;
  return {scale, -shift, scale * xl - total * total * group.w};
}

void LeastSquares::solveAffine(Row &row, int64_t index) const {
  Group group;
  ArrayRef<float> values = row.getGroup(index);
  float low, high;
  findExtremes(values, values.size(), &low, &high);
  if (row.isMinimumNegative())
    low = smaller(low, 0.0f);
  float &scale = row.scales[index], &minimum = row.minimums[index];
  scale = 0;
  minimum = low;
  if (low == high)
    return;
  float bottom = row.grid.getLowest(), top = row.grid.getHighest();
  float range = high - low, narrowest = getNarrowest(row.grid.getBits());
  fill(group, values, row.getImportance(index), low);
  Line best;
  for (int64_t i = 0; i < candidates; ++i) {
    float part = 1 - (1 - narrowest) * static_cast<float>(i) /
                         static_cast<float>(candidates - 1);
    float width = range * part / (top - bottom);
    if (!std::isfinite(1 / width))
      continue;
    // As much is clipped below as above.
    float from = range * (1 - part) / 2 - bottom * width;
    Line line = fit(group, addUp(group, row.grid, 1 / width, from), low,
                    row.isMinimumNegative());
    if (line.gain > best.gain)
      best = line;
  }
  for (int64_t i = 0; i < refinements && best.scale > 0; ++i) {
    if (!std::isfinite(1 / best.scale))
      break;
    Line line = fit(group, addUp(group, row.grid, 1 / best.scale, best.minimum),
                    low, row.isMinimumNegative());
    if (!(line.gain > best.gain))
      break;
    best = line;
  }
  if (best.scale > 0) {
    scale = best.scale;
    minimum = best.minimum + low;
    return;
  }
  // Numbers that no line fits: reach over them.
  scale = range / (top - bottom);
  minimum = low - scale * bottom;
}

void LeastSquares::propose(Row &row) const {
  int64_t groups = row.getGroups();
  if (row.hasMinimum()) {
    for (int64_t g = 0; g < groups; ++g)
      solveAffine(row, g);
    return;
  }
  SmallVector<float, 32> parts;
  float narrowest = getNarrowest(row.grid.getBits());
  for (int64_t i = 0; i < candidates; ++i)
    parts.push_back(1 - (1 - narrowest) * static_cast<float>(i) /
                            static_cast<float>(candidates - 1));
  TableSearch search(row.grid, narrowest);
  for (int64_t g = 0; g < groups; ++g)
    solveSymmetric(row, search, parts, g);
}

void LeastSquares::settle(Row &row, ArrayRef<float> wanted) const {
  Group group;
  for (int64_t g = 0, groups = row.getGroups(); g < groups; ++g) {
    // The scale moved; the best minimum for its levels is a mean.
    float scale = row.scales[g], inverse = 1 / scale;
    if (!std::isfinite(inverse))
      continue;
    float shift = row.minimums[g];
    fill(group, row.getGroup(g), row.getImportance(g), shift);
    Sums sums = addUp(group, row.grid, inverse, 0);
    float minimum = shift + (group.x - scale * sums.l) / group.w;
    row.minimums[g] =
        row.isMinimumNegative() ? smaller(minimum, 0.0f) : minimum;
  }
}
