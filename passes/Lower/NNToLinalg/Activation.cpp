//===- Activation.cpp - Lowering of activation functions ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "LowerUnary.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

static Value expOf(ScalarBuilder &b, Value x) {
  return math::ExpOp::create(b, x);
}

static Value divide(ScalarBuilder &b, Value x, Value y) {
  return arith::DivFOp::create(b, x, y);
}

static Value isNegative(ScalarBuilder &b, Value x) {
  return arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x,
                               scalarOf(b, x.getType(), 0));
}

/// 1 + exp(-x)
static Value onePlusExpOfMinus(ScalarBuilder &b, Value x) {
  Value power = expOf(b, arith::NegFOp::create(b, x));
  return addScalars(b, power, scalarOf(b, x.getType(), 1));
}

static Value lowerRelu(nn::ReluOp op, Lowering &l) {
  return lowerUnary(op, l, [](ScalarBuilder &b, ValueRange x) {
    return maxScalars(b, x[0], scalarOf(b, x[0].getType(), 0));
  });
}

static Value lowerSigmoid(nn::SigmoidOp op, Lowering &l) {
  return lowerUnary(op, l, [](ScalarBuilder &b, ValueRange x) {
    return divide(b, scalarOf(b, x[0].getType(), 1),
                  onePlusExpOfMinus(b, x[0]));
  });
}

static Value lowerSilu(nn::SiluOp op, Lowering &l) {
  return lowerUnary(op, l, [](ScalarBuilder &b, ValueRange x) {
    return divide(b, x[0], onePlusExpOfMinus(b, x[0]));
  });
}

/// max(x, 0) + log(1 + exp(-|x|)), which cannot overflow.
static Value lowerSoftplus(nn::SoftplusOp op, Lowering &l) {
  return lowerUnary(op, l, [](ScalarBuilder &b, ValueRange x) {
    Value positive = maxScalars(b, x[0], scalarOf(b, x[0].getType(), 0));
    Value magnitude = math::AbsFOp::create(b, x[0]);
    Value log = math::LogOp::create(b, onePlusExpOfMinus(b, magnitude));
    return addScalars(b, positive, log);
  });
}

static Value lowerGelu(nn::GeluOp op, Lowering &l) {
  return lowerUnary(op, l, [&](ScalarBuilder &b, ValueRange arguments) {
    Value x = arguments[0];
    auto c = [&](double value) { return scalarOf(b, x.getType(), value); };
    Value step;
    if (op.getTanh()) {
      Value cube = mulScalars(b, mulScalars(b, x, x), x);
      Value inner = addScalars(b, x, mulScalars(b, c(0.044715), cube));
      step =
          math::TanhOp::create(b, mulScalars(b, c(std::sqrt(2 / M_PI)), inner));
    } else {
      step = erfScalar(b, mulScalars(b, x, c(M_SQRT1_2)));
    }
    return mulScalars(b, mulScalars(b, c(0.5), x), addScalars(b, c(1), step));
  });
}

static Value lowerLeakyRelu(nn::LeakyReluOp op, Lowering &l) {
  double alpha = op.getAlpha().convertToDouble();
  return lowerUnary(op, l, [&](ScalarBuilder &b, ValueRange x) -> Value {
    Value scaled = mulScalars(b, x[0], scalarOf(b, x[0].getType(), alpha));
    return arith::SelectOp::create(b, isNegative(b, x[0]), scaled, x[0]);
  });
}

static Value lowerElu(nn::EluOp op, Lowering &l) {
  double alpha = op.getAlpha().convertToDouble();
  return lowerUnary(op, l, [&](ScalarBuilder &b, ValueRange x) -> Value {
    auto c = [&](double value) { return scalarOf(b, x[0].getType(), value); };
    Value grown = subScalars(b, expOf(b, minScalars(b, x[0], c(0))), c(1));
    Value scaled = mulScalars(b, c(alpha), grown);
    return arith::SelectOp::create(b, isNegative(b, x[0]), scaled, x[0]);
  });
}

static Value lowerHardSigmoid(nn::HardSigmoidOp op, Lowering &l) {
  double alpha = op.getAlpha().convertToDouble();
  double beta = op.getBeta().convertToDouble();
  return lowerUnary(op, l, [&](ScalarBuilder &b, ValueRange x) {
    auto c = [&](double value) { return scalarOf(b, x[0].getType(), value); };
    Value line = addScalars(b, mulScalars(b, c(alpha), x[0]), c(beta));
    return minScalars(b, maxScalars(b, line, c(0)), c(1));
  });
}

/// Brings `axis` to the end, applies the row operation, brings it back.
template <class Op>
static Value lowerSoftmaxLike(Op op, Lowering &l, bool logarithm) {
  Shape shape = l.shape(op.getInput());
  Type element = getElementTypeOrSelf(op.getType());
  Type wide = computeType(element);
  auto axis = static_cast<int64_t>(op.getAxis());
  int64_t rank = shape.size();
  Value input = l.get(op.getInput());
  if (axis == rank - 1) {
    Value result =
        l.softmaxRows(l.convert(input, shape, wide), shape, logarithm);
    return l.convert(result, shape, element);
  }
  SmallVector<int64_t> swapped = axesOf(0, rank);
  std::swap(swapped[axis], swapped[rank - 1]);
  Shape turned = shape;
  std::swap(turned[axis], turned[rank - 1]);
  AffineMap map = l.select(rank, swapped);
  Value rows = l.each(turned, wide, Operand{input, map},
                      [&](ScalarBuilder &b, ValueRange x) {
                        return castScalar(b, x[0], wide);
                      });
  Value result = l.softmaxRows(rows, turned, logarithm);
  return l.each(shape, element, Operand{result, map},
                [&](ScalarBuilder &b, ValueRange x) {
                  return castScalar(b, x[0], element);
                });
}

static Value lowerSoftmax(nn::SoftmaxOp op, Lowering &l) {
  return lowerSoftmaxLike(op, l, false);
}

static Value lowerLogSoftmax(nn::LogSoftmaxOp op, Lowering &l) {
  return lowerSoftmaxLike(op, l, true);
}

void lower::addActivation(Handlers &handlers) {
  handlers.add<nn::ReluOp>(lowerRelu);
  handlers.add<nn::SigmoidOp>(lowerSigmoid);
  handlers.add<nn::SiluOp>(lowerSilu);
  handlers.add<nn::SoftplusOp>(lowerSoftplus);
  handlers.add<nn::GeluOp>(lowerGelu);
  handlers.add<nn::LeakyReluOp>(lowerLeakyRelu);
  handlers.add<nn::EluOp>(lowerElu);
  handlers.add<nn::HardSigmoidOp>(lowerHardSigmoid);
  handlers.add<nn::SoftmaxOp>(lowerSoftmax);
  handlers.add<nn::LogSoftmaxOp>(lowerLogSoftmax);
}
