//===- Reduce.cpp - Lowering of reductions --------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The reduced axes vanish first; `keepdims` brings them back by a reshape, which
// moves nothing.
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

namespace {
/// The axes of the input that stay.
struct Kept {
  Kept(Lowering &l, ArrayRef<SymExpr> from, ArrayRef<int64_t> axes) {
    SmallVector<int64_t> dims;
    for (int64_t axis = 0; axis < static_cast<int64_t>(from.size()); ++axis)
      if (!llvm::is_contained(axes, axis)) {
        dims.push_back(axis);
        shape.push_back(from[axis]);
      }
    map = l.select(from.size(), dims);
  }
  Shape shape;
  AffineMap map;
};
} // namespace

template <class Op, class Neutral>
static Value lowerFold(Op op, Lowering &l, Neutral neutral,
                       Value (*combine)(ScalarBuilder &, Value, Value)) {
  Shape from = l.shape(op.getInput());
  Kept kept(l, from, op.getAxes());
  Type element = getElementTypeOrSelf(op.getType());
  Type wide = computeType(element);
  Value result = l.reduce(l.fill(kept.shape, neutral(l.b, wide)), kept.map,
                          l.whole(l.get(op.getInput())),
                          [&](ScalarBuilder &b, ValueRange x) {
                            return combine(b, castScalar(b, x[0], wide), x[1]);
                          });
  result = l.convert(result, kept.shape, element);
  return l.reshape(result, kept.shape, l.shape(op.getResult()));
}

static Value lowerMax(nn::ReduceMaxOp op, Lowering &l) {
  return lowerFold(op, l, lowestScalar, maxScalars);
}

static Value lowerMin(nn::ReduceMinOp op, Lowering &l) {
  return lowerFold(op, l, highestScalar, minScalars);
}

static Value lowerProd(nn::ReduceProdOp op, Lowering &l) {
  return lowerFold(
      op, l, [](ScalarBuilder &b, Type type) { return scalarOf(b, type, 1); },
      mulScalars);
}

template <class Op> static Value lowerTotal(Op op, Lowering &l, bool mean) {
  Shape from = l.shape(op.getInput());
  Kept kept(l, from, op.getAxes());
  Type element = getElementTypeOrSelf(op.getType());
  Type wide = computeType(element);
  Value result =
      l.sum(kept.shape, wide, kept.map, l.whole(l.get(op.getInput())));
  if (mean) {
    SymExpr product = l.constant(1);
    for (int64_t axis : op.getAxes())
      product = l.ctx.mul(product, from[axis]);
    Value number = l.index(product);
    if (!number)
      return l.fail(op, "the number of elements of a mean is not known");
    Value count = castScalar(l.b, number, wide);
    result =
        l.each(kept.shape, element, l.whole(result),
               [&](ScalarBuilder &b, ValueRange x) -> Value {
                 if (isa<FloatType>(wide))
                   return castScalar(b, arith::DivFOp::create(b, x[0], count),
                                     element);
                 // A count of zero leaves nothing to divide.
                 Value divisor =
                     arith::MaxSIOp::create(b, count, scalarOf(b, wide, 1));
                 return arith::DivSIOp::create(b, x[0], divisor);
               });
  } else {
    result = l.convert(result, kept.shape, element);
  }
  return l.reshape(result, kept.shape, l.shape(op.getResult()));
}

static Value lowerSum(nn::ReduceSumOp op, Lowering &l) {
  return lowerTotal(op, l, false);
}

static Value lowerMean(nn::ReduceMeanOp op, Lowering &l) {
  return lowerTotal(op, l, true);
}

