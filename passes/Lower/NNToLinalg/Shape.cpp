//===- Shape.cpp - Lowering of ops that move elements ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

static Value first(ScalarBuilder &, ValueRange x) { return x[0]; }

/// Reshape, squeeze, unsqueeze.
template <class Op> static Value lowerReshape(Op op, Lowering &l) {
  return l.reshape(l.get(op.getInput()), l.shape(op.getInput()),
                   l.shape(op.getResult()));
}

static Value lowerTranspose(nn::TransposeOp op, Lowering &l) {
  Shape from = l.shape(op.getInput()), to = l.shape(op.getResult());
  SmallVector<int64_t> dims(from.size()), moving;
  for (auto [axis, source] : llvm::enumerate(op.getPerm())) {
    dims[source] = axis;
    if (!from[source].isConstant(1))
      moving.push_back(source);
  }
  // Where only extents of one change places nothing moves.
  if (llvm::is_sorted(moving))
    return l.reshape(l.get(op.getInput()), from, to);
  return l.each(to, getElementTypeOrSelf(op.getType()),
                Operand{l.get(op.getInput()), l.select(from.size(), dims)},
                first);
}

static Value lowerExpand(nn::ExpandOp op, Lowering &l) {
  Shape shape = l.shape(op.getResult());
  return l.each(shape, getElementTypeOrSelf(op.getType()),
                l.broadcast(op.getInput(), shape), first);
}

static Value lowerConcat(nn::ConcatOp op, Lowering &l) {
  Shape shape = l.shape(op.getResult());
  auto axis = static_cast<int64_t>(op.getAxis());
  Value result = l.empty(shape, getElementTypeOrSelf(op.getType()));
  SmallVector<OpFoldResult> offsets(shape.size(), l.b.getIndexAttr(0));
  SymExpr offset = l.constant(0);
  for (Value input : op.getInputs()) {
    // The axes that are not joined are equal by the rules of the op, so those
    // of the result are the ones to name.
    Shape part = shape;
    part[axis] = l.shape(input)[axis];
    // MLIR has no place for a slice of nothing at the end.
    if (llvm::any_of(part, [](SymExpr e) { return e.isConstant(0); }))
      continue;
    Value value = l.get(input);
    auto type =
        l.type(part, cast<RankedTensorType>(value.getType()).getElementType());
    if (value.getType() != type)
      value = tensor::CastOp::create(l.b, type, value);
    offsets[axis] = l.extent(offset);
    result = l.insert(value, result, offsets, part);
    offset = l.ctx.add(offset, part[axis]);
  }
  return result;
}

static Value lowerRows(nn::RowsOp op, Lowering &l) {
  Shape shape = l.shape(op.getResult());
  SmallVector<OpFoldResult> offsets(shape.size(), l.b.getIndexAttr(0));
  SymExpr start = l.elements.index(op.getStart());
  Value known = l.index(start);
  offsets[0] = known ? l.extent(start) : OpFoldResult(op.getStart());
  return l.slice(l.get(op.getInput()), offsets, shape);
}

/// Where a slice along one axis begins: the ONNX rule for starts, applied to
/// what the analysis knows or else to the element as it is at run time.
static OpFoldResult sliceStart(nn::SliceOp op, size_t i, SymExpr extent,
                               Lowering &l) {
  int64_t step = op.getSteps()[i];
  SymContext &ctx = l.ctx;
  SymExpr zero = ctx.constant(0), last = ctx.sub(extent, ctx.constant(1));
  SymExpr limit = step > 0 ? extent : last;
  SymExpr start = l.elements.element(op.getStarts(),
                                     {ctx.constant(static_cast<int64_t>(i))});
  if (start && l.index(start)) {
    SymExpr wrapped =
        ctx.select(ctx.less(start, zero), ctx.add(start, extent), start);
    SymExpr clamped = ctx.max(ctx.min(wrapped, limit), zero);
    if (clamped && l.index(clamped))
      return l.extent(clamped);
  }
  Value element = toIndex(
      l.b, tensor::ExtractOp::create(l.b, l.get(op.getStarts()), l.index(i)));
  Value isNegative = arith::CmpIOp::create(l.b, arith::CmpIPredicate::slt,
                                           element, l.index(zero));
  Value fromEnd = arith::AddIOp::create(l.b, element, l.index(extent));
  element = arith::SelectOp::create(l.b, isNegative, fromEnd, element);
  element = arith::MinSIOp::create(l.b, element, l.index(limit));
  return arith::MaxSIOp::create(l.b, element, l.index(zero)).getResult();
}

