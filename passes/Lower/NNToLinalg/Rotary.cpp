//===- Rotary.cpp - Lowering of nn.rotary ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The two channels of the pairs are two slices of the last axis, each computed
// into its slice of the result.
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

static Value lowerRotary(nn::RotaryOp op, Lowering &l) {
  Shape shape = l.shape(op.getInput()), table = l.shape(op.getCos());
  Type element = getElementTypeOrSelf(op.getType());
  Type wide = computeType(element);
  int64_t rank = shape.size();
  auto half = table.back().constant(), size = shape.back().constant();
  if (!half || !size)
    return l.fail(op, "expected constant extents of the last axes but got '" +
                          shape.back().str() + "' and '" + table.back().str() +
                          "'");
  Value input = l.get(op.getInput());
  Value result = l.empty(shape, element);
  Shape part = shape;
  part.back() = l.constant(*half);
  SmallVector<OpFoldResult> strides(rank, l.b.getIndexAttr(1));
  strides.back() = l.b.getIndexAttr(op.getInterleaved() ? 2 : 1);
  auto offsets = [&](int64_t place) {
    SmallVector<OpFoldResult> all(rank, l.b.getIndexAttr(0));
    all.back() = l.b.getIndexAttr(place);
    return all;
  };
  int64_t second = op.getInterleaved() ? 1 : *half;
  Value x0 = l.slice(input, offsets(0), part, strides);
  Value x1 = l.slice(input, offsets(second), part, strides);
  // The tables have no axis of heads; one row may serve the whole batch.
  Shape tableShape = table;
  tableShape.insert(tableShape.end() - 1, l.constant(1));
  SmallVector<int64_t> dims;
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (axis == rank - 2)
      continue;
    bool repeats = tableShape[axis].isConstant(1) && !part[axis].isConstant(1);
    dims.push_back(repeats ? -1 : axis);
  }
  AffineMap tableMap = l.select(rank, dims);
  Operand cos = {l.get(op.getCos()), tableMap},
          sin = {l.get(op.getSin()), tableMap};
  for (bool isSecond : {false, true}) {
    auto place = offsets(isSecond ? second : 0);
    Value into = l.slice(result, place, part, strides);
    Value turned = l.eachInto(
        into, {l.whole(x0), l.whole(x1), cos, sin},
        [&](ScalarBuilder &b, ValueRange x) {
          auto get = [&](int i) { return castScalar(b, x[i], wide); };
          Value value = isSecond ? addScalars(b, mulScalars(b, get(1), get(2)),
                                              mulScalars(b, get(0), get(3)))
                                 : subScalars(b, mulScalars(b, get(0), get(2)),
                                              mulScalars(b, get(1), get(3)));
          return castScalar(b, value, element);
        });
    result = l.insert(turned, result, place, part, strides);
  }
  if (2 * *half == *size)
    return result;
  Shape rest = shape;
  rest.back() = l.constant(*size - 2 * *half);
  auto place = offsets(2 * *half);
  return l.insert(l.slice(input, place, rest), result, place, rest);
}

void lower::addRotary(Handlers &handlers) {
  handlers.add<nn::RotaryOp>(lowerRotary);
}
