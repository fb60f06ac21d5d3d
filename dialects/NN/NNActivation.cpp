//===- NNActivation.cpp - Verifiers of the activation functions ===//
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
#include "llmc/Dialect/NN/NNActivation.cpp.inc"

void NNDialect::registerActivationOps() {
  addOperations<
#define GET_OP_LIST
#include "llmc/Dialect/NN/NNActivation.cpp.inc"
      >();
}

LogicalResult SoftmaxOp::verify() { // [C1]
  return checkAxis(getLoc(), getOperationName(), getAxis(),
                   cast<RankedTensorType>(getType()).getRank());
}

LogicalResult LogSoftmaxOp::verify() { // [C1]
  return checkAxis(getLoc(), getOperationName(), getAxis(),
                   cast<RankedTensorType>(getType()).getRank());
}
