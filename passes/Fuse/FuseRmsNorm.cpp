//===- FuseRmsNorm.cpp - Root-mean-square normalizations ------------------
//===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/FusePasses.h"
#include "llmc/Passes/Matching.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace llmc {
#define GEN_PASS_DEF_FUSERMSNORMPASS
#include "llmc/Passes/FusePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

struct FuseRmsNorm : OpRewritePattern<nn::MulOp> {
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
      Value square = matchLastMean(normalized->meanSquare);
      Value input = square ? matchSquare(square) : Value();
      if (!input || input != normalized->input)
        return rewriter.notifyMatchFailure(
            op, "what is divided is not what is squared");
      if (tensorType(input).getElementType() != type.getElementType() ||
          weightType.getElementType() != type.getElementType())
        return rewriter.notifyMatchFailure(op, "element types differ");
      rewriter.replaceOpWithNewOp<nn::RmsNormOp>(
          op, tensorType(input), input, weight,
          rewriter.getF64FloatAttr(normalized->epsilon));
      return success();
    }
    return rewriter.notifyMatchFailure(
        op, "no product of a vector and a normalized tensor");
  }
};

struct FuseRmsNormPass : llmc::impl::FuseRmsNormPassBase<FuseRmsNormPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseRmsNorm>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
