//===- @NAME@.cpp - A pass ------------------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include <llmc/Dialect/NN/NNOps.h>
#include <llmc/Plugin/CxxPlugin.h>
#include <mlir/Dialect/Func/IR/FuncOps.h>
#include <mlir/Transforms/GreedyPatternRewriteDriver.h>

using namespace llmc;

namespace {

/// relu(relu(x)) is relu(x):
///
///     %1 = nn.relu %0 : (tensor<4xf32>) -> tensor<4xf32>
///     %2 = nn.relu %1 : (tensor<4xf32>) -> tensor<4xf32>
///     // becomes
///     %1 = nn.relu %0 : (tensor<4xf32>) -> tensor<4xf32>
struct FoldRelu : mlir::OpRewritePattern<nn::ReluOp> {
  using OpRewritePattern::OpRewritePattern;

  mlir::LogicalResult
  matchAndRewrite(nn::ReluOp op,
                  mlir::PatternRewriter &rewriter) const override {
    if (!op.getInput().getDefiningOp<nn::ReluOp>())
      return rewriter.notifyMatchFailure(op, "its input is not relu");
    rewriter.replaceOp(op, op.getInput());
    return mlir::success();
  }
};

class FoldReluPass
    : public mlir::PassWrapper<FoldReluPass,
                               mlir::OperationPass<mlir::func::FuncOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FoldReluPass)

  llvm::StringRef getArgument() const final { return "@NAME@-fold-relu"; }
  llvm::StringRef getDescription() const final { return "Drop relu of relu"; }

  void runOnOperation() override {
    mlir::RewritePatternSet patterns(&getContext());
    patterns.add<FoldRelu>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace

LLMC_CXX_PLUGIN("@NAME@", "0.1", plugin) {
  plugin.addPass<FoldReluPass>();
  plugin.join(Slot::AfterFuse, "func.func(@NAME@-fold-relu)");
}
