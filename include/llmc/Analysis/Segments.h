//===- Segments.h - Where a model can be cut --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model is cut where exactly one activation is live: the residual stream.
// Values that do not depend on the inputs (weights, constants, rotary tables,
// index arithmetic) and new versions of states do not count.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_ANALYSIS_SEGMENTS_H
#define LLMC_ANALYSIS_SEGMENTS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVector.h"

namespace llmc {

class Segments {
public:
  /// Reads a function of one block; changes to it make the object stale.
  explicit Segments(mlir::func::FuncOp function);

  /// The segments in order, each with its activation ops in order.
  llvm::ArrayRef<llvm::SmallVector<mlir::Operation *>> get() const {
    return segments;
  }

  /// Whether `value` is the same for every input: it depends on weights,
  /// constants and symbols only.
  bool isGlobal(mlir::Value value) const;
  /// Whether `value` is the new version of a state, returned as such.
  bool isStateResult(mlir::Value value) const {
    return stateResults.contains(value);
  }

private:
  llvm::DenseSet<mlir::Value> global, stateResults;
  llvm::SmallVector<llvm::SmallVector<mlir::Operation *>> segments;
};

} // namespace llmc

#endif // LLMC_ANALYSIS_SEGMENTS_H
