//===- MetricSet.cpp - Metrics by name ------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a table says is checked before a name of it is known to anyone.
//
//===----------------------------------------------------------------------===//
#include "llmc/Eval/MetricSet.h"
#include "llmc/Formats/TableReader.h"
#include "llmc/Methods/CatchAll.h"
#include "llmc/Support/Nearest.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace llvm;
using namespace llmc;

static constexpr size_t kMostMetrics = 256, kLongestUnit = 16;

/// What a metric says of a position is checked, whoever made it.
static std::string measureChecked(double (*measure)(const llmc_position *),
                                  double lowest, double highest,
                                  const MetricPosition &at, double &value) {
  llmc_position position = {sizeof(llmc_position), at.vocabulary, at.target,
                            at.logits, at.reference};
  if (auto thrown = catchAll([&] { value = measure(&position); }))
    return *thrown;
  if (std::isfinite(value) && value >= lowest && value <= highest)
    return "";
  std::string got = std::isnan(value) ? "nan" : formatv("{0}", value).str();
  return "gave " + got + " where its range is " +
         formatv("{0} to {1}", lowest, highest).str();
}

static Error checkNumbers(const Twine &what, const llmc_metric &from) {
  auto refuse = [&](StringRef member, StringRef wanted, uint64_t got) {
    return createStringError(what + "." + member + ": expected " + wanted +
                             " but got " + Twine(got));
  };
  if (from.aggregate < LLMC_AGGREGATE_MEAN ||
      from.aggregate > LLMC_AGGREGATE_ROOT_MEAN)
    return refuse("aggregate", "1 to 3", from.aggregate);
  if (from.better < LLMC_BETTER_LOWER || from.better > LLMC_BETTER_NEITHER)
    return refuse("better", "1 to 3", from.better);
  if (from.flags & ~LLMC_METRIC_COMPARES)
    return refuse("flags", "0 or LLMC_METRIC_COMPARES", from.flags);
  if (from.reserved)
    return refuse("reserved", "0", from.reserved);
  bool ordered = from.lowest < from.highest; // false for NaN, too
  if (!ordered ||
      (from.aggregate == LLMC_AGGREGATE_ROOT_MEAN && from.lowest < 0))
    return createStringError(
        what + ": expected a range" +
        (ordered ? " of numbers that have a square root" : "") + " but got " +
        formatv("{0} to {1}", from.lowest, from.highest).str());
  return Error::success();
}

static Expected<Metric> readMetric(const Twine &what, const llmc_metric &from,
                                   StringRef vendor) {
  Metric metric;
  auto name = readName(what + ".name", from.name, vendor);
  if (!name)
    return name.takeError();
  metric.name = std::move(*name);
  auto summary = readText(what + ".summary", from.summary);
  if (!summary)
    return summary.takeError();
  metric.summary = std::move(*summary);
  if (from.unit) {
    auto unit = readText(what + ".unit", from.unit, kLongestUnit);
    if (!unit)
      return unit.takeError();
    metric.unit = std::move(*unit);
  }
  if (Error error = checkNumbers(what, from))
    return std::move(error);
  metric.aggregate = static_cast<MetricAggregate>(from.aggregate);
  metric.better = static_cast<MetricBetter>(from.better);
  metric.compares = from.flags & LLMC_METRIC_COMPARES;
  metric.lowest = from.lowest;
  metric.highest = from.highest;
  if (!from.measure)
    return createStringError(what + ".measure: expected a function but got a "
                                    "null pointer");
  metric.measure = [measure = from.measure, lowest = from.lowest,
                    highest = from.highest](const MetricPosition &position,
                                            double &value) {
    return measureChecked(measure, lowest, highest, position, value);
  };
  return metric;
}

Error MetricSet::add(const llmc_plugin &plugin, StringRef file) {
  auto vendor = readVendor(plugin, file);
  if (!vendor)
    return vendor.takeError();
  if (!LLMC_PLUGIN_HAS(&plugin, metric_count))
    return Error::success();
  if (Error error = checkArray("llmc_plugin", "metric", plugin.metrics,
                               plugin.metric_count, kMostMetrics))
    return error;
  std::vector<Metric> all = metrics;
  for (size_t i = 0; i < plugin.metric_count; ++i) {
    std::string what = "llmc_plugin.metrics[" + std::to_string(i) + "]";
    auto each = readElement(what, plugin.metrics, i, sizeof(llmc_metric));
    if (!each)
      return each.takeError();
    auto metric = readMetric(what, **each, *vendor);
    if (!metric)
      return metric.takeError();
    for (const Metric &other : all)
      if (other.name == metric->name)
        return createStringError(
            what + ".name: there is another metric '" + metric->name + "'" +
            (other.plugin.empty() ? "" : ", of '" + other.plugin + "'"));
    metric->plugin = file.str();
    all.push_back(std::move(*metric));
  }
  metrics = std::move(all);
  return Error::success();
}

MetricSet MetricSet::makeBuiltin() {
  MetricSet set;
  cantFail(set.add(getBuiltinMetrics(), ""));
  return set;
}

const Metric *MetricSet::find(StringRef name) const {
  auto found = find_if(
      metrics, [&](const Metric &metric) { return metric.name == name; });
  return found == metrics.end() ? nullptr : &*found;
}

std::string MetricSet::describeUnknown(StringRef name) const {
  SmallVector<StringRef> names;
  for (const Metric &metric : metrics)
    names.push_back(metric.name);
  StringRef best = findNearest(name, names);
  std::string text = "unknown metric '" + name.str() + "'";
  if (!best.empty())
    return text + "; did you mean '" + best.str() + "'?";
  return text + "; expected " + join(names, ", ") +
         "; --plugin FILE loads those of a plugin";
}
