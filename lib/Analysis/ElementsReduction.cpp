//===- ElementsReduction.cpp - Rules of reductions and running sums -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ElementRules.h"
#include "llmc/Dialect/NN/NNTap.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::rules;

namespace {
enum class Reduction { Sum, Mean, Product, Largest, Smallest };
struct ReduceView {
  Reduction kind;
  Value input;
  ArrayRef<int64_t> axes;
  bool keepdims;
};
} // namespace

static std::optional<ReduceView> viewReduce(Operation *op) {
  using R = std::optional<ReduceView>;
  auto view = [](auto op, Reduction kind) -> R {
    return ReduceView{kind, op.getInput(), op.getAxes(), op.getKeepdims()};
  };
  return llvm::TypeSwitch<Operation *, R>(op)
      .Case([&](nn::ReduceSumOp op) { return view(op, Reduction::Sum); })
      .Case([&](nn::ReduceMeanOp op) { return view(op, Reduction::Mean); })
      .Case([&](nn::ReduceProdOp op) { return view(op, Reduction::Product); })
      .Case([&](nn::ReduceMaxOp op) { return view(op, Reduction::Largest); })
      .Case([&](nn::ReduceMinOp op) { return view(op, Reduction::Smallest); })
      .Default([](Operation *) -> R { return std::nullopt; });
}

static SymIndex reducedShape(Asker &ask, Value input, ArrayRef<int64_t> axes,
                             bool keepdims) {
  SymIndex result;
  for (auto [i, extent] : llvm::enumerate(ask.shape(input))) {
    if (!llvm::is_contained(axes, static_cast<int64_t>(i)))
      result.push_back(extent);
    else if (keepdims)
      result.push_back(ask.n(1));
  }
  return result;
}

MaybeShape rules::shapeOfReduction(Asker &ask, Operation *op) {
  if (auto view = viewReduce(op))
    return reducedShape(ask, view->input, view->axes, view->keepdims);
  using R = MaybeShape;
  return llvm::TypeSwitch<Operation *, R>(op)
      .Case<nn::ArgMaxOp, nn::ArgMinOp>([&](auto op) -> R {
        int64_t axis = op.getAxis();
        return reducedShape(ask, op.getInput(), axis, op.getKeepdims());
      })
      .Case([&](nn::CumSumOp op) -> R {
        return SymIndex(ask.shape(op.getInput()));
      })
      .Case([&](nn::TapOp op) -> R {
        return SymIndex{ask.n(3), ask.shape(op.getInput()).back()};
      })
      .Default([](Operation *) -> R { return std::nullopt; });
}

/// a times n.
static SymExpr times(Asker &ask, SymExpr a, SymExpr n) {
  if (!a || !n)
    return {};
  if (a->getType() == SymType::Int)
    return ask.c.mul(a, n);
  return ask.c.apply("mul", SymType::Float, {a, ask.c.cast(n, SymType::Float)});
}

/// `x`, an element at index variable `i`, reduced over all i.
static SymExpr reduceOver(Asker &ask, Reduction kind, SymExpr x, SymExpr i) {
  SymContext &c = ask.c;
  SymExpr extent = i->getOperand(0);
  if (!c.contains(x, i)) {
    switch (kind) {
    case Reduction::Sum:
      return times(ask, x, extent);
    case Reduction::Product:
      return x.isConstant(1) ? x : SymExpr();
    default:
      return x;
    }
  }
  if (x->getType() != SymType::Int)
    return {};
  // Linear: the largest and the smallest stand at the ends.
  auto linear = c.splitLinear(x, i);
  if (!linear || c.contains(linear->first, i))
    return {};
  auto [factor, rest] = *linear;
  bool up = c.isNonNegative(factor), down = c.isNonNegative(c.neg(factor));
  if ((kind != Reduction::Largest && kind != Reduction::Smallest) ||
      (!up && !down))
    return {};
  bool last = up == (kind == Reduction::Largest);
  return last ? c.add(rest, c.mul(factor, c.sub(extent, ask.n(1)))) : rest;
}

/// Combines elements one by one.
static SymExpr combine(Asker &ask, Reduction kind, SymExpr a, SymExpr b) {
  SymContext &c = ask.c;
  if (!a || !b || a->getType() != b->getType())
    return {};
  bool isFloat = a->getType() == SymType::Float;
  if (a->getType() == SymType::Bool)
    return kind == Reduction::Largest    ? c.lor(a, b)
           : kind == Reduction::Smallest ? c.land(a, b)
                                         : SymExpr();
  switch (kind) {
  case Reduction::Sum:
  case Reduction::Mean:
    return isFloat ? c.apply("add", SymType::Float, {a, b}) : c.add(a, b);
  case Reduction::Product:
    return isFloat ? c.apply("mul", SymType::Float, {a, b}) : c.mul(a, b);
  case Reduction::Largest:
    return isFloat ? c.apply("max", SymType::Float, {a, b}) : c.max(a, b);
  case Reduction::Smallest:
    return isFloat ? c.apply("min", SymType::Float, {a, b}) : c.min(a, b);
  }
  return {};
}

