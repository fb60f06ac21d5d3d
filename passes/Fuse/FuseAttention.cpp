//===- FuseAttention.cpp - Scaled dot-product attention ------------------ ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Only the skeleton is matched by ops: product, softmax, product. What the
// operands are (which axes, which heads repeated, scaled by what) is found by
// following one general element of each back through the ops that move elements
// and the products with constants; what the mask hides is proved.
//
//===----------------------------------------------------------------------===//
#include "llmc/Analysis/Proofs.h"
#include "llmc/Passes/FusePasses.h"
#include "llmc/Passes/Matching.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace llmc {
#define GEN_PASS_DEF_FUSEATTENTIONPASS
#include "llmc/Passes/FusePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// An operand of attention: value[b, h, t, d] (in the order of `roles` of the
/// matcher) == scale * base[...], with the heads of the base repeated.
struct View {
  Value base;
  double scale = 1;
  /// Where the base has batch, time, heads and size.
  SmallVector<int64_t, 4> perm;
};

enum Role { Batch, Time, Heads, Size };

/// softcap(scale * product) of scores.
struct Scores {
  nn::MatmulOp product;
  double scale = 1;
  std::optional<double> softcap;
};

std::optional<Scores> matchScaled(Value value) {
  Product product = getProduct(value);
  if (product.factors.size() != 1)
    return std::nullopt;
  if (auto matmul = product.factors[0].getDefiningOp<nn::MatmulOp>())
    return Scores{matmul, product.constant, std::nullopt};
  return std::nullopt;
}

std::optional<Scores> matchScores(Value value) {
  Product product = getProduct(value);
  if (product.factors.size() != 1)
    return std::nullopt;
  if (auto tanh = product.factors[0].getDefiningOp<nn::TanhOp>()) {
    auto scores = matchScaled(tanh.getInput());
    if (!scores || product.constant <= 0)
      return std::nullopt;
    // c * tanh(s * x / c)
    scores->softcap = product.constant;
    scores->scale *= product.constant;
    return scores;
  }
  return matchScaled(value);
}

class Attention {
public:
  explicit Attention(func::FuncOp function) : elements(function) {}

  Value rewrite(nn::MatmulOp op) {
    if (tensorType(op.getResult()).getRank() != 4)
      return {};
    auto softmax = skipNanGuard(op.getLhs()).getDefiningOp<nn::SoftmaxOp>();
    if (!softmax || softmax.getAxis() != 3)
      return {};
    Value mask;
    auto scores = matchScores(softmax.getInput());
    if (!scores)
      if (auto sum = skipCasts(softmax.getInput()).getDefiningOp<nn::AddOp>())
        for (auto [product, other] : bothOrders(sum))
          if (!scores && (scores = matchScores(product)))
            mask = skipCasts(other);
    if (!scores)
      return {};
    return build(op, *scores, mask);
  }

  /// Takes a proved mask and repeated heads out of an attention that the graph
  /// has already; the new value, or null where there is nothing to take.
  Value refine(nn::AttentionOp op) {
    auto key = getView(op.getKey(), {Batch, Time, Heads, Size});
    auto value = getView(op.getValue(), {Batch, Time, Heads, Size});
    if (!key || !value || key->scale != 1 || value->scale != 1)
      return {};
    Value mask = op.getMask();
    bool causal = op.getCausal();
    IntegerAttr window = op.getWindowAttr();
    OpBuilder builder(op);
    if (mask && !takeMask(builder, mask, elements.dim(op.getQuery(), 1),
                          elements.dim(op.getKey(), 1), causal, window))
      mask = op.getMask();
    Value keys = orient(builder, op.getLoc(), *key);
    Value values = orient(builder, op.getLoc(), *value);
    if (mask == op.getMask() && sameHeads(keys, op.getKey()) &&
        sameHeads(values, op.getValue()))
      return {};
    return nn::AttentionOp::create(
        builder, op.getLoc(), op.getType(), op.getQuery(), keys, values, mask,
        op.getScaleAttr(), causal ? builder.getUnitAttr() : UnitAttr(), window,
        op.getSoftcapAttr());
  }

private:
  /// `where(isnan(p), 0, p)`: a softmax of nn gives zeros for such rows itself.
  static Value skipNanGuard(Value value) {
    value = skipCasts(value);
    auto where = value.getDefiningOp<nn::WhereOp>();
    if (!where || !isScalar(where.getOnTrue(), 0))
      return value;
    auto isNan = where.getCondition().getDefiningOp<nn::IsNanOp>();
    if (!isNan || isNan.getInput() != where.getOnFalse())
      return value;
    return skipCasts(where.getOnFalse());
  }

