//===- ElementsReshape.cpp - Rules of reshape and slice -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ElementRules.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::rules;

//===----------------------------------------------------------------------===//
// reshape
//===----------------------------------------------------------------------===//

/// What -1 stands for: the extents `from` divided by `to`. Extents that stand
/// on both sides cancel first, so that products stay small.
static SymExpr remaining(Asker &ask, ArrayRef<SymExpr> from,
                         ArrayRef<SymExpr> to) {
  SymIndex top(from), bottom;
  for (SymExpr extent : to) {
    auto same = llvm::find(top, extent);
    if (same != top.end())
      top.erase(same);
    else
      bottom.push_back(extent);
  }
  SymExpr total = ask.c.product(top), rest = ask.c.product(bottom);
  if (SymExpr exact = ask.c.divideExactly(total, rest))
    return exact;
  return ask.c.floorDiv(total, rest);
}

/// The extents where an entry may turn out to be 0 or -1 only when the model
/// runs (it is an element of an input).
static SymIndex runtimeReshape(Asker &ask, SymIndex entries,
                               ArrayRef<SymExpr> from, bool copyZero) {
  SymContext &c = ask.c;
  SymExpr none = ask.n(0), minus = ask.n(-1);
  for (auto [i, entry] : llvm::enumerate(entries))
    if (entry && copyZero && i < from.size() && !c.isNonNegative(entry))
      entry = c.select(c.equal(entry, none), from[i], entry);
  SymIndex result;
  for (size_t i = 0; i < entries.size(); ++i) {
    SymExpr entry = entries[i];
    if (entry && !c.isNonNegative(entry)) {
      SymIndex others(entries);
      others.erase(others.begin() + i);
      entry = llvm::is_contained(others, SymExpr())
                  ? SymExpr()
                  : c.select(c.equal(entry, minus),
                             remaining(ask, from, others), entry);
    }
    result.push_back(entry);
  }
  return result;
}

MaybeShape rules::shapeOfReshape(Asker &ask, Operation *op) {
  auto reshape = dyn_cast<nn::ReshapeOp>(op);
  if (!reshape)
    return std::nullopt;
  auto from = ask.shape(reshape.getInput());
  auto type = cast<RankedTensorType>(reshape.getType());
  SymIndex result, known;
  std::optional<size_t> rest;
  bool copyZero = !reshape.getAllowzero();
  for (auto [i, entry] : llvm::enumerate(ask.entries(reshape.getShape()))) {
    if (!type.isDynamicDim(i))
      entry = ask.n(type.getDimSize(i));
    if (entry.isConstant(0) && copyZero && i < from.size())
      entry = from[i];
    if (entry.isConstant(-1)) {
      rest = i;
      entry = {};
    } else {
      known.push_back(entry);
    }
    result.push_back(entry);
  }
  bool decided = llvm::all_of(
      known, [&](SymExpr e) { return e && ask.c.isNonNegative(e); });
  if (!decided) {
    if (rest)
      result[*rest] = ask.n(-1);
    result = runtimeReshape(ask, result, from, copyZero);
  } else if (rest) {
    result[*rest] = remaining(ask, from, known);
  }
  if (llvm::all_of(result, [](SymExpr e) { return bool(e); })) {
    SymExpr before = ask.c.product(from), after = ask.c.product(result);
    if (before && after && before != after)
      ask.assumptions.push_back({before, after, op});
  }
  return result;
}

