//===- ElementsGather.cpp - Rules of the gathers --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ElementRules.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::rules;

/// The row that an index names: counted from the end where it is negative.
static SymExpr row(Asker &ask, SymExpr index, SymExpr extent) {
  if (!index)
    return {};
  SymContext &c = ask.c;
  if (c.isNonNegative(index))
    return index;
  SymExpr fromEnd = c.add(index, extent);
  if (c.isPositive(c.neg(index)))
    return fromEnd;
  return c.select(c.less(index, ask.n(0)), fromEnd, index);
}

MaybeShape rules::shapeOfGather(Asker &ask, Operation *op) {
  using R = MaybeShape;
  return llvm::TypeSwitch<Operation *, R>(op)
      .Case([&](nn::GatherOp op) -> R {
        SymIndex result(ask.shape(op.getInput()).take_front(op.getAxis()));
        llvm::append_range(result, ask.shape(op.getIndices()));
        llvm::append_range(
            result, ask.shape(op.getInput()).drop_front(op.getAxis() + 1));
        return result;
      })
      .Case([&](nn::GatherElementsOp op) -> R {
        return SymIndex(ask.shape(op.getIndices()));
      })
      .Case([&](nn::GatherNdOp op) -> R {
        auto indices = ask.shape(op.getIndices());
        auto length = indices.back().constant();
        if (!length)
          return std::nullopt;
        SymIndex result(indices.drop_back());
        llvm::append_range(
            result,
            ask.shape(op.getInput()).drop_front(op.getBatchDims() + *length));
        return result;
      })
      .Default([](Operation *) -> R { return std::nullopt; });
}

MaybeSource rules::stepOfGather(Asker &ask, Operation *op,
                                ArrayRef<SymExpr> index) {
  using R = MaybeSource;
  auto finish = [](Value input, SymIndex from) -> R {
    if (llvm::any_of(from, [](SymExpr i) { return !i; }))
      return std::nullopt;
    return ElementSource{input, std::move(from)};
  };
  return llvm::TypeSwitch<Operation *, R>(op)
      .Case([&](nn::GatherOp op) -> R {
        int64_t axis = op.getAxis(), count = rankOf(op.getIndices());
        SymIndex from(index.take_front(axis));
        SymExpr chosen = ask.element(op.getIndices(), index.slice(axis, count));
        from.push_back(row(ask, chosen, ask.dim(op.getInput(), axis)));
        llvm::append_range(from, index.drop_front(axis + count));
        return finish(op.getInput(), from);
      })
      .Case([&](nn::GatherElementsOp op) -> R {
        SymIndex from(index);
        from[op.getAxis()] = row(ask, ask.element(op.getIndices(), index),
                                 ask.dim(op.getInput(), op.getAxis()));
        return finish(op.getInput(), from);
      })
      .Case([&](nn::GatherNdOp op) -> R {
        int64_t batch = op.getBatchDims();
        int64_t outer = rankOf(op.getIndices()) - 1;
        auto length = ask.dim(op.getIndices(), outer).constant();
        if (!length)
          return std::nullopt;
        SymIndex from(index.take_front(batch));
        for (int64_t i = 0; i < *length; ++i) {
          SymIndex place(index.take_front(outer));
          place.push_back(ask.n(i));
          from.push_back(row(ask, ask.element(op.getIndices(), place),
                             ask.dim(op.getInput(), batch + i)));
        }
        llvm::append_range(from, index.drop_front(outer));
        return finish(op.getInput(), from);
      })
      .Default([](Operation *) -> R { return std::nullopt; });
}
