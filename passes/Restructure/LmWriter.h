//===- LmWriter.h - Writes the canonical form of a language model -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The canonical form has no axis for the batch, and time is the first axis of
// every activation. Each value of the bound function that holds one row for
// each row of time is known by its canonical value and by what its own axes are
// there, so transpositions and unit axes cost nothing: they only change that
// note. An op that is not on the list below is not local to a row and ends the
// derivation with its name.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_RESTRUCTURE_LMWRITER_H
#define LLMC_LIB_RESTRUCTURE_LMWRITER_H

#include "llmc/Analysis/SymbolicElements.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"

namespace llmc {

/// A value with one row for each row of time.
struct Rows {
  /// `[seq, f0, f1, ...]`.
  mlir::Value value;
  /// What each axis of the original is: an axis of `value`, or kUnit.
  llvm::SmallVector<int64_t> axes;

  static constexpr int64_t kUnit = -1;
};

class LmWriter {
public:
  /// `bound` is @lm as bound and fused; `context` as for llmc-derive-lm.
  LmWriter(mlir::func::FuncOp bound, int64_t context);

  /// Writes the canonical function after `bound`, under a name of its own;
  /// on failure `getReason()` says why and `getCulprit()` where.
  mlir::FailureOr<mlir::func::FuncOp> run();

  const std::string &getReason() const { return reason; }
  mlir::Operation *getCulprit() const { return culprit; }

private:
  /// One cache: the argument of the new function, and its latest value.
  struct Cache {
    mlir::Value argument, appended;
    std::string name;
  };
  /// What stands behind a key or value operand of attention.
  struct Memory {
    mlir::BlockArgument past; ///< null where the export has no cache
    mlir::Value rows;         ///< the new rows, in the bound function
  };

  mlir::LogicalResult refuse(mlir::Operation *op, const llvm::Twine &text);

  // LmWriter.cpp: the walk over the bound function.
  mlir::LogicalResult findNeeded();
  llvm::SmallVector<mlir::Value> getNeeded(mlir::Operation *op);
  void declare();
  mlir::LogicalResult write(mlir::Operation *op);
  mlir::LogicalResult finish();
  mlir::Value takeLastRows(mlir::Value logits);

  // LmWriterRows.cpp: ops that treat each row by itself.
  mlir::LogicalResult writeGather(nn::GatherOp op);
  mlir::LogicalResult writeElementwise(mlir::Operation *op);
  mlir::LogicalResult writeLayer(mlir::Operation *op);
  mlir::LogicalResult writeReshape(mlir::Operation *op);
  mlir::LogicalResult writeSlice(nn::SliceOp op);
  /// An operand of an elementwise op that is the same in every row.
  mlir::Value writeInvariant(mlir::Operation *op, mlir::Value value,
                             const Rows &beside);
  /// The weight or constant `value` in the new function; null otherwise.
  mlir::Value copyKnown(mlir::Value value);

  // LmWriterAttention.cpp: attention, caches and rotary tables.
  mlir::LogicalResult writeAttention(nn::AttentionOp op);
  mlir::LogicalResult writeRotary(nn::RotaryOp op);
  mlir::FailureOr<Memory> getMemory(nn::AttentionOp op, mlir::Value operand);
  mlir::Value getCanonical(mlir::Operation *op, mlir::Value value,
                           llvm::ArrayRef<int64_t> axes);
  mlir::FailureOr<mlir::Value> append(nn::AttentionOp op, const Memory &memory,
                                      llvm::StringRef kind, size_t layer);
  mlir::Value getTable(nn::RotaryOp op, mlir::Value table, bool sine);
  mlir::Value makeTableRows(mlir::Location loc, mlir::Attribute source,
                            mlir::RankedTensorType type, llvm::StringRef name);
  /// Rows past .. past + seq of a weight.
  mlir::Value readRows(mlir::Location loc, mlir::Value weight);
  /// Whether `position` is the place of row `row` in the bound function.
  bool isPosition(SymExpr position, SymExpr row);

  const Rows *find(mlir::Value value) const;
  void set(mlir::Value value, mlir::Value canonical,
           llvm::ArrayRef<int64_t> axes);

  mlir::func::FuncOp bound, result;
  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  int64_t context;
  SymbolicElements elements;
  SymExpr seq, past;
  mlir::OpBuilder builder;
  bool hasPasts = false;

  mlir::Value ids, seqIndex, pastIndex, countIndex;
  llvm::DenseSet<mlir::Operation *> needed;
  llvm::DenseMap<mlir::Value, Rows> rows;
  llvm::MapVector<mlir::Value, Cache> caches; ///< by past or by new rows
  llvm::DenseMap<mlir::Attribute, mlir::Value> tables; ///< by weight symbol
  llvm::DenseMap<mlir::Value, mlir::Value> known;
  size_t layers = 0;
  unsigned logits = 0;

  std::string reason;
  mlir::Operation *culprit = nullptr;
};

} // namespace llmc

#endif // LLMC_LIB_RESTRUCTURE_LMWRITER_H
