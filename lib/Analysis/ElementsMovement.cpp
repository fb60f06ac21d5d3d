//===- ElementsMovement.cpp - Rules of the ops that move elements ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ElementRules.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::rules;

/// An integer that a float expression holds: a constant or a converted one.
static SymExpr wholeNumber(Asker &ask, SymExpr a) {
  if (!a || a->getType() == SymType::Int)
    return a;
  if (auto value = a.real()) {
    if (std::floor(*value) == *value && std::abs(*value) < 9.0e15)
      return ask.n(static_cast<int64_t>(*value));
    return {};
  }
  if (a.is(SymKind::Apply) && a->getName() == "real")
    return a->getOperand(0);
  return {};
}

/// max(0, ceil((limit - start) / delta)).
static SymExpr rangeLength(Asker &ask, nn::RangeOp op) {
  SymExpr start = wholeNumber(ask, ask.element(op.getStart(), {}));
  SymExpr limit = wholeNumber(ask, ask.element(op.getLimit(), {}));
  SymExpr delta = wholeNumber(ask, ask.element(op.getDelta(), {}));
  if (!start || !limit || !delta)
    return {};
  SymContext &c = ask.c;
  if (c.isPositive(delta))
    return ask.count(c.ceilDiv(c.sub(limit, start), delta));
  if (c.isPositive(c.neg(delta)))
    return ask.count(c.ceilDiv(c.sub(start, limit), c.neg(delta)));
  // Rounding down works for either sign.
  return ask.count(c.neg(c.floorDiv(c.sub(start, limit), delta)));
}

/// The axes a squeeze keeps, or those of an unsqueeze's result that stem from
/// the input.
static SmallVector<int64_t> keptAxes(ArrayRef<int64_t> axes, int64_t rank) {
  SmallVector<int64_t> kept;
  for (int64_t i = 0; i < rank; ++i)
    if (!llvm::is_contained(axes, i))
      kept.push_back(i);
  return kept;
}

/// An extent of the input stays where the target says one, also where only the
/// values of a run tell; an extent of one becomes what the target says.
static SymIndex shapeOfExpand(Asker &ask, nn::ExpandOp op) {
  ArrayRef<SymExpr> from = ask.shape(op.getInput());
  SymIndex target = ask.entries(op.getShape());
  size_t rank = std::max(from.size(), target.size());
  SymIndex result;
  for (size_t i = 0; i < rank; ++i) {
    if (i + from.size() < rank) {
      result.push_back(target[i + target.size() - rank]);
      continue;
    }
    SymExpr extent = from[i + from.size() - rank];
    SymExpr wanted =
        i + target.size() < rank ? ask.n(1) : target[i + target.size() - rank];
    if (extent.isConstant(1))
      extent = wanted;
    else if (!extent.constant() && wanted && ask.c.isNonNegative(wanted))
      extent = wanted.isConstant(1) ? extent : ask.unify(extent, wanted, op);
    else if (wanted && !wanted.isConstant(1) && extent != wanted)
      ask.assumptions.push_back({extent, wanted, op, /*orOne=*/true});
    result.push_back(extent);
  }
  return result;
}

