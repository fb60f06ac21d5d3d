//===- Elementwise.cpp - Lowering of ops with two and three operands ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Integer division never traps: a divisor of zero gives some number.
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

template <class Op> static Value lowerBinary(Op op, Lowering &l, Body body) {
  Shape shape = l.shape(op.getResult());
  return l.each(
      shape, getElementTypeOrSelf(op.getType()),
      {l.broadcast(op.getLhs(), shape), l.broadcast(op.getRhs(), shape)}, body);
}

/// A divisor for which hardware division is defined, and whether it was -1.
static std::pair<Value, Value> safeDivisor(ScalarBuilder &b, Value divisor) {
  Type type = divisor.getType();
  auto equals = [&](double value) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, divisor,
                                 scalarOf(b, type, value));
  };
  Value negative = equals(-1);
  Value unsafe = arith::OrIOp::create(b, equals(0), negative);
  Value safe =
      arith::SelectOp::create(b, unsafe, scalarOf(b, type, 1), divisor);
  return {safe, negative};
}

static Value divideScalars(ScalarBuilder &b, Value x, Value y) {
  Type type = x.getType();
  if (isa<FloatType>(type))
    return arith::DivFOp::create(b, x, y);
  auto [divisor, negative] = safeDivisor(b, y);
  Value quotient = arith::DivSIOp::create(b, x, divisor);
  Value negated = subScalars(b, scalarOf(b, type, 0), x);
  return arith::SelectOp::create(b, negative, negated, quotient);
}

static Value remainderScalars(ScalarBuilder &b, Value x, Value y, bool fmod) {
  Type type = x.getType();
  if (isa<FloatType>(type)) {
    Type wide = computeType(type);
    x = castScalar(b, x, wide);
    y = castScalar(b, y, wide);
    Value quotient = arith::DivFOp::create(b, x, y);
    Value whole = fmod ? Value(math::TruncOp::create(b, quotient))
                       : Value(math::FloorOp::create(b, quotient));
    return castScalar(b, subScalars(b, x, mulScalars(b, whole, y)), type);
  }
  // The remainder of a division by 1 and by -1 is zero alike.
  Value rest = arith::RemSIOp::create(b, x, safeDivisor(b, y).first);
  if (fmod)
    return rest;
  Value zero = scalarOf(b, type, 0);
  Value nonzero =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ne, rest, zero);
  Value signs = arith::CmpIOp::create(b, arith::CmpIPredicate::slt,
                                      arith::XOrIOp::create(b, rest, y), zero);
  Value moved = arith::AddIOp::create(b, rest, y);
  return arith::SelectOp::create(b, arith::AndIOp::create(b, nonzero, signs),
                                 moved, rest);
}

template <class Op, Value (*scalar)(ScalarBuilder &, Value, Value)>
static Value lowerPlain(Op op, Lowering &l) {
  return lowerBinary(op, l, [](ScalarBuilder &b, ValueRange x) {
    return scalar(b, x[0], x[1]);
  });
}

template <class Op, class Scalar> static Value lowerBits(Op op, Lowering &l) {
  return lowerBinary(op, l, [](ScalarBuilder &b, ValueRange x) -> Value {
    return Scalar::create(b, x[0], x[1]);
  });
}

static Value lowerMod(nn::ModOp op, Lowering &l) {
  return lowerBinary(op, l, [&](ScalarBuilder &b, ValueRange x) {
    return remainderScalars(b, x[0], x[1], op.getFmod());
  });
}

static Value compareScalars(ScalarBuilder &b, nn::Predicate predicate, Value x,
                            Value y) {
  using F = arith::CmpFPredicate;
  using I = arith::CmpIPredicate;
  // In the order of nn::Predicate. Booleans are unsigned: false is less.
  constexpr F floats[] = {F::OEQ, F::UNE, F::OLT, F::OLE, F::OGT, F::OGE};
  constexpr I ints[] = {I::eq, I::ne, I::slt, I::sle, I::sgt, I::sge};
  constexpr I bools[] = {I::eq, I::ne, I::ult, I::ule, I::ugt, I::uge};
  auto place = static_cast<unsigned>(predicate);
  if (isa<FloatType>(x.getType()))
    return arith::CmpFOp::create(b, floats[place], x, y);
  return arith::CmpIOp::create(
      b, x.getType().isInteger(1) ? bools[place] : ints[place], x, y);
}

static Value lowerCompare(nn::CompareOp op, Lowering &l) {
  return lowerBinary(op, l, [&](ScalarBuilder &b, ValueRange x) {
    return compareScalars(b, op.getPredicate(), x[0], x[1]);
  });
}

static Value lowerWhere(nn::WhereOp op, Lowering &l) {
  Shape shape = l.shape(op.getResult());
  return l.each(shape, getElementTypeOrSelf(op.getType()),
                {l.broadcast(op.getCondition(), shape),
                 l.broadcast(op.getOnTrue(), shape),
                 l.broadcast(op.getOnFalse(), shape)},
                [](ScalarBuilder &b, ValueRange x) -> Value {
                  return arith::SelectOp::create(b, x[0], x[1], x[2]);
                });
}

void lower::addElementwise(Handlers &handlers) {
  handlers.add<nn::AddOp>(lowerPlain<nn::AddOp, addScalars>);
  handlers.add<nn::SubOp>(lowerPlain<nn::SubOp, subScalars>);
  handlers.add<nn::MulOp>(lowerPlain<nn::MulOp, mulScalars>);
  handlers.add<nn::DivOp>(lowerPlain<nn::DivOp, divideScalars>);
  handlers.add<nn::MinOp>(lowerPlain<nn::MinOp, minScalars>);
  handlers.add<nn::MaxOp>(lowerPlain<nn::MaxOp, maxScalars>);
  handlers.add<nn::AndOp>(lowerBits<nn::AndOp, arith::AndIOp>);
  handlers.add<nn::OrOp>(lowerBits<nn::OrOp, arith::OrIOp>);
  handlers.add<nn::XorOp>(lowerBits<nn::XorOp, arith::XOrIOp>);
  handlers.add<nn::ModOp>(lowerMod);
  handlers.add<nn::CompareOp>(lowerCompare);
  handlers.add<nn::WhereOp>(lowerWhere);
}
