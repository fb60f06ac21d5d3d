//===- Unary.cpp - Lowering of ops with one operand -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Narrow floats are computed in f32.
//
//===----------------------------------------------------------------------===//
#include "LowerUnary.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

template <class Op, class Scalar> static Value lowerMath(Op op, Lowering &l) {
  return lowerUnary(op, l, [](ScalarBuilder &b, ValueRange x) -> Value {
    return Scalar::create(b, x[0]);
  });
}

static Value lowerNeg(nn::NegOp op, Lowering &l) {
  return lowerUnary(op, l, [](ScalarBuilder &b, ValueRange x) -> Value {
    if (isa<FloatType>(x[0].getType()))
      return arith::NegFOp::create(b, x[0]);
    return subScalars(b, scalarOf(b, x[0].getType(), 0), x[0]);
  });
}

static Value lowerAbs(nn::AbsOp op, Lowering &l) {
  return lowerUnary(op, l, [](ScalarBuilder &b, ValueRange x) -> Value {
    if (isa<FloatType>(x[0].getType()))
      return math::AbsFOp::create(b, x[0]);
    return math::AbsIOp::create(b, x[0]);
  });
}

static Value lowerSign(nn::SignOp op, Lowering &l) {
  return lowerUnary(op, l, [](ScalarBuilder &b, ValueRange x) -> Value {
    Type type = x[0].getType();
    Value zero = scalarOf(b, type, 0), one = scalarOf(b, type, 1),
          minus = scalarOf(b, type, -1), more, less;
    if (isa<FloatType>(type)) {
      more = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x[0], zero);
      less = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x[0], zero);
    } else {
      more = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, x[0], zero);
      less = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, x[0], zero);
    }
    Value rest = arith::SelectOp::create(b, less, minus, x[0]);
    return arith::SelectOp::create(b, more, one, rest);
  });
}

static Value lowerNot(nn::NotOp op, Lowering &l) {
  return lowerUnary(op, l, [](ScalarBuilder &b, ValueRange x) -> Value {
    return arith::XOrIOp::create(b, x[0], scalarOf(b, x[0].getType(), -1));
  });
}

static Value lowerReciprocal(nn::ReciprocalOp op, Lowering &l) {
  return lowerUnary(op, l, [](ScalarBuilder &b, ValueRange x) -> Value {
    return arith::DivFOp::create(b, scalarOf(b, x[0].getType(), 1), x[0]);
  });
}

static Value lowerErf(nn::ErfOp op, Lowering &l) {
  return lowerUnary(
      op, l, [](ScalarBuilder &b, ValueRange x) { return erfScalar(b, x[0]); });
}

static Value lowerIsNan(nn::IsNanOp op, Lowering &l) {
  return lowerUnary(op, l, [](ScalarBuilder &b, ValueRange x) -> Value {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x[0], x[0]);
  });
}

static Value lowerCast(nn::CastOp op, Lowering &l) {
  return l.convert(l.get(op.getInput()), l.shape(op.getInput()),
                   getElementTypeOrSelf(op.getType()));
}

void lower::addUnary(Handlers &handlers) {
  handlers.add<nn::NegOp>(lowerNeg);
  handlers.add<nn::AbsOp>(lowerAbs);
  handlers.add<nn::SignOp>(lowerSign);
  handlers.add<nn::NotOp>(lowerNot);
  handlers.add<nn::ExpOp>(lowerMath<nn::ExpOp, math::ExpOp>);
  handlers.add<nn::LogOp>(lowerMath<nn::LogOp, math::LogOp>);
  handlers.add<nn::SqrtOp>(lowerMath<nn::SqrtOp, math::SqrtOp>);
  handlers.add<nn::RsqrtOp>(lowerMath<nn::RsqrtOp, math::RsqrtOp>);
  handlers.add<nn::SinOp>(lowerMath<nn::SinOp, math::SinOp>);
  handlers.add<nn::CosOp>(lowerMath<nn::CosOp, math::CosOp>);
  handlers.add<nn::TanhOp>(lowerMath<nn::TanhOp, math::TanhOp>);
  handlers.add<nn::FloorOp>(lowerMath<nn::FloorOp, math::FloorOp>);
  handlers.add<nn::CeilOp>(lowerMath<nn::CeilOp, math::CeilOp>);
  handlers.add<nn::RoundOp>(lowerMath<nn::RoundOp, math::RoundEvenOp>);
  handlers.add<nn::ReciprocalOp>(lowerReciprocal);
  handlers.add<nn::ErfOp>(lowerErf);
  handlers.add<nn::IsNanOp>(lowerIsNan);
  handlers.add<nn::CastOp>(lowerCast);
}
