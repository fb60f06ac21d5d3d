//===- LedgerTest.cpp - Sums and pages of the ledger ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Report/Ledger.h"
#include "llvm/ADT/StringExtras.h"
#include "gtest/gtest.h"

#include <cmath>
#include <set>

using namespace llvm;
using namespace llmc;

static Ledger makeLedger() {
  Ledger ledger{"a/model.onnx", "w4", "znver5", {}};
  auto add = [&](StringRef name, TensorRole role, int64_t weights,
                 int64_t bytes, StringRef format, StringRef method,
                 double error, StringRef note = "") {
    LedgerLine line;
    line.name = name.str();
    line.role = role;
    line.weights = weights;
    line.bytesBefore = 4 * weights;
    line.bytesAfter = bytes;
    line.format = format.str();
    line.method = method.str();
    line.relativeError = error;
    line.note = note.str();
    line.seconds = method.empty() ? 0 : static_cast<double>(weights) / 2000;
    ledger.lines.push_back(line);
  };
  add("layers.0.q", TensorRole::Linear, 1000, 500, "u4g64", "sinq", 0.3);
  add("layers.1.q", TensorRole::Linear, 3000, 1500, "u4g64", "sinq", 0.1);
  add("layers.1.o", TensorRole::Linear, 1000, 4000, "f32", "", 0,
      "also read by <nn.neg> & others");
  add("norm", TensorRole::Other, 10, 40, "f32", "", 0);
  return ledger;
}

/// Import, a pass that gives methods, one that does nothing, and a long one.
static std::vector<PassLine> makePasses() {
  auto total = [](int64_t linear, int64_t table) {
    WeightTotals totals;
    totals[TensorRole::Linear] = {3, 5000, linear};
    totals[TensorRole::Table] = {1, 1000, table};
    totals[TensorRole::Other] = {1, 10, 40};
    return totals;
  };
  PassLine import{"import", "", ""}, idle{"fuse", "a-idle", ""},
      gives{"choose methods", "llmc-assign-methods", ""},
      slow{"compress", "a-<slow>", "p&q.so"};
  import.after = idle.before = idle.after = gives.before = total(20000, 4000);
  gives.after = slow.before = slow.after = total(6000, 1000);
  import.seconds = 0.5;
  idle.seconds = 0.05;
  idle.anchor = "func.func";
  gives.seconds = 0.25;
  gives.laterSeconds = 1;
  gives.asked = {"layers.0.q", "layers.1.q"};
  gives.linearError = 0.125;
  gives.tableError = 0.0625;
  slow.seconds = 0.2;
  return {import, idle, gives, slow};
}

TEST(Ledger, PassesThatMatter) {
  std::vector<PassLine> passes = makePasses();
  auto names = [&] {
    std::vector<std::string> names;
    for (const PassLine &pass : selectPasses(passes))
      names.push_back(pass.getName().str());
    return names;
  };
  EXPECT_EQ(names(), (std::vector<std::string>{"import", "llmc-assign-methods",
                                               "a-<slow>"}));
  // 0.09 of 1.94 seconds are less than 5 %.
  passes[3].seconds = 0.09;
  EXPECT_EQ(names(),
            (std::vector<std::string>{"import", "llmc-assign-methods"}));
  // One byte is enough.
  ++passes[3].after[TensorRole::Other].bytes;
  EXPECT_EQ(names().back(), "a-<slow>");
  EXPECT_TRUE(selectPasses({}).empty());
}

TEST(Ledger, PassesAsTable) {
  EXPECT_EQ(printPassTable({}), "");
  std::vector<PassLine> passes = makePasses();
  // Of millions of weights.
  for (PassLine &pass : passes)
    for (WeightTotals::Sum &sum : pass.after.roles) {
      sum.weights *= 1000;
      sum.bytes *= 1000;
    }
  passes[0].after[TensorRole::Table] = {};
  EXPECT_EQ(
      printPassTable(passes),
      "after                     seconds  tensors          MB    bits: linear"
      "   table     all     error\n"
      "import                       0.50        4       20.04           32.00"
      "           32.00\n"
      "a-idle                       0.05        5       24.04           32.00"
      "   32.00   32.00\n"
      "llmc-assign-methods          1.25        5        7.04            9.60"
      "    8.00    9.37   12.50 %\n"
      "a-<slow>                     0.20        5        7.04            9.60"
      "    8.00    9.37\n");
}

