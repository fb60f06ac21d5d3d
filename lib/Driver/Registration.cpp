//===- Registration.cpp - Everything llmc brings, in one call -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Driver/Registration.h"
#include "llmc/Codegen/Pipeline.h"
#include "llmc/Dialect/Kern/KernOps.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Passes/AnalysisPasses.h"
#include "llmc/Passes/CodegenPasses.h"
#include "llmc/Passes/FusePasses.h"
#include "llmc/Passes/KernelPasses.h"
#include "llmc/Passes/LowerPasses.h"
#include "llmc/Passes/QuantizePasses.h"
#include "llmc/Passes/RestructurePasses.h"

#include "mlir/Dialect/Affine/Transforms/Passes.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/ControlFlow/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/AllInterfaces.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/SCF/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/SubsetInsertionOpInterfaceImpl.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"
#include <mutex>

using namespace mlir;
using namespace llmc;

void llmc::registerAllDialects(DialectRegistry &registry) {
  registry.insert<nn::NNDialect, kern::KernDialect, pack::PackDialect,
                  affine::AffineDialect, arith::ArithDialect,
                  bufferization::BufferizationDialect, cf::ControlFlowDialect,
                  func::FuncDialect, linalg::LinalgDialect, LLVM::LLVMDialect,
                  math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                  tensor::TensorDialect, vector::VectorDialect>();
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(
      registry);
  cf::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerAllDialectInterfaceImplementations(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerInferTypeOpInterfaceExternalModels(registry);
  tensor::registerSubsetOpInterfaceExternalModels(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

/// The register of MLIR is one for the process.
static void registerOnce() {
  registerTransformsPasses();
  registerAnalysisPasses();
  registerFusePasses();
  registerFusePipeline();
  registerKernelsPasses();
  registerQuantizePasses();
  registerLLMCCodegenPasses();
  registerCodegenPipelines();
  affine::registerAffinePasses();
  bufferization::registerBufferizationPasses();
  memref::registerMemRefPasses();
  registerLinalgPasses();
  registerSCFPasses();
  registerLLMCLowerPasses();
  registerRestructurePasses();
  registerLanguageModelPipeline();
}

void llmc::registerAllPasses() {
  static std::once_flag once;
  std::call_once(once, registerOnce);
}
