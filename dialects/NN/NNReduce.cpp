//===- NNReduce.cpp - Inference of the reductions ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/NNTap.h"

#include "mlir/IR/Matchers.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNReduce.cpp.inc"

void NNDialect::registerReduceOps() {
  addOperations<
#define GET_OP_LIST
#include "llmc/Dialect/NN/NNReduce.cpp.inc"
      ,
#define GET_OP_LIST
#include "llmc/Dialect/NN/NNTap.cpp.inc"
      >();
}

LogicalResult
CumSumOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                           DictionaryAttr attrs, OpaqueProperties props,
                           RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto type = cast<RankedTensorType>(adaptor.getInput().getType());
  if (failed(checkAxis(loc, getOperationName(), adaptor.getAxis(),
                       type.getRank()))) // [C1]
    return failure();
  types.push_back(type);
  return success();
}
