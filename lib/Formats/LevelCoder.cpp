//===- LevelCoder.cpp - The nearest level of a format ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/QuantizedMatrix.h"
#include "llmc/Support/Vectorized.h"
#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <cstring>

using namespace llvm;
using namespace llmc;

LevelCoder::LevelCoder(const FormatDescription &format)
    : affine(format.terms[0].levels.table.empty()),
      lowest(static_cast<float>(format.getLowestLevel())),
      highest(static_cast<float>(format.getHighestLevel())) {
  const Levels &levels = format.terms[0].levels;
  if (format.isVector()) {
    vectors.emplace(levels.table, format.weightsPerIndex);
    return;
  }
  unsigned count = format.getCodeCount();
  if (format.terms.size() > 1) {
    std::vector<int8_t> all;
    for (const Term &term : format.terms)
      for (unsigned code = 0; code < count; ++code)
        all.push_back(static_cast<int8_t>(term.levels.get(code)));
    sums.emplace(std::move(all), static_cast<unsigned>(format.terms.size()));
    return;
  }
  for (unsigned code = 1; code < count; ++code)
    if (std::abs(levels.get(code)) < std::abs(levels.get(zeroCode)))
      zeroCode = code;
  if (affine) {
    offset = static_cast<float>(levels.offset);
    return;
  }
  // Of equal levels the first code is used.
  for (unsigned code = 0; code < count; ++code)
    codeOf.push_back(code);
  llvm::sort(codeOf, [&](uint8_t a, uint8_t b) {
    return std::pair(levels.get(a), a) < std::pair(levels.get(b), b);
  });
  codeOf.erase(llvm::unique(codeOf,
                            [&](uint8_t a, uint8_t b) {
                              return levels.get(a) == levels.get(b);
                            }),
               codeOf.end());
  for (auto [index, code] : enumerate(codeOf)) {
    ordered.push_back(static_cast<float>(levels.get(code)));
    orderIsCode &= index == code;
    if (index)
      borders.push_back((ordered[index - 1] + ordered[index]) / 2);
  }
}

LLMC_VECTORIZED
static void encodeAffine(const float *values, int64_t columns, int64_t width,
                         const float *inverse, const float *minimum,
                         float offset, float top, uint8_t *codes) {
  for (int64_t begin = 0; begin < columns; begin += width) {
    int64_t end = begin + width < columns ? begin + width : columns;
    float by = *inverse++, m = minimum ? *minimum++ : 0;
    for (int64_t k = begin; k < end; ++k) {
      float y = (values[k] - m) * by - offset;
      y = larger(smaller(y, top), 0.0f);
      codes[k] = static_cast<uint8_t>(static_cast<int32_t>(roundEven(y)));
    }
  }
}

LLMC_VECTORIZED
static void encodeTable(const float *values, int64_t columns, int64_t width,
                        const float *inverse, const float *minimum,
                        const float *borders, int64_t count, uint8_t *codes) {
  for (int64_t begin = 0; begin < columns; begin += width) {
    int64_t end = begin + width < columns ? begin + width : columns;
    float by = *inverse++, m = minimum ? *minimum++ : 0;
    for (int64_t first = begin; first < end; first += 16) {
      int64_t n = end - first < 16 ? end - first : 16;
      float y[16] = {};
      int32_t above[16] = {};
      for (int64_t i = 0; i < n; ++i)
        y[i] = (values[first + i] - m) * by;
      for (int64_t b = 0; b < count; ++b)
        for (int i = 0; i < 16; ++i)
          above[i] += y[i] > borders[b];
      for (int64_t i = 0; i < n; ++i)
        codes[first + i] = static_cast<uint8_t>(above[i]);
    }
  }
}

