//===- Html.cpp - The ledger as a page ------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One file without scripts and without anything from elsewhere. Plots are SVG.
//
//===----------------------------------------------------------------------===//
#include "llmc/Report/Ledger.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <cmath>
#include <map>

using namespace llvm;
using namespace llmc;

namespace {

/// Text that came from a model must not become markup.
std::string escape(StringRef text) {
  std::string result;
  for (char c : text)
    switch (c) {
    case '&':
      result += "&amp;";
      break;
    case '<':
      result += "&lt;";
      break;
    case '>':
      result += "&gt;";
      break;
    case '"':
      result += "&quot;";
      break;
    default:
      result += c;
    }
  return result;
}

/// What the tensors of one layer come to.
struct Layer {
  std::string label;
  /// Sums of all tensors, and of those that went through a method.
  LedgerLine all, compressed;
  /// Bytes by format.
  std::map<std::string, int64_t> formats;
};

std::vector<Layer> collectLayers(const Ledger &ledger) {
  std::map<int64_t, Layer> layers;
  for (const LedgerLine &line : ledger.lines) {
    int64_t number = getLayer(line.name);
    Layer &layer = layers[number];
    layer.label = number < 0 ? "rest" : std::to_string(number);
    layer.all.add(line);
    layer.formats[line.format] += line.bytesAfter;
    if (!line.method.empty())
      layer.compressed.add(line);
  }
  // What belongs to no layer comes last.
  std::vector<Layer> result;
  for (auto &[number, layer] : layers)
    if (number >= 0)
      result.push_back(layer);
  if (layers.count(-1))
    result.push_back(layers[-1]);
  return result;
}

/// Colors 1 to this one are those of formats; 0 is what is left over.
constexpr unsigned kFormatColors = 11;

/// Bars in a frame with an axis. Each bar is a stack of parts.
class BarPlot {
public:
  struct Part {
    double value;
    unsigned color;
    std::string tip;
  };

  BarPlot(std::string title, std::string unit)
      : title(std::move(title)), unit(std::move(unit)) {}

  void add(std::string label, std::vector<Part> parts) {
    bars.push_back({std::move(label), std::move(parts)});
  }

  void print(raw_ostream &out) const {
    constexpr double width = 760, height = 220, left = 64, bottom = 26,
                     top = 12;
    double most = 0;
    for (const auto &[label, parts] : bars) {
      double sum = 0;
      for (const Part &part : parts)
        sum += part.value;
      most = std::max(most, sum);
    }
    if (most <= 0)
      return;
    double step = chooseStep(most), scale = (height - top - bottom) / most;
    // Decimals that tell the lines apart.
    int digits =
        std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9)));
    out << "<h2>" << escape(title) << "</h2>\n<div class=\"wide\">"
        << formatv("<svg viewBox=\"0 0 {0} {1}\" role=\"img\">\n", width,
                   height);
    for (int i = 0, count = static_cast<int>(most / step); i <= count; ++i) {
      double value = step * i;
      double y = height - bottom - value * scale;
      out << formatv("<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:f1}\" y2=\"{2:f1}\" "
                     "class=\"grid\"/><text x=\"{3}\" y=\"{4:f1}\" "
                     "class=\"left\">",
                     left, width, y, left - 6, y + 4)
          << format("%.*f", digits, value) << "</text>\n";
    }
    out << formatv("<text x=\"{0}\" y=\"{1}\" class=\"left\">{2}</text>\n",
                   left - 6, height - 6, escape(unit));
    double slot = (width - left) / static_cast<double>(bars.size());
    size_t every = std::max<size_t>(1, bars.size() / 24);
    for (size_t i = 0; i < bars.size(); ++i) {
      double x = left + slot * static_cast<double>(i), y = height - bottom;
      for (const Part &part : bars[i].parts) {
        double size = part.value * scale;
        y -= size;
        out << formatv("<rect x=\"{0:f1}\" y=\"{1:f1}\" width=\"{2:f1}\" "
                       "height=\"{3:f1}\" class=\"c{4}\"><title>{5}</title>"
                       "</rect>\n",
                       x + slot * 0.1, y, slot * 0.8, size, part.color,
                       escape(part.tip));
      }
      // The last one is always there, and none so near that it would cover it.
      size_t after = bars.size() - 1 - i;
      if (after == 0 || (i % every == 0 && after >= every))
        out << formatv(
            "<text x=\"{0:f1}\" y=\"{1}\" class=\"mid\">{2}</text>\n",
            x + slot / 2, height - 8, escape(bars[i].label));
    }
    out << "</svg></div>\n";
  }

private:
  struct Bar {
    std::string label;
    std::vector<Part> parts;
  };

  /// A round distance of about five lines.
  static double chooseStep(double most) {
    double step = std::pow(10, std::floor(std::log10(most / 4)));
    for (double factor : {1.0, 2.0, 5.0, 10.0})
      if (most / (step * factor) <= 6)
        return step * factor;
    return step * 10;
  }

  std::string title, unit;
  std::vector<Bar> bars;
};

