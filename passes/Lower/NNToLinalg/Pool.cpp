//===- Pool.cpp - Lowering of pooling -------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A reduction over an input with a border of neutral elements. The border may be
// wider than `pads` say, where the number of windows was rounded up.
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

namespace {
template <class Op> struct Windows {
  Windows(Op op, Lowering &l)
      : op(op), l(l), input(l.shape(op.getInput())),
        result(l.shape(op.getResult())),
        element(getElementTypeOrSelf(op.getType())), wide(computeType(element)),
        space(op.getKernel().size()) {}

  Value reduce(Value neutral, Body combine) {
    SymContext &ctx = l.ctx;
    Shape padded = input, before(input.size(), l.constant(0)), window;
    for (int64_t i = 0; i < space; ++i) {
      int64_t axis = i + 2, kernel = op.getKernel()[i];
      before[axis] = l.constant(op.getPads()[i]);
      // What the last window reaches, and at least the input itself.
      SymExpr reach =
          ctx.add(ctx.mul(ctx.sub(result[axis], l.constant(1)),
                          l.constant(op.getStrides()[i])),
                  l.constant((kernel - 1) * op.getDilations()[i] + 1));
      padded[axis] = ctx.max(reach, ctx.add(input[axis], before[axis]));
      window.push_back(l.constant(kernel));
    }
    Value image =
        l.border(l.get(op.getInput()), input, before, padded, neutral);
    auto dim = [&](int64_t loop) { return l.b.getAffineDimExpr(loop); };
    SmallVector<AffineExpr> places = {dim(0), dim(1)};
    SmallVector<int64_t> windowDims, dims = {0, 1};
    for (int64_t i = 0; i < space; ++i) {
      places.push_back(dim(2 + i) * op.getStrides()[i] +
                       dim(2 + space + i) * op.getDilations()[i]);
      windowDims.push_back(2 + space + i);
      dims.push_back(2 + i);
    }
    unsigned loops = 2 + 2 * space;
    // The second operand is never read: it tells the extents of the window.
    Value init = l.fill(result, castScalar(l.b, neutral, wide));
    return l.reduce(
        init, l.select(loops, dims),
        {{image, AffineMap::get(loops, 0, places, l.b.getContext())},
         {l.empty(window, element), l.select(loops, windowDims)}},
        combine);
  }

  Op op;
  Lowering &l;
  Shape input, result;
  Type element, wide;
  int64_t space;
};
} // namespace

static Value lowerMaxPool(nn::MaxPoolOp op, Lowering &l) {
  Windows<nn::MaxPoolOp> w(op, l);
  Value neutral = lowestScalar(l.b, w.element);
  Value best = w.reduce(neutral, [&](ScalarBuilder &b, ValueRange x) {
    return maxScalars(b, castScalar(b, x[0], w.wide), x[2]);
  });
  return l.convert(best, w.result, w.element);
}

/// How many elements of the window at `place` along one axis count: those from
/// `first` on before `end`, counted from the start of the padding.
static Value countAlong(ScalarBuilder &b, Value place, int64_t stride,
                        int64_t kernel, int64_t dilation, int64_t first,
                        Value end) {
  auto c = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(b, value);
  };
  Value start = arith::MulIOp::create(b, place, c(stride));
  // The number of steps k >= 0 with start + k * dilation < bound, at most kernel.
  auto stepsBefore = [&](Value bound) -> Value {
    Value room =
        arith::MaxSIOp::create(b, arith::SubIOp::create(b, bound, start), c(0));
    Value steps = arith::DivUIOp::create(
        b, arith::AddIOp::create(b, room, c(dilation - 1)), c(dilation));
    return arith::MinSIOp::create(b, steps, c(kernel));
  };
  return arith::SubIOp::create(b, stepsBefore(end), stepsBefore(c(first)));
}

static Value lowerAvgPool(nn::AvgPoolOp op, Lowering &l) {
  Windows<nn::AvgPoolOp> w(op, l);
  if (!isa<FloatType>(w.element))
    return l.fail(op, "expected a tensor of floats");
  Value total =
      w.reduce(l.constantOf(w.element, 0), [&](ScalarBuilder &b, ValueRange x) {
        return addScalars(b, castScalar(b, x[0], w.wide), x[2]);
      });
  SmallVector<Value> ends;
  for (int64_t i = 0; i < w.space; ++i) {
    int64_t around = op.getPads()[i];
    if (op.getIncludePad())
      around += op.getPads()[i + w.space];
    ends.push_back(l.index(l.ctx.add(w.input[i + 2], l.constant(around))));
  }
  return l.each(
      w.result, w.element, l.whole(total), [&](ScalarBuilder &b, ValueRange x) {
        Value count;
        for (int64_t i = 0; i < w.space; ++i) {
          int64_t first = op.getIncludePad() ? 0 : op.getPads()[i];
          Value along = countAlong(b, linalg::IndexOp::create(b, i + 2),
                                   op.getStrides()[i], op.getKernel()[i],
                                   op.getDilations()[i], first, ends[i]);
          count = count ? Value(arith::MulIOp::create(b, count, along)) : along;
        }
        Value mean =
            arith::DivFOp::create(b, x[0], castScalar(b, count, w.wide));
        return castScalar(b, mean, w.element);
      });
}

void lower::addPool(Handlers &handlers) {
  handlers.add<nn::MaxPoolOp>(lowerMaxPool);
  handlers.add<nn::AvgPoolOp>(lowerAvgPool);
}
