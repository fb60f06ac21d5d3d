//===- QuantizePasses.h - Which weights are compressed, and how -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_QUANTIZEPASSES_H
#define LLMC_PASSES_QUANTIZEPASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace llmc {

struct Recipe;
class WeightStore;

#define GEN_PASS_DECL
#include "llmc/Passes/QuantizePasses.h.inc"

/// The same with a recipe that has been read, and the weights, without which no
/// weight is known to come compressed. Both must outlive the pass.
std::unique_ptr<mlir::Pass> createAssignMethodsPass(const Recipe &recipe,
                                                    const WeightStore &store);

/// A value that `llmc-insert-taps` measures, and the weights, once each, of the
/// products that read it.
struct TapPlace {
  mlir::Value input;
  llvm::SmallVector<llvm::StringRef> weights;
};

/// The taps of a function, in the order of their numbers. The same for a copy.
llvm::SmallVector<TapPlace> findTapPlaces(mlir::func::FuncOp function);
/// "tap3".
std::string getTapName(size_t number);

/// The scale that the columns of matrices with one input have together.
struct ColumnScale {
  /// [columns]; empty where the options of the method forbid one.
  std::vector<float> factors;
  /// What the ledger should say beside the matrices. May be empty.
  std::string note;
};

/// Looks on while columns are scaled, and remembers what an earlier run found.
/// Called by one thread.
class ColumnScaleClient {
public:
  virtual ~ColumnScaleClient() = default;
  /// So many bytes of matrices in f32 have to be looked at.
  virtual void expect(int64_t bytes) = 0;
  /// So many more were, with the seconds that reading and evening out took.
  virtual void advance(int64_t bytes, double reading, double evening) = 0;
  /// The scale of the matrices of which this one is the first; null: to be
  /// computed.
  virtual const ColumnScale *recall(llvm::StringRef first) = 0;
  virtual void remember(llvm::StringRef first, const ColumnScale &scale) = 0;
};

/// The same with the bytes of keys and a client, which both must outlive the
/// pass.
std::unique_ptr<mlir::Pass> createScaleColumnsPass(const WeightStore &store,
                                                   unsigned threads,
                                                   ColumnScaleClient &client,
                                                   bool fold = true);

#define GEN_PASS_REGISTRATION
#include "llmc/Passes/QuantizePasses.h.inc"

} // namespace llmc

#endif // LLMC_PASSES_QUANTIZEPASSES_H
