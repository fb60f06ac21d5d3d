//===- OpsReduce.cpp - Reductions -----------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Handlers.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

namespace {

/// Where the axes stand: an attribute in old versions, an operand in new ones.
struct Reduction {
  SmallVector<int64_t> axes;
  bool keepdims = true;
  /// No axes were given, and that means: leave the tensor alone.
  bool nothing = false;
};

Reduction reduction(NodeReader &n, Value x, bool axesAreInput) {
  Reduction result;
  int64_t rank = n.rank(x);
  result.keepdims = n.attrInt("keepdims", 1) != 0;
  std::optional<SmallVector<int64_t>> axes;
  if (!axesAreInput)
    axes = n.attrInts("axes");
  else if (n.hasInput(1))
    axes = n.requireInts(1, "axes");
  bool noop = axesAreInput && n.attrInt("noop_with_empty_axes", 0) != 0;
  if (axes && !axes->empty()) {
    result.axes = n.axes(*axes, rank);
  } else if (noop) {
    result.nothing = true;
  } else {
    for (int64_t i = 0; i < rank; ++i)
      result.axes.push_back(i);
  }
  return result;
}

template <typename OpTy>
Value reduce(NodeReader &n, Value x, const Reduction &how) {
  if (how.nothing)
    return x;
  SmallVector<NamedAttribute> attributes{
      n.named("axes", ArrayRef<int64_t>(how.axes))};
  if (how.keepdims)
    attributes.push_back(n.flag("keepdims"));
  return n.create<OpTy>(x, attributes);
}

template <typename OpTy, bool input> void plain(NodeReader &n) {
  Value x = n.input(0);
  Reduction how = reduction(n, x, input);
  n.result(0, reduce<OpTy>(n, x, how));
}

template <bool input> void l1(NodeReader &n) {
  Value x = n.input(0);
  Reduction how = reduction(n, x, input);
  n.result(0, reduce<nn::ReduceSumOp>(n, n.create<nn::AbsOp>(x), how));
}

Value square(NodeReader &n, Value x) { return n.create<nn::MulOp>({x, x}); }

template <bool input> void sumSquare(NodeReader &n) {
  Value x = n.input(0);
  Reduction how = reduction(n, x, input);
  n.result(0, reduce<nn::ReduceSumOp>(n, square(n, x), how));
}

template <bool input> void l2(NodeReader &n) {
  Value x = n.input(0);
  Reduction how = reduction(n, x, input);
  n.result(0,
           n.create<nn::SqrtOp>(reduce<nn::ReduceSumOp>(n, square(n, x), how)));
}

template <bool input> void logSum(NodeReader &n) {
  Value x = n.input(0);
  Reduction how = reduction(n, x, input);
  n.result(0, n.create<nn::LogOp>(reduce<nn::ReduceSumOp>(n, x, how)));
}

/// The largest element is taken out first, so that nothing overflows.
template <bool input> void logSumExp(NodeReader &n) {
  Value x = n.input(0);
  Reduction how = reduction(n, x, input);
  if (how.nothing)
    return n.result(0, x);
  Reduction kept = how;
  kept.keepdims = true;
  Value peak = reduce<nn::ReduceMaxOp>(n, x, kept);
  // Infinities, and the peak of nothing, have no difference to take.
  if (peak) {
    Type type = n.elementType(x);
    Value infinite = n.create<nn::CompareOp>(
        {n.create<nn::AbsOp>(peak),
         n.scalar(std::numeric_limits<double>::infinity(), type)},
        n.named("predicate", nn::PredicateAttr::get(n.builder().getContext(),
                                                    nn::Predicate::eq)));
    peak = n.create<nn::WhereOp>({infinite, n.scalar(0, type), peak});
  }
  Value sum = reduce<nn::ReduceSumOp>(
      n, n.create<nn::ExpOp>(n.create<nn::SubOp>({x, peak})), kept);
  Value y = n.create<nn::AddOp>({n.create<nn::LogOp>(sum), peak});
  n.result(0, how.keepdims ? y : n.squeeze(y, how.axes));
}

template <typename OpTy> void argReduce(NodeReader &n) {
  Value x = n.input(0);
  int64_t axis = n.axis(n.attrInt("axis", 0), n.rank(x));
  SmallVector<NamedAttribute> attributes{n.named("axis", axis)};
  if (n.attrInt("keepdims", 1))
    attributes.push_back(n.flag("keepdims"));
  if (n.attrInt("select_last_index", 0))
    attributes.push_back(n.flag("select_last"));
  n.result(0, n.create<OpTy>(x, attributes));
}

void cumSum(NodeReader &n) {
  Value x = n.input(0);
  SmallVector<int64_t> entries = n.requireInts(1, "axis");
  if (n.failed())
    return;
  if (entries.size() != 1)
    return n.fail("expected one axis but got " + Twine(entries.size()));
  SmallVector<NamedAttribute> attributes{
      n.named("axis", n.axis(entries[0], n.rank(x)))};
  if (n.attrInt("exclusive", 0))
    attributes.push_back(n.flag("exclusive"));
  if (n.attrInt("reverse", 0))
    attributes.push_back(n.flag("reverse"));
  n.result(0, n.create<nn::CumSumOp>(x, attributes));
}

} // namespace

void llmc::onnx::addReduceHandlers(HandlerTable &table) {
  auto add = [&](StringRef op, int64_t since, Handler attribute,
                 Handler operand) {
    table.add("", op, 1, attribute);
    table.add("", op, since, operand);
  };
  add("ReduceSum", 13, plain<nn::ReduceSumOp, false>,
      plain<nn::ReduceSumOp, true>);
  add("ReduceMean", 18, plain<nn::ReduceMeanOp, false>,
      plain<nn::ReduceMeanOp, true>);
  add("ReduceMax", 18, plain<nn::ReduceMaxOp, false>,
      plain<nn::ReduceMaxOp, true>);
  add("ReduceMin", 18, plain<nn::ReduceMinOp, false>,
      plain<nn::ReduceMinOp, true>);
  add("ReduceProd", 18, plain<nn::ReduceProdOp, false>,
      plain<nn::ReduceProdOp, true>);
  add("ReduceL1", 18, l1<false>, l1<true>);
  add("ReduceL2", 18, l2<false>, l2<true>);
  add("ReduceSumSquare", 18, sumSquare<false>, sumSquare<true>);
  add("ReduceLogSum", 18, logSum<false>, logSum<true>);
  add("ReduceLogSumExp", 18, logSumExp<false>, logSumExp<true>);
  table.add("", "ArgMax", 1, argReduce<nn::ArgMaxOp>);
  table.add("", "ArgMin", 1, argReduce<nn::ArgMinOp>);
  table.add("", "CumSum", 11, cumSum);
}
