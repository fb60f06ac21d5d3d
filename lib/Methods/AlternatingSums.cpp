//===- AlternatingSums.cpp - Scales of sums of several products -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Xu et al., Alternating Multi-bit Quantization for Recurrent Neural Networks,
// 2018, section 3, for any levels: with given codes the best scales, and the best
// minimum, solve linear equations of as many unknowns; with given scales the best
// codes are the nearest. Both steps are taken by turns.
//
// It begins with scales whose ratio is the best for normal numbers, or for numbers
// that are spread evenly, which is found in the same way on fixed samples, from
// many ratios. They are made so large that nothing of the group is clipped, or a
// part of that.
//
//===----------------------------------------------------------------------===//
#include "AlternatingSums.h"
#include "llmc/Support/SplitMix.h"
#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <tuple>

using namespace llvm;
using namespace llmc;

/// Numbers of the sample.
static constexpr int kSample = 256;
/// Steps for each ratio, and more for the best of them.
static constexpr int kFirstSteps = 4, kMoreSteps = 20;
/// The smallest part of the extremes that a candidate keeps.
static constexpr double kNarrowest = 0.5;
/// Unknowns that the others determine to this part are left as they are.
static constexpr double kSingular = 1e-10;

static SumSearch makeSearch(const llmc_format &format) {
  std::vector<int8_t> levels;
  for (uint64_t t = 0; t < format.term_count; ++t)
    levels.insert(levels.end(), format.term_levels[t],
                  format.term_levels[t] + format.level_count);
  return {std::move(levels), static_cast<unsigned>(format.term_count)};
}

/// Sums of twelve even numbers are nearly normal, and the same everywhere.
static std::vector<float> drawNormal() {
  SplitMix random{1};
  std::vector<float> sample(kSample);
  for (float &number : sample) {
    double sum = -6;
    for (int i = 0; i < 12; ++i)
      sum += random.unit();
    number = static_cast<float>(sum);
  }
  return sample;
}

/// From -1 to 1.
static std::vector<float> makeEven() {
  std::vector<float> sample(kSample);
  for (int i = 0; i < kSample; ++i)
    sample[i] = static_cast<float>(2 * i + 1) / kSample - 1;
  return sample;
}

AlternatingSums::AlternatingSums(const llmc_format &format, int64_t candidates,
                                 int64_t refinements)
    : search(makeSearch(format)), candidates(candidates),
      refinements(refinements), hasMinimum(format.minimum),
      negativeMinimum(format.minimum && format.minimum->negated) {
  for (unsigned t = 0; t < search.getTerms(); ++t) {
    uint32_t code = format.term_scales[t]->code;
    isSigned.push_back(code == LLMC_SCALE_NONE || code == LLMC_SCALE_I8);
    int most = 1;
    for (unsigned c = 0; c < format.level_count; ++c)
      most = std::max(most, std::abs(search.getLevel(t, c)));
    largest.push_back(most);
  }
  for (const std::vector<float> &sample : {drawNormal(), makeEven()})
    shapes.push_back(findShape(sample));
}

//===----------------------------------------------------------------------===//
// Least squares
//===----------------------------------------------------------------------===//

/// Solves a x = b of n unknowns, a symmetric and not negative.
static void solve(double (&a)[4][4], double (&b)[4], unsigned n,
                  double (&x)[4]) {
  double first[4];
  bool dead[4] = {};
  for (unsigned i = 0; i < n; ++i)
    first[i] = a[i][i];
  for (unsigned i = 0; i < n; ++i) {
    dead[i] = !(a[i][i] > kSingular * first[i]);
    for (unsigned j = i + 1; j < n && !dead[i]; ++j) {
      double factor = a[j][i] / a[i][i];
      for (unsigned c = i; c < n; ++c)
        a[j][c] -= factor * a[i][c];
      b[j] -= factor * b[i];
    }
  }
  for (unsigned i = n; i-- > 0;) {
    double rest = b[i];
    for (unsigned c = i + 1; c < n; ++c)
      rest -= a[i][c] * x[c];
    x[i] = dead[i] ? 0 : rest / a[i][i];
  }
}