void printRow(raw_ostream &out, const LedgerLine &line, bool sum) {
  bool rounded = !line.method.empty() && line.method != "keep";
  out << "<tr><td class=\"w\">" << escape(line.name) << "</td><td>"
      << (line.name == "all" && sum ? "" : getName(line.role))
      << "</td><td class=\"f\">" << escape(line.format) << "</td><td>"
      << escape(line.method)
      << formatv(
             "</td><td class=\"n\">{0:N}</td><td class=\"n\">{1:f3}</td><td "
             "class=\"n\">{2:f3}</td><td class=\"n\">{3:f2}</td><td "
             "class=\"n\">",
             line.weights, toMega(line.bytesBefore), toMega(line.bytesAfter),
             line.getBits());
  if (rounded)
    out << formatv("{0:f3} %", 100 * line.relativeError);
  out << "</td><td class=\"n\">";
  if (rounded || (sum && line.name == "all"))
    out << formatv("{0:f3}", line.seconds);
  if (!sum)
    out << "</td><td>" << escape(line.note);
  out << "</td></tr>\n";
}

/// The heads of columns; sums have no notes.
void printColumns(raw_ostream &out, bool sum) {
  out << "<tr><th>tensors</th><th>role</th><th>format</th><th>method</th>";
  for (StringRef name :
       {"weights", "MB before", "MB", "bits", "error", "seconds"})
    out << "<th class=\"n\">" << name << "</th>";
  out << (sum ? "</tr>\n" : "<th>note</th></tr>\n");
}

/// The heads of columns, then a line for each pass.
void printPassRows(raw_ostream &out, ArrayRef<PassLine> passes) {
  out << "<div class=\"wide\"><table>\n<tr><th>after</th><th>step</th>";
  for (StringRef name : {"seconds", "later", "tensors", "MB", "bits: linear",
                         "table", "all", "error: linear", "table"})
    out << "<th class=\"n\">" << name << "</th>";
  out << "</tr>\n";
  auto cell = [&](bool known, const Twine &text) {
    out << "<td class=\"n\">" << (known ? text.str() : "") << "</td>";
  };
  for (const PassLine &pass : passes) {
    WeightTotals::Sum all = pass.after.getAll();
    out << "<tr><td class=\"w\">" << escape(pass.getName());
    if (!pass.plugin.empty())
      out << " of " << escape(pass.plugin);
    out << "</td><td class=\"f\">" << escape(pass.pass.empty() ? "" : pass.step)
        << "</td>";
    cell(true, formatv("{0:f3}", pass.seconds).str());
    cell(pass.laterSeconds > 0, formatv("{0:f3}", pass.laterSeconds).str());
    cell(true, Twine(all.tensors));
    cell(true, formatv("{0:f3}", toMega(all.bytes)).str());
    for (const WeightTotals::Sum &sum :
         {pass.after[TensorRole::Linear], pass.after[TensorRole::Table], all})
      cell(sum.weights, formatv("{0:f2}", sum.getBits()).str());
    for (double error : {pass.linearError, pass.tableError})
      cell(error >= 0, formatv("{0:f2} %", 100 * error).str());
    out << "</tr>\n";
  }
  out << "</table></div>\n";
}

void printPassSection(raw_ostream &out, ArrayRef<PassLine> passes) {
  out << "<h2>What passes did</h2>\n";
  std::vector<PassLine> selected = selectPasses(passes);
  printPassRows(out, selected);
  out << "<p class=\"sub\">Passes that changed the bytes of the weights, asked "
         "for rounding or took more than 5 % of the time. From the pass on "
         "that "
         "gave it a method a weight counts as the bytes of its format. It is "
         "rounded when weights are written, beside the making of code: what "
         "that took and how far off it is stands with that pass.</p>\n";
  if (selected.size() == passes.size())
    return;
  out << "<details><summary>All passes</summary>\n";
  printPassRows(out, passes);
  out << "</details>\n";
}

/// What colors mean.
void printLegend(raw_ostream &out,
                 const std::map<std::string, unsigned> &colors) {
  out << "<p class=\"legend\">";
  for (const auto &[name, color] : colors)
    out << formatv("<i class=\"c{0}\"></i>{1}", color, escape(name));
  out << "</p>\n";
}

