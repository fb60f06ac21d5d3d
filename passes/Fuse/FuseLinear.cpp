//===- FuseLinear.cpp - Products with weight matrices -----------------------
//===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/FusePasses.h"
#include "llmc/Passes/Matching.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace llmc {
#define GEN_PASS_DEF_FUSELINEARPASS
#include "llmc/Passes/FusePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

struct MatmulToLinear : OpRewritePattern<nn::MatmulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::MatmulOp op,
                                PatternRewriter &rewriter) const override {
    auto weight = tensorType(op.getRhs());
    if (weight.getRank() != 2 || !weight.hasStaticShape())
      return rewriter.notifyMatchFailure(op, "rhs is no static matrix");
    if (!isWeight(op.getRhs()))
      return rewriter.notifyMatchFailure(op, "rhs is not known");
    if (!isa<FloatType>(weight.getElementType()))
      return rewriter.notifyMatchFailure(op, "not of floating point numbers");
    Value matrix = makeTranspose(rewriter, op.getLoc(), op.getRhs(), {1, 0});
    rewriter.replaceOpWithNewOp<nn::LinearOp>(op, op.getType(), op.getLhs(),
                                              matrix, Value());
    return success();
  }
};

struct AddToBias : OpRewritePattern<nn::AddOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::AddOp op,
                                PatternRewriter &rewriter) const override {
    for (auto [product, bias] : bothOrders(op)) {
      auto linear = product.getDefiningOp<nn::LinearOp>();
      if (!linear || linear.getBias() || !linear->hasOneUse())
        continue;
      auto type = tensorType(bias);
      if (type.getRank() != 1 || !isWeight(bias) ||
          type.getDimSize(0) != tensorType(linear.getWeight()).getDimSize(0))
        continue;
      rewriter.replaceOpWithNewOp<nn::LinearOp>(
          op, op.getType(), linear.getInput(), linear.getWeight(), bias);
      return success();
    }
    return rewriter.notifyMatchFailure(
        op, "no sum of a linear that has no bias and one vector");
  }
};

struct FuseLinearPass : llmc::impl::FuseLinearPassBase<FuseLinearPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<MatmulToLinear, AddToBias>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
