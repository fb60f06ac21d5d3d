//===- PassLine.cpp - Passes as text and JSON -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Report/PassLine.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace llmc;

/// Of the time of all passes; one that takes less is of no interest for it.
static constexpr double kLongPart = 0.05;

StringRef llmc::getName(TensorRole role) {
  switch (role) {
  case TensorRole::Linear:
    return "linear";
  case TensorRole::Table:
    return "table";
  case TensorRole::Other:
    return "other";
  }
  llvm_unreachable("no such role");
}

void WeightTotals::Sum::add(const Sum &other) {
  tensors += other.tensors;
  weights += other.weights;
  bytes += other.bytes;
}

WeightTotals::Sum WeightTotals::getAll() const {
  Sum all;
  for (const Sum &sum : roles)
    all.add(sum);
  return all;
}

std::vector<PassLine> llmc::selectPasses(ArrayRef<PassLine> passes) {
  double all = 0;
  for (const PassLine &pass : passes)
    all += pass.getSeconds();
  std::vector<PassLine> result;
  copy_if(passes, std::back_inserter(result), [&](const PassLine &pass) {
    return pass.changesBytes() || !pass.asked.empty() ||
           pass.getSeconds() > kLongPart * all;
  });
  return result;
}

std::string llmc::printPassTable(ArrayRef<PassLine> passes) {
  if (passes.empty())
    return "";
  std::string text;
  raw_string_ostream out(text);
  size_t names = 24;
  for (const PassLine &pass : passes)
    names = std::max(names, pass.getName().size() + 1);
  auto pad = [&](StringRef name) {
    return name.str() + std::string(names - name.size(), ' ');
  };
  out << pad("after")
      << formatv("{0,9}{1,9}{2,12}{3,16}{4,8}{5,8}{6,10}\n", "seconds",
                 "tensors", "MB", "bits: linear", "table", "all", "error");
  for (const PassLine &pass : passes) {
    WeightTotals::Sum all = pass.after.getAll();
    out << pad(pass.getName())
        << formatv("{0,9:f2}{1,9}{2,12:f2}", pass.getSeconds(), all.tensors,
                   toMega(all.bytes));
    auto bits = [&](const WeightTotals::Sum &sum, size_t width) {
      std::string number =
          sum.weights ? formatv("{0:f2}", sum.getBits()).str() : "";
      out << std::string(width - std::min(width, number.size()), ' ') << number;
    };
    bits(pass.after[TensorRole::Linear], 16);
    bits(pass.after[TensorRole::Table], 8);
    bits(all, 8);
    // One number on a terminal: the linears are what a model is made of.
    double error = pass.linearError >= 0 ? pass.linearError : pass.tableError;
    if (error >= 0)
      out << formatv("{0,8:f2} %", 100 * error);
    out << "\n";
  }
  return text;
}

std::string llmc::printPasses(ArrayRef<PassLine> passes) {
  std::string text;
  for (const PassLine &pass : passes) {
    text += formatv("{0}: pass {1} of '{2}', {3:f3} s", pass.step, pass.pass,
                    pass.plugin, pass.seconds);
    if (pass.changesBytes())
      text += formatv(", weights {0:f2} -> {1:f2} MB",
                      toMega(pass.before.getAll().bytes),
                      toMega(pass.after.getAll().bytes));
    text += "\n";
  }
  return text;
}

json::Value llmc::toJson(const PassLine &line) {
  WeightTotals::Sum all = line.after.getAll();
  json::Object bits{{"all", all.getBits()}}, errors;
  for (TensorRole role : {TensorRole::Linear, TensorRole::Table})
    if (line.after[role].weights)
      bits[getName(role)] = line.after[role].getBits();
  if (line.linearError >= 0)
    errors["linear"] = line.linearError;
  if (line.tableError >= 0)
    errors["table"] = line.tableError;
  json::Object object{{"step", line.step},
                      {"seconds", line.seconds},
                      {"tensors", all.tensors},
                      {"weights", all.weights},
                      {"bytes_before", line.before.getAll().bytes},
                      {"bytes", all.bytes},
                      {"bits", std::move(bits)}};
  if (!line.pass.empty())
    object["pass"] = line.pass;
  if (!line.anchor.empty())
    object["anchor"] = line.anchor;
  if (!line.plugin.empty())
    object["plugin"] = line.plugin;
  if (!line.asked.empty())
    object["methods_given"] = static_cast<int64_t>(line.asked.size());
  if (line.laterSeconds > 0)
    object["later_seconds"] = line.laterSeconds;
  if (!errors.empty())
    object["relative_error"] = std::move(errors);
  return object;
}
