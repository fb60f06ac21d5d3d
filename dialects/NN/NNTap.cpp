//===- NNTap.cpp - Inference of what calibration measures -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/NNTap.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNTap.cpp.inc"

LogicalResult TapOp::inferReturnTypes(MLIRContext *context, MaybeLoc loc,
                                      ValueRange operands, DictionaryAttr,
                                      OpaqueProperties, RegionRange,
                                      SmallVectorImpl<Type> &types) {
  auto type = cast<RankedTensorType>(operands[0].getType());
  if (!type.getElementType().isF32() || type.getRank() == 0 ||
      type.isDynamicDim(type.getRank() - 1)) { // [C1]
    std::string text;
    llvm::raw_string_ostream(text)
        << "expected an input of f32 with a known last extent but got " << type;
    return inferError(loc, getOperationName(), text);
  }
  types.push_back(RankedTensorType::get({3, type.getShape().back()},
                                        Float64Type::get(context)));
  return success();
}
