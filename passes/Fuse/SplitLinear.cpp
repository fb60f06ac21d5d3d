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

/// The part begin .. end-1 of `axis` that `op` takes of its input of `extent`,
/// if it takes all of everything else.
std::optional<std::pair<int64_t, int64_t>> getPart(nn::SliceOp op, int64_t axis,
                                                   int64_t extent) {
  auto starts = nn::getConstantInts(op.getStarts());
  auto ends = nn::getConstantInts(op.getEnds());
  if (!starts || !ends || op.getAxes() != ArrayRef<int64_t>{axis} ||
      op.getSteps() != ArrayRef<int64_t>{1})
    return std::nullopt;
  auto clamp = [&](int64_t bound) {
    if (bound < 0)
      bound = bound < -extent ? 0 : bound + extent;
    return std::min(bound, extent);
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
    // The slices are of the result, or of the result split into heads.
    Value whole = op.getResult();
    int64_t axis = tensorType(whole).getRank() - 1,
            extent = weight.getDimSize(0), size = 1;
    SmallVector<int64_t> headShape;
    if (auto reshape = dyn_cast<nn::ReshapeOp>(*op->getUsers().begin());
        reshape && op->hasOneUse()) {
      auto shape = nn::getConstantInts(reshape.getShape());
      auto type = tensorType(reshape.getResult());
      if (!shape || reshape.getAllowzero() || type.getRank() != axis + 2 ||
          type.isDynamicDim(axis) || type.isDynamicDim(axis + 1) ||
          type.getDimSize(axis) * type.getDimSize(axis + 1) != extent ||
          !isSplit(op, *shape))
        return rewriter.notifyMatchFailure(op,
                                           "a reshape is no split in heads");
      whole = reshape.getResult();
      size = type.getDimSize(axis + 1);
      extent = type.getDimSize(axis);
      headShape = *shape;
    }
    SmallVector<std::pair<nn::SliceOp, std::pair<int64_t, int64_t>>> parts;
    for (Operation *user : whole.getUsers()) {
      auto slice = dyn_cast<nn::SliceOp>(user);
      if (!slice || slice.getInput() != whole)
        return rewriter.notifyMatchFailure(op, "a user is no slice");
      auto part = getPart(slice, axis, extent);
      if (!part)
        return rewriter.notifyMatchFailure(
            op, "a slice is not of columns with constant bounds");
      parts.push_back({slice, *part});
    }
    if (parts.empty())
      return rewriter.notifyMatchFailure(op, "no slice");
    for (auto [slice, part] : parts) {
      rewriter.setInsertionPoint(slice);
      int64_t begin = part.first * size, end = part.second * size;
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
      SmallVector<int64_t> columns(tensorType(op.getResult()).getShape());
      columns.back() = end - begin;
      Value linear = nn::LinearOp::create(
          rewriter, loc, tensorType(op.getResult()).clone(columns),
          op.getInput(), rows, bias);
      if (headShape.empty()) {
        rewriter.replaceOp(slice, linear);
        continue;
      }
      SmallVector<int64_t> shape(headShape);
      shape[axis] = part.second - part.first;
      shape[axis + 1] = size;
      rewriter.replaceOpWithNewOp<nn::ReshapeOp>(slice, slice.getType(), linear,
                                                 makeInts(rewriter, loc, shape),
                                                 false);
    }
    return success();
  }

private:
  /// Whether `shape` keeps every axis of the result but the last.
  static bool isSplit(nn::LinearOp op, ArrayRef<int64_t> shape) {
    auto type = tensorType(op.getResult());
    int64_t open = 0;
    for (int64_t axis = 0; axis + 1 < type.getRank(); ++axis) {
      bool kept = shape[axis] == 0 || shape[axis] == type.getDimSize(axis);
      if (!kept && shape[axis] != -1)
        return false;
      open += !kept;
    }
    // One axis that is inferred is the kept one, if all others are.
    return open <= 1;
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
