//===- MetricSet.h - Metrics by name ---------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The metrics of llmc and of plugins, all from tables of plugin.h. Compiler
// world, where plugins are loaded.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_EVAL_METRICSET_H
#define LLMC_EVAL_METRICSET_H

#include "llmc/Eval/Metric.h"
#include "llmc/Plugin/plugin.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <vector>

namespace llmc {

/// The table of metrics that llmc brings: perplexity, kl and top1. `llmc eval`
/// has the same figures, to the bit, without being asked for them; it makes them
/// in one walk over the rows.
const llmc_plugin &getBuiltinMetrics();

class MetricSet {
public:
  /// Adds the metrics of a table, or none of them. `file` is that of the plugin;
  /// empty: llmc. Errors name the member of the table.
  llvm::Error add(const llmc_plugin &plugin, llvm::StringRef file);
  static MetricSet makeBuiltin();

  llvm::ArrayRef<Metric> getMetrics() const { return metrics; }
  /// Null: there is none.
  const Metric *find(llvm::StringRef name) const;
  /// Says that there is no such metric, and what there is.
  std::string describeUnknown(llvm::StringRef name) const;

private:
  std::vector<Metric> metrics;
};

} // namespace llmc

#endif // LLMC_EVAL_METRICSET_H
