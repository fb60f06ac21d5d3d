//===- Dims.h - Symbolic extents as values of type index --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An extent is an expression over symbols (SymbolicElements); code needs it as
// a value. DimBuilder computes each expression once, at the top of its function,
// from the arguments that carry `nn.symbol`.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_DIMS_H
#define LLMC_PASSES_DIMS_H

#include "llmc/Analysis/SymbolicElements.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"

namespace llmc {

/// Adds the atoms (symbols, index variables, elements, opaque functions) that
/// the value of `expr` depends on.
void collectAtoms(SymExpr expr, llvm::SetVector<SymExpr> &atoms);

class DimBuilder {
public:
  DimBuilder(mlir::func::FuncOp function, SymContext &context);

  /// The value of `expr`; null where it depends on more than symbols that are
  /// arguments. Booleans become i1.
  mlir::Value build(SymExpr expr);

  /// What stands in the way of build(expr): the text of an atom.
  std::string getObstacle(SymExpr expr);

private:
  mlir::Value buildUncached(SymExpr expr);
  mlir::Value lookup(SymExpr atom);

  mlir::func::FuncOp function;
  SymContext &context;
  mlir::OpBuilder builder;
  llvm::StringMap<mlir::Value> symbols;
  llvm::DenseMap<SymExpr, mlir::Value> values;
};

} // namespace llmc

#endif // LLMC_PASSES_DIMS_H
