//===- NNLowering.h - What the lowerings of nn ops share --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A lowering is a function from an op to the value that stands for its result,
// null after a diagnostic. New ops are built beside the old ones, which stay
// until the whole function is lowered: so the analysis may be asked at any time
// about any old value.
//
// Rules for what is built (they keep bufferization free of copies): sizes are
// index values from symbols, never tensor.dim; every result has a tensor.empty
// of its own; slices keep their rank; reductions start from a linalg.fill.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_NNLOWERING_H
#define LLMC_PASSES_NNLOWERING_H

#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Passes/Dims.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace llmc::lower {

using Shape = llvm::SmallVector<SymExpr, 6>;

/// begin, begin + 1, ..., end - 1.
inline llvm::SmallVector<int64_t> axesOf(int64_t begin, int64_t end) {
  return llvm::to_vector(llvm::seq<int64_t>(begin, std::max(begin, end)));
}

/// An input of a linalg.generic and how it is read.
struct Operand {
  mlir::Value value;
  mlir::AffineMap map;
};

/// Builds one element from the elements of the inputs (and, in reductions, the
/// accumulators after them).
using Body = llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &,
                                            mlir::ValueRange)>;

class Lowering {
public:
  Lowering(mlir::func::FuncOp function, SymbolicElements &elements);

  SymbolicElements &elements;
  SymContext &ctx;
  /// Stands at the op that is being lowered.
  mlir::ImplicitLocOpBuilder b;

  /// \name Values
  /// @{
  /// What stands for an old value now, with every known extent static.
  mlir::Value get(mlir::Value old);
  void set(mlir::Value old, mlir::Value lowered) { map[old] = lowered; }
  mlir::Value lookup(mlir::Value old) const { return map.lookup(old); }
  Shape shape(mlir::Value old);
  /// Reports at `op`; the null value.
  mlir::Value fail(mlir::Operation *op, const llvm::Twine &reason);
  /// @}

  /// \name Extents
  /// @{
  mlir::RankedTensorType type(llvm::ArrayRef<SymExpr> shape,
                              mlir::Type element);
  /// Null where the expression is not one of symbols; see getObstacle.
  mlir::Value index(SymExpr expr) { return dims.build(expr); }
  mlir::Value index(int64_t value) { return dims.build(ctx.constant(value)); }
  mlir::OpFoldResult extent(SymExpr expr);
  llvm::SmallVector<mlir::OpFoldResult> extents(llvm::ArrayRef<SymExpr> shape);
  std::string getObstacle(SymExpr expr) { return dims.getObstacle(expr); }
  /// The integer elements of a small tensor; null entries where they are not
  /// expressions of symbols.
  Shape integers(mlir::Value old);
  SymExpr constant(int64_t value) { return ctx.constant(value); }
  /// @}

  /// \name Building blocks
  /// @{
  mlir::Value empty(llvm::ArrayRef<SymExpr> shape, mlir::Type element);
  mlir::Value fill(llvm::ArrayRef<SymExpr> shape, mlir::Value scalar);
  mlir::Value constantOf(mlir::Type element, double value);
  /// The only element of a tensor of rank 0.
  mlir::Value scalar(mlir::Value old);

  mlir::AffineMap identity(unsigned rank) {
    return b.getMultiDimIdentityMap(rank);
  }
  /// The map (d0, ..., d(loops-1)) -> (the given dims); -1 is the index 0.
  mlir::AffineMap select(unsigned loops, llvm::ArrayRef<int64_t> dims);
  /// How `old` is read where it is broadcast to `shape`.
  Operand broadcast(mlir::Value old, llvm::ArrayRef<SymExpr> shape);
  Operand broadcast(mlir::Value value, llvm::ArrayRef<SymExpr> own,
                    llvm::ArrayRef<SymExpr> shape);
  Operand whole(mlir::Value value);

  /// result[i...] = body(inputs at i...).
  mlir::Value each(llvm::ArrayRef<SymExpr> shape, mlir::Type element,
                   llvm::ArrayRef<Operand> inputs, Body body);
  /// The same into `destination`.
  mlir::Value eachInto(mlir::Value destination, llvm::ArrayRef<Operand> inputs,
                       Body body);
  /// Reduces into `init`, which is read and written through `map`; the loops
  /// that are not in the map are reductions.
  mlir::Value reduce(mlir::Value init, mlir::AffineMap map,
                     llvm::ArrayRef<Operand> inputs, Body body);
  /// The sum (floats: reassociation allowed) of a product or a value over the
  /// loops that are not in `map`, started from zero unless `init` is given.
  mlir::Value sum(llvm::ArrayRef<SymExpr> shape, mlir::Type element,
                  mlir::AffineMap map, llvm::ArrayRef<Operand> inputs,
                  mlir::Value init = {}, Body term = nullptr);

