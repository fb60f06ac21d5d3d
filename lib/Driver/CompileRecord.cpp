//===- CompileRecord.cpp - What a compilation writes down -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CompileRecord.h"
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Recipes/Recipe.h"

#include "llvm/Support/FormatVariadic.h"

using namespace llmc;
using llvm::StringRef;

/// Steps whose passes make code of a module whose weights have their places.
static constexpr StringRef kCodeSteps[] = {"lower", "place memory", "convert",
                                           "translate"};

bool CompileRecord::seesWeights(StringRef step) {
  return !llvm::is_contained(kCodeSteps, step);
}

WeightTotals CompileRecord::getLast() const {
  return passes.empty() ? WeightTotals() : passes.back().after;
}

void CompileRecord::endStep(StringRef step, double seconds, size_t first) {
  if (!seesWeights(step))
    code += seconds;
  // Where the step failed there may be no passes.
  if ((step != "import" && step != "calibrate") || first == passes.size())
    return;
  PassLine line{step.str(), "", ""};
  line.seconds = seconds;
  for (const PassLine &pass : llvm::drop_begin(passes, first))
    line.seconds -= pass.seconds;
  line.after = passes[first].before;
  if (step == "calibrate") {
    line.before = line.after;
    calibration->seconds = line.seconds;
  }
  passes.insert(passes.begin() + static_cast<ptrdiff_t>(first),
                std::move(line));
}

void CompileRecord::keepWeights(size_t first) {
  for (size_t i = std::max<size_t>(1, first); i < passes.size(); ++i)
    passes[i].before = passes[i].after = passes[i - 1].after;
}

llvm::Expected<WeightFile> CompileRecord::place(mlir::ModuleOp module) {
  auto begin = std::chrono::steady_clock::now();
  auto file = placeWeights(module);
  if (!file)
    return file;
  PassLine line{"place weights", "", ""};
  std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - begin;
  line.seconds = seconds.count();
  line.before = getLast();
  for (const PlacedWeight &weight : file->weights)
    line.after[weight.role].add({1, weight.countNumbers(), weight.bytes});
  passes.push_back(std::move(line));
  return file;
}

void CompileRecord::setCalibration(CalibrationLine line,
                                   const CalibrationRun &run) {
  line.windows = run.windows;
  line.tokens = run.tokens;
  line.length = run.length;
  calibration = std::move(line);
}

/// For what the statistics of a calibration were used.
static void countUses(CalibrationLine &line, const WeightFile &file) {
  for (const PlacedWeight &weight : file.weights) {
    auto method = llvm::dyn_cast_or_null<pack::MethodAttr>(weight.method);
    if (!method || !weight.statistics)
      continue;
    // Numbers that are rounded by themselves have no use for them.
    bool rounds =
        method.getName() == kRoundMethod && pack::getFormat(method).isDense();
    if (!rounds && method.getName() != kKeepMethod)
      ++line.methods[weight.outcome.method.empty() ? method.getName().str()
                                                   : weight.outcome.method];
    if (weight.measured)
      ++line.activations[StringRef(weight.activations).split(';').first.str()];
  }
}

namespace {
/// What was rounded because of one pass.
struct Rounded {
  LedgerLine linear, table;
};
} // namespace

void CompileRecord::finish(Ledger &ledger, const WeightFile &file) {
  if (calibration)
    countUses(*calibration, file);
  // The last one that gave a weight its method is who asked.
  llvm::StringMap<size_t> askedBy;
  for (auto [i, pass] : llvm::enumerate(passes))
    for (const std::string &name : pass.asked)
      askedBy[name] = i;
  std::map<size_t, Rounded> rounded;
  for (const LedgerLine &line : ledger.lines) {
    auto asked = askedBy.find(line.name);
    if (asked == askedBy.end()) {
      // What is stored in two forms has its packed one under another name.
      StringRef name = line.name;
      if (name.consume_back(".packed"))
        asked = askedBy.find(name);
    }
    if (asked == askedBy.end() || line.method.empty() ||
        line.method == kKeepMethod)
      continue;
    Rounded &of = rounded[asked->second];
    (line.role == TensorRole::Table ? of.table : of.linear).add(line);
  }
  const WorkSeconds &work = file.seconds;
  double all = 0;
  for (auto &[i, of] : rounded)
    all += of.linear.seconds + of.table.seconds;
  for (auto &[i, of] : rounded) {
    PassLine &pass = passes[i];
    if (of.linear.weights)
      pass.linearError = of.linear.relativeError;
    if (of.table.weights)
      pass.tableError = of.table.relativeError;
    if (all > 0)
      pass.laterSeconds = (work.reading + work.compressing + work.checking) *
                          (of.linear.seconds + of.table.seconds) / all;
  }
  for (PassLine &pass : passes)
    if (pass.pass == "llmc-pack-weights")
      pass.laterSeconds = work.writing + work.copying;
  PassLine line{"lower to code", "", ""};
  line.seconds = code;
  line.before = line.after = getLast();
  passes.push_back(std::move(line));
  ledger.passes = std::move(passes);
  ledger.calibration = std::move(calibration);
}

std::string CompileRecord::printTimes(const WorkSeconds &seconds) const {
  std::pair<const char *, double> parts[] = {
      {"columns: reading", reading},
      {"columns: evening", evening},
      {"weights: copying", seconds.copying},
      {"weights: reading", seconds.reading},
      {"weights: method", seconds.compressing},
      {"weights: errors", seconds.checking},
      {"weights: writing", seconds.writing}};
  std::string text;
  for (auto [name, time] : parts)
    text += llvm::formatv("llmc:   {0,-20} {1,8:f3} s\n", name, time);
  return text;
}

std::string llmc::printLedger(const Ledger &ledger) {
  std::string text = printPassTable(selectPasses(ledger.passes));
  if (!text.empty())
    text += "\n";
  text += printTable(ledger);
  if (ledger.calibration)
    if (std::string uses = describeUses(*ledger.calibration); !uses.empty())
      text += "calibration: " + uses + "\n";
  return text;
}
