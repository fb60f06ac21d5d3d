//===- MetricsTest.cpp - Metrics of plugins -------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Fixture.h"
#include "llmc/Eval/MetricSet.h"
#include "llmc/Plugin/Check.h"
#include "llmc/Plugin/PluginSet.h"
#include "llvm/ADT/STLExtras.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <set>

using namespace llvm;
using namespace llmc;
using namespace llmc::test;

static double one(const llmc_position *) { return 1; }

namespace {
/// A table that is right until a test changes it.
struct Table {
  llmc_metric metrics[2] = {make("test.one"), make("test.two")};
  llmc_plugin plugin = {sizeof(llmc_plugin),
                        LLMC_PLUGIN_ABI,
                        3,
                        "test",
                        "1.0",
                        nullptr,
                        0,
                        nullptr,
                        0,
                        metrics,
                        2};

  static llmc_metric make(const char *name) {
    return {sizeof(llmc_metric),
            name,
            "always one",
            "ones",
            LLMC_AGGREGATE_ROOT_MEAN,
            LLMC_BETTER_HIGHER,
            0,
            0,
            0,
            1,
            one};
  }

  std::string refuse() const {
    MetricSet set;
    Error error = set.add(plugin, "test.so");
    EXPECT_TRUE(error ? set.getMetrics().empty()
                      : set.getMetrics().size() == plugin.metric_count);
    return error ? toString(std::move(error)) : "";
  }
};
} // namespace

TEST(PluginMetrics, TablesAreChecked) {
  Table good;
  EXPECT_EQ(good.refuse(), "");
  auto expectRefused = [](StringRef part, auto change) {
    Table table;
    change(table);
    std::string text = table.refuse();
    EXPECT_NE(text.find(part), std::string::npos) << part.str() << ": " << text;
  };
  expectRefused("metrics[1].measure: expected a function",
                [](Table &t) { t.metrics[1].measure = nullptr; });
  expectRefused("metrics[0].aggregate: expected 1 to 3 but got 4",
                [](Table &t) { t.metrics[0].aggregate = 4; });
  expectRefused("metrics[0].better: expected 1 to 3 but got 0",
                [](Table &t) { t.metrics[0].better = 0; });
  expectRefused(
      "metrics[0].flags: expected 0 or LLMC_METRIC_COMPARES but got 2",
      [](Table &t) { t.metrics[0].flags = 2; });
  expectRefused("metrics[0].reserved: expected 0 but got 1",
                [](Table &t) { t.metrics[0].reserved = 1; });
  expectRefused("expected a range but got",
                [](Table &t) { t.metrics[0].highest = 0; });
  expectRefused("expected a range but got",
                [](Table &t) { t.metrics[0].lowest = NAN; });
  expectRefused("expected a range of numbers that have a square root",
                [](Table &t) { t.metrics[0].lowest = -1; });
  expectRefused("metrics[1].name: there is another metric 'test.one'",
                [](Table &t) { t.metrics[1].name = "test.one"; });
  expectRefused("metrics[0].name: ",
                [](Table &t) { t.metrics[0].name = "one"; });
  expectRefused("metrics[0].summary: expected a text",
                [](Table &t) { t.metrics[0].summary = nullptr; });
  expectRefused(
      "metrics[0].unit: expected a text of 1 to 16 bytes",
      [](Table &t) { t.metrics[0].unit = "a unit that is too long"; });
  expectRefused("metrics[0]: expected a size of at least 72 bytes but got 64",
                [](Table &t) { t.metrics[0].size = 64; });
  expectRefused("metrics[1]: expected the size of the first, 72",
                [](Table &t) { t.metrics[1].size = 80; });
  expectRefused("metrics: expected 2 but got a null pointer",
                [](Table &t) { t.plugin.metrics = nullptr; });
  expectRefused("metric_count: expected at most 256 but got 257",
                [](Table &t) { t.plugin.metric_count = 257; });
}

/// A table of interface 2 ends before the metrics, whatever lies behind it.
TEST(PluginMetrics, OlderTablesHaveNone) {
  Table table;
  table.plugin.size = offsetof(llmc_plugin, metrics);
  table.plugin.metric_count = 1000000;
  MetricSet set;
  ASSERT_FALSE(bool(set.add(table.plugin, "test.so")));
  EXPECT_TRUE(set.getMetrics().empty());

  PluginSet plugins;
  ASSERT_FALSE(bool(plugins.load(pathOf("formats_frozen"))));
  EXPECT_EQ(plugins.getPlugins().front().abi, 2u);
  EXPECT_EQ(plugins.getPlugins().front().formats.size(), 2u);
}

/// The metrics of llmc, removed and loaded as a plugin, give the same bits.
TEST(PluginMetrics, SameSourceSameBits) {
  MetricSet builtin = MetricSet::makeBuiltin();
  PluginSet set(MethodSet::makeBuiltin(), FormatSet::getBuiltin(), MetricSet());
  EXPECT_EQ(set.getMetrics().find("kl"), nullptr);
  ASSERT_FALSE(bool(set.load(pathOf("same_metrics"))));
  ASSERT_EQ(builtin.getMetrics().size(), 3u);
  ASSERT_EQ(set.getMetrics().getMetrics().size(), 3u);
  for (int64_t vocabulary : {1, 5, 1000, 4099}) {
    Numbers rows(2, vocabulary);
    for (const Metric &ours : builtin.getMetrics()) {
      const Metric *theirs = set.getMetrics().find("same." + ours.name);
      ASSERT_TRUE(theirs) << ours.name;
      MetricPosition position = {vocabulary, vocabulary / 2, rows.values.data(),
                                 ours.compares ? rows.values.data() + vocabulary
                                               : nullptr};
      double a = NAN, b = NAN;
      EXPECT_EQ(ours.measure(position, a), "");
      EXPECT_EQ(theirs->measure(position, b), "");
      EXPECT_EQ(std::bit_cast<uint64_t>(a), std::bit_cast<uint64_t>(b));
    }
  }
}

TEST(PluginMetrics, CheckFindsWhatIsWrong) {
  auto report = check(pathOf("metrics"), 20);
  ASSERT_TRUE(bool(report)) << toString(report.takeError());
  std::map<std::string, std::set<std::string>> failed;
  std::map<std::string, std::string> texts;
  for (const CheckResult &result : report->results) {
    EXPECT_EQ(result.format, "metric");
    if (result.status == CheckStatus::Failed) {
      failed[result.method].insert(result.check);
      texts[result.method + " " + result.check] = result.text;
    }
  }
  EXPECT_FALSE(report->passed());
  EXPECT_FALSE(failed.count("bad.good"));
  auto expectFound = [&](const std::string &metric, const std::string &check,
                         StringRef part) {
    EXPECT_TRUE(failed["bad." + metric].count(check)) << metric << " " << check;
    std::string text = texts["bad." + metric + " " + check];
    EXPECT_NE(text.find(part), std::string::npos) << metric << ": " << text;
  };
  expectFound("remember", "threads", "expected the same values in every order");
  expectFound("overflow", "extremes", "logits of");
  expectFound("beyond", "bounds", "");
  expectFound("writes", "bounds", "ended by signal 11");
  expectFound("itself", "itself", "expected 0.00, the better end of its range");
  expectFound("second", "values", "a vocabulary of 1: gave nan");
  expectFound("negative", "values", "gave -1");
  expectFound("fails", "extremes", "threw an exception: no token 0 today");
  expectFound("leaves", "leaks", " allocated bytes");
  EXPECT_EQ(failed["bad.leaves"].size(), 1u);
}