/// One linalg.generic with two results: the best element and its place.
template <class Op> static Value lowerArg(Op op, Lowering &l, bool largest) {
  Shape from = l.shape(op.getInput());
  auto axis = static_cast<int64_t>(op.getAxis());
  Kept kept(l, from, {axis});
  Value input = l.get(op.getInput());
  Type element = cast<RankedTensorType>(input.getType()).getElementType();
  Type i64 = l.b.getI64Type();
  Value best = l.fill(kept.shape, largest ? lowestScalar(l.b, element)
                                          : highestScalar(l.b, element));
  Value place = l.fill(kept.shape, l.constantOf(i64, 0));
  SmallVector<utils::IteratorType> iterators(from.size(),
                                             utils::IteratorType::parallel);
  iterators[axis] = utils::IteratorType::reduction;
  bool last = op.getSelectLast();
  auto generic = linalg::GenericOp::create(
      l.b, TypeRange{best.getType(), place.getType()}, input,
      ValueRange{best, place},
      ArrayRef<AffineMap>{l.identity(from.size()), kept.map, kept.map},
      iterators, [&](OpBuilder &nested, Location loc, ValueRange x) {
        ScalarBuilder b(loc, nested);
        Value better;
        if (isa<FloatType>(element)) {
          auto predicate = largest ? (last ? arith::CmpFPredicate::OGE
                                           : arith::CmpFPredicate::OGT)
                                   : (last ? arith::CmpFPredicate::OLE
                                           : arith::CmpFPredicate::OLT);
          better = arith::CmpFOp::create(b, predicate, x[0], x[1]);
        } else {
          auto predicate = largest ? (last ? arith::CmpIPredicate::sge
                                           : arith::CmpIPredicate::sgt)
                                   : (last ? arith::CmpIPredicate::sle
                                           : arith::CmpIPredicate::slt);
          better = arith::CmpIOp::create(b, predicate, x[0], x[1]);
        }
        Value here = castScalar(b, linalg::IndexOp::create(b, axis), i64);
        linalg::YieldOp::create(
            b, ValueRange{arith::SelectOp::create(b, better, x[0], x[1]),
                          arith::SelectOp::create(b, better, here, x[2])});
      });
  return l.reshape(generic.getResult(1), kept.shape, l.shape(op.getResult()));
}

static Value lowerArgMax(nn::ArgMaxOp op, Lowering &l) {
  return lowerArg(op, l, true);
}

static Value lowerArgMin(nn::ArgMinOp op, Lowering &l) {
  return lowerArg(op, l, false);
}

/// The elements in the opposite order along `axis`.
static Value reverse(Lowering &l, Value value, ArrayRef<SymExpr> shape,
                     int64_t axis) {
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  Value extent = l.index(shape[axis]);
  return l.each(shape, element, {}, [&](ScalarBuilder &b, ValueRange) -> Value {
    SmallVector<Value> places;
    for (size_t i = 0; i < shape.size(); ++i)
      places.push_back(linalg::IndexOp::create(b, i));
    Value one = arith::ConstantIndexOp::create(b, 1);
    Value last = arith::SubIOp::create(b, extent, one);
    places[axis] = arith::SubIOp::create(b, last, places[axis]);
    return tensor::ExtractOp::create(b, value, places);
  });
}

/// One linalg.generic with two results: the running sums, and the sum so far,
/// for which the axis is a reduction. Reductions run in order, so each element
/// of the first is the second as it stands then.
static Value lowerCumSum(nn::CumSumOp op, Lowering &l) {
  Shape shape = l.shape(op.getInput());
  Type element = getElementTypeOrSelf(op.getType());
  Type wide = computeType(element);
  auto axis = static_cast<int64_t>(op.getAxis());
  Kept kept(l, shape, {axis});
  Value input = l.get(op.getInput());
  if (op.getReverse())
    input = reverse(l, input, shape, axis);
  Value sums = l.empty(shape, element);
  Value total = l.fill(kept.shape, l.constantOf(wide, 0));
  SmallVector<utils::IteratorType> iterators(shape.size(),
                                             utils::IteratorType::parallel);
  iterators[axis] = utils::IteratorType::reduction;
  AffineMap map = l.identity(shape.size());
  auto generic = linalg::GenericOp::create(
      l.b, TypeRange{sums.getType(), total.getType()}, input,
      ValueRange{sums, total}, ArrayRef<AffineMap>{map, map, kept.map},
      iterators, [&](OpBuilder &nested, Location loc, ValueRange x) {
        ScalarBuilder b(loc, nested);
        Value next = addScalars(b, x[2], castScalar(b, x[0], wide));
        Value shown = op.getExclusive() ? x[2] : next;
        linalg::YieldOp::create(
            b, ValueRange{castScalar(b, shown, element), next});
      });
  Value result = generic.getResult(0);
  return op.getReverse() ? reverse(l, result, shape, axis) : result;
}

void lower::addReduce(Handlers &handlers) {
  handlers.add<nn::ReduceSumOp>(lowerSum);
  handlers.add<nn::ReduceMeanOp>(lowerMean);
  handlers.add<nn::ReduceProdOp>(lowerProd);
  handlers.add<nn::ReduceMaxOp>(lowerMax);
  handlers.add<nn::ReduceMinOp>(lowerMin);
  handlers.add<nn::ArgMaxOp>(lowerArgMax);
  handlers.add<nn::ArgMinOp>(lowerArgMin);
  handlers.add<nn::CumSumOp>(lowerCumSum);
}
