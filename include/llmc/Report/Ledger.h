//===- Ledger.h - What became of every weight ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One line for every stored tensor: what it was, what it is, what that cost, and
// why it was left alone if it was; and one for every pass. The compiler prints the
// sums as a table and writes all of it as report.json and report.html.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_REPORT_LEDGER_H
#define LLMC_REPORT_LEDGER_H

#include "llmc/Report/PassLine.h"
#include <map>
#include <optional>

namespace llmc {

struct LedgerLine {
  std::string name;
  TensorRole role = TensorRole::Other;
  /// Numbers in the tensor.
  int64_t weights = 0;
  /// Bytes in the model, without any packing, and bytes in the bundle.
  int64_t bytesBefore = 0, bytesAfter = 0;
  /// How it is stored, "u4g64" or "f32", and what rounded it; no method where
  /// numbers are kept as they are.
  std::string format, method;
  /// sqrt(sum of squared differences / sum of squares).
  double relativeError = 0;
  /// What compressing it took, all threads together.
  double seconds = 0;
  /// What the method had to say, or why a matrix is not compressed.
  std::string note;

  /// Adds a line to this sum. The error of a sum is that of all numbers if each
  /// tensor had the same mean square.
  void add(const LedgerLine &line);

  double getBits() const {
    return weights ? 8.0 * static_cast<double>(bytesAfter) /
                         static_cast<double>(weights)
                   : 0;
  }
};

/// A run of the model over a text, and what it was for.
struct CalibrationLine {
  /// The name of the file without its folder, and the XXH3-128 of its bytes.
  std::string text, hash;
  /// Windows that were read, the most tokens of one, and tokens in all.
  int64_t windows = 0, length = 0, tokens = 0;
  /// Of compiling the model with taps, and of running it.
  double seconds = 0;
  /// Matrices whose method was given the statistics of their inputs, by method.
  std::map<std::string, int64_t> methods = {};
  /// Matrices whose inputs were left to measurement, by what was chosen.
  std::map<std::string, int64_t> activations = {};
};

struct Ledger {
  std::string model, recipe, target;
  std::vector<LedgerLine> lines;
  /// The plugins that were loaded: "example 1.0, HASH", by which the bytes of
  /// the file are known.
  std::vector<std::string> plugins = {};
  /// In the order of their runs.
  std::vector<PassLine> passes = {};
  std::optional<CalibrationLine> calibration = {};

  /// Lines of one role, format and method as one: errors are those of all their
  /// numbers together, weighted by count. Then a line with the sum of all, of
  /// the name "all".
  std::vector<LedgerLine> summarize() const;
};

/// The sums for a terminal, lines with a newline at their end.
std::string printTable(const Ledger &ledger);
/// A calibration, and what it was for, as one sentence without its end.
std::string describe(const CalibrationLine &calibration);
/// Only what it was for; empty where it was for nothing.
std::string describeUses(const CalibrationLine &calibration);
/// Everything.
llvm::json::Value toJson(const Ledger &ledger);
/// A page that needs no other file: sums, plots by layer, and all lines.
std::string toHtml(const Ledger &ledger);

/// The number of a layer in the name of a weight: the first component that is a
/// number. -1 where there is none.
int64_t getLayer(llvm::StringRef name);

} // namespace llmc

#endif // LLMC_REPORT_LEDGER_H
