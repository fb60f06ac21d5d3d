//===- Pipeline.cpp - The order of the fuse passes ----------------------- ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/AnalysisPasses.h"
#include "llmc/Passes/FusePasses.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

void llmc::buildFusePipeline(OpPassManager &pm) {
  pm.addPass(createRefineTypesPass());
  OpPassManager &function = pm.nest<func::FuncOp>();
  function.addPass(createSimplifyPass());
  function.addPass(createFuseRmsNormPass());
  function.addPass(createFuseLayerNormPass());
  function.addPass(createFuseActivationPass());
  function.addPass(createFuseLinearPass());
  function.addPass(createSplitLinearPass());
  function.addPass(createFuseRotaryPass());
  function.addPass(createFuseAttentionPass());
  function.addPass(createSimplifyPass());
  pm.addPass(createEditWeightsPass());
}

void llmc::registerFusePipeline() {
  PassPipelineRegistration<>("llmc-fuse",
                             "Recover the layers of an exported graph",
                             buildFusePipeline);
}
