//===- LmWriterRows.cpp - Ops that treat each row of time by itself -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "LmWriter.h"

#include "llmc/Analysis/Proofs.h"
#include "llmc/Passes/Matching.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace llmc;

Value LmWriter::copyKnown(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !isa<nn::GetOp, arith::ConstantOp>(op))
    return {};
  Value &copy = known[value];
  if (!copy)
    copy = builder.clone(*op)->getResult(0);
  return copy;
}

LogicalResult LmWriter::writeGather(nn::GatherOp op) {
  Value table = copyKnown(op.getInput());
  auto type = tensorType(op.getInput());
  if (!table || op.getAxis() != 0)
    return refuse(op, "op 'nn.gather' reads from no table that is known");
  const Rows *indices = find(op.getIndices());
  if (indices) {
    SmallVector<int64_t> axes(indices->axes);
    int64_t next = tensorType(indices->value).getRank();
    for (int64_t i = 1; i < type.getRank(); ++i)
      axes.push_back(next++);
    set(op.getResult(),
        nn::GatherOp::create(builder, op.getLoc(), table, indices->value,
                             builder.getI64IntegerAttr(0)),
        axes);
    return success();
  }
  // A table of positions: one row for each row of time.
  SymExpr offset = provePositions(elements, op.getIndices());
  if (!offset || offset != (hasPasts ? past : elements.context().constant(0)))
    return refuse(op, "op 'nn.gather' reads rows that are neither ids nor "
                      "positions");
  int64_t rank = tensorType(op.getIndices()).getRank();
  SmallVector<int64_t> axes(rank - 1, Rows::kUnit);
  for (int64_t i = 0; i < type.getRank(); ++i)
    axes.push_back(i);
  for (int64_t i = 0; i + 1 < rank; ++i)
    if (!elements.dim(op.getIndices(), i).isConstant(1))
      return refuse(op, "op 'nn.gather' reads positions of more than one row");
  set(op.getResult(), readRows(op.getLoc(), table), axes);
  return success();
}

Value LmWriter::writeInvariant(Operation *op, Value value, const Rows &beside) {
  // A number: of rank 0, whatever shape the exporter gave it.
  if (auto scalar = getScalar(value)) {
    Type type = tensorType(value).getElementType();
    if (auto number = dyn_cast<FloatType>(type))
      return arith::ConstantOp::create(
          builder, op->getLoc(),
          DenseElementsAttr::get(RankedTensorType::get({}, type),
                                 builder.getFloatAttr(number, *scalar)));
    return {};
  }
  // A vector along the last axis, which must be the last one of the rows too.
  auto type = tensorType(value);
  if (type.getRank() != 1 || beside.axes.empty() ||
      beside.axes.back() != tensorType(beside.value).getRank() - 1)
    return {};
  return copyKnown(value);
}

LogicalResult LmWriter::writeElementwise(Operation *op) {
  const Rows *first = nullptr;
  for (Value operand : op->getOperands())
    if (const Rows *other = find(operand))
      if (!first || other->axes.size() > first->axes.size())
        first = other;
  if (!first)
    return refuse(op, "op '" + op->getName().getStringRef() +
                          "' has no operand with rows of time");
  Rows like = *first;
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    if (const Rows *other = find(operand)) {
      // Broadcasting aligns the last axes; the missing ones must be units.
      size_t missing = like.axes.size() - other->axes.size();
      bool same =
          ArrayRef<int64_t>(like.axes).drop_front(missing) ==
              ArrayRef<int64_t>(other->axes) &&
          llvm::all_of(ArrayRef<int64_t>(like.axes).take_front(missing),
                       [](int64_t axis) { return axis == Rows::kUnit; });
      if (!same || failed(verifyCompatibleShape(like.value.getType(),
                                                other->value.getType())))
        return refuse(op, "op '" + op->getName().getStringRef() +
                              "' joins tensors whose rows differ in form");
      operands.push_back(other->value);
      continue;
    }
    Value invariant = writeInvariant(op, operand, like);
    if (!invariant)
      return refuse(op, "op '" + op->getName().getStringRef() +
                            "' reads a tensor that is no row of time, no "
                            "number and no vector");
    operands.push_back(invariant);
  }
  auto type = tensorType(like.value)
                  .clone(tensorType(op->getResult(0)).getElementType());
  OperationState state(op->getLoc(), op->getName(), operands, {type},
                       op->getAttrs());
  set(op->getResult(0), builder.create(state)->getResult(0), like.axes);
  return success();
}

