//===- TableSearch.cpp - Many scales on the levels of a table -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TableSearch.h"
#include "Lanes.h"
#include "llmc/Support/Vectorized.h"

#include <algorithm>
#include <cmath>

using namespace llvm;
using namespace llmc;

TableSearch::TableSearch(const LevelGrid &grid, float narrowest) {
  if (grid.isAffine() || grid.getVectors())
    return;
  ArrayRef<float> all = grid.getBorders(), steps = grid.getSteps();
  // The level of 0, which is above negative borders only.
  float zero = grid.getLowest();
  size_t negative = 0;
  for (; negative < all.size() && all[negative] < 0; ++negative)
    zero += steps[negative];
  length = static_cast<int64_t>(std::max(negative, all.size() - negative));
  for (bool positive : {true, false}) {
    std::vector<std::pair<float, float>> side;
    if (positive)
      for (size_t i = negative; i < all.size(); ++i)
        side.emplace_back(all[i], steps[i]);
    else
      // What is not above a border is at least as large as its magnitude.
      for (size_t i = negative; i-- > 0;)
        side.emplace_back(std::nextafter(-all[i], 0.0f), -steps[i]);
    side.resize(length + kPassed, {INFINITY, 0.0f});
    float level = zero;
    for (int64_t i = 0; i <= length; ++i) {
      Cell cell{level, {INFINITY, INFINITY}, {0, 0}};
      for (int64_t next = 0; next < kPassed && i + next < length; ++next) {
        cell.border[next] = side[i + next].first;
        cell.step[next] = side[i + next].second;
      }
      cells.push_back(cell);
      if (i == length)
        break;
      borders.push_back(side[i].first);
      level += side[i].second;
      // A number of this cell ends below this border by the narrowest scale, but
      // for the rounding of products.
      if (side[i].first < INFINITY &&
          !(side[i + kPassed].first > side[i].first / narrowest * 1.0001f))
        return;
    }
  }
  usable = true;
}

/// Magnitudes of numbers, and by how many borders each lies outwards: those of
/// its side, whose first is that of the positive ones.
LLMC_VECTORIZED
static void findCells(const float *values, int64_t count, float inverse,
                      const float *borders, int64_t length, float *magnitudes,
                      int *cells) {
  for (int64_t k = 0; k < count; k += 16) {
    Lanes x = *reinterpret_cast<const UnalignedLanes *>(values + k), zero = {};
    Lanes size = x < zero ? -x : x, scaled = size * __builtin_fabsf(inverse);
    IntegerLanes positive = inverse > 0 ? x > zero : x < zero;
    // Comparisons are -1 where they hold.
    IntegerLanes cell = (1 + positive) * static_cast<int>(length + 1);
    for (int64_t b = 0; b < length; ++b)
      cell -=
          scaled > (positive ? zero + borders[b] : zero + borders[length + b]);
    *reinterpret_cast<UnalignedLanes *>(magnitudes + k) = size;
    __builtin_memcpy(cells + k, &cell, sizeof(cell));
  }
}

/// All arrays but those of candidates have `count` numbers.
LLMC_VECTORIZED
static void addCandidates(const float *values, const float *importance,
                          const float *magnitudes, const float *levels,
                          const float *border0, const float *step0,
                          const float *border1, const float *step1,
                          int64_t count, const float *inverses,
                          int64_t candidates, float *squares, float *products) {
  for (int64_t i = 0; i < candidates; ++i) {
    float by = __builtin_fabsf(inverses[i]);
    Lanes ll = {}, xl = {}, zero = {};
    for (int64_t k = 0; k < count; k += 16) {
      auto load = [k](const float *from) -> Lanes {
        return *reinterpret_cast<const UnalignedLanes *>(from + k);
      };
      Lanes scaled = load(magnitudes) * by, y = load(levels);
      y += scaled > load(border0) ? load(step0) : zero;
      y += scaled > load(border1) ? load(step1) : zero;
      Lanes wy = load(importance) * y;
      ll += wy * y;
      xl += wy * load(values);
    }
    squares[i] = addLanes(ll);
    products[i] = addLanes(xl);
  }
}

void TableSearch::addUp(ArrayRef<float> values, ArrayRef<float> importance,
                        ArrayRef<float> inverses, float *squares,
                        float *products) const {
  if (inverses.empty())
    return;
  size_t count = values.size();
  constexpr size_t arrays = 2 + 2 * kPassed;
  SmallVector<float, 64 * arrays> space;
  SmallVector<int, 64> places;
  space.resize_for_overwrite(arrays * count);
  places.resize_for_overwrite(count);
  float *magnitudes = space.data(), *levels = magnitudes + count,
        *border0 = levels + count, *step0 = border0 + count,
        *border1 = step0 + count, *step1 = border1 + count;
  findCells(values.data(), static_cast<int64_t>(count), inverses.front(),
            borders.data(), length, magnitudes, places.data());
  for (size_t k = 0; k < count; ++k) {
    const Cell &cell = cells[places[k]];
    levels[k] = cell.level;
    border0[k] = cell.border[0];
    step0[k] = cell.step[0];
    border1[k] = cell.border[1];
    step1[k] = cell.step[1];
  }
  addCandidates(values.data(), importance.data(), magnitudes, levels, border0,
                step0, border1, step1, static_cast<int64_t>(count),
                inverses.data(), static_cast<int64_t>(inverses.size()), squares,
                products);
}
