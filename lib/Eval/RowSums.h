//===- RowSums.h - Sums over a row of logits ------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// With two models, a vocabulary of 49,152 costs a hundred thousand exponentials
// per token: at the library's speed a fifth of what a small model takes. These
// loops are for vectors, and give the same bits on every processor.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_EVAL_ROWSUMS_H
#define LLMC_LIB_EVAL_ROWSUMS_H

#include <algorithm>
#include <cstdint>

namespace llmc {

/// Whether all are finite numbers.
bool allFinite(const float *row, int64_t count);

/// The largest of finite numbers; -inf of none.
float largestOf(const float *row, int64_t count);

/// -log of the probability of number `target` in the softmax of a row.
double negativeLogLikelihood(const float *row, int64_t target, int64_t count);

/// What the divergence of one row from another is made of.
struct PairSums {
  /// Of exp(row[i] - top), for each row.
  double model = 0, reference = 0;
  /// Of exp(reference[i] - its top) * the difference of both exponents.
  double weighted = 0;

  /// Sum of p (log p - log q), p being the reference, from the logarithms of both
  /// sums. Not negative but for rounding, which would be all there is to see.
  double divergence(double logModel, double logReference) const {
    return std::max(0.0, weighted / reference + (logModel - logReference));
  }
};
PairSums sumPair(const float *model, double modelTop, const float *reference,
                 double referenceTop, int64_t count);

} // namespace llmc

#endif // LLMC_LIB_EVAL_ROWSUMS_H