MaybeShape rules::shapeOfMovement(Asker &ask, Operation *op) {
  using R = MaybeShape;
  return llvm::TypeSwitch<Operation *, R>(op)
      .Case([&](nn::TransposeOp op) -> R {
        SymIndex result;
        for (int64_t axis : op.getPerm())
          result.push_back(ask.dim(op.getInput(), axis));
        return result;
      })
      .Case([&](nn::SqueezeOp op) -> R {
        SymIndex result;
        for (int64_t axis : keptAxes(op.getAxes(), rankOf(op.getInput())))
          result.push_back(ask.dim(op.getInput(), axis));
        return result;
      })
      .Case([&](nn::UnsqueezeOp op) -> R {
        SymIndex result(rankOf(op.getResult()), ask.n(1));
        for (auto [i, axis] :
             llvm::enumerate(keptAxes(op.getAxes(), rankOf(op.getResult()))))
          result[axis] = ask.dim(op.getInput(), i);
        return result;
      })
      .Case([&](nn::RowsOp op) -> R {
        SymIndex result(ask.shape(op.getInput()));
        result[0] = ask.elements.index(op.getCount());
        return result;
      })
      .Case([&](nn::ConcatOp op) -> R {
        int64_t axis = op.getAxis();
        SymIndex result(ask.shape(op.getInputs()[0]));
        for (Value input : op.getInputs().drop_front())
          for (auto [i, extent] : llvm::enumerate(ask.shape(input)))
            result[i] = static_cast<int64_t>(i) == axis
                            ? ask.c.add(result[i], extent)
                            : ask.unify(result[i], extent, op);
        return result;
      })
      .Case([&](nn::ExpandOp op) -> R { return shapeOfExpand(ask, op); })
      .Case([&](nn::PadOp op) -> R {
        SymIndex result(ask.shape(op.getInput()));
        SymIndex pads = ask.entries(op.getPads());
        if (pads.size() != 2 * result.size())
          return SymIndex(result.size());
        for (size_t i = 0; i < result.size(); ++i)
          result[i] = ask.count(
              ask.c.sum({result[i], pads[i], pads[i + result.size()]}));
        return result;
      })
      .Case([&](nn::TileOp op) -> R {
        SymIndex result(ask.shape(op.getInput()));
        SymIndex repeats = ask.entries(op.getRepeats());
        if (repeats.size() != result.size())
          return SymIndex(result.size());
        for (size_t i = 0; i < result.size(); ++i)
          result[i] = ask.c.mul(result[i], repeats[i]);
        return result;
      })
      .Case([&](nn::ShapeOfOp op) -> R {
        return SymIndex{ask.n(rankOf(op.getInput()))};
      })
      .Case([&](nn::RangeOp op) -> R { return SymIndex{rangeLength(ask, op)}; })
      .Case([&](nn::FullOp op) -> R { return ask.entries(op.getShape()); })
      .Case([&](nn::TrilOp op) -> R {
        return SymIndex(ask.shape(op.getInput()));
      })
      .Default([](Operation *) -> R { return std::nullopt; });
}

/// The part of a concatenation that holds place `p`; empty where that is not
/// decided. Returns the part and the place in it.
static std::optional<std::pair<Value, SymExpr>>
decidedPart(Asker &ask, nn::ConcatOp op, SymExpr p) {
  SymContext &c = ask.c;
  SymExpr low = ask.n(0);
  for (Value input : op.getInputs()) {
    SymExpr high = c.add(low, ask.dim(input, op.getAxis()));
    if (c.isLess(p, high) && c.isLessEqual(low, p))
      return std::make_pair(input, c.sub(p, low));
    // Empty, or wholly before the place.
    if (!c.isLessEqual(high, p) && high != low)
      return std::nullopt;
    low = high;
  }
  return std::nullopt;
}

MaybeSource rules::stepOfMovement(Asker &ask, Operation *op,
                                  ArrayRef<SymExpr> index) {
  using R = MaybeSource;
  return llvm::TypeSwitch<Operation *, R>(op)
      .Case([&](nn::TransposeOp op) -> R {
        SymIndex from(index.size());
        for (auto [i, axis] : llvm::enumerate(op.getPerm()))
          from[axis] = index[i];
        return ElementSource{op.getInput(), from};
      })
      .Case([&](nn::SqueezeOp op) -> R {
        SymIndex from(rankOf(op.getInput()), ask.n(0));
        for (auto [i, axis] :
             llvm::enumerate(keptAxes(op.getAxes(), rankOf(op.getInput()))))
          from[axis] = index[i];
        return ElementSource{op.getInput(), from};
      })
      .Case([&](nn::UnsqueezeOp op) -> R {
        SymIndex from;
        for (int64_t axis : keptAxes(op.getAxes(), index.size()))
          from.push_back(index[axis]);
        return ElementSource{op.getInput(), from};
      })
      .Case([&](nn::RowsOp op) -> R {
        SymIndex from(index);
        from[0] = ask.c.add(from[0], ask.elements.index(op.getStart()));
        return ElementSource{op.getInput(), from};
      })
      .Case([&](nn::ConcatOp op) -> R {
        auto part = decidedPart(ask, op, index[op.getAxis()]);
        if (!part)
          return std::nullopt;
        SymIndex from(index);
        from[op.getAxis()] = part->second;
        return ElementSource{part->first, from};
      })
      .Case([&](nn::ExpandOp op) -> R {
        auto extents = ask.shape(op.getInput());
        SymIndex from(index.take_back(extents.size()));
        for (auto [i, extent] : llvm::enumerate(extents))
          if (extent.isConstant(1))
            from[i] = ask.n(0);
        return ElementSource{op.getInput(), from};
      })
      .Case([&](nn::PadOp op) -> R {
        SymIndex pads = ask.entries(op.getPads());
        if (pads.size() != 2 * index.size())
          return std::nullopt;
        SymIndex from;
        for (size_t i = 0; i < index.size(); ++i) {
          from.push_back(ask.c.sub(index[i], pads[i]));
          if (!ask.c.isNonNegative(from[i]) ||
              !ask.c.isLess(from[i], ask.dim(op.getInput(), i)))
            return std::nullopt;
        }
        return ElementSource{op.getInput(), from};
      })
      .Case([&](nn::TileOp op) -> R {
        SymIndex from;
        for (size_t i = 0; i < index.size(); ++i)
          from.push_back(ask.c.mod(index[i], ask.dim(op.getInput(), i)));
        return ElementSource{op.getInput(), from};
      })
      .Case([&](nn::FullOp op) -> R {
        return ElementSource{op.getValue(), {}};
      })
      .Default([](Operation *) -> R { return std::nullopt; });
}

