//===- NNLinear.cpp - Inference of matrix products and normalizations ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/NNOps.h"

#include "mlir/IR/Matchers.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNLinear.cpp.inc"

void NNDialect::registerLinearOps() {
  addOperations<
#define GET_OP_LIST
#include "llmc/Dialect/NN/NNLinear.cpp.inc"
      >();
}

LogicalResult
MatmulOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                           DictionaryAttr attrs, OpaqueProperties props,
                           RegionRange regions, SmallVectorImpl<Type> &types) {
  auto a = tensorType(operands[0]), b = tensorType(operands[1]);
  if (a.getElementType() != b.getElementType() || a.getRank() < 1 ||
      b.getRank() < 1) // [C1]
    return inferError(
        loc, getOperationName(),
        "expected operands of one element type and rank 1 or more");
  ArrayRef<int64_t> left = a.getShape(), right = b.getShape();
  int64_t inner = right[std::max<int64_t>(0, b.getRank() - 2)];
  if (!agree(left.back(), inner)) // [C2]
    return inferError(loc, getOperationName(),
                      "expected equal inner extents but got " +
                          Twine(left.back()) + " and " + Twine(inner));
  auto shape =
      broadcastShapes({left.drop_back(std::min<size_t>(2, left.size())),
                       right.drop_back(std::min<size_t>(2, right.size()))});
  if (!shape) // [C3]
    return inferError(loc, getOperationName(),
                      "expected outer extents that broadcast but got " +
                          shapeText(left) + " and " + shapeText(right));
  if (left.size() > 1)
    shape->push_back(left[left.size() - 2]);
  if (right.size() > 1)
    shape->push_back(right.back());
  types.push_back(RankedTensorType::get(*shape, a.getElementType()));
  return success();
}

LogicalResult
LinearOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                           DictionaryAttr attrs, OpaqueProperties props,
                           RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto x = tensorType(adaptor.getInput()), w = tensorType(adaptor.getWeight());
  if (w.getRank() != 2 || x.getRank() < 1 ||
      !agree(w.getDimSize(1), x.getShape().back())) // [C1]
    return inferError(loc, getOperationName(),
                      "expected 'weight' of shape [out, " +
                          shapeText(x.getShape().take_back(1)) + "] but got " +
                          shapeText(w.getShape()));
  if (Value bias = adaptor.getBias()) {
    auto b = tensorType(bias);
    if (b.getRank() != 1 || !agree(b.getDimSize(0), w.getDimSize(0))) // [C2]
      return inferError(loc, getOperationName(),
                        "expected 'bias' of shape " +
                            shapeText({w.getDimSize(0)}) + " but got " +
                            shapeText(b.getShape()));
  }
  for (Value operand : operands)
    if (tensorType(operand).getElementType() != x.getElementType()) // [C3]
      return inferError(loc, getOperationName(),
                        "expected operands of one element type");
  SmallVector<int64_t> shape(x.getShape());
  shape.back() = w.getDimSize(0);
  types.push_back(RankedTensorType::get(shape, x.getElementType()));
  return success();
}

/// The rules that both normalizations share.
static LogicalResult inferNorm(MaybeLoc loc, StringRef op, Value input,
                               ValueRange parameters, double epsilon,
                               SmallVectorImpl<Type> &types) {
  auto x = tensorType(input);
  for (Value parameter : parameters) {
    auto type = tensorType(parameter);
    if (x.getRank() < 1 || type.getRank() != 1 ||
        !agree(type.getDimSize(0), x.getShape().back())) // [C1]
      return inferError(loc, op,
                        "expected parameters of shape " +
                            shapeText(x.getShape().take_back(1)) + " but got " +
                            shapeText(type.getShape()));
  }
  if (!(epsilon >= 0)) // [C2]
    return inferError(loc, op, "expected 'epsilon' of 0 or more");
  types.push_back(x);
  return success();
}

LogicalResult
RmsNormOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                            DictionaryAttr attrs, OpaqueProperties props,
                            RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  return inferNorm(loc, getOperationName(), adaptor.getInput(),
                   operands.drop_front(),
                   adaptor.getEpsilon().convertToDouble(), types);
}

LogicalResult LayerNormOp::inferReturnTypes(
    MLIRContext *, MaybeLoc loc, ValueRange operands, DictionaryAttr attrs,
    OpaqueProperties props, RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  return inferNorm(loc, getOperationName(), adaptor.getInput(),
                   operands.drop_front(),
                   adaptor.getEpsilon().convertToDouble(), types);
}
