//===- SplitLinear.cpp - Packed projections become one linear each --------
//===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/FusePasses.h"
#include "llmc/Passes/Matching.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace llmc {
#define GEN_PASS_DEF_SPLITLINEARPASS
#include "llmc/Passes/FusePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// The columns begin .. end-1 that `op` takes of its input of `width` columns,
/// if it takes all of everything else.
std::optional<std::pair<int64_t, int64_t>> getColumns(nn::SliceOp op,
                                                      int64_t width) {
  auto starts = nn::getConstantInts(op.getStarts());
  auto ends = nn::getConstantInts(op.getEnds());
  if (!starts || !ends || op.getAxes().size() != 1 || op.getSteps()[0] != 1 ||
      op.getAxes()[0] != tensorType(op.getInput()).getRank() - 1)
    return std::nullopt;
  auto clamp = [&](int64_t bound) {
    if (bound < 0)
      bound = bound < -width ? 0 : bound + width;
    return std::min(bound, width);
  };
  int64_t begin = clamp((*starts)[0]), end = clamp((*ends)[0]);
  if (begin >= end)
    return std::nullopt;
  return std::pair(begin, end);
}

struct SplitLinear : OpRewritePattern<nn::LinearOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::LinearOp op,
                                PatternRewriter &rewriter) const override {
    auto weight = tensorType(op.getWeight());
    if (op->use_empty() || !weight.hasStaticShape() ||
        !isWeight(op.getWeight()) || (op.getBias() && !isWeight(op.getBias())))
      return rewriter.notifyMatchFailure(op, "no use, or no known weight");
    SmallVector<std::pair<nn::SliceOp, std::pair<int64_t, int64_t>>> parts;
    for (Operation *user : op->getUsers()) {
      auto slice = dyn_cast<nn::SliceOp>(user);
      if (!slice || slice.getInput() != op.getResult())
        return rewriter.notifyMatchFailure(op, "a user is no slice");
      auto columns = getColumns(slice, weight.getDimSize(0));
      if (!columns)
        return rewriter.notifyMatchFailure(
            op, "a slice is not of columns with constant bounds");
      parts.push_back({slice, *columns});
    }
    for (auto [slice, columns] : parts) {
      rewriter.setInsertionPoint(slice);
      auto [begin, end] = columns;
      Location loc = slice.getLoc();
      Value first = makeInts(rewriter, loc, {begin});
      Value last = makeInts(rewriter, loc, {end});
      auto take = [&](Value value) -> Value {
        SmallVector<int64_t> shape(tensorType(value).getShape());
        shape[0] = end - begin;
        return nn::SliceOp::create(
            rewriter, loc, tensorType(value).clone(shape), value, first, last,
            ArrayRef<int64_t>{0}, ArrayRef<int64_t>{1});
      };
      Value rows = take(op.getWeight());
      Value bias = op.getBias() ? take(op.getBias()) : Value();
      rewriter.replaceOpWithNewOp<nn::LinearOp>(slice, slice.getType(),
                                                op.getInput(), rows, bias);
    }
    rewriter.eraseOp(op);
    return success();
  }
};

struct SplitLinearPass : llmc::impl::SplitLinearPassBase<SplitLinearPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SplitLinear>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
