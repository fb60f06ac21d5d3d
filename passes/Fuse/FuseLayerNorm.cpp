//===- FuseLayerNorm.cpp - Layer normalizations ---------------------------
//===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/FusePasses.h"
#include "llmc/Passes/Matching.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace llmc {
#define GEN_PASS_DEF_FUSELAYERNORMPASS
#include "llmc/Passes/FusePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// The x of `x - mean(x)` along the last axis; null otherwise.
Value matchCentered(Value value) {
  auto sub = skipCasts(value).getDefiningOp<nn::SubOp>();
  if (!sub)
    return {};
  Value mean = matchLastMean(sub.getRhs()), x = skipCasts(sub.getLhs());
  return mean == x ? x : Value();
}

struct FuseLayerNorm : OpRewritePattern<nn::MulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::MulOp op,
                                PatternRewriter &rewriter) const override {
    auto type = tensorType(op.getResult());
    for (auto [weight, scaled] : bothOrders(op)) {
      auto weightType = tensorType(weight);
      if (type.getRank() < 1 || weightType.getRank() != 1 ||
          weightType.getDimSize(0) != type.getShape().back())
        continue;
      auto normalized = matchNormalized(scaled);
      if (!normalized)
        continue;
      Value input = matchCentered(normalized->input);
      Value squared = matchLastMean(normalized->meanSquare);
      Value deviation = squared ? matchSquare(squared) : Value();
      if (!input || !deviation || matchCentered(deviation) != input)
        return rewriter.notifyMatchFailure(
            op, "no variance of the tensor that is divided");
      if (tensorType(input).getElementType() != type.getElementType() ||
          weightType.getElementType() != type.getElementType())
        return rewriter.notifyMatchFailure(op, "element types differ");
      rewriter.replaceOpWithNewOp<nn::LayerNormOp>(
          op, tensorType(input), input, weight, Value(),
          rewriter.getF64FloatAttr(normalized->epsilon));
      return success();
    }
    return rewriter.notifyMatchFailure(
        op, "no product of a vector and a normalized tensor");
  }
};

struct AddToLayerNorm : OpRewritePattern<nn::AddOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::AddOp op,
                                PatternRewriter &rewriter) const override {
    for (auto [normalized, bias] : bothOrders(op)) {
      auto norm = normalized.getDefiningOp<nn::LayerNormOp>();
      if (!norm || norm.getBias() || !norm->hasOneUse() ||
          bias.getType() != norm.getWeight().getType())
        continue;
      rewriter.replaceOpWithNewOp<nn::LayerNormOp>(
          op, op.getType(), norm.getInput(), norm.getWeight(), bias,
          norm.getEpsilonAttr());
      return success();
    }
    return rewriter.notifyMatchFailure(
        op, "no sum of a normalization without bias and one vector");
  }
};

struct FuseLayerNormPass
    : llmc::impl::FuseLayerNormPassBase<FuseLayerNormPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseLayerNorm, AddToLayerNorm>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