/// A choice between the parts by comparing the place with where they end.
static SymExpr concatElement(Asker &ask, nn::ConcatOp op,
                             ArrayRef<SymExpr> index) {
  // More parts than this are no shape computation or mask.
  constexpr unsigned kMaxParts = 16;
  if (op.getInputs().size() > kMaxParts)
    return {};
  SymContext &c = ask.c;
  SmallVector<std::pair<SymExpr, SymExpr>> parts; // end, element
  SymExpr low = ask.n(0);
  for (Value input : op.getInputs()) {
    SymIndex from(index);
    from[op.getAxis()] = c.sub(index[op.getAxis()], low);
    low = c.add(low, ask.dim(input, op.getAxis()));
    parts.emplace_back(low, ask.element(input, from));
  }
  SymExpr result = parts.back().second;
  for (auto &[end, element] : llvm::reverse(ArrayRef(parts).drop_back()))
    result = c.select(c.less(index[op.getAxis()], end), element, result);
  return result;
}

/// Inside the input or the fill value, by where the place lies.
static SymExpr padElement(Asker &ask, nn::PadOp op, ArrayRef<SymExpr> index) {
  if (op.getMode() != nn::PadMode::constant)
    return {};
  SymContext &c = ask.c;
  SymIndex pads = ask.entries(op.getPads()), from;
  if (pads.size() != 2 * index.size())
    return {};
  SymExpr inside = c.boolean(true);
  for (size_t i = 0; i < index.size(); ++i) {
    from.push_back(c.sub(index[i], pads[i]));
    inside = c.land(inside, c.lessEqual(ask.n(0), from[i]));
    inside = c.land(inside, c.less(from[i], ask.dim(op.getInput(), i)));
  }
  if (inside.isFalse())
    return ask.element(op.getValue(), {});
  return c.select(inside, ask.element(op.getInput(), from),
                  ask.element(op.getValue(), {}));
}

SymExpr rules::elementOfMovement(Asker &ask, Operation *op,
                                 ArrayRef<SymExpr> index) {
  SymContext &c = ask.c;
  return llvm::TypeSwitch<Operation *, SymExpr>(op)
      .Case([&](nn::ConcatOp op) { return concatElement(ask, op, index); })
      .Case([&](nn::PadOp op) { return padElement(ask, op, index); })
      .Case([&](nn::ShapeOfOp op) -> SymExpr {
        auto shape = ask.shape(op.getInput());
        auto axis = index[0].constant();
        if (!axis || *axis < 0 || *axis >= static_cast<int64_t>(shape.size()))
          return {};
        return shape[*axis];
      })
      .Case([&](nn::RangeOp op) -> SymExpr {
        SymExpr start = ask.element(op.getStart(), {});
        SymExpr delta = ask.element(op.getDelta(), {});
        if (typeOf(op.getResult()) != SymType::Float)
          return c.add(start, c.mul(delta, index[0]));
        SymExpr i = c.cast(index[0], SymType::Float);
        return c.apply("add", SymType::Float,
                       {start, c.apply("mul", SymType::Float, {delta, i})});
      })
      .Case([&](nn::TrilOp op) -> SymExpr {
        SymExpr row = index[index.size() - 2], column = index.back();
        SymExpr edge = c.add(row, ask.element(op.getK(), {}));
        SymExpr keep = op.getUpper() ? c.lessEqual(edge, column)
                                     : c.lessEqual(column, edge);
        SymType type = typeOf(op.getResult());
        SymExpr none = type == SymType::Bool  ? c.boolean(false)
                       : type == SymType::Int ? ask.n(0)
                                              : c.real(0);
        return c.select(keep, ask.element(op.getInput(), index), none);
      })
      .Default([](Operation *) { return SymExpr(); });
}