LogicalResult LmWriter::writeLayer(Operation *op) {
  const Rows *input = find(op->getOperand(0));
  if (!input)
    return refuse(op, "op '" + op->getName().getStringRef() +
                          "' has no input with rows of time");
  Rows like = *input;
  if (like.axes.empty() || like.axes.back() < 1 ||
      like.axes.back() != tensorType(like.value).getRank() - 1)
    return refuse(op, "op '" + op->getName().getStringRef() +
                          "' does not work on the last axis of its rows");
  SmallVector<Value> operands{like.value};
  for (Value parameter : op->getOperands().drop_front()) {
    operands.push_back(copyKnown(parameter));
    if (!operands.back())
      return refuse(op, "op '" + op->getName().getStringRef() +
                            "' has a parameter that is not known");
  }
  auto type = tensorType(like.value);
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = tensorType(op->getResult(0)).getShape().back();
  if (isa<nn::LinearOp>(op))
    shape.back() = tensorType(op->getOperand(1)).getDimSize(0);
  OperationState state(op->getLoc(), op->getName(), operands,
                       {type.clone(shape)}, op->getAttrs());
  set(op->getResult(0), builder.create(state)->getResult(0), like.axes);
  return success();
}

LogicalResult LmWriter::writeReshape(Operation *op) {
  const Rows *input = find(op->getOperand(0));
  if (!input)
    return refuse(op, "op '" + op->getName().getStringRef() +
                          "' has no input with rows of time");
  Rows like = *input;
  Value out = op->getResult(0);
  SmallVector<int64_t> axes;
  if (auto transpose = dyn_cast<nn::TransposeOp>(op)) {
    for (int64_t axis : transpose.getPerm())
      axes.push_back(like.axes[axis]);
    set(out, like.value, axes);
    return success();
  }
  // The extents tell where the axes went: first try that only units moved.
  SmallVector<int64_t> order;
  for (int64_t axis : like.axes)
    if (axis != Rows::kUnit)
      order.push_back(axis);
  auto inDims = elements.shape(op->getOperand(0));
  SmallVector<SymExpr> wanted;
  for (auto [axis, dim] : llvm::zip(like.axes, inDims))
    if (axis != Rows::kUnit)
      wanted.push_back(dim);
  auto outDims = elements.shape(out);
  size_t next = 0;
  bool moved = true;
  for (SymExpr dim : outDims) {
    if (next < wanted.size() && dim == wanted[next])
      axes.push_back(order[next++]);
    else if (dim.isConstant(1))
      axes.push_back(Rows::kUnit);
    else
      moved = false;
  }
  if (moved && next == wanted.size()) {
    set(out, like.value, axes);
    return success();
  }
  if (!isa<nn::ReshapeOp>(op))
    return refuse(op, "op '" + op->getName().getStringRef() +
                          "' repeats rows or changes their number");
  // Otherwise the features of each row are regrouped: time must come first on
  // both sides, and the features keep their order.
  if (!llvm::is_sorted(order) || order.empty() || order.front() != 0)
    return refuse(op, "op 'nn.reshape' regroups rows whose axes were permuted");
  axes.clear();
  SmallVector<int64_t> features;
  bool sawTime = false;
  for (SymExpr dim : outDims) {
    if (!sawTime && dim == seq) {
      sawTime = true;
      axes.push_back(0);
    } else if (!sawTime && dim.isConstant(1)) {
      axes.push_back(Rows::kUnit);
    } else if (auto extent = dim.constant(); extent && sawTime) {
      features.push_back(*extent);
      axes.push_back(features.size());
    } else {
      return refuse(op, "op 'nn.reshape' mixes rows of time");
    }
  }
  if (!sawTime)
    return refuse(op, "op 'nn.reshape' mixes rows of time");
  SmallVector<int64_t> entries{-1};
  llvm::append_range(entries, features);
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  llvm::append_range(shape, features);
  Value reshaped = nn::ReshapeOp::create(
      builder, op->getLoc(), tensorType(like.value).clone(shape), like.value,
      makeInts(builder, op->getLoc(), entries), UnitAttr());
  set(out, reshaped, axes);
  return success();
}

LogicalResult LmWriter::writeSlice(nn::SliceOp op) {
  const Rows *input = find(op.getInput());
  auto starts = nn::getConstantInts(op.getStarts());
  auto ends = nn::getConstantInts(op.getEnds());
  if (!input || !starts || !ends)
    return refuse(op, "op 'nn.slice' has bounds that are not constant");
  Rows like = *input;
  SmallVector<int64_t> axes;
  for (int64_t axis : op.getAxes()) {
    if (like.axes[axis] < 1)
      return refuse(op, "op 'nn.slice' takes a part of the rows of time");
    axes.push_back(like.axes[axis]);
  }
  set(op.getResult(),
      nn::SliceOp::create(builder, op.getLoc(), like.value,
                          makeInts(builder, op.getLoc(), *starts),
                          makeInts(builder, op.getLoc(), *ends), axes,
                          op.getSteps()),
      like.axes);
  return success();
}