  /// The same elements in row-major order in another shape.
  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<SymExpr> from,
                      llvm::ArrayRef<SymExpr> to);
  mlir::Value slice(mlir::Value value,
                    llvm::ArrayRef<mlir::OpFoldResult> offsets,
                    llvm::ArrayRef<SymExpr> sizes,
                    llvm::ArrayRef<mlir::OpFoldResult> strides = {});
  mlir::Value insert(mlir::Value part, mlir::Value into,
                     llvm::ArrayRef<mlir::OpFoldResult> offsets,
                     llvm::ArrayRef<SymExpr> sizes,
                     llvm::ArrayRef<mlir::OpFoldResult> strides = {});
  /// `value` inside a border filled with `scalar`.
  mlir::Value border(mlir::Value value, llvm::ArrayRef<SymExpr> shape,
                     llvm::ArrayRef<SymExpr> before,
                     llvm::ArrayRef<SymExpr> result, mlir::Value scalar);
  /// The value converted element by element.
  mlir::Value convert(mlir::Value value, llvm::ArrayRef<SymExpr> shape,
                      mlir::Type element);
  /// softmax over the last axis of floats; all minus infinity gives zeros.
  mlir::Value softmaxRows(mlir::Value value, llvm::ArrayRef<SymExpr> shape,
                          bool logarithm = false);
  /// @}

private:
  mlir::Value generic(mlir::Value init, mlir::AffineMap map,
                      llvm::ArrayRef<Operand> inputs, bool readsInit,
                      Body body);

  DimBuilder dims;
  llvm::DenseMap<mlir::Value, mlir::Value> map;
};

/// Lowerings by op.
class Handlers {
public:
  using Handler = std::function<mlir::Value(mlir::Operation *, Lowering &)>;
  template <class Op> void add(mlir::Value (*lowering)(Op, Lowering &)) {
    map[mlir::TypeID::get<Op>()] = [lowering](mlir::Operation *op,
                                              Lowering &l) {
      return lowering(llvm::cast<Op>(op), l);
    };
  }
  /// Null where there is none.
  const Handler *find(mlir::Operation *op) const {
    auto it = map.find(op->getName().getTypeID());
    return it == map.end() ? nullptr : &it->second;
  }

private:
  llvm::DenseMap<mlir::TypeID, Handler> map;
};

/// \name One per file in passes/Lower/NNToLinalg
/// @{
void addElementwise(Handlers &handlers);
void addPower(Handlers &handlers);
void addUnary(Handlers &handlers);
void addActivation(Handlers &handlers);
void addShape(Handlers &handlers);
void addFill(Handlers &handlers);
void addPad(Handlers &handlers);
void addGather(Handlers &handlers);
void addReduce(Handlers &handlers);
void addLinear(Handlers &handlers);
void addNorm(Handlers &handlers);
void addAttention(Handlers &handlers);
void addRotary(Handlers &handlers);
void addConv(Handlers &handlers);
void addPool(Handlers &handlers);
/// @}

/// \name Scalar arithmetic that works on floats and signless integers
/// @{
using ScalarBuilder = mlir::ImplicitLocOpBuilder;
mlir::Value scalarOf(ScalarBuilder &b, mlir::Type type, double value);
mlir::Value addScalars(ScalarBuilder &b, mlir::Value x, mlir::Value y);
mlir::Value subScalars(ScalarBuilder &b, mlir::Value x, mlir::Value y);
mlir::Value mulScalars(ScalarBuilder &b, mlir::Value x, mlir::Value y);
mlir::Value minScalars(ScalarBuilder &b, mlir::Value x, mlir::Value y);
mlir::Value maxScalars(ScalarBuilder &b, mlir::Value x, mlir::Value y);
/// Conversion as nn.cast does it.
mlir::Value castScalar(ScalarBuilder &b, mlir::Value x, mlir::Type type);
/// As castScalar between an integer and index.
mlir::Value toIndex(ScalarBuilder &b, mlir::Value x);
mlir::Value erfScalar(ScalarBuilder &b, mlir::Value x);
/// The place inside [0, extent) that an index of nn.gather means.
mlir::Value clampIndex(ScalarBuilder &b, mlir::Value index, mlir::Value extent);
/// The type floats are computed in: f32 for narrower ones.
mlir::Type computeType(mlir::Type element);
/// Largest and smallest value of a type (floats: infinity).
mlir::Value lowestScalar(ScalarBuilder &b, mlir::Type type);
mlir::Value highestScalar(ScalarBuilder &b, mlir::Type type);
/// @}

} // namespace llmc::lower

#endif // LLMC_PASSES_NNLOWERING_H
