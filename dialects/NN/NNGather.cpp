//===- NNGather.cpp - Inference of the ops that read by index ===//
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
#include "llmc/Dialect/NN/NNGather.cpp.inc"

void NNDialect::registerGatherOps() {
  addOperations<
#define GET_OP_LIST
#include "llmc/Dialect/NN/NNGather.cpp.inc"
      >();
}

LogicalResult
GatherOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                           DictionaryAttr attrs, OpaqueProperties props,
                           RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto type = tensorType(adaptor.getInput());
  auto indices = tensorType(adaptor.getIndices());
  int64_t axis = adaptor.getAxis();
  if (failed(checkAxis(loc, getOperationName(), axis, type.getRank()))) // [C1]
    return failure();
  SmallVector<int64_t> shape(type.getShape().take_front(axis));
  llvm::append_range(shape, indices.getShape());
  llvm::append_range(shape, type.getShape().drop_front(axis + 1));
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

LogicalResult GatherElementsOp::inferReturnTypes(
    MLIRContext *, MaybeLoc loc, ValueRange operands, DictionaryAttr attrs,
    OpaqueProperties props, RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto type = tensorType(adaptor.getInput());
  auto indices = tensorType(adaptor.getIndices());
  if (failed(checkAxis(loc, getOperationName(), adaptor.getAxis(),
                       type.getRank()))) // [C1]
    return failure();
  if (indices.getRank() != type.getRank()) // [C1]
    return inferError(loc, getOperationName(),
                      "expected indices of rank " + Twine(type.getRank()) +
                          " but got rank " + Twine(indices.getRank()));
  types.push_back(
      RankedTensorType::get(indices.getShape(), type.getElementType()));
  return success();
}

LogicalResult GatherNdOp::inferReturnTypes(
    MLIRContext *, MaybeLoc loc, ValueRange operands, DictionaryAttr attrs,
    OpaqueProperties props, RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto type = tensorType(adaptor.getInput());
  auto indices = tensorType(adaptor.getIndices());
  int64_t batch = adaptor.getBatchDims();
  if (batch < 0 || batch >= type.getRank() ||
      batch >= indices.getRank()) // [C2]
    return inferError(
        loc, getOperationName(),
        "expected 'batch_dims' below the ranks " + Twine(type.getRank()) +
            " and " + Twine(indices.getRank()) + " but got " + Twine(batch));
  int64_t tuple = indices.getShape().back();
  if (ShapedType::isDynamic(tuple) || tuple + batch > type.getRank()) // [C1]
    return inferError(loc, getOperationName(),
                      "expected index tuples of at most " +
                          Twine(type.getRank() - batch) + " entries but got " +
                          shapeText({tuple}));
  SmallVector<int64_t> shape(indices.getShape().drop_back());
  llvm::append_range(shape, type.getShape().drop_front(batch + tuple));
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}