constexpr StringLiteral kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>llmc report</title><style>
:root{color-scheme:light dark;--text:#1c2430;--page:#fff;--dim:#5a6675;--line:#e3e8ee;--rest:#c3ccd6}
@media(prefers-color-scheme:dark){:root{--text:#dfe5ec;--page:#14181d;--dim:#9aa6b4;--line:#2c343d;--rest:#4a5561}}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:var(--text);background:var(--page)}
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
p.sub{margin-top:0;color:var(--dim)}.wide+p.sub{margin-top:.5rem}
table{border-collapse:collapse;width:100%;font-size:13px}
th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.f{white-space:nowrap}td.w{overflow-wrap:anywhere;min-width:10rem}
.wide{overflow-x:auto}svg{width:100%;min-width:36rem;height:auto;display:block}svg text{font:11px system-ui,sans-serif;fill:var(--dim)}
.left{text-anchor:end}.mid{text-anchor:middle}.grid{stroke:var(--line)}
.c0{fill:var(--rest)}.c1{fill:#2f6fb0}.c2{fill:#d9822b}.c3{fill:#3a9a6b}.c4{fill:#9b59b6}.c5{fill:#b03a48}
.c6{fill:#2a9d9d}.c7{fill:#8d6e4a}.c8{fill:#d46a9f}.c9{fill:#84992e}.c10{fill:#6b78c9}.c11{fill:#c9a227}
i{display:inline-block;width:.8em;height:.8em;margin:0 .35em 0 1em}.legend{margin-top:.2rem}.legend i:first-child{margin-left:0}
i.c0{background:var(--rest)}i.c1{background:#2f6fb0}i.c2{background:#d9822b}i.c3{background:#3a9a6b}i.c4{background:#9b59b6}i.c5{background:#b03a48}
i.c6{background:#2a9d9d}i.c7{background:#8d6e4a}i.c8{background:#d46a9f}i.c9{background:#84992e}i.c10{background:#6b78c9}i.c11{background:#c9a227}
details{margin-top:1.6rem}summary{cursor:pointer}
</style></head><body>
)";

} // namespace

std::string llmc::toHtml(const Ledger &ledger) {
  std::string text;
  raw_string_ostream out(text);
  std::vector<LedgerLine> sums = ledger.summarize();
  const LedgerLine &all = sums.back();
  out << kHead << "<h1>" << escape(ledger.model) << ", recipe "
      << escape(ledger.recipe) << "</h1>\n<p class=\"sub\">"
      << formatv("{0:f1} MB became {1:f1} MB: {2:f2} bits for each of {3:f1} "
                 "million weights, scales and all that fills up included. "
                 "Target {4}.",
                 toMega(all.bytesBefore), toMega(all.bytesAfter), all.getBits(),
                 toMega(all.weights), escape(ledger.target))
      << "</p>\n<div class=\"wide\"><table>\n";
  printColumns(out, /*sum=*/true);
  for (const LedgerLine &line : sums)
    printRow(out, line, /*sum=*/true);
  out << "</table></div>\n<p class=\"sub\">Error: root of the squared "
         "differences "
         "over "
         "the squares of the original. Seconds: to read, compress and "
         "check, summed over threads.</p>\n";
  if (ledger.calibration)
    out << "<p>The model was " << escape(describe(*ledger.calibration))
        << ".</p>\n";
  if (!ledger.passes.empty())
    printPassSection(out, ledger.passes);

  std::vector<Layer> layers = collectLayers(ledger);
  BarPlot size("Size by layer", "MB");
  BarPlot error("Error of compressed matrices by layer", "%");
  BarPlot where("Where the bits go", "MB");
  std::map<std::string, unsigned> colors;
  for (const Layer &layer : layers)
    for (const auto &[format, bytes] : layer.formats)
      colors.try_emplace(format, 1 + colors.size() % kFormatColors);
  for (const Layer &layer : layers) {
    int64_t saved =
        std::max<int64_t>(0, layer.all.bytesBefore - layer.all.bytesAfter);
    size.add(layer.label,
             {{toMega(layer.all.bytesAfter), 1,
               formatv("layer {0}: {1:f2} MB", layer.label,
                       toMega(layer.all.bytesAfter))
                   .str()},
              {toMega(saved), 0,
               formatv("layer {0}: {1:f2} MB saved", layer.label, toMega(saved))
                   .str()}});
    double relative = 100 * layer.compressed.relativeError;
    error.add(layer.label,
              {{relative, 2,
                formatv("layer {0}: {1:f3} %", layer.label, relative).str()}});
    std::vector<BarPlot::Part> parts;
    parts.reserve(layer.formats.size());
    for (const auto &[format, bytes] : layer.formats)
      parts.push_back({toMega(bytes), colors[format],
                       formatv("layer {0}, {1}: {2:f2} MB", layer.label, format,
                               toMega(bytes))
                           .str()});
    where.add(layer.label, std::move(parts));
  }
  size.print(out);
  printLegend(out, {{"left", 1}, {"saved", 0}});
  error.print(out);
  where.print(out);
  printLegend(out, colors);
  out << "<details><summary>All tensors</summary><div class=\"wide\"><table>\n";
  printColumns(out, /*sum=*/false);
  for (const LedgerLine &line : ledger.lines)
    printRow(out, line, /*sum=*/false);
  out << "</table></div></details>\n</body></html>\n";
  return text;
}
