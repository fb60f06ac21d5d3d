//===- KernDialect.cpp - Registration of the kern dialect -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/Kern/KernOps.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace llmc::kern;

#include "llmc/Dialect/Kern/KernDialect.cpp.inc"

void KernDialect::initialize() {
  registerOps();
  registerBufferization();
}
