//===- Fill.cpp - Lowering of ops that make tensors -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

static Value lowerFull(nn::FullOp op, Lowering &l) {
  return l.fill(l.shape(op.getResult()), l.scalar(op.getValue()));
}

static Value lowerRange(nn::RangeOp op, Lowering &l) {
  Type element = getElementTypeOrSelf(op.getType());
  Value start = l.scalar(op.getStart()), delta = l.scalar(op.getDelta());
  return l.each(
      l.shape(op.getResult()), element, {}, [&](ScalarBuilder &b, ValueRange) {
        Value i = castScalar(b, linalg::IndexOp::create(b, 0), element);
        return addScalars(b, start, mulScalars(b, i, delta));
      });
}

static Value lowerTril(nn::TrilOp op, Lowering &l) {
  Shape shape = l.shape(op.getResult());
  Type element = getElementTypeOrSelf(op.getType());
  int64_t rank = shape.size();
  Value k = toIndex(l.b, l.scalar(op.getK()));
  auto predicate =
      op.getUpper() ? arith::CmpIPredicate::sge : arith::CmpIPredicate::sle;
  return l.each(shape, element, l.whole(l.get(op.getInput())),
                [&](ScalarBuilder &b, ValueRange x) -> Value {
                  Value row = linalg::IndexOp::create(b, rank - 2);
                  Value column = linalg::IndexOp::create(b, rank - 1);
                  Value keeps = arith::CmpIOp::create(
                      b, predicate, column, arith::AddIOp::create(b, row, k));
                  return arith::SelectOp::create(b, keeps, x[0],
                                                 scalarOf(b, element, 0));
                });
}

void lower::addFill(Handlers &handlers) {
  handlers.add<nn::FullOp>(lowerFull);
  handlers.add<nn::RangeOp>(lowerRange);
  handlers.add<nn::TrilOp>(lowerTril);
}
