//===- Bootstrap.h - Quantiles and intervals --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_EVAL_BOOTSTRAP_H
#define LLMC_LIB_EVAL_BOOTSTRAP_H

#include "llmc/Eval/Statistics.h"

namespace llmc {

/// The quantile that stands beside means.
constexpr double kTail = 0.999;

/// The quantile q of sorted values, linear between two of them.
double quantile(llvm::ArrayRef<double> sorted, double q);

/// The interval that `values`, one of each drawing, give.
void setInterval(Estimate &estimate, std::vector<double> values);

} // namespace llmc

#endif // LLMC_LIB_EVAL_BOOTSTRAP_H