TEST(Ledger, PassesAsJson) {
  Ledger ledger = makeLedger();
  EXPECT_FALSE(toJson(ledger).getAsObject()->get("passes"));
  ledger.passes = makePasses();
  json::Value value = toJson(ledger);
  const json::Array &passes = *value.getAsObject()->getArray("passes");
  ASSERT_EQ(passes.size(), 4u);
  const json::Object &import = *passes[0].getAsObject();
  EXPECT_EQ(import.getString("step"), "import");
  EXPECT_EQ(import.getInteger("bytes_before"), 0);
  EXPECT_EQ(import.getInteger("bytes"), 24040);
  for (const char *name : {"pass", "plugin", "anchor", "methods_given",
                           "later_seconds", "relative_error"})
    EXPECT_FALSE(import.get(name)) << name;
  EXPECT_EQ(passes[1].getAsObject()->getString("anchor"), "func.func");
  const json::Object &gives = *passes[2].getAsObject();
  EXPECT_EQ(gives.getString("pass"), "llmc-assign-methods");
  EXPECT_EQ(gives.getInteger("tensors"), 5);
  EXPECT_EQ(gives.getInteger("weights"), 6010);
  EXPECT_EQ(gives.getInteger("bytes_before"), 24040);
  EXPECT_EQ(gives.getInteger("bytes"), 7040);
  EXPECT_EQ(gives.getInteger("methods_given"), 2);
  EXPECT_EQ(gives.getNumber("seconds"), 0.25);
  EXPECT_EQ(gives.getNumber("later_seconds"), 1.0);
  const json::Object &bits = *gives.getObject("bits");
  EXPECT_EQ(bits.getNumber("linear"), 9.6);
  EXPECT_EQ(bits.getNumber("table"), 8.0);
  EXPECT_EQ(bits.getNumber("all"), 8.0 * 7040 / 6010);
  EXPECT_EQ(gives.getObject("relative_error")->getNumber("linear"), 0.125);
  EXPECT_EQ(gives.getObject("relative_error")->getNumber("table"), 0.0625);
  EXPECT_EQ(passes[3].getAsObject()->getString("plugin"), "p&q.so");
}

static CalibrationLine makeCalibration() {
  CalibrationLine line{"<b>.txt", "00ff", 8, 256, 2048, 1.25};
  line.methods = {{"mse", 14}, {"sinq", 1}};
  line.activations = {{"i16", 3}, {"i8", 12}};
  return line;
}

TEST(Ledger, CalibrationAsTextAndJson) {
  EXPECT_EQ(describe(makeCalibration()),
            "calibrated on 2,048 tokens of '<b>.txt' in 8 windows, 1.25 s: "
            "statistics of inputs given to mse for 14 matrices, "
            "statistics of inputs given to sinq for 1 matrix, inputs in "
            "i16 for 3 matrices, inputs in i8 for 12 matrices");
  EXPECT_EQ(describe(CalibrationLine{"a", "", 1, 8, 8, 0}),
            "calibrated on 8 tokens of 'a' in 1 window, 0.00 s");
  Ledger ledger = makeLedger();
  EXPECT_FALSE(toJson(ledger).getAsObject()->get("calibration"));
  ledger.calibration = makeCalibration();
  json::Value value = toJson(ledger);
  const json::Object &line = *value.getAsObject()->getObject("calibration");
  EXPECT_EQ(line.getString("text"), "<b>.txt");
  EXPECT_EQ(line.getString("hash"), "00ff");
  EXPECT_EQ(line.getInteger("windows"), 8);
  EXPECT_EQ(line.getInteger("length"), 256);
  EXPECT_EQ(line.getInteger("tokens"), 2048);
  EXPECT_EQ(line.getNumber("seconds"), 1.25);
  EXPECT_EQ(line.getObject("methods")->getInteger("mse"), 14);
  EXPECT_EQ(line.getObject("activations")->getInteger("i8"), 12);
}

