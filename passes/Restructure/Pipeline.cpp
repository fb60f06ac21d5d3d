//===- Pipeline.cpp - From @main to a canonical @lm -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/FusePasses.h"
#include "llmc/Passes/RestructurePasses.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace llmc;

void llmc::buildLanguageModelPipeline(OpPassManager &pm, int64_t context,
                                      bool require, const WeightStore *store) {
  pm.addPass(createBindLmPass({require}));
  buildFusePipeline(pm);
  pm.addPass(createDeriveLmPass({context, require}));
  pm.addPass(store ? createTieWeightsPass(*store) : createTieWeightsPass());
  pm.addPass(createCSEPass());
  pm.addPass(createEditWeightsPass());
}

namespace {
struct LanguageModelOptions : PassPipelineOptions<LanguageModelOptions> {
  Option<int64_t> context{*this, "context",
                          llvm::cl::desc("Rows of rotary tables, in tokens"),
                          llvm::cl::init(0)};
  Option<bool> require{*this, "require",
                       llvm::cl::desc("Fail where there is no language model"),
                       llvm::cl::init(false)};
};
} // namespace

void llmc::registerLanguageModelPipeline() {
  PassPipelineRegistration<LanguageModelOptions>(
      "llmc-lm", "Fuse, and derive the entry @lm of a language model",
      [](OpPassManager &pm, const LanguageModelOptions &options) {
        buildLanguageModelPipeline(pm, options.context, options.require);
      });
}
