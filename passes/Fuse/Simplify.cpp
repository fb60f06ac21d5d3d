//===- Simplify.cpp - Ops that do nothing -------------------------------- ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/FusePasses.h"
#include "llmc/Passes/Matching.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Dominance.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include <cmath>

namespace llmc {
#define GEN_PASS_DEF_SIMPLIFYPASS
#include "llmc/Passes/FusePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

struct MergeTransposes : OpRewritePattern<nn::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::TransposeOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.getInput().getDefiningOp<nn::TransposeOp>())
      return rewriter.notifyMatchFailure(op, "input is no transposition");
    Value merged =
        makeTranspose(rewriter, op.getLoc(), op.getInput(), op.getPerm());
    if (failed(replaceBySame(rewriter, op, merged)))
      return rewriter.notifyMatchFailure(op, "types do not allow it");
    return success();
  }
};

struct MergeReshapes : OpRewritePattern<nn::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::ReshapeOp op,
                                PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<nn::ReshapeOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "input is no reshape");
    auto shape = nn::getConstantInts(op.getShape());
    if (!op.getAllowzero() && (!shape || llvm::is_contained(*shape, 0)))
      return rewriter.notifyMatchFailure(op, "may copy an extent of its input");
    rewriter.modifyOpInPlace(
        op, [&] { op.getInputMutable().assign(inner.getInput()); });
    return success();
  }
};

/// Slices of everything.
struct DropWholeSlice : OpRewritePattern<nn::SliceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::SliceOp op,
                                PatternRewriter &rewriter) const override {
    auto starts = nn::getConstantInts(op.getStarts());
    auto ends = nn::getConstantInts(op.getEnds());
    if (!starts || !ends)
      return rewriter.notifyMatchFailure(op, "bounds are not constant");
    auto type = tensorType(op.getInput());
    for (auto [i, axis] : llvm::enumerate(op.getAxes())) {
      int64_t extent = type.getDimSize(axis);
      // No extent reaches 2^31 - 1, the smallest "to the end" of exporters.
      int64_t least = ShapedType::isDynamic(extent) ? INT32_MAX : extent;
      if (op.getSteps()[i] != 1 || (*starts)[i] != 0 || (*ends)[i] < least)
        return rewriter.notifyMatchFailure(op, "takes a part");
    }
    if (failed(replaceBySame(rewriter, op, op.getInput())))
      return rewriter.notifyMatchFailure(op, "types do not allow it");
    return success();
  }
};

struct DropExpand : OpRewritePattern<nn::ExpandOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::ExpandOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getInput().getType() != op.getType() ||
        !tensorType(op.getResult()).hasStaticShape())
      return rewriter.notifyMatchFailure(op, "may broadcast");
    rewriter.replaceOp(op, op.getInput());
    return success();
  }
};

/// squeeze(unsqueeze(x)) and unsqueeze(squeeze(x)) on the same axes.
template <typename Outer, typename Inner>
struct CancelUnitAxes : OpRewritePattern<Outer> {
  using OpRewritePattern<Outer>::OpRewritePattern;

  LogicalResult matchAndRewrite(Outer op,
                                PatternRewriter &rewriter) const override {
    auto inner = op.getInput().template getDefiningOp<Inner>();
    if (!inner || inner.getAxes() != op.getAxes())
      return rewriter.notifyMatchFailure(op, "input is not the inverse");
    if (failed(replaceBySame(rewriter, op, inner.getInput())))
      return rewriter.notifyMatchFailure(op, "types do not allow it");
    return success();
  }
};

/// x * 1, x / 1, x + 0, x - 0 where no axis is broadcast.
template <typename Op> struct DropNeutral : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;

  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    constexpr bool isProduct =
        std::is_same_v<Op, nn::MulOp> || std::is_same_v<Op, nn::DivOp>;
    constexpr bool commutes =
        std::is_same_v<Op, nn::MulOp> || std::is_same_v<Op, nn::AddOp>;
    for (auto [x, neutral] : bothOrders(op)) {
      if (!commutes && x != op.getLhs())
        continue;
      auto scalar = getScalar(neutral);
      if (!scalar || *scalar != (isProduct ? 1 : 0) ||
          x.getType() != op.getType())
        continue;
      auto type = tensorType(neutral);
      if (type.getNumElements() != 1 && type != op.getType())
        continue;
      rewriter.replaceOp(op, x);
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no neutral operand");
  }
};

/// Arithmetic on single floating point numbers, as exporters compute scales
/// from head sizes. Double precision rounded once is what single precision
/// gives for these operations.
template <typename Op> struct FoldNumber : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;

  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    auto type = tensorType(op.getResult());
    if (!type.hasStaticShape() || type.getNumElements() != 1 ||
        !type.getElementType().isF32())
      return rewriter.notifyMatchFailure(op, "no single number");
    SmallVector<double, 2> x;
    for (Value operand : op->getOperands()) {
      auto number = getScalar(operand);
      if (!number)
        return rewriter.notifyMatchFailure(op, "an operand is not constant");
      x.push_back(*number);
    }
    double value = x[0];
    if constexpr (std::is_same_v<Op, nn::SqrtOp>)
      value = std::sqrt(x[0]);
    else if constexpr (std::is_same_v<Op, nn::MulOp>)
      value = x[0] * x[1];
    else if constexpr (std::is_same_v<Op, nn::DivOp>)
      value = x[0] / x[1];
    if (!std::isfinite(value))
      return rewriter.notifyMatchFailure(op, "the result is not finite");
    rewriter.replaceOpWithNewOp<arith::ConstantOp>(
        op, DenseElementsAttr::get(
                type, rewriter.getFloatAttr(type.getElementType(), value)));
    return success();
  }
};

struct SimplifyPass : llmc::impl::SimplifyPassBase<SimplifyPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<MergeTransposes, MergeReshapes, DropWholeSlice, DropExpand,
                 CancelUnitAxes<nn::SqueezeOp, nn::UnsqueezeOp>,
                 CancelUnitAxes<nn::UnsqueezeOp, nn::SqueezeOp>,
                 DropNeutral<nn::MulOp>, DropNeutral<nn::DivOp>,
                 DropNeutral<nn::AddOp>, DropNeutral<nn::SubOp>,
                 FoldNumber<nn::CastOp>, FoldNumber<nn::SqrtOp>,
                 FoldNumber<nn::MulOp>, FoldNumber<nn::DivOp>>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    IRRewriter rewriter(&getContext());
    DominanceInfo dominance(getOperation());
    eliminateCommonSubExpressions(rewriter, dominance, getOperation());
  }
};

} // namespace
