//===- CompileRecord.h - What a compilation writes down ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_DRIVER_COMPILERECORD_H
#define LLMC_LIB_DRIVER_COMPILERECORD_H

#include "llmc/Codegen/PassWatch.h"
#include "llmc/Codegen/WeightFile.h"
#include "llmc/Driver/CompileRequest.h"
#include <optional>

namespace llmc {

/// The lines of passes and of the calibration, in the order of the work. Passes
/// that see the weights have a line each; all that makes code has one together.
class CompileRecord {
public:
  std::vector<PassLine> passes;
  std::optional<CalibrationLine> calibration;
  /// Of the scales of columns.
  double reading = 0, evening = 0;

  /// The end of a step, whose passes are the lines from `first` on. What import
  /// and calibration do beside them becomes a line before these.
  void endStep(llvm::StringRef step, double seconds, size_t first);
  /// Whether passes of this step see weights as they are in a model.
  static bool seesWeights(llvm::StringRef step);
  /// Passes from `first` on ran when weights were known to the code by their
  /// places only.
  void keepWeights(size_t first);
  /// `placeWeights`, with a line of its own.
  llvm::Expected<WeightFile> place(mlir::ModuleOp module);
  /// Of work on the code that is no step.
  void addCode(double seconds) { code += seconds; }
  void setCalibration(CalibrationLine line, const CalibrationRun &run);

  /// All of it, when weights are written: rounding and its errors go to the pass
  /// that gave the weights their methods, and the writing to the one that packs.
  void finish(Ledger &ledger, const WeightFile &file);

  /// Where the time for weights went, a line each.
  std::string printTimes(const WorkSeconds &seconds) const;

private:
  WeightTotals getLast() const;

  double code = 0;
};

/// The tables of a ledger for a terminal.
std::string printLedger(const Ledger &ledger);

} // namespace llmc

#endif // LLMC_LIB_DRIVER_COMPILERECORD_H