static Value lowerSlice(nn::SliceOp op, Lowering &l) {
  Shape from = l.shape(op.getInput()), to = l.shape(op.getResult());
  Type element = getElementTypeOrSelf(op.getType());
  if (llvm::any_of(to, [](SymExpr e) { return e.isConstant(0); }))
    return l.empty(to, element);
  SmallVector<OpFoldResult> offsets(from.size(), l.b.getIndexAttr(0)),
      strides(from.size(), l.b.getIndexAttr(1));
  bool backward = false;
  for (auto [i, axis] : llvm::enumerate(op.getAxes())) {
    offsets[axis] = sliceStart(op, i, from[axis], l);
    strides[axis] = l.b.getIndexAttr(op.getSteps()[i]);
    backward |= op.getSteps()[i] < 0;
  }
  Value input = l.get(op.getInput());
  if (!backward)
    return l.slice(input, offsets, to, strides);
  auto value = [](ScalarBuilder &b, OpFoldResult result) -> Value {
    if (auto known = getConstantIntValue(result))
      return arith::ConstantIndexOp::create(b, *known);
    return cast<Value>(result);
  };
  return l.each(to, element, {}, [&](ScalarBuilder &b, ValueRange) -> Value {
    SmallVector<Value> indices;
    for (auto [axis, offset] : llvm::enumerate(offsets)) {
      Value steps = arith::MulIOp::create(b, linalg::IndexOp::create(b, axis),
                                          value(b, strides[axis]));
      indices.push_back(arith::AddIOp::create(b, value(b, offset), steps));
    }
    return tensor::ExtractOp::create(b, input, indices);
  });
}

static Value lowerTile(nn::TileOp op, Lowering &l) {
  Shape from = l.shape(op.getInput()), to = l.shape(op.getResult());
  Type element = getElementTypeOrSelf(op.getType());
  Value input = l.get(op.getInput());
  // An axis of extent one is repeated by broadcasting.
  bool broadcasts = true;
  for (auto [own, wanted] : llvm::zip(from, to))
    broadcasts &= own == wanted || own.isConstant(1);
  if (broadcasts)
    return l.each(to, element, l.broadcast(op.getInput(), to), first);
  SmallVector<Value> extents;
  for (SymExpr extent : from)
    extents.push_back(l.index(extent));
  return l.each(to, element, {}, [&](ScalarBuilder &b, ValueRange) -> Value {
    SmallVector<Value> indices;
    for (auto [axis, extent] : llvm::enumerate(extents))
      indices.push_back(
          arith::RemUIOp::create(b, linalg::IndexOp::create(b, axis), extent));
    return tensor::ExtractOp::create(b, input, indices);
  });
}

static Value lowerShapeOf(nn::ShapeOfOp op, Lowering &l) {
  SmallVector<Value> extents;
  for (SymExpr extent : l.shape(op.getInput()))
    extents.push_back(castScalar(l.b, l.index(extent), l.b.getI64Type()));
  if (extents.empty())
    return l.empty({l.constant(0)}, l.b.getI64Type());
  return tensor::FromElementsOp::create(l.b, extents);
}

void lower::addShape(Handlers &handlers) {
  handlers.add<nn::ReshapeOp>(lowerReshape<nn::ReshapeOp>);
  handlers.add<nn::SqueezeOp>(lowerReshape<nn::SqueezeOp>);
  handlers.add<nn::UnsqueezeOp>(lowerReshape<nn::UnsqueezeOp>);
  handlers.add<nn::TransposeOp>(lowerTranspose);
  handlers.add<nn::ExpandOp>(lowerExpand);
  handlers.add<nn::ConcatOp>(lowerConcat);
  handlers.add<nn::RowsOp>(lowerRows);
  handlers.add<nn::SliceOp>(lowerSlice);
  handlers.add<nn::TileOp>(lowerTile);
  handlers.add<nn::ShapeOfOp>(lowerShapeOf);
}