void AlternatingSums::addBest(const Group &group, Fit &fit,
                              bool withMinimum) const {
  unsigned terms = search.getTerms(), n = terms + withMinimum;
  double a[4][4] = {}, b[4] = {}, change[4] = {};
  for (size_t k = 0; k < group.values.size(); ++k) {
    double weight = group.getWeight(k), level[4], rest = group.values[k];
    rest -= search.getNumber(fit.scales, fit.minimum, fit.codes[k]);
    for (unsigned t = 0; t < terms; ++t)
      level[t] = search.getLevel(t, fit.codes[k]);
    level[terms] = 1;
    for (unsigned i = 0; i < n; ++i) {
      b[i] += weight * level[i] * rest;
      for (unsigned j = 0; j < n; ++j)
        a[i][j] += weight * level[i] * level[j];
    }
  }
  solve(a, b, n, change);
  for (unsigned t = 0; t < terms; ++t)
    fit.scales[t] += change[t];
  if (withMinimum)
    fit.minimum += change[terms];
}

void AlternatingSums::improve(const Group &group, Fit &fit) const {
  addBest(group, fit, hasMinimum);
  if (negativeMinimum && fit.minimum > 0) {
    fit.minimum = 0;
    addBest(group, fit, /*withMinimum=*/false);
  }
  fit.error = 0;
  for (size_t k = 0; k < group.values.size(); ++k) {
    double rest = group.values[k] -
                  search.getNumber(fit.scales, fit.minimum, fit.codes[k]);
    fit.error += group.getWeight(k) * rest * rest;
  }
  for (auto [scale, canBeNegative] : zip_equal(fit.scales, isSigned))
    if (scale < 0 && !canBeNegative)
      fit.error = INFINITY;
}

bool AlternatingSums::alternate(const Group &group, Fit &fit) const {
  Fit next = fit;
  encode(group, next);
  improve(group, next);
  if (!(next.error < fit.error))
    return false;
  fit = std::move(next);
  return true;
}

void AlternatingSums::encode(const Group &group, Fit &fit) const {
  SumOrder sorted = search.sort(fit.scales, fit.minimum);
  fit.codes.resize_for_overwrite(group.values.size());
  for (auto [value, code] : zip_equal(group.values, fit.codes))
    code = sorted.find(value);
}

//===----------------------------------------------------------------------===//
// Where it begins
//===----------------------------------------------------------------------===//

/// The scale of numbers from `lowest` to `highest` that reaches over a group from
/// `low` to `high`; below 0, if `sign` is -1. 0 where there is none.
static double cover(double low, double high, double lowest, double highest,
                    int sign) {
  if (sign < 0)
    std::tie(low, high) = std::pair(-high, -low);
  double scale = 0;
  if (highest > 0)
    scale = std::max(scale, high / highest);
  if (lowest < 0)
    scale = std::max(scale, low / lowest);
  return sign * scale;
}

AlternatingSums::Fit AlternatingSums::begin(double low, double high,
                                            const Shape &shape, int sign,
                                            double part) const {
  double lowest = shape.order.getLowest(), highest = shape.order.getHighest(),
         scale;
  Fit fit;
  if (hasMinimum) {
    double range = high - low;
    scale = highest > lowest ? range * part / (highest - lowest) : 0;
    // As much is clipped below as above.
    fit.minimum = low + range * (1 - part) / 2 - scale * lowest;
  } else {
    scale = part * cover(low, high, lowest, highest, sign);
  }
  for (double each : shape.scales)
    fit.scales.push_back(scale * each);
  return fit;
}