TEST(Ledger, PageTellsPassesAndCalibration) {
  Ledger ledger = makeLedger();
  for (const char *absent : {"What passes did", "calibrated on"})
    EXPECT_EQ(toHtml(ledger).find(absent), std::string::npos) << absent;
  ledger.passes = makePasses();
  ledger.calibration = makeCalibration();
  std::string page = toHtml(ledger);
  StringRef passes = StringRef(page).split("What passes did").second;
  // Once with those that matter, once with all.
  auto [few, all] = passes.split("<details>");
  EXPECT_TRUE(few.contains("<td class=\"n\">12.50 %</td>"));
  EXPECT_FALSE(few.contains("a-idle"));
  EXPECT_TRUE(all.contains("a-idle"));
  EXPECT_TRUE(few.contains("a-&lt;slow&gt; of p&amp;q.so"));
  EXPECT_TRUE(StringRef(page).contains("&lt;b&gt;.txt"));
  for (const char *raw : {"<slow>", "p&q", "<b>.txt"})
    EXPECT_EQ(page.find(raw), std::string::npos) << raw;
  EXPECT_EQ(StringRef(page).count("<table>"),
            StringRef(page).count("</table>"));
}

TEST(Ledger, SumsByRoleFormatAndMethod) {
  std::vector<LedgerLine> sums = makeLedger().summarize();
  ASSERT_EQ(sums.size(), 4u);
  EXPECT_EQ(sums[0].name, "1 tensor");
  EXPECT_EQ(sums[0].format, "f32");
  EXPECT_EQ(sums[1].name, "2 tensors");
  EXPECT_EQ(sums[1].weights, 4000);
  EXPECT_EQ(sums[1].bytesAfter, 2000);
  EXPECT_EQ(sums[1].getBits(), 4);
  EXPECT_NEAR(sums[1].relativeError,
              std::sqrt((0.09 * 1000 + 0.01 * 3000) / 4000), 1e-12);
  EXPECT_EQ(sums[3].name, "all");
  EXPECT_EQ(sums[3].weights, 5010);
  EXPECT_EQ(sums[3].bytesBefore, 20040);
  EXPECT_EQ(sums[3].bytesAfter, 6040);
}

TEST(Ledger, LayersOfNames) {
  EXPECT_EQ(getLayer("model.layers.12.mlp.0.up"), 12);
  EXPECT_EQ(getLayer("3"), 3);
  EXPECT_EQ(getLayer("lm_head"), -1);
  EXPECT_EQ(getLayer("h1.w"), -1);
  EXPECT_EQ(getLayer(""), -1);
}

TEST(Ledger, JsonHasEverything) {
  json::Value value = toJson(makeLedger());
  const json::Object &root = *value.getAsObject();
  EXPECT_EQ(root.getString("recipe"), "w4");
  const json::Array &tensors = *root.getArray("tensors");
  ASSERT_EQ(tensors.size(), 4u);
  const json::Object &first = *tensors[0].getAsObject();
  EXPECT_EQ(first.getString("name"), "layers.0.q");
  EXPECT_EQ(first.getInteger("bytes"), 500);
  EXPECT_EQ(first.getNumber("bits"), 4.0);
  EXPECT_EQ(first.getNumber("relative_error"), 0.3);
  const json::Object &kept = *tensors[2].getAsObject();
  EXPECT_FALSE(kept.get("method"));
  EXPECT_EQ(kept.getString("note"), "also read by <nn.neg> & others");
  EXPECT_EQ(root.getArray("sums")->back().getAsObject()->getString("name"),
            "all");
}

TEST(Ledger, TableNamesEverySum) {
  std::string table = printTable(makeLedger());
  EXPECT_EQ(StringRef(table).count('\n'), 5u) << table;
  EXPECT_NE(table.find("linear  u4g64       sinq               2"),
            std::string::npos)
      << table;
  EXPECT_NE(table.find("17.32 %"), std::string::npos) << table;
}

TEST(Ledger, PageIsSelfContainedAndEscapes) {
  std::string page = toHtml(makeLedger());
  EXPECT_NE(page.find("also read by &lt;nn.neg&gt; &amp; others"),
            std::string::npos);
  EXPECT_EQ(page.find("<nn.neg>"), std::string::npos);
  EXPECT_EQ(StringRef(page).count("<svg"), 3u);
  for (const char *outside : {"http", "src=", "<script", "@import", "url("})
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
}

