//===- Scalars.cpp - Arithmetic on one element ----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

Value lower::scalarOf(ScalarBuilder &b, Type type, double value) {
  if (isa<FloatType>(type))
    return arith::ConstantOp::create(b, b.getFloatAttr(type, value));
  return arith::ConstantOp::create(
      b, b.getIntegerAttr(type, static_cast<int64_t>(value)));
}

Value lower::addScalars(ScalarBuilder &b, Value x, Value y) {
  if (isa<FloatType>(x.getType()))
    return arith::AddFOp::create(b, x, y);
  return arith::AddIOp::create(b, x, y);
}

Value lower::subScalars(ScalarBuilder &b, Value x, Value y) {
  if (isa<FloatType>(x.getType()))
    return arith::SubFOp::create(b, x, y);
  return arith::SubIOp::create(b, x, y);
}

Value lower::mulScalars(ScalarBuilder &b, Value x, Value y) {
  if (isa<FloatType>(x.getType()))
    return arith::MulFOp::create(b, x, y);
  return arith::MulIOp::create(b, x, y);
}

Value lower::minScalars(ScalarBuilder &b, Value x, Value y) {
  if (isa<FloatType>(x.getType()))
    return arith::MinimumFOp::create(b, x, y);
  if (x.getType().isInteger(1))
    return arith::AndIOp::create(b, x, y);
  return arith::MinSIOp::create(b, x, y);
}

Value lower::maxScalars(ScalarBuilder &b, Value x, Value y) {
  if (isa<FloatType>(x.getType()))
    return arith::MaximumFOp::create(b, x, y);
  if (x.getType().isInteger(1))
    return arith::OrIOp::create(b, x, y);
  return arith::MaxSIOp::create(b, x, y);
}

Value lower::castScalar(ScalarBuilder &b, Value x, Type to) {
  Type from = x.getType();
  if (from == to)
    return x;
  auto fromFloat = dyn_cast<FloatType>(from), toFloat = dyn_cast<FloatType>(to);
  if (to.isInteger(1)) {
    Value zero = scalarOf(b, from, 0);
    if (fromFloat)
      return arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, x, zero);
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, x, zero);
  }
  if (fromFloat && toFloat) {
    if (fromFloat.getWidth() == toFloat.getWidth()) // f16 and bf16
      return castScalar(b, castScalar(b, x, b.getF32Type()), to);
    if (fromFloat.getWidth() < toFloat.getWidth())
      return arith::ExtFOp::create(b, to, x);
    return arith::TruncFOp::create(b, to, x);
  }
  if (fromFloat)
    return arith::FPToSIOp::create(b, to, x);
  if (isa<IndexType>(from) || isa<IndexType>(to)) {
    if (toFloat)
      return castScalar(
          b, arith::IndexCastOp::create(b, b.getI64Type(), x).getResult(), to);
    return arith::IndexCastOp::create(b, to, x);
  }
  if (toFloat) {
    if (from.isInteger(1))
      return arith::UIToFPOp::create(b, to, x);
    return arith::SIToFPOp::create(b, to, x);
  }
  if (from.getIntOrFloatBitWidth() > to.getIntOrFloatBitWidth())
    return arith::TruncIOp::create(b, to, x);
  if (from.isInteger(1))
    return arith::ExtUIOp::create(b, to, x);
  return arith::ExtSIOp::create(b, to, x);
}

Value lower::toIndex(ScalarBuilder &b, Value x) {
  return castScalar(b, x, b.getIndexType());
}

Value lower::clampIndex(ScalarBuilder &b, Value index, Value extent) {
  Value i = toIndex(b, index);
  Value zero = arith::ConstantIndexOp::create(b, 0);
  Value one = arith::ConstantIndexOp::create(b, 1);
  Value negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, i, zero);
  Value fromEnd = arith::AddIOp::create(b, i, extent);
  i = arith::SelectOp::create(b, negative, fromEnd, i);
  i = arith::MinSIOp::create(b, i, arith::SubIOp::create(b, extent, one));
  return arith::MaxSIOp::create(b, i, zero);
}

/// erf(|x|) = 1 - t P(t) exp(-x^2), t = 1 / (1 + p |x|) (Abramowitz and Stegun,
/// 7.1.26); the error is below 1.5e-7.
Value lower::erfScalar(ScalarBuilder &b, Value x) {
  Type type = x.getType();
  auto c = [&](double value) { return scalarOf(b, type, value); };
  Value magnitude = math::AbsFOp::create(b, x);
  Value t = arith::DivFOp::create(
      b, c(1), addScalars(b, c(1), mulScalars(b, c(0.3275911), magnitude)));
  Value p = c(1.061405429);
  for (double next : {-1.453152027, 1.421413741, -0.284496736, 0.254829592})
    p = addScalars(b, mulScalars(b, p, t), c(next));
  p = mulScalars(b, p, t);
  Value square = mulScalars(b, x, x);
  Value bell = math::ExpOp::create(b, arith::NegFOp::create(b, square));
  Value value = subScalars(b, c(1), mulScalars(b, p, bell));
  return math::CopySignOp::create(b, value, x);
}

Type lower::computeType(Type element) {
  auto type = dyn_cast<FloatType>(element);
  if (type && type.getWidth() < 32)
    return Float32Type::get(element.getContext());
  return element;
}

Value lower::lowestScalar(ScalarBuilder &b, Type type) {
  if (auto real = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(
        b,
        b.getFloatAttr(type, APFloat::getInf(real.getFloatSemantics(), true)));
  unsigned width = type.getIntOrFloatBitWidth();
  APInt value = width == 1 ? APInt(1, 0) : APInt::getSignedMinValue(width);
  return arith::ConstantOp::create(b, b.getIntegerAttr(type, value));
}

Value lower::highestScalar(ScalarBuilder &b, Type type) {
  if (auto real = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(
        b, b.getFloatAttr(type, APFloat::getInf(real.getFloatSemantics())));
  unsigned width = type.getIntOrFloatBitWidth();
  APInt value = width == 1 ? APInt(1, 1) : APInt::getSignedMaxValue(width);
  return arith::ConstantOp::create(b, b.getIntegerAttr(type, value));
}