AlternatingSums::Shape
AlternatingSums::findShape(ArrayRef<float> sample) const {
  const double low = *std::min_element(sample.begin(), sample.end()),
               high = *std::max_element(sample.begin(), sample.end());
  Group group{sample, {}};
  unsigned terms = search.getTerms();
  SmallVector<double, 3> ratio(terms, 1 / largest[0]);
  Fit best;
  auto attempt = [&] {
    Fit fit = begin(low, high, {ratio, search.sort(ratio, 0)}, 1, 1);
    fit.error = INFINITY;
    for (int i = 0; i < kFirstSteps && alternate(group, fit); ++i)
      continue;
    if (best.scales.empty() || fit.error < best.error)
      best = std::move(fit);
  };
  auto choose = [&](auto &self, unsigned term) -> void {
    if (term == terms)
      return attempt();
    for (int power = -4; power <= 2; ++power)
      for (int sign : {1, -1})
        if (sign > 0 || isSigned[term]) {
          ratio[term] = sign * std::ldexp(1 / largest[term], power);
          self(self, term + 1);
        }
  };
  choose(choose, 1);
  for (int i = 0; i < kMoreSteps && alternate(group, best); ++i)
    continue;
  return {best.scales, search.sort(best.scales, 0)};
}

//===----------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------===//

static AlternatingSums::Group getGroup(const Row &row, int64_t index) {
  AlternatingSums::Group group{row.getGroup(index), row.getImportance(index)};
  // Inputs that are all 0 say nothing.
  if (none_of(group.importance, [](float each) { return each > 0; }))
    group.importance = {};
  return group;
}

void AlternatingSums::propose(Row &row) const {
  int64_t groups = row.getGroups();
  SmallVector<float, 256> lows(groups), highs(groups);
  findExtremes(row.values, row.width, lows.data(), highs.data());
  for (int64_t g = 0; g < groups; ++g) {
    double low = lows[g], high = highs[g];
    // A minimum that is subtracted cannot raise a group.
    if (negativeMinimum)
      low = std::min(low, 0.0);
    Fit best = solveGroup(getGroup(row, g), low, high);
    for (auto [t, scale] : enumerate(best.scales))
      row.scales[t * groups + g] = static_cast<float>(scale);
    row.minimums[g] = static_cast<float>(best.minimum);
  }
}

AlternatingSums::Fit AlternatingSums::solveGroup(const Group &group, double low,
                                                 double high) const {
  Fit best = begin(low, high, shapes.front(), 1, 1);
  if (candidates == 1 || (hasMinimum && low == high))
    return best;
  best.error = INFINITY;
  auto attempt = [&](const Shape &shape, int sign) {
    for (int64_t i = 0; i < candidates; ++i) {
      double part = 1 - (1 - kNarrowest) * static_cast<double>(i) /
                            static_cast<double>(candidates - 1);
      Fit fit = begin(low, high, shape, sign, part);
      encode(group, fit);
      improve(group, fit);
      if (fit.error < best.error)
        best = std::move(fit);
    }
  };
  for (const Shape &shape : shapes) {
    attempt(shape, 1);
    // Where numbers are not symmetric, negative scales are another set of them.
    if (!hasMinimum && all_of(isSigned, [](bool each) { return each; }) &&
        shape.order.getLowest() != -shape.order.getHighest())
      attempt(shape, -1);
  }
  for (int64_t i = 0; i < refinements && alternate(group, best); ++i)
    continue;
  return best;
}

void AlternatingSums::settle(Row &row, ArrayRef<float>) const {
  int64_t groups = row.getGroups();
  for (int64_t g = 0; g < groups; ++g) {
    Group group = getGroup(row, g);
    Fit fit;
    for (unsigned t = 0; t < search.getTerms(); ++t)
      fit.scales.push_back(row.scales[t * groups + g]);
    fit.minimum = row.minimums[g];
    encode(group, fit);
    double rest = 0, weights = 0;
    for (size_t k = 0; k < group.values.size(); ++k) {
      double number = search.getNumber(fit.scales, fit.minimum, fit.codes[k]);
      rest += group.getWeight(k) * (group.values[k] - number);
      weights += group.getWeight(k);
    }
    double minimum = fit.minimum + rest / weights;
    row.minimums[g] =
        static_cast<float>(negativeMinimum ? std::min(minimum, 0.0) : minimum);
  }
}
