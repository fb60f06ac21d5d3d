//===- NNUnary.cpp - Inference and folding of the one-operand ops ===//
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
#include "llmc/Dialect/NN/NNUnary.cpp.inc"

void NNDialect::registerUnaryOps() {
  addOperations<
#define GET_OP_LIST
#include "llmc/Dialect/NN/NNUnary.cpp.inc"
      >();
}

LogicalResult
IsNanOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                          DictionaryAttr attrs, OpaqueProperties props,
                          RegionRange regions, SmallVectorImpl<Type> &types) {
  auto type = cast<RankedTensorType>(operands[0].getType());
  types.push_back(type.clone(IntegerType::get(type.getContext(), 1)));
  return success();
}

OpFoldResult CastOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() ? getInput() : OpFoldResult();
}
