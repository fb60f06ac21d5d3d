//===- ElementsLayer.cpp - Rules of products, layers and pooling ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ElementRules.h"

#include "llmc/Dialect/NN/CacheFormat.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::rules;

static SymIndex matmulShape(Asker &ask, nn::MatmulOp op) {
  ArrayRef<SymExpr> a = ask.shape(op.getLhs()), b = ask.shape(op.getRhs());
  SymIndex result;
  if (a.size() > 2 || b.size() > 2)
    result = ask.broadcast({a.drop_back(std::min<size_t>(a.size(), 2)),
                            b.drop_back(std::min<size_t>(b.size(), 2))},
                           op);
  if (a.size() > 1)
    result.push_back(a[a.size() - 2]);
  if (b.size() > 1)
    result.push_back(b.back());
  ask.unify(a.back(), b[b.size() > 1 ? b.size() - 2 : 0], op);
  return result;
}

/// Number of places of a window along an axis.
static SymExpr windows(Asker &ask, SymExpr extent, SymExpr kernel,
                       int64_t stride, int64_t dilation, int64_t before,
                       int64_t after, bool ceil) {
  SymContext &c = ask.c;
  SymExpr reach =
      c.add(c.mul(c.sub(kernel, ask.n(1)), ask.n(dilation)), ask.n(1));
  SymExpr room =
      c.sub(c.add(extent, c.add(ask.n(before), ask.n(after))), reach);
  if (!ceil)
    return ask.count(c.add(c.floorDiv(room, ask.n(stride)), ask.n(1)));
  SymExpr places = c.add(c.ceilDiv(room, ask.n(stride)), ask.n(1));
  // The last window begins inside the input or the padding before it.
  SymExpr begins = c.ceilDiv(c.add(extent, ask.n(before)), ask.n(stride));
  return ask.count(c.min(places, begins));
}

template <typename Op> static SymIndex poolShape(Asker &ask, Op op) {
  SymIndex result(ask.shape(op.getInput()));
  size_t spatial = op.getKernel().size();
  for (size_t i = 0; i < spatial; ++i)
    result[i + 2] =
        windows(ask, result[i + 2], ask.n(op.getKernel()[i]),
                op.getStrides()[i], op.getDilations()[i], op.getPads()[i],
                op.getPads()[i + spatial], op.getCeil());
  return result;
}

MaybeShape rules::shapeOfLayer(Asker &ask, Operation *op) {
  using R = MaybeShape;
  return llvm::TypeSwitch<Operation *, R>(op)
      .Case([&](nn::MatmulOp op) -> R { return matmulShape(ask, op); })
      .Case([&](nn::LinearOp op) -> R {
        SymIndex result(ask.shape(op.getInput()));
        result.back() = ask.dim(op.getWeight(), 0);
        return result;
      })
      .Case([&](pack::LinearOp op) -> R {
        SymIndex result(ask.shape(op.getInput()));
        result.back() = ask.n(op.getWeight().getType().getRows());
        return result;
      })
      .Case([&](pack::GatherOp op) -> R {
        SymIndex result(ask.shape(op.getIndices()));
        result.push_back(ask.n(op.getWeight().getType().getColumns()));
        return result;
      })
      .Case([&](tensor::EmptyOp op) -> R {
        SymIndex result;
        for (OpFoldResult size : op.getMixedSizes()) {
          auto value = dyn_cast<Value>(size);
          result.push_back(value ? ask.elements.index(value)
                                 : ask.n(*getConstantIntValue(size)));
        }
        return result;
      })
      .Case<nn::RmsNormOp, nn::LayerNormOp, nn::RotaryOp>(
          [&](auto op) -> R { return SymIndex(ask.shape(op.getInput())); })
      .Case([&](nn::AppendOp op) -> R {
        return SymIndex(ask.shape(op.getCache()));
      })
      .Case([&](nn::AttentionOp op) -> R {
        SymIndex result(ask.shape(op.getQuery()));
        result.back() = ask.shape(op.getValue()).back();
        return result;
      })
      .Case([&](nn::CachedAttentionOp op) -> R {
        // A row that is stored may be longer than what it stands for.
        SymIndex result(ask.shape(op.getQuery()));
        RankedTensorType value = op.getValue().getType();
        int64_t channels = nn::getCachedChannels(value);
        result.back() = channels == value.getShape().back()
                            ? ask.shape(op.getValue()).back()
                            : ask.n(channels);
        return result;
      })
      .Case([&](nn::ConvOp op) -> R {
        SymIndex result(ask.shape(op.getInput()));
        ArrayRef<SymExpr> kernel = ask.shape(op.getWeight());
        result[1] = kernel[0];
        size_t spatial = op.getStrides().size();
        for (size_t i = 0; i < spatial; ++i)
          result[i + 2] = windows(ask, result[i + 2], kernel[i + 2],
                                  op.getStrides()[i], op.getDilations()[i],
                                  op.getPads()[i], op.getPads()[i + spatial],
                                  /*ceil=*/false);
        return result;
      })
      .Case<nn::MaxPoolOp, nn::AvgPoolOp>(
          [&](auto op) -> R { return poolShape(ask, op); })
      .Default([](Operation *) -> R { return std::nullopt; });
}

static SymExpr multiply(Asker &ask, SymExpr a, SymExpr b) {
  if (!a || !b || a->getType() != b->getType())
    return {};
  if (a->getType() == SymType::Float)
    return ask.c.apply("mul", SymType::Float, {a, b});
  return a->getType() == SymType::Int ? ask.c.mul(a, b) : SymExpr();
}

/// A product over an inner extent of one, as exporters write outer products of
/// positions and frequencies.
static SymExpr matmulElement(Asker &ask, nn::MatmulOp op,
                             ArrayRef<SymExpr> index) {
  ArrayRef<SymExpr> a = ask.shape(op.getLhs()), b = ask.shape(op.getRhs());
  SymExpr inner = a.back(), other = b[b.size() > 1 ? b.size() - 2 : 0];
  if (!inner.isConstant(1) && !other.isConstant(1))
    return {};
  SymIndex left, right;
  ArrayRef<SymExpr> rest = index;
  SymExpr column, row;
  if (b.size() > 1) {
    column = rest.back();
    rest = rest.drop_back();
  }
  if (a.size() > 1) {
    row = rest.back();
    rest = rest.drop_back();
  }
  auto outer = [&](ArrayRef<SymExpr> shape, SymIndex &place) {
    size_t count = shape.size() > 2 ? shape.size() - 2 : 0;
    for (auto [i, at] : llvm::enumerate(rest.take_back(count)))
      place.push_back(shape[i].isConstant(1) ? ask.n(0) : at);
  };
  outer(a, left);
  outer(b, right);
  if (row)
    left.push_back(row);
  left.push_back(ask.n(0));
  right.push_back(ask.n(0));
  if (column)
    right.push_back(column);
  return multiply(ask, ask.element(op.getLhs(), left),
                  ask.element(op.getRhs(), right));
}

SymExpr rules::elementOfLayer(Asker &ask, Operation *op,
                              ArrayRef<SymExpr> index) {
  if (auto matmul = dyn_cast<nn::MatmulOp>(op))
    return matmulElement(ask, matmul, index);
  return {};
}