/// Reductions of floats are activations, not shape computations: only ones as
/// small as this are written out, and integers up to the second bound.
static constexpr int64_t kMaxFloats = 4, kMaxIntegers = 64;

static SymExpr reduceElement(Asker &ask, const ReduceView &view,
                             ArrayRef<SymExpr> index) {
  SymContext &c = ask.c;
  auto shape = ask.shape(view.input);
  SymIndex from(shape.size());
  size_t next = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    bool reduced = llvm::is_contained(view.axes, static_cast<int64_t>(i));
    if (!reduced || view.keepdims)
      from[i] = reduced ? SymExpr() : index[next], ++next;
  }
  if (view.axes.empty())
    return ask.element(view.input, from);
  SymExpr count = ask.n(1);
  for (int64_t axis : view.axes)
    count = c.mul(count, shape[axis]);
  if (!count)
    return {};
  int64_t limit =
      typeOf(view.input) == SymType::Float ? kMaxFloats : kMaxIntegers;
  if (auto total = count.constant(); total && *total > 0 && *total <= limit) {
    SymExpr result;
    for (int64_t i = 0; i < *total; ++i) {
      int64_t rest = i;
      for (int64_t axis : llvm::reverse(view.axes)) {
        int64_t extent = *shape[axis].constant();
        from[axis] = ask.n(rest % extent);
        rest /= extent;
      }
      SymExpr x = ask.element(view.input, from);
      result = i == 0 ? x : combine(ask, view.kind, result, x);
      if (!result)
        return {};
    }
    if (view.kind != Reduction::Mean)
      return result;
    return result->getType() == SymType::Float
               ? c.apply("mul", SymType::Float, {result, c.real(1.0 / *total)})
               : c.truncDiv(result, ask.n(*total));
  }
  SymIndex variables;
  for (int64_t axis : view.axes) {
    from[axis] = c.index("r", shape[axis]);
    variables.push_back(from[axis]);
  }
  SymExpr x = ask.element(view.input, from);
  for (SymExpr variable : variables)
    if (x)
      x = reduceOver(ask, view.kind, x, variable);
  return x;
}

/// Sum of x over places 0 .. n-1 of index variable i; null where x is not
/// linear in it.
static SymExpr runningSum(Asker &ask, SymExpr x, SymExpr i, SymExpr n) {
  SymContext &c = ask.c;
  if (!c.contains(x, i))
    return times(ask, x, n);
  if (x->getType() != SymType::Int)
    return {};
  auto linear = c.splitLinear(x, i);
  if (!linear)
    return {};
  SymExpr pairs = c.floorDiv(c.mul(n, c.sub(n, ask.n(1))), ask.n(2));
  return c.add(c.mul(linear->first, pairs), c.mul(linear->second, n));
}

static SymExpr cumsumElement(Asker &ask, nn::CumSumOp op,
                             ArrayRef<SymExpr> index) {
  SymContext &c = ask.c;
  int64_t axis = op.getAxis();
  SymExpr extent = ask.dim(op.getInput(), axis), at = index[axis];
  SymExpr j = c.index("s", extent);
  SymIndex from(index);
  from[axis] = j;
  SymExpr x = ask.element(op.getInput(), from);
  if (!x)
    return {};
  SymExpr before = op.getExclusive() ? at : c.add(at, ask.n(1));
  if (!op.getReverse())
    return runningSum(ask, x, j, before);
  // From the end: all, less those in front.
  SymExpr all = runningSum(ask, x, j, extent);
  SymExpr front =
      runningSum(ask, x, j, op.getExclusive() ? c.add(at, ask.n(1)) : at);
  if (!all || !front)
    return {};
  return x->getType() == SymType::Int
             ? c.sub(all, front)
             : c.apply("sub", SymType::Float, {all, front});
}

SymExpr rules::elementOfReduction(Asker &ask, Operation *op,
                                  ArrayRef<SymExpr> index) {
  if (auto view = viewReduce(op))
    return reduceElement(ask, *view, index);
  if (auto cumsum = dyn_cast<nn::CumSumOp>(op))
    return cumsumElement(ask, cumsum, index);
  return {};
}
