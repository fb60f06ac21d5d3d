//===- Pipeline.cpp - From nn to the LLVM dialect -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The order is not free:
//  * no CSE between the lowering to linalg and bufferization: it merges equal
//    fills, and each shared one becomes an allocation and a copy;
//  * CSE before canonicalization after bufferization: the other order leaves
//    self-copies;
//  * results that are arguments are dropped from private functions before
//    hidden copies are looked for, and the arena is planned while linalg ops are
//    flat.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Pipeline.h"
#include "llmc/Passes/CodegenPasses.h"
#include "llmc/Passes/KernelPasses.h"
#include "llmc/Passes/LowerPasses.h"
#include "llmc/Passes/RestructurePasses.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/Transforms/Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace llmc;

void llmc::buildPackPipeline(OpPassManager &pm, const Target &target,
                             bool specialize) {
  PackWeightsPassOptions options;
  options.cpu = target.cpu;
  options.features = target.features;
  options.triple = target.triple;
  pm.addPass(createPackWeightsPass(options));
  if (specialize) {
    pm.addPass(createSpecializeSeq());
    pm.addNestedPass<func::FuncOp>(createNarrowRowsPass());
  }
  pm.addPass(createOutlineSegments());
  pm.addPass(createAddSymbolArgs());
}

void llmc::buildLowerPipeline(OpPassManager &pm) {
  pm.addNestedPass<func::FuncOp>(createLowerToKernPass());
  pm.addNestedPass<func::FuncOp>(createJoinProductsPass());
  pm.addNestedPass<func::FuncOp>(createLowerNNToLinalg());
}

void llmc::buildBufferizePipeline(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createLinalgElementwiseOpFusionPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createAddDestinations());
  pm.addPass(createBindWeights());
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizePassOptions options;
  options.bufferizeFunctionBoundaries = true;
  options.functionBoundaryTypeConversion =
      bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(options));
  pm.addPass(createCSEPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(bufferization::createDropEquivalentBufferResultsPass());
  pm.addPass(createCanonicalizerPass());
  // Extents of reshaped buffers in terms of what they were made with: the arena
  // wants expressions of index arguments.
  pm.addPass(memref::createResolveShapedTypeResultDimsPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createVerifyNoHiddenCopies());
  pm.addNestedPass<func::FuncOp>(bufferization::createBufferLoopHoistingPass());
  pm.addPass(createPlanArena());
  pm.addPass(createRawAbi());
  pm.addPass(createCSEPass());
}

void llmc::buildLLVMPipeline(OpPassManager &pm, const Target &target) {
  ExpandKernelsPassOptions kernels;
  kernels.cpu = target.cpu;
  kernels.features = target.features;
  kernels.triple = target.triple;
  pm.addPass(createExpandKernelsPass(kernels));
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addNestedPass<func::FuncOp>(createLowerLinalgToLoops());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createOutlineParallel());
  pm.addPass(createEmitEntries());
  pm.addPass(createEmitReplay());
  pm.addNestedPass<func::FuncOp>(createExpandMath());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addNestedPass<func::FuncOp>(createKeepRowOrder());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertToLLVM());
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createEmitDispatch());
}

void llmc::registerCodegenPipelines() {
  PassPipelineRegistration<>(
      "llmc-bufferize", "linalg and kern on tensors to buffers in one arena",
      buildBufferizePipeline);
  PassPipelineRegistration<>("llmc-to-llvm",
                             "Buffers to the LLVM dialect with its entries",
                             [](OpPassManager &pm) {
                               auto host = Target::resolve("host");
                               if (host)
                                 buildLLVMPipeline(pm, *host);
                               else
                                 llvm::consumeError(host.takeError());
                             });
}
