//===- Segments.h - Where a model can be cut --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model is cut where exactly one activation is live: the residual stream.
// These do not count:
//  * global values: the same for every input (weights, constants, rotary
//    tables, index arithmetic);
//  * context values: masks, positions and angles, which come from the inputs
//    without passing a layer and which layer after layer reads again;
//  * inputs before their first use, new versions of states, and that a value
//    is a result: none of these must be handed from segment to segment.
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
  bool isGlobal(mlir::Value value) const { return global.contains(value); }
  /// Whether `value` depends on the inputs but on no layer, and is read by
  /// several layers.
  bool isContext(mlir::Value value) const { return context.contains(value); }

private:
  void findGlobals(mlir::Block &body);
  void findContext(mlir::Block &body);
  void cut(mlir::func::FuncOp function);

  llvm::DenseSet<mlir::Value> global, context;
  llvm::SmallVector<llvm::SmallVector<mlir::Operation *>> segments;
};

} // namespace llmc

#endif // LLMC_ANALYSIS_SEGMENTS_H
