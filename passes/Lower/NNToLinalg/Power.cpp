//===- Power.cpp - Lowering of nn.pow -------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A constant exponent that is a small integer or a half becomes products and
// roots. Integers are raised by squaring. Else x^y = exp(y log|x|), with the
// sign and the special values put right.
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

/// The number all elements of `value` are.
static std::optional<double> getSplat(Value value) {
  DenseElementsAttr elements;
  if (!matchPattern(value, m_Constant(&elements)) || !elements.isSplat())
    return std::nullopt;
  if (isa<FloatType>(elements.getElementType()))
    return elements.getSplatValue<APFloat>().convertToDouble();
  return static_cast<double>(elements.getSplatValue<APInt>().getSExtValue());
}

/// x^n for a constant n; null where it is no number this is good for.
static Value constantPower(ScalarBuilder &b, Value x, double n) {
  Type type = x.getType();
  bool isFloat = isa<FloatType>(type);
  if (n < 0 && isFloat) {
    Value power = constantPower(b, x, -n);
    return power ? Value(arith::DivFOp::create(b, scalarOf(b, type, 1), power))
                 : Value();
  }
  if (n == 0.5 && isFloat)
    return math::SqrtOp::create(b, x);
  if (n != std::floor(n) || n < 0 || n > 64)
    return {};
  Value result;
  auto bits = static_cast<unsigned>(n);
  for (Value square = x; bits; bits >>= 1) {
    if (bits & 1)
      result = result ? mulScalars(b, result, square) : square;
    if (bits > 1)
      square = mulScalars(b, square, square);
  }
  return result ? result : scalarOf(b, type, 1);
}

static Value compareWith(ScalarBuilder &b, arith::CmpIPredicate predicate,
                         Value x, int64_t value) {
  return arith::CmpIOp::create(b, predicate, x,
                               scalarOf(b, x.getType(), value));
}

/// x^n for integers. From 63 on only the parity of n matters for the bases 0, 1
/// and -1, and everything else has overflowed; negative powers are 0 but for 1
/// and -1.
static Value integerPower(ScalarBuilder &b, Value x, Value n) {
  Type type = x.getType();
  n = castScalar(b, n, b.getI64Type());
  Value odd = arith::AndIOp::create(b, n, scalarOf(b, n.getType(), 1));
  Value large = arith::AddIOp::create(b, odd, scalarOf(b, n.getType(), 62));
  Value magnitude = math::AbsIOp::create(b, n);
  n = arith::SelectOp::create(
      b, compareWith(b, arith::CmpIPredicate::sgt, magnitude, 63), large, n);
  Value bits = math::AbsIOp::create(b, n);
  Value result = scalarOf(b, type, 1), square = x;
  for (int i = 0; i < 6; ++i) {
    Value bit = arith::AndIOp::create(
        b, arith::ShRUIOp::create(b, bits, scalarOf(b, bits.getType(), i)),
        scalarOf(b, bits.getType(), 1));
    result = arith::SelectOp::create(
        b, compareWith(b, arith::CmpIPredicate::ne, bit, 0),
        mulScalars(b, result, square), result);
    square = mulScalars(b, square, square);
  }
  Value isUnit =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                            math::AbsIOp::create(b, x), scalarOf(b, type, 1));
  Value vanishes = arith::AndIOp::create(
      b, compareWith(b, arith::CmpIPredicate::slt, n, 0),
      arith::XOrIOp::create(b, isUnit, scalarOf(b, b.getI1Type(), 1)));
  return arith::SelectOp::create(b, vanishes, scalarOf(b, type, 0), result);
}

static Value floatPower(ScalarBuilder &b, Value x, Value y) {
  Type type = x.getType();
  auto c = [&](double value) { return scalarOf(b, type, value); };
  auto compare = [&](arith::CmpFPredicate predicate, Value left,
                     double right) -> Value {
    return arith::CmpFOp::create(b, predicate, left, c(right));
  };
  Value log = math::LogOp::create(b, math::AbsFOp::create(b, x));
  Value power = math::ExpOp::create(b, mulScalars(b, y, log));
  Value half = mulScalars(b, y, c(0.5));
  Value whole = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, y,
                                      math::FloorOp::create(b, y));
  Value even = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, half,
                                     math::FloorOp::create(b, half));
  Value negated = arith::NegFOp::create(b, power);
  Value nan = scalarOf(b, type, std::nan(""));
  Value forNegative = arith::SelectOp::create(
      b, even, power, arith::SelectOp::create(b, whole, negated, nan));
  Value result = arith::SelectOp::create(
      b, compare(arith::CmpFPredicate::OLT, x, 0), forNegative, power);
  Value atZero = arith::SelectOp::create(
      b, compare(arith::CmpFPredicate::OGT, y, 0), c(0),
      scalarOf(b, type, std::numeric_limits<double>::infinity()));
  result = arith::SelectOp::create(b, compare(arith::CmpFPredicate::OEQ, x, 0),
                                   atZero, result);
  return arith::SelectOp::create(b, compare(arith::CmpFPredicate::OEQ, y, 0),
                                 c(1), result);
}

static Value powerScalars(ScalarBuilder &b, Value x, Value y) {
  Type type = x.getType();
  bool floatBase = isa<FloatType>(type),
       floatPowers = isa<FloatType>(y.getType());
  if (!floatBase && !floatPowers)
    return integerPower(b, x, y);
  if (floatBase) {
    Type wide = computeType(type);
    return castScalar(
        b, floatPower(b, castScalar(b, x, wide), castScalar(b, y, wide)), type);
  }
  Type wide = computeType(y.getType());
  y = castScalar(b, y, wide);
  Value exact = integerPower(b, x, castScalar(b, y, b.getI64Type()));
  Value rounded = castScalar(b, floatPower(b, castScalar(b, x, wide), y), type);
  Value whole = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, y,
                                      math::FloorOp::create(b, y));
  return arith::SelectOp::create(b, whole, exact, rounded);
}

static Value lowerPow(nn::PowOp op, Lowering &l) {
  Shape shape = l.shape(op.getResult());
  Type element = getElementTypeOrSelf(op.getType());
  Operand base = l.broadcast(op.getLhs(), shape);
  auto splat = getSplat(op.getRhs());
  bool small =
      splat && (std::fabs(*splat) == 0.5 ||
                (*splat == std::floor(*splat) && std::fabs(*splat) <= 64));
  if (small && (isa<FloatType>(element) || (*splat >= 0 && *splat != 0.5)))
    return l.each(shape, element, base, [&](ScalarBuilder &b, ValueRange x) {
      Value wide = castScalar(b, x[0], computeType(element));
      return castScalar(b, constantPower(b, wide, *splat), element);
    });
  return l.each(shape, element, {base, l.broadcast(op.getRhs(), shape)},
                [](ScalarBuilder &b, ValueRange x) {
                  return powerScalars(b, x[0], x[1]);
                });
}

void lower::addPower(Handlers &handlers) { handlers.add<nn::PowOp>(lowerPow); }
