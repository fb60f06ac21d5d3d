//===- Gather.cpp - Lowering of ops that read elements by index -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every index is clamped: no index in the data can make the code read outside.
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

static bool isEmpty(ArrayRef<SymExpr> shape) {
  return llvm::any_of(shape, [](SymExpr e) { return e.isConstant(0); });
}

static Value lowerGather(nn::GatherOp op, Lowering &l) {
  Shape from = l.shape(op.getInput()), to = l.shape(op.getResult());
  auto axis = static_cast<int64_t>(op.getAxis());
  int64_t count = l.shape(op.getIndices()).size();
  Value input = l.get(op.getInput()), extent = l.index(from[axis]);
  Type element = getElementTypeOrSelf(op.getType());
  if (isEmpty(from))
    return l.fill(to, l.constantOf(element, 0));
  SmallVector<int64_t> dims = axesOf(axis, axis + count);
  return l.each(
      to, element, Operand{l.get(op.getIndices()), l.select(to.size(), dims)},
      [&](ScalarBuilder &b, ValueRange x) -> Value {
        SmallVector<Value> indices;
        for (int64_t i = 0; i < static_cast<int64_t>(from.size()); ++i)
          indices.push_back(i == axis ? clampIndex(b, x[0], extent)
                                      : Value(linalg::IndexOp::create(
                                            b, i < axis ? i : i + count - 1)));
        return tensor::ExtractOp::create(b, input, indices);
      });
}

static Value lowerGatherElements(nn::GatherElementsOp op, Lowering &l) {
  Shape from = l.shape(op.getInput()), to = l.shape(op.getResult());
  auto axis = static_cast<int64_t>(op.getAxis());
  Value input = l.get(op.getInput());
  Type element = getElementTypeOrSelf(op.getType());
  if (isEmpty(from))
    return l.fill(to, l.constantOf(element, 0));
  SmallVector<Value> extents;
  for (SymExpr extent : from)
    extents.push_back(l.index(extent));
  return l.each(
      to, element, l.whole(l.get(op.getIndices())),
      [&](ScalarBuilder &b, ValueRange x) -> Value {
        SmallVector<Value> indices;
        for (int64_t i = 0; i < static_cast<int64_t>(from.size()); ++i)
          indices.push_back(i == axis ? clampIndex(b, x[0], extents[i])
                                      : Value(linalg::IndexOp::create(b, i)));
        return tensor::ExtractOp::create(b, input, indices);
      });
}

static Value lowerGatherNd(nn::GatherNdOp op, Lowering &l) {
  Shape from = l.shape(op.getInput()), to = l.shape(op.getResult()),
        tuples = l.shape(op.getIndices());
  auto batch = static_cast<int64_t>(op.getBatchDims());
  auto length = tuples.back().constant();
  if (!length)
    return l.fail(op, "expected the last extent of 'indices' to be constant");
  Value input = l.get(op.getInput()), indices = l.get(op.getIndices());
  Type element = getElementTypeOrSelf(op.getType());
  if (isEmpty(from))
    return l.fill(to, l.constantOf(element, 0));
  SmallVector<Value> extents;
  for (SymExpr extent : from)
    extents.push_back(l.index(extent));
  int64_t outer = tuples.size() - 1; // axes of the result that choose a tuple
  return l.each(to, element, {}, [&](ScalarBuilder &b, ValueRange) -> Value {
    SmallVector<Value> tuple, places;
    for (int64_t i = 0; i < outer; ++i)
      tuple.push_back(linalg::IndexOp::create(b, i));
    tuple.push_back({});
    for (int64_t i = 0; i < static_cast<int64_t>(from.size()); ++i) {
      if (i < batch) {
        places.push_back(tuple[i]);
      } else if (i < batch + *length) {
        tuple.back() = arith::ConstantIndexOp::create(b, i - batch);
        Value index = tensor::ExtractOp::create(b, indices, tuple);
        places.push_back(clampIndex(b, index, extents[i]));
      } else {
        places.push_back(
            linalg::IndexOp::create(b, outer + i - batch - *length));
      }
    }
    return tensor::ExtractOp::create(b, input, places);
  });
}

void lower::addGather(Handlers &handlers) {
  handlers.add<nn::GatherOp>(lowerGather);
  handlers.add<nn::GatherElementsOp>(lowerGatherElements);
  handlers.add<nn::GatherNdOp>(lowerGatherNd);
}