  static bool sameHeads(Value a, Value b) {
    return tensorType(a).getDimSize(2) == tensorType(b).getDimSize(2);
  }

  /// Axes of `index` in terms of the variables of `roles`; empty where an entry
  /// is something else. `wanted[r]` is the index of role r, and `extents[r]`
  /// its extent in the value.
  std::optional<SmallVector<int64_t, 4>>
  getPermutation(const ElementSource &source, ArrayRef<SymExpr> wanted,
                 ArrayRef<SymExpr> extents) {
    SymContext &ctx = elements.context();
    auto type = dyn_cast<RankedTensorType>(source.value.getType());
    if (!type || type.getRank() != 4 || source.index.size() != 4)
      return std::nullopt;
    auto shape = elements.shape(source.value);
    SmallVector<int64_t, 4> perm(4, -1);
    SmallVector<bool, 4> used(4);
    auto assign = [&](int role, auto fits) {
      for (int64_t axis = 0; axis < 4 && perm[role] < 0; ++axis)
        if (!used[axis] && fits(axis)) {
          perm[role] = axis;
          used[axis] = true;
        }
    };
    // Variables first; what is left are units, of which any order is right.
    for (int role : {Time, Size, Batch})
      if (!wanted[role].constant())
        assign(role, [&](int64_t axis) {
          return source.index[axis] == wanted[role] &&
                 shape[axis] == extents[role];
        });
    auto heads = extents[Heads].constant();
    if (!wanted[Heads].constant())
      assign(Heads, [&](int64_t axis) {
        if (source.index[axis] == wanted[Heads])
          return shape[axis] == extents[Heads];
        auto own = shape[axis].constant();
        return own && heads && *own > 1 && *heads % *own == 0 &&
               source.index[axis] ==
                   ctx.floorDiv(wanted[Heads], ctx.constant(*heads / *own));
      });
    for (int role : {Batch, Time, Heads, Size})
      if (perm[role] < 0 && (wanted[role].constant() || role == Heads))
        assign(role, [&](int64_t axis) {
          return source.index[axis].isConstant(0) && shape[axis].isConstant(1);
        });
    if (llvm::is_contained(perm, -1))
      return std::nullopt;
    return perm;
  }

  /// Follows `value`, whose axes play `roles`, back as far as there is a tensor
  /// of rank 4 that holds its elements.
  std::optional<View> getView(Value value, ArrayRef<Role> roles) {
    if (tensorType(value).getRank() != 4)
      return std::nullopt;
    SymIndex index = elements.freshIndex(value);
    SmallVector<SymExpr, 4> wanted(4), extents(4);
    for (auto [axis, role] : llvm::enumerate(roles)) {
      wanted[role] = index[axis];
      extents[role] = elements.dim(value, axis);
    }
    std::optional<View> best;
    ElementSource source{value, index};
    double scale = 1;
    for (;;) {
      if (auto perm = getPermutation(source, wanted, extents))
        best = View{source.value, scale, *perm};
      Operation *op = source.value.getDefiningOp();
      bool scaled = false;
      if (auto mul = dyn_cast_or_null<nn::MulOp>(op)) {
        for (auto [x, factor] : bothOrders(mul))
          if (auto scalar = getScalar(factor);
              scalar && !scaled &&
              tensorType(x).getRank() ==
                  static_cast<int64_t>(source.index.size())) {
            scale *= *scalar;
            source.value = x;
            scaled = true;
          }
      } else if (auto div = dyn_cast_or_null<nn::DivOp>(op)) {
        if (auto scalar = getScalar(div.getRhs());
            scalar && *scalar != 0 &&
            tensorType(div.getLhs()).getRank() ==
                static_cast<int64_t>(source.index.size())) {
          scale /= *scalar;
          source.value = div.getLhs();
          scaled = true;
        }
      }
      if (scaled)
        continue;
      // Past a concatenation (of a past and new rows) the way forks.
      if (isa_and_nonnull<nn::ConcatOp>(op))
        break;
      auto step = elements.traceStep(source);
      if (!step)
        break;
      source = *step;
    }
    return best;
  }

