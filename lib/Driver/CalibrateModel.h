//===- CalibrateModel.h - What inputs of matrices are like ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_DRIVER_CALIBRATEMODEL_H
#define LLMC_LIB_DRIVER_CALIBRATEMODEL_H

#include "llmc/Codegen/BundleFolder.h"
#include "llmc/Driver/CompileRequest.h"
#include "llmc/Driver/ModelFolder.h"
#include "llmc/Import/Import.h"
#include "llmc/Recipes/Recipe.h"
#include "llmc/Report/Ledger.h"

namespace llmc {

/// Takes the calibration of the command line into the recipe. Refuses one that
/// would change nothing, one that the code depends on where no weights are
/// written, and a text that cannot be read or is empty. `key` becomes what the
/// results depend on beside the model: the bytes of the text, its windows, and the
/// processor that they run on; empty without a calibration. `line` gets the name
/// and the hash of the text.
Fault readCalibration(const CompileRequest &request, bool writesWeights,
                      Recipe &recipe, std::string &key, CalibrationLine &line);

/// Refuses a model that cannot read the text: one without the entry lm or without
/// a tokenizer, or with too short a context for the length that is asked for. One
/// that is not is at most the context.
Fault checkCalibration(CalibrationRule &rule, const CompileRequest &request,
                       bool hasLm, const ModelFolder &folder, int64_t context);

struct CalibrationJob {
  /// With the entry lm; weights have their methods, and their columns the scales
  /// that they will have.
  ImportedModel &model;
  const ModelFolder &folder;
  /// Where a bundle may stand for a while: it has all weights in f32.
  const BundleFolder &place;
  const CalibrationRule &rule;
  /// Most tokens that the model can read.
  int64_t context = 0;
  unsigned threads = 0;
  Fault (*calibrate)(CalibrationRun &run);
  std::function<void(int64_t, int64_t)> progress;
};

/// Compiles a copy of the model with weights in f32 and taps for this machine,
/// runs it over the text, and writes what it measured to the weights:
/// `pack.statistics` and `pack.rounding`. Fills in windows and tokens.
Fault calibrateModel(const CalibrationJob &job, CalibrationRun &run);

} // namespace llmc

#endif // LLMC_LIB_DRIVER_CALIBRATEMODEL_H