/// What was worked on has its time, and everything together.
TEST(Ledger, PageTellsTimes) {
  std::string page = toHtml(makeLedger());
  SmallVector<StringRef> rows, times;
  StringRef(page).split(rows, "<tr>");
  for (StringRef row : ArrayRef(rows).drop_front()) {
    SmallVector<StringRef> cells;
    row.split("</tr>").first.split(cells,
                                   row.starts_with("<th") ? "<th" : "<td");
    ASSERT_GT(cells.size(), 10u) << row.str();
    times.push_back(cells[10].split('>').second.split('<').first);
  }
  EXPECT_EQ(times,
            (SmallVector<StringRef>{"seconds", "", "2.000", "", "2.000",
                                    "seconds", "0.500", "1.500", "", ""}));
}

/// Colors of the text, the page and what lies between come in two sets.
TEST(Ledger, PageHasColorsForDarkRooms) {
  std::string page = toHtml(makeLedger());
  StringRef dark =
      StringRef(page).split("@media(prefers-color-scheme:dark)").second;
  for (StringRef name : {"--text", "--page", "--dim", "--line", "--rest"}) {
    EXPECT_EQ(StringRef(page).count((name + ":#").str()), 2u) << name.str();
    EXPECT_TRUE(dark.contains((name + ":#").str())) << name.str();
    EXPECT_TRUE(dark.contains(("var(" + name + ")").str())) << name.str();
  }
}

/// Lines of a plot are labeled with as many decimals as tell them apart.
TEST(Ledger, PlotsHaveLabelsOfOneKind) {
  std::string page = toHtml(makeLedger());
  StringRef rest = page;
  unsigned plots = 0;
  while (true) {
    StringRef plot = rest.split("<svg").second.split("</svg>").first;
    if (plot.empty())
      break;
    ++plots;
    rest = rest.split("</svg>").second;
    SmallVector<StringRef> labels;
    for (StringRef text = plot.split("class=\"left\">").second; !text.empty();
         text = text.split("class=\"left\">").second)
      labels.push_back(text.split('<').first);
    ASSERT_GT(labels.size(), 2u);
    labels.pop_back(); // the unit
    for (size_t i = 1; i < labels.size(); ++i) {
      EXPECT_NE(labels[i], labels[i - 1]);
      EXPECT_EQ(labels[i].split('.').second.size(),
                labels[0].split('.').second.size())
          << labels[i].str();
    }
  }
  EXPECT_EQ(plots, 3u);
}

/// As many formats as there are colors can be told apart, and labels of many
/// layers do not cover each other.
TEST(Ledger, PlotsOfManyFormatsAndLayers) {
  Ledger ledger{"m", "w4", "x", {}};
  for (int layer = 0; layer < 70; ++layer) {
    LedgerLine line;
    line.name = "layers." + std::to_string(layer) + ".q";
    line.weights = line.bytesAfter = 1000;
    line.bytesBefore = 4000;
    line.format = "f" + std::to_string(layer % 11);
    line.method = "rtn";
    line.relativeError = 0.1;
    ledger.lines.push_back(line);
  }
  std::string page = toHtml(ledger);
  StringRef legend = StringRef(page).rsplit("class=\"legend\">").second;
  std::set<StringRef> colors;
  for (StringRef rest = legend.split("</p>").first; rest.contains("<i ");) {
    StringRef color;
    std::tie(color, rest) = rest.split("class=\"").second.split('"');
    EXPECT_NE(color, "c0");
    EXPECT_TRUE(colors.insert(color).second) << color.str();
    EXPECT_TRUE(StringRef(page).contains(("." + color + "{fill:#").str()));
    EXPECT_TRUE(
        StringRef(page).contains(("i." + color + "{background:#").str()));
  }
  EXPECT_EQ(colors.size(), 11u);
  double before = -100;
  StringRef plot = StringRef(page).split("<svg").second.split("</svg>").first;
  for (StringRef text : split(plot, "<text x=\"")) {
    auto [x, rest] = text.split('"');
    double at = 0;
    if (!rest.contains("class=\"mid\"") || x.getAsDouble(at))
      continue;
    EXPECT_GE(at - before, 16) << text.str();
    before = at;
  }
  EXPECT_GT(before, 700);
}

TEST(Ledger, PageOfNothing) {
  std::string page = toHtml(Ledger{"m", "f32", "x", {}});
  EXPECT_EQ(page.find("<svg"), std::string::npos);
  EXPECT_NE(page.find("</html>"), std::string::npos);
}
