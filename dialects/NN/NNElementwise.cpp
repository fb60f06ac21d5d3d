//===- NNElementwise.cpp - Inference of the two-operand ops ===//
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
#include "llmc/Dialect/NN/NNElementwise.cpp.inc"

void NNDialect::registerElementwiseOps() {
  addOperations<
#define GET_OP_LIST
#include "llmc/Dialect/NN/NNElementwise.cpp.inc"
      >();
}

LogicalResult PowOp::inferReturnTypes(MLIRContext *, MaybeLoc loc,
                                      ValueRange operands, DictionaryAttr attrs,
                                      OpaqueProperties props,
                                      RegionRange regions,
                                      SmallVectorImpl<Type> &types) {
  auto a = tensorType(operands[0]), b = tensorType(operands[1]);
  auto shape = broadcastShapes({a.getShape(), b.getShape()});
  if (!shape) // [C1]
    return inferError(loc, getOperationName(),
                      "expected shapes that broadcast but got " +
                          shapeText(a.getShape()) + " and " +
                          shapeText(b.getShape()));
  types.push_back(RankedTensorType::get(*shape, a.getElementType()));
  return success();
}

LogicalResult
CompareOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                            DictionaryAttr attrs, OpaqueProperties props,
                            RegionRange regions, SmallVectorImpl<Type> &types) {
  if (failed(inferBinary(loc, getOperationName(), operands, types)))
    return failure();
  auto type = cast<RankedTensorType>(types.pop_back_val());
  types.push_back(type.clone(IntegerType::get(type.getContext(), 1)));
  return success();
}

LogicalResult
WhereOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                          DictionaryAttr attrs, OpaqueProperties props,
                          RegionRange regions, SmallVectorImpl<Type> &types) {
  SmallVector<Type> values;
  if (failed(
          inferBinary(loc, getOperationName(), operands.drop_front(), values)))
    return failure();
  auto value = cast<RankedTensorType>(values[0]);
  auto condition = tensorType(operands[0]);
  auto shape = broadcastShapes({condition.getShape(), value.getShape()});
  if (!shape) // [C2]
    return inferError(loc, getOperationName(),
                      "expected shapes that broadcast but got " +
                          shapeText(condition.getShape()) + " and " +
                          shapeText(value.getShape()));
  types.push_back(RankedTensorType::get(*shape, value.getElementType()));
  return success();
}
