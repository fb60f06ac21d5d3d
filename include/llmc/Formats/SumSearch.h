//===- SumSearch.h - Codes of sums of several products ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Encoding of formats of several terms. What a code stands for depends on the
// ratio of the scales, so codes are brought into the order of their numbers for
// each group.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_FORMATS_SUMSEARCH_H
#define LLMC_FORMATS_SUMSEARCH_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace llmc {

/// Numbers of codes, ascending; of codes that stand for the same, the first.
struct SumOrder {
  llvm::SmallVector<std::pair<double, uint8_t>, 16> codes;

  double getLowest() const { return codes.front().first; }
  double getHighest() const { return codes.back().first; }
  /// The code of the nearest number; of two as near, that of the lower one.
  uint8_t find(double value) const {
    const auto *above =
        std::partition_point(codes.begin(), codes.end(), [&](const auto &each) {
          return each.first < value;
        });
    if (above == codes.end() ||
        (above != codes.begin() &&
         value - above[-1].first <= above->first - value))
      --above;
    return above->second;
  }
};

/// The levels of all terms.
class SumSearch {
public:
  /// `levels` is [terms][codes], at most 256 codes.
  SumSearch(std::vector<int8_t> levels, unsigned terms)
      : levels(std::move(levels)), terms(terms),
        count(static_cast<unsigned>(this->levels.size()) / terms) {}

  unsigned getTerms() const { return terms; }
  int getLevel(unsigned term, unsigned code) const {
    return levels[term * count + code];
  }
  /// What a code stands for with these scales, one for each term.
  double getNumber(llvm::ArrayRef<double> scales, double minimum,
                   unsigned code) const {
    double number = 0;
    for (unsigned t = 0; t < terms; ++t)
      number += scales[t] * getLevel(t, code);
    return number + minimum;
  }
  SumOrder sort(llvm::ArrayRef<double> scales, double minimum) const {
    SumOrder order;
    for (unsigned code = 0; code < count; ++code)
      order.codes.emplace_back(getNumber(scales, minimum, code),
                               static_cast<uint8_t>(code));
    std::sort(order.codes.begin(), order.codes.end());
    order.codes.erase(std::unique(order.codes.begin(), order.codes.end(),
                                  [](const auto &a, const auto &b) {
                                    return a.first == b.first;
                                  }),
                      order.codes.end());
    return order;
  }

private:
  std::vector<int8_t> levels;
  unsigned terms, count;
};

} // namespace llmc

#endif // LLMC_FORMATS_SUMSEARCH_H
