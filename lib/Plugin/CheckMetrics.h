//===- CheckMetrics.h - Does a metric keep what it must? -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_PLUGIN_CHECKMETRICS_H
#define LLMC_LIB_PLUGIN_CHECKMETRICS_H

#include "llmc/Eval/Metric.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace llmc {

/// One check of a metric; returns what it measured.
struct MetricCheck {
  llvm::StringLiteral name;
  llvm::Expected<std::string> (*run)(const Metric &metric);
};

llvm::ArrayRef<MetricCheck> getMetricChecks();

} // namespace llmc

#endif // LLMC_LIB_PLUGIN_CHECKMETRICS_H
