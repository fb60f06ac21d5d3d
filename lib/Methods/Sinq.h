//===- Sinq.h - What the method sinq decides -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_METHODS_SINQ_H
#define LLMC_LIB_METHODS_SINQ_H

#include "llmc/Methods/Sinkhorn.h"

namespace llmc {

/// Options of sinq that are about the scale of columns.
struct SinqOptions {
  /// Reads them from the values of the options of sinq, as llmc_job has them.
  SinqOptions(const int64_t *integers, const double *reals,
              int64_t groupColumns, int64_t columns);

  SinkhornOptions sinkhorn;
  /// 0: no limit.
  double kurtosis;

  /// The note for a matrix whose kurtosis is above the limit.
  std::string explainNoScale(double kurtosis) const;
};

/// Sums of the first four powers of numbers.
struct Moments {
  double sums[4] = {};

  void add(llvm::ArrayRef<float> values);
};

/// Fourth moment about the mean over the square of the second. Sums by row, so
/// that threads do not change it.
double getKurtosis(llvm::ArrayRef<Moments> rows, int64_t columns);

} // namespace llmc

#endif // LLMC_LIB_METHODS_SINQ_H
