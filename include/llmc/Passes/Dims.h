//===- Dims.h - Symbolic extents as values of type index --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An extent is an expression over symbols (SymbolicElements); code needs it as
// a value. SymExprBuilder computes each expression once; DimBuilder does so at
// the top of a function, from the arguments that carry `nn.symbol`.
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
#include <functional>

namespace llmc {

/// Adds the atoms (symbols, index variables, elements, opaque functions) that
/// the value of `expr` depends on.
void collectAtoms(SymExpr expr, llvm::SetVector<SymExpr> &atoms);

/// Builds the values of expressions over symbols, each once, at the insertion
/// point of `builder`: integers of type index, booleans of type i1.
class SymExprBuilder {
public:
  /// The value of a symbol; null where it has none.
  using Lookup = std::function<mlir::Value(llvm::StringRef)>;

  SymExprBuilder(mlir::OpBuilder builder, mlir::Location loc,
                 SymContext &context, Lookup lookup)
      : builder(builder), loc(loc), context(context),
        lookup(std::move(lookup)) {}

  /// Null where `expr` depends on more than symbols that have values.
  mlir::Value build(SymExpr expr);

private:
  mlir::Value buildUncached(SymExpr expr);

  mlir::OpBuilder builder;
  mlir::Location loc;
  SymContext &context;
  Lookup lookup;
  llvm::DenseMap<SymExpr, mlir::Value> values;
};

/// The same at the top of a function, from its arguments with `nn.symbol`.
class DimBuilder {
public:
  DimBuilder(mlir::func::FuncOp function, SymContext &context);
  DimBuilder(const DimBuilder &) = delete;

  /// Null where `expr` depends on more than symbols that are arguments.
  mlir::Value build(SymExpr expr) { return values.build(expr); }

  /// What stands in the way of build(expr): the text of an atom.
  std::string getObstacle(SymExpr expr);

private:
  llvm::StringMap<mlir::Value> symbols;
  SymExprBuilder values;
};

} // namespace llmc

#endif // LLMC_PASSES_DIMS_H