/// Numbers in units of their scales.
LLMC_VECTORIZED
static void divide(const float *values, int64_t columns, int64_t width,
                   const float *inverse, const float *minimum, float *scaled) {
  for (int64_t begin = 0; begin < columns; begin += width) {
    int64_t end = begin + width < columns ? begin + width : columns;
    float by = *inverse++, m = minimum ? *minimum++ : 0;
    for (int64_t k = begin; k < end; ++k)
      scaled[k] = (values[k] - m) * by;
  }
}

LLMC_VECTORIZED
static void roundAffine(const float *values, int64_t count, float lowest,
                        float highest, float *levels) {
  for (int64_t k = 0; k < count; ++k)
    levels[k] = roundEven(larger(smaller(values[k], highest), lowest));
}

LLMC_VECTORIZED
static void roundTable(const float *values, int64_t count, const float *borders,
                       const float *ordered, int64_t steps, float *levels) {
  for (int64_t k = 0; k < count; ++k)
    levels[k] = ordered[0];
  // Adding the step at each border passed needs no table lookup.
  for (int64_t b = 0; b < steps; ++b) {
    float border = borders[b], step = ordered[b + 1] - ordered[b];
    for (int64_t k = 0; k < count; ++k)
      levels[k] += values[k] > border ? step : 0.0f;
  }
}

void LevelCoder::encodeSums(ArrayRef<float> values, int64_t width,
                            ArrayRef<float> scales, ArrayRef<float> minimums,
                            uint8_t *codes) const {
  size_t groups = scales.size() / sums->getTerms();
  for (size_t g = 0; g < groups; ++g) {
    SmallVector<double, kMaxTerms> own;
    for (size_t at = g; at < scales.size(); at += groups)
      own.push_back(scales[at]);
    SumOrder order = sums->sort(own, minimums.empty() ? 0 : minimums[g]);
    for (float value : values.slice(g * width).take_front(width))
      *codes++ = order.find(value);
  }
}

void LevelCoder::encodeRow(ArrayRef<float> values, int64_t width,
                           ArrayRef<float> scales, ArrayRef<float> minimums,
                           uint8_t *codes, ArrayRef<float> importance) const {
  if (sums)
    return encodeSums(values, width, scales, minimums, codes);
  int64_t columns = values.size();
  SmallVector<float, 256> inverse;
  inverse.reserve(scales.size());
  bool flat = false;
  for (float scale : scales) {
    float by = 1 / scale;
    flat |= !std::isfinite(by);
    inverse.push_back(std::isfinite(by) ? by : 0);
  }
  const float *m = minimums.empty() ? nullptr : minimums.data();
  if (vectors) {
    // What fills up the last vector has no importance. Flat groups are zeros.
    int64_t weights = vectors->getWeights(),
            count = (columns + weights - 1) / weights;
    std::vector<float> scaled(count * weights), counts;
    divide(values.data(), columns, width, inverse.data(), m, scaled.data());
    if (!importance.empty() || columns % weights != 0) {
      counts.assign(columns, 1);
      llvm::copy(importance, counts.begin());
      counts.resize(count * weights);
    }
    vectors->find(scaled.data(), counts.empty() ? nullptr : counts.data(),
                  count, codes);
    return;
  }
  if (affine) {
    encodeAffine(values.data(), columns, width, inverse.data(), m, offset,
                 highest - lowest, codes);
  } else {
    encodeTable(values.data(), columns, width, inverse.data(), m,
                borders.data(), borders.size(), codes);
    if (!orderIsCode)
      for (int64_t k = 0; k < columns; ++k)
        codes[k] = codeOf[codes[k]];
  }
  if (!flat)
    return;
  for (auto [group, by] : enumerate(inverse))
    if (by == 0) {
      int64_t begin = group * width;
      std::memset(codes + begin, zeroCode,
                  std::min<int64_t>(width, columns - begin));
    }
}

void LevelCoder::roundToLevels(const float *values, int64_t count,
                               float *levels) const {
  if (affine)
    roundAffine(values, count, lowest, highest, levels);
  else
    roundTable(values, count, borders.data(), ordered.data(), borders.size(),
               levels);
}