  /// The base as [batch, time, heads, size].
  Value orient(OpBuilder &builder, Location loc, const View &view) {
    return makeTranspose(builder, loc, view.base, view.perm);
  }

  /// Replaces a proved mask by attributes; false where it is not proved.
  bool takeMask(OpBuilder &builder, Value &mask, SymExpr queries, SymExpr keys,
                bool &causal, IntegerAttr &window) {
    auto proof = proveMask(elements, mask, queries, keys);
    if (!proof || (proof->window && !proof->causal && !causal))
      return false;
    mask = {};
    causal |= proof->causal;
    if (proof->window && (!window || *proof->window < window.getInt()))
      window = builder.getI64IntegerAttr(*proof->window);
    return true;
  }

  Value build(nn::MatmulOp op, const Scores &scores, Value mask) {
    nn::MatmulOp product = scores.product;
    if (tensorType(product.getResult()).getRank() != 4)
      return {};
    SymExpr heads = elements.dim(op.getResult(), 1);
    auto query = getView(product.getLhs(), {Batch, Heads, Time, Size});
    auto key = getView(product.getRhs(), {Batch, Heads, Size, Time});
    auto value = getView(op.getRhs(), {Batch, Heads, Time, Size});
    if (!query || !key || !value || value->scale != 1)
      return {};
    // The query's heads are not repeated ones.
    if (elements.dim(query->base, query->perm[Heads]) != heads)
      return {};
    OpBuilder builder(op);
    Location loc = op.getLoc();
    bool causal = false;
    IntegerAttr window;
    SymExpr queries = elements.dim(query->base, query->perm[Time]);
    SymExpr keys = elements.dim(key->base, key->perm[Time]);
    if (mask)
      (void)takeMask(builder, mask, queries, keys, causal, window);
    if (mask && tensorType(mask).getElementType() !=
                    tensorType(query->base).getElementType())
      return {};
    Value q = orient(builder, loc, *query), k = orient(builder, loc, *key),
          v = orient(builder, loc, *value);
    double scale = scores.scale * query->scale * key->scale;
    auto type = tensorType(q);
    SmallVector<int64_t> shape(type.getShape());
    shape.back() = tensorType(v).getShape().back();
    Value result = nn::AttentionOp::create(
        builder, loc, type.clone(shape), q, k, v, mask,
        builder.getF64FloatAttr(scale),
        causal ? builder.getUnitAttr() : UnitAttr(), window,
        scores.softcap ? builder.getF64FloatAttr(*scores.softcap)
                       : FloatAttr());
    return makeTranspose(builder, loc, result, {0, 2, 1, 3});
  }

  SymbolicElements elements;
};

struct FuseAttentionPass
    : llmc::impl::FuseAttentionPassBase<FuseAttentionPass> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    SmallVector<Operation *> work, dead;
    function.walk([&](Operation *op) {
      if (isa<nn::MatmulOp, nn::AttentionOp>(op))
        work.push_back(op);
    });
    Attention attention(function);
    // Replaced ops stay until the end: the analysis remembers their operands.
    for (Operation *op : work) {
      auto matmul = dyn_cast<nn::MatmulOp>(op);
      Value value = matmul ? attention.rewrite(matmul)
                           : attention.refine(cast<nn::AttentionOp>(op));
      if (!value)
        continue;
      op->getResult(0).replaceAllUsesWith(value);
      dead.push_back(op);
    }
    for (Operation *op : dead)
      op->erase();
  }
};

} // namespace
