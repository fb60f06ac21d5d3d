//===- PackOps.cpp - Inference of the ops over packed matrices ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Dialect/NN/NNInference.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::pack;

#define GET_OP_CLASSES
#include "llmc/Dialect/Pack/PackOps.cpp.inc"

void PackDialect::registerOps() {
  addOperations<
#define GET_OP_LIST
#include "llmc/Dialect/Pack/PackOps.cpp.inc"
      >();
}

LogicalResult
LinearOp::inferReturnTypes(MLIRContext *, nn::MaybeLoc loc, ValueRange operands,
                           DictionaryAttr attrs, OpaqueProperties props,
                           RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto x = cast<RankedTensorType>(adaptor.getInput().getType());
  auto w = cast<pack::TensorType>(adaptor.getWeight().getType());
  if (x.getRank() < 1 ||
      !nn::agree(x.getShape().back(), w.getColumns())) // [C1]
    return nn::inferError(loc, getOperationName(),
                          "expected 'input' of " + Twine(w.getColumns()) +
                              " columns but got shape " +
                              nn::shapeText(x.getShape()));
  Type element = w.getFormat().getComputeType();
  bool typed = x.getElementType() == element;
  if (Value bias = adaptor.getBias()) {
    auto b = cast<RankedTensorType>(bias.getType());
    if (b.getRank() != 1 || !nn::agree(b.getDimSize(0), w.getRows())) // [C2]
      return nn::inferError(loc, getOperationName(),
                            "expected 'bias' of shape " + Twine(w.getRows()) +
                                " but got " + nn::shapeText(b.getShape()));
    typed &= b.getElementType() == element;
  }
  if (Value factors = adaptor.getFactors()) {
    auto f = cast<RankedTensorType>(factors.getType());
    if (f.getRank() != 1 || !nn::agree(f.getDimSize(0), w.getColumns())) // [C4]
      return nn::inferError(loc, getOperationName(),
                            "expected 'factors' of shape " +
                                Twine(w.getColumns()) + " but got " +
                                nn::shapeText(f.getShape()));
    typed &= f.getElementType() == element;
  }
  if (!typed) // [C3]
    return nn::inferError(loc, getOperationName(),
                          "expected operands of the element type in which "
                          "'weight' computes");
  SmallVector<int64_t> shape(x.getShape());
  shape.back() = w.getRows();
  types.push_back(RankedTensorType::get(shape, element));
  return success();
}

LogicalResult LinearOp::verify() {
  std::optional<Type> type = getActivations();
  if (!type)
    return success();
  if (!type->isInteger(8) && !type->isInteger(16) && !type->isBF16() &&
      !type->isF32()) // [C5]
    return emitOpError(
               "expected 'activations' of i8, i16, bf16 or f32 but got ")
           << *type;
  if (!getWeight().getType().isQuantized()) // [C5]
    return emitOpError("expected no 'activations' for the format ")
           << getWeight().getType().getFormat();
  return success();
}

LogicalResult
GatherOp::inferReturnTypes(MLIRContext *, nn::MaybeLoc loc, ValueRange operands,
                           DictionaryAttr attrs, OpaqueProperties props,
                           RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto w = cast<pack::TensorType>(adaptor.getWeight().getType());
  auto indices = cast<RankedTensorType>(adaptor.getIndices().getType());
  SmallVector<int64_t> shape(indices.getShape());
  shape.push_back(w.getColumns());
  types.push_back(RankedTensorType::get(shape, w.getFormat().getComputeType()));
  return success();
}
