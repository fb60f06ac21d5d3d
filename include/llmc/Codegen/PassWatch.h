//===- PassWatch.h - What passes do to weights -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_PASSWATCH_H
#define LLMC_CODEGEN_PASSWATCH_H

#include "llmc/Report/PassLine.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include <chrono>

namespace llmc {

/// What the code does with a value that is a weight, by the ops that read it, also
/// behind ops that only move or convert its numbers.
TensorRole findRole(mlir::Value weight);

/// The weights that a module declares.
struct WeightCensus {
  WeightTotals totals;
  /// By name; only weights that have one.
  llvm::StringMap<mlir::Attribute> methods;

  /// Reads all functions. A weight that has a method or is packed counts as the
  /// bytes of its format, before it is packed in tiles of 16 rows.
  static WeightCensus take(mlir::ModuleOp module);
};

/// What is known of a run of passes when it is over.
struct PassRecord {
  std::vector<PassLine> lines;
  /// The innermost pass that failed, and the name of the function that it ran on;
  /// empty where there is none.
  std::string failedPass, failedFunction;
};

/// Notes the time of every pass and what became of the weights. A pass that stands
/// twice in a pipeline has two lines, one that runs on many functions has one.
/// Passes on functions cannot declare weights, so they leave them as they are.
class PassWatch : public mlir::PassInstrumentation {
public:
  /// Fills in `record`, which outlives the run of the pass manager. Lines begin as
  /// the prototype says; without one there are none.
  PassWatch(mlir::ModuleOp module, const PassLine *prototype,
            PassRecord &record);

  void runBeforePass(mlir::Pass *pass, mlir::Operation *op) override;
  void runAfterPass(mlir::Pass *pass, mlir::Operation *op) override;
  void runAfterPassFailed(mlir::Pass *pass, mlir::Operation *op) override;

private:
  using Clock = std::chrono::steady_clock;

  /// The passes of one op: when those that run began, and how many are finished
  /// since the last pass on the module.
  struct State {
    llvm::SmallVector<Clock::time_point> running;
    size_t finished = 0;
  };

  /// The line of the pass with this number on the op, which may be new.
  PassLine &findLine(mlir::Pass *pass, mlir::Operation *op, size_t number);

  mlir::ModuleOp module;
  PassLine prototype;
  bool writesLines;
  PassRecord &record;
  WeightCensus census;
  llvm::DenseMap<mlir::Operation *, State> states;
  /// The lines of the pipeline on functions that runs begin here.
  size_t firstLine = 0;
};

} // namespace llmc

#endif // LLMC_CODEGEN_PASSWATCH_H
