//===- Ledger.cpp - Sums, and the ledger as text and JSON -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Report/Ledger.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

using namespace llvm;
using namespace llmc;

int64_t llmc::getLayer(StringRef name) {
  while (!name.empty()) {
    auto [part, rest] = name.split('.');
    int64_t number;
    if (!part.getAsInteger(10, number) && number >= 0)
      return number;
    name = rest;
  }
  return -1;
}

void LedgerLine::add(const LedgerLine &line) {
  auto weigh = [](const LedgerLine &part) {
    return part.relativeError * part.relativeError *
           static_cast<double>(part.weights);
  };
  double square = weigh(*this) + weigh(line);
  weights += line.weights;
  bytesBefore += line.bytesBefore;
  bytesAfter += line.bytesAfter;
  seconds += line.seconds;
  relativeError =
      weights ? std::sqrt(square / static_cast<double>(weights)) : 0;
}

std::vector<LedgerLine> Ledger::summarize() const {
  std::map<std::tuple<int, std::string, std::string>,
           std::pair<LedgerLine, int64_t>>
      groups;
  LedgerLine all;
  for (const LedgerLine &line : lines) {
    auto &[sum, count] =
        groups[{static_cast<int>(line.role), line.format, line.method}];
    sum.role = line.role;
    sum.format = line.format;
    sum.method = line.method;
    sum.add(line);
    ++count;
    all.add(line);
  }
  std::vector<LedgerLine> result;
  for (auto &[key, group] : groups) {
    group.first.name = std::to_string(group.second) +
                       (group.second == 1 ? " tensor" : " tensors");
    result.push_back(std::move(group.first));
  }
  all.name = "all";
  result.push_back(std::move(all));
  return result;
}

std::string llmc::printTable(const Ledger &ledger) {
  std::string text;
  raw_string_ostream out(text);
  std::vector<LedgerLine> lines = ledger.summarize();
  // Those of plugins have longer names.
  size_t formats = 12, methods = 8;
  for (const LedgerLine &line : lines) {
    formats = std::max(formats, line.format.size() + 1);
    methods = std::max(methods, line.method.size() + 1);
  }
  auto pad = [](StringRef name, size_t width) {
    return name.str() + std::string(width - name.size(), ' ');
  };
  out << formatv("{0,-8}{1}{2}{3,12}{4,12}{5,12}{6,7}{7,9}\n", "role",
                 pad("format", formats), pad("method", methods), "tensors",
                 "weights", "MB", "bits", "error");
  for (const LedgerLine &line : lines) {
    bool all = line.name == "all";
    StringRef count = StringRef(line.name).split(' ').first;
    out << formatv("{0,-8}{1}{2}{3,12}{4,10:f2} M{5,12:f2}{6,7:f2}",
                   all ? "all" : getName(line.role), pad(line.format, formats),
                   pad(line.method, methods),
                   all ? std::to_string(ledger.lines.size()) : count.str(),
                   toMega(line.weights), toMega(line.bytesAfter),
                   line.getBits());
    if (!line.method.empty() && line.method != "keep")
      out << formatv("{0,7:f2} %", 100 * line.relativeError);
    out << "\n";
  }
  return text;
}

std::string llmc::describe(const CalibrationLine &calibration) {
  std::string text =
      formatv("calibrated on {0:N} tokens of '{1}' in {2} window{3}, {4:f2} s",
              calibration.tokens, calibration.text, calibration.windows,
              calibration.windows == 1 ? "" : "s", calibration.seconds);
  std::string uses = describeUses(calibration);
  return uses.empty() ? text : text + ": " + uses;
}

std::string llmc::describeUses(const CalibrationLine &calibration) {
  std::string text;
  const char *between = "";
  for (const auto &[method, count] : calibration.methods) {
    text += formatv("{0}statistics of inputs given to {1} for {2} {3}", between,
                    method, count, count == 1 ? "matrix" : "matrices");
    between = ", ";
  }
  for (const auto &[format, count] : calibration.activations) {
    text += formatv("{0}inputs in {1} for {2} {3}", between, format, count,
                    count == 1 ? "matrix" : "matrices");
    between = ", ";
  }
  return text;
}

static json::Object toObject(const LedgerLine &line) {
  json::Object object{
      {"role", getName(line.role)},       {"weights", line.weights},
      {"bytes_before", line.bytesBefore}, {"bytes", line.bytesAfter},
      {"bits", line.getBits()},           {"format", line.format}};
  if (!line.method.empty()) {
    object["method"] = line.method;
    object["relative_error"] = line.relativeError;
    object["seconds"] = line.seconds;
  }
  if (!line.note.empty())
    object["note"] = line.note;
  return object;
}

static json::Object toObject(const CalibrationLine &line) {
  auto toCounts = [](const std::map<std::string, int64_t> &counts) {
    json::Object object;
    for (const auto &[name, count] : counts)
      object[name] = count;
    return object;
  };
  return json::Object{{"text", line.text},
                      {"hash", line.hash},
                      {"windows", line.windows},
                      {"length", line.length},
                      {"tokens", line.tokens},
                      {"seconds", line.seconds},
                      {"methods", toCounts(line.methods)},
                      {"activations", toCounts(line.activations)}};
}

json::Value llmc::toJson(const Ledger &ledger) {
  json::Array sums, tensors;
  for (const LedgerLine &line : ledger.summarize()) {
    json::Object object = toObject(line);
    if (line.name == "all") {
      object = json::Object{{"weights", line.weights},
                            {"bytes_before", line.bytesBefore},
                            {"bytes", line.bytesAfter},
                            {"bits", line.getBits()},
                            {"seconds", line.seconds}};
    }
    object["name"] = line.name;
    sums.push_back(std::move(object));
  }
  for (const LedgerLine &line : ledger.lines) {
    json::Object object = toObject(line);
    object["name"] = line.name;
    tensors.push_back(std::move(object));
  }
  json::Object object{{"model", ledger.model},
                      {"recipe", ledger.recipe},
                      {"target", ledger.target},
                      {"sums", std::move(sums)},
                      {"tensors", std::move(tensors)}};
  if (!ledger.plugins.empty())
    object["plugins"] = json::Array(ledger.plugins);
  if (ledger.calibration)
    object["calibration"] = toObject(*ledger.calibration);
  json::Array passes;
  for (const PassLine &pass : ledger.passes)
    passes.push_back(toJson(pass));
  if (!passes.empty())
    object["passes"] = std::move(passes);
  return object;
}
