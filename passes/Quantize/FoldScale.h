//===- FoldScale.h - Scales of columns move into parameters ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_QUANTIZE_FOLDSCALE_H
#define LLMC_PASSES_QUANTIZE_FOLDSCALE_H

#include "llmc/Dialect/NN/NNOps.h"

#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/SetVector.h"

namespace llmc {

/// The op `f(gate) * up` that makes a value: two activations of its own shape.
/// Null where something else does.
nn::MulOp findGatedProduct(mlir::Value value);

/// Which columns of a matrix must have one scale. The columns are heads of
/// `size` channels; `repeats` heads in a row read one head of values.
struct SharedColumns {
  int64_t repeats = 1, size = 1;

  /// The number of the scale of a column.
  int64_t getEntry(int64_t column) const {
    return column / (repeats * size) * size + column % size;
  }
  bool operator==(const SharedColumns &other) const {
    return repeats == other.repeats && (repeats == 1 || size == other.size);
  }
};

/// Takes scales of columns away from activations by scaling what makes the
/// activations, where that is exact:
///   * rms_norm and layer_norm: their weight and bias;
///   * a gated product `f(gate) * up` with `up` linear: the rows of its weight
///     and its bias;
///   * attention over the rows of a linear, through reshapes and a cache that
///     starts empty: the rows of that linear and its bias. Query heads that share
///     a head of values share its scales.
class ScaleFold {
public:
  /// The fold for the inputs of `readers`. Empty unless every value that would
  /// change is read by these, or on the way to them, alone, and every reader of a
  /// changed parameter makes such values.
  static std::optional<ScaleFold> find(mlir::SymbolTable &symbols,
                                       llvm::ArrayRef<nn::LinearOp> readers);

  const SharedColumns &getShared() const { return *shared; }

  /// Multiplies the rows of parameters. One factor for each of getShared().
  void apply(llvm::ArrayRef<float> factors);

private:
  explicit ScaleFold(mlir::SymbolTable &symbols) : symbols(&symbols) {}

  /// The value of an operand changes, and this use of it is foreseen.
  mlir::Value follow(mlir::OpOperand &operand);
  bool addProducer(mlir::Value value);
  bool addAttention(nn::ReshapeOp merged);
  bool addCache(nn::AppendOp append);
  bool addMaker(mlir::Operation *op);
  bool setShared(SharedColumns columns);
  bool readsAreForeseen();

  mlir::SymbolTable *symbols;
  std::optional<SharedColumns> shared;
  llvm::SetVector<mlir::Value> changed;
  llvm::SmallPtrSet<mlir::OpOperand *, 8> foreseen;
  llvm::SmallPtrSet<mlir::Operation *, 4> makers;
  llvm::SetVector<mlir::StringAttr> parameters;
};

} // namespace llmc

#endif // LLMC_PASSES_QUANTIZE_FOLDSCALE_H
