//===- Registration.cpp - Everything llmc brings, in one call -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Driver/Registration.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Passes/FusePasses.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void llmc::registerAllDialects(DialectRegistry &registry) {
  registry.insert<nn::NNDialect, affine::AffineDialect, arith::ArithDialect,
                  bufferization::BufferizationDialect, cf::ControlFlowDialect,
                  func::FuncDialect, linalg::LinalgDialect, LLVM::LLVMDialect,
                  math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                  tensor::TensorDialect, vector::VectorDialect>();
}

void llmc::registerAllPasses() {
  registerTransformsPasses();
  registerFusePasses();
  registerFusePipeline();
}
