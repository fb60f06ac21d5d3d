//===- Norm.cpp - Lowering of normalizations ------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A reduction for each statistic, then one op over the elements. The variance is
// that of the centered elements: sums of squares minus squares of sums lose
// digits where the mean is large.
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

namespace {
/// What both normalizations need to know about the rows.
struct Rows {
  template <class Op>
  Rows(Op op, Lowering &l)
      : shape(l.shape(op.getInput())),
        element(getElementTypeOrSelf(op.getType())), wide(computeType(element)),
        rank(shape.size()), outer(ArrayRef(shape).drop_back()) {
    SmallVector<int64_t> dims = axesOf(0, rank - 1);
    rowMap = l.select(rank, dims);
    columnMap = l.select(rank, {rank - 1});
    input = l.whole(l.get(op.getInput()));
    if (auto extent = shape.back().constant())
      count = scalarOf(l.b, wide, *extent);
    else
      count = castScalar(l.b, l.index(shape.back()), wide);
  }

  Value inverse(ScalarBuilder &b, Value sum, double epsilon) const {
    Value mean = arith::DivFOp::create(b, sum, count);
    return math::RsqrtOp::create(
        b, addScalars(b, mean, scalarOf(b, wide, epsilon)));
  }

  Shape shape;
  Type element, wide;
  int64_t rank;
  ArrayRef<SymExpr> outer;
  AffineMap rowMap, columnMap;
  Operand input;
  Value count;
};
} // namespace

static Value lowerRmsNorm(nn::RmsNormOp op, Lowering &l) {
  Rows r(op, l);
  double epsilon = op.getEpsilon().convertToDouble();
  Value squares = l.sum(r.outer, r.wide, r.rowMap, r.input, {},
                        [&](ScalarBuilder &b, ValueRange x) {
                          Value wide = castScalar(b, x[0], r.wide);
                          return mulScalars(b, wide, wide);
                        });
  return l.each(
      r.shape, r.element,
      {r.input, {squares, r.rowMap}, {l.get(op.getWeight()), r.columnMap}},
      [&](ScalarBuilder &b, ValueRange x) {
        Value factor = r.inverse(b, x[1], epsilon);
        Value scaled = mulScalars(b, castScalar(b, x[0], r.wide), factor);
        Value result = mulScalars(b, scaled, castScalar(b, x[2], r.wide));
        return castScalar(b, result, r.element);
      });
}

static Value lowerLayerNorm(nn::LayerNormOp op, Lowering &l) {
  Rows r(op, l);
  double epsilon = op.getEpsilon().convertToDouble();
  Value total = l.sum(r.outer, r.wide, r.rowMap, r.input);
  auto centered = [&](ScalarBuilder &b, Value x, Value total) {
    Value mean = arith::DivFOp::create(b, total, r.count);
    return subScalars(b, castScalar(b, x, r.wide), mean);
  };
  Value squares = l.sum(r.outer, r.wide, r.rowMap, {r.input, {total, r.rowMap}},
                        {}, [&](ScalarBuilder &b, ValueRange x) {
                          Value distance = centered(b, x[0], x[1]);
                          return mulScalars(b, distance, distance);
                        });
  SmallVector<Operand> inputs = {r.input,
                                 {total, r.rowMap},
                                 {squares, r.rowMap},
                                 {l.get(op.getWeight()), r.columnMap}};
  if (Value bias = op.getBias())
    inputs.push_back({l.get(bias), r.columnMap});
  return l.each(r.shape, r.element, inputs,
                [&](ScalarBuilder &b, ValueRange x) {
                  Value factor = r.inverse(b, x[2], epsilon);
                  Value result = mulScalars(b, centered(b, x[0], x[1]), factor);
                  result = mulScalars(b, result, castScalar(b, x[3], r.wide));
                  if (op.getBias())
                    result = addScalars(b, result, castScalar(b, x[4], r.wide));
                  return castScalar(b, result, r.element);
                });
}

void lower::addNorm(Handlers &handlers) {
  handlers.add<nn::RmsNormOp>(lowerRmsNorm);
  handlers.add<nn::LayerNormOp>(lowerLayerNorm);
}