MaybeSource rules::stepOfReshape(Asker &ask, Operation *op,
                                 ArrayRef<SymExpr> index) {
  auto reshape = dyn_cast<nn::ReshapeOp>(op);
  if (!reshape)
    return std::nullopt;
  SymContext &c = ask.c;
  ArrayRef<SymExpr> from = ask.shape(reshape.getInput());
  ArrayRef<SymExpr> to = ask.shape(reshape.getResult());
  SymIndex result(from.size());
  // Equal extents at both ends keep their places.
  size_t front = 0, back = 0;
  size_t shorter = std::min(from.size(), to.size());
  while (front < shorter && from[front] == to[front]) {
    result[front] = index[front];
    ++front;
  }
  while (front + back < shorter &&
         from[from.size() - 1 - back] == to[to.size() - 1 - back]) {
    result[from.size() - 1 - back] = index[to.size() - 1 - back];
    ++back;
  }
  SymExpr place = ask.n(0);
  for (size_t i = front; i < to.size() - back; ++i)
    place = c.add(c.mul(place, to[i]), index[i]);
  // Take the place apart, the last axis first. The first of the axes takes
  // what is left.
  for (size_t i = from.size() - back; i-- > front;) {
    if (from[i].isConstant(1)) {
      result[i] = ask.n(0);
      continue;
    }
    bool outermost =
        llvm::all_of(from.slice(front, i - front),
                     [](SymExpr extent) { return extent.isConstant(1); });
    if (outermost) {
      result[i] = place;
      place = ask.n(0);
      continue;
    }
    SymExpr quotient = c.floorDiv(place, from[i]);
    result[i] = c.sub(place, c.mul(from[i], quotient));
    place = quotient;
  }
  if (llvm::any_of(result, [](SymExpr i) { return !i; }))
    return std::nullopt;
  return ElementSource{reshape.getInput(), result};
}

//===----------------------------------------------------------------------===//
// slice
//===----------------------------------------------------------------------===//

/// Bounds from here on mean "to the end", as exporters write them.
static constexpr int64_t kEndless = std::numeric_limits<int32_t>::max();

/// A bound of a slice along an axis of that extent, clamped to [low, high].
static SymExpr clampBound(Asker &ask, SymExpr bound, SymExpr extent,
                          SymExpr low, SymExpr high) {
  if (!bound)
    return {};
  SymContext &c = ask.c;
  if (auto value = bound.constant()) {
    if (*value >= kEndless)
      return high;
    if (*value <= -kEndless)
      return low;
  }
  if (c.isNonNegative(bound))
    return c.min(bound, high);
  SymExpr fromEnd = c.max(c.add(bound, extent), low);
  if (c.isPositive(c.neg(bound)))
    return fromEnd;
  return c.select(c.less(bound, ask.n(0)), fromEnd, c.min(bound, high));
}

/// First place of a slice along one of its axes.
static SymExpr sliceStart(Asker &ask, nn::SliceOp op, size_t i) {
  SymExpr extent = ask.dim(op.getInput(), op.getAxes()[i]);
  SymExpr high = op.getSteps()[i] > 0 ? extent : ask.c.sub(extent, ask.n(1));
  return clampBound(ask, ask.entry(op.getStarts(), i), extent, ask.n(0), high);
}

MaybeShape rules::shapeOfSlice(Asker &ask, Operation *op) {
  auto slice = dyn_cast<nn::SliceOp>(op);
  if (!slice)
    return std::nullopt;
  SymContext &c = ask.c;
  SymIndex result(ask.shape(slice.getInput()));
  for (auto [i, axis] : llvm::enumerate(slice.getAxes())) {
    SymExpr extent = result[axis], start = sliceStart(ask, slice, i);
    SymExpr end = ask.entry(slice.getEnds(), i);
    int64_t step = slice.getSteps()[i];
    if (step > 0) {
      end = clampBound(ask, end, extent, ask.n(0), extent);
      result[axis] = ask.count(c.ceilDiv(c.sub(end, start), ask.n(step)));
    } else {
      end = clampBound(ask, end, extent, ask.n(-1), c.sub(extent, ask.n(1)));
      result[axis] =
          ask.count(c.ceilDiv(c.sub(start, end), c.neg(ask.n(step))));
    }
  }
  return result;
}

MaybeSource rules::stepOfSlice(Asker &ask, Operation *op,
                               ArrayRef<SymExpr> index) {
  auto slice = dyn_cast<nn::SliceOp>(op);
  if (!slice)
    return std::nullopt;
  SymIndex from(index);
  for (auto [i, axis] : llvm::enumerate(slice.getAxes()))
    from[axis] = ask.c.add(ask.c.mul(from[axis], ask.n(slice.getSteps()[i])),
                           sliceStart(ask, slice, i));
  if (llvm::any_of(from, [](SymExpr i) { return !i; }))
    return std::nullopt;
  return ElementSource{slice.getInput(), from};
}
