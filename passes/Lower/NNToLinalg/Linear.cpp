//===- Linear.cpp - Lowering of matrix products ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The plain form, one linalg.generic a product. Large products with weights are
// taken by kernels before this.
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

/// Loops (batch..., m, k, n): the innermost runs along rows of the right side
/// and of the result.
static Value lowerMatmul(nn::MatmulOp op, Lowering &l) {
  Shape left = l.shape(op.getLhs()), right = l.shape(op.getRhs()),
        shape = l.shape(op.getResult());
  Type element = getElementTypeOrSelf(op.getType());
  bool hasM = left.size() > 1, hasN = right.size() > 1;
  int64_t batch = shape.size() - hasM - hasN;
  int64_t m = batch, k = batch + hasM, n = k + 1;
  unsigned loops = batch + hasM + 1 + hasN;
  ArrayRef<SymExpr> outer = ArrayRef(shape).take_front(batch);
  auto batchDims = [&](const Shape &own) {
    SmallVector<int64_t> dims;
    int64_t count = std::max<int64_t>(own.size(), 2) - 2;
    for (int64_t axis = 0; axis < count; ++axis) {
      int64_t dim = axis + batch - count;
      bool repeats = own[axis].isConstant(1) && !outer[dim].isConstant(1);
      dims.push_back(repeats ? -1 : dim);
    }
    return dims;
  };
  SmallVector<int64_t> leftDims = batchDims(left), rightDims = batchDims(right),
                       dims = axesOf(0, batch);
  if (hasM) {
    leftDims.push_back(m);
    dims.push_back(m);
  }
  leftDims.push_back(k);
  rightDims.push_back(k);
  if (hasN) {
    rightDims.push_back(n);
    dims.push_back(n);
  }
  Value result = l.sum(shape, computeType(element), l.select(loops, dims),
                       {{l.get(op.getLhs()), l.select(loops, leftDims)},
                        {l.get(op.getRhs()), l.select(loops, rightDims)}});
  return l.convert(result, shape, element);
}

/// Loops (rows..., n, k), started from the bias.
static Value lowerLinear(nn::LinearOp op, Lowering &l) {
  Shape shape = l.shape(op.getResult());
  Type element = getElementTypeOrSelf(op.getType());
  Type wide = computeType(element);
  int64_t n = shape.size() - 1, k = shape.size();
  unsigned loops = shape.size() + 1;
  SmallVector<int64_t> rows = axesOf(0, n), inputDims = rows, dims = rows;
  inputDims.push_back(k);
  dims.push_back(n);
  Value init;
  if (Value bias = op.getBias())
    init =
        l.each(shape, wide, Operand{l.get(bias), l.select(shape.size(), {n})},
               [&](ScalarBuilder &b, ValueRange x) {
                 return castScalar(b, x[0], wide);
               });
  Value result = l.sum(shape, wide, l.select(loops, dims),
                       {{l.get(op.getInput()), l.select(loops, inputDims)},
                        {l.get(op.getWeight()), l.select(loops, {n, k})}},
                       init);
  return l.convert(result, shape, element);
}

void lower::addLinear(Handlers &handlers) {
  handlers.add<nn::MatmulOp>(lowerMatmul);
  handlers.add<nn::LinearOp>(lowerLinear);
}
