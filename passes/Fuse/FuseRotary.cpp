//===- FuseRotary.cpp - Rotary position embedding ------------------------ ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is proved, with one general element each: the rotated operand is the
// input with its halves (or neighbors) exchanged and one of them negated, and
// the tables hold the same number for both channels of a pair. How the graph
// comes to that does not matter.
//
//===----------------------------------------------------------------------===//
#include "llmc/Analysis/SymbolicElements.h"
#include "llmc/Passes/FusePasses.h"
#include "llmc/Passes/Matching.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include <numeric>

namespace llmc {
#define GEN_PASS_DEF_FUSEROTARYPASS
#include "llmc/Passes/FusePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// x * cos + rotated * sin.
struct Candidate {
  Value x, rotated, cos, sin;
};

class Rotary {
public:
  explicit Rotary(func::FuncOp function) : elements(function) {}

  /// Rewrites `op` if it is a rotary embedding; the new value, or null.
  Value rewrite(nn::AddOp op) {
    auto first = op.getLhs().getDefiningOp<nn::MulOp>();
    auto second = op.getRhs().getDefiningOp<nn::MulOp>();
    if (!first || !second)
      return {};
    for (auto [a, b] : {std::pair(first, second), std::pair(second, first)})
      for (auto [x, cos] : bothOrders(a))
        for (auto [rotated, sin] : bothOrders(b))
          if (Value result = rewrite(op, {x, rotated, cos, sin}))
            return result;
    return {};
  }

private:
  /// The element of `value` at the place `index` of a tensor it broadcasts to.
  SymExpr at(Value value, ArrayRef<SymExpr> index) {
    SymIndex own;
    auto shape = elements.shape(value);
    for (auto [extent, i] : llvm::zip(shape, index.take_back(shape.size())))
      own.push_back(extent.isConstant(1) ? elements.context().constant(0) : i);
    return elements.element(value, own);
  }

  /// Whether the two values are proved equal, and known.
  static bool same(SymExpr a, SymExpr b) { return a && b && a == b; }

  bool isRotation(const Candidate &c, int64_t half, bool interleaved) {
    SymContext &ctx = elements.context();
    SymIndex index = elements.freshIndex(c.x);
    SymExpr j = ctx.index("pair", ctx.constant(half));
    auto channel = [&](int64_t part) {
      SymIndex place(index);
      place.back() =
          interleaved ? ctx.add(ctx.mul(ctx.constant(2), j), ctx.constant(part))
                      : ctx.add(j, ctx.constant(part * half));
      return place;
    };
    SymIndex low = channel(0), high = channel(1);
    return same(elements.element(c.rotated, low),
                ctx.apply("neg", SymType::Float, at(c.x, high))) &&
           same(elements.element(c.rotated, high), at(c.x, low)) &&
           same(at(c.cos, low), at(c.cos, high)) &&
           same(at(c.sin, low), at(c.sin, high));
  }

  /// `[..., time, size]`: the table without its axis of heads and with one
  /// column for each pair.
  Value makeTable(OpBuilder &builder, Location loc, Value table, int64_t rank,
                  int64_t heads, int64_t half, bool interleaved) {
    int64_t own = tensorType(table).getRank(), last = own - 1;
    int64_t axis = heads - (rank - own);
    if (axis >= 0)
      table = nn::SqueezeOp::create(builder, loc, table,
                                    builder.getDenseI64ArrayAttr({axis}));
    if (axis >= 0)
      --last;
    table = nn::SliceOp::create(
        builder, loc, table, makeInts(builder, loc, {0}),
        makeInts(builder, loc, {interleaved ? 2 * half : half}),
        ArrayRef<int64_t>{last}, ArrayRef<int64_t>{interleaved ? 2 : 1});
    for (; last < rank - 2; ++last)
      table = nn::UnsqueezeOp::create(builder, loc, table,
                                      builder.getDenseI64ArrayAttr({0}));
    return table;
  }

  Value rewrite(nn::AddOp op, const Candidate &c) {
    auto type = tensorType(c.x);
    int64_t rank = type.getRank();
    if ((rank != 3 && rank != 4) || c.x.getType() != op.getType() ||
        c.rotated.getType() != op.getType() ||
        !isa<FloatType>(type.getElementType()))
      return {};
    int64_t size = type.getShape().back();
    if (ShapedType::isDynamic(size) || size < 2 || size % 2)
      return {};
    // The axis of heads is the one of the two in the middle along which the
    // tables are constant; where both are, time has one row.
    int64_t heads = -1;
    for (int64_t axis : {rank - 3, rank - 2}) {
      bool constant = true;
      for (Value table : {c.cos, c.sin}) {
        auto shape = elements.shape(table);
        int64_t own = axis - (rank - static_cast<int64_t>(shape.size()));
        if (tensorType(table).getShape().back() != size ||
            (own >= 0 && !shape[own].isConstant(1)))
          constant = false;
      }
      if (constant)
        heads = axis;
    }
    // A table without an axis of time would need one.
    if (heads < 0 || tensorType(c.cos).getRank() < 2 ||
        tensorType(c.sin).getRank() < 2)
      return {};
    for (bool interleaved : {false, true}) {
      if (!isRotation(c, size / 2, interleaved))
        continue;
      OpBuilder builder(op);
      Location loc = op.getLoc();
      SmallVector<int64_t> perm(rank);
      std::iota(perm.begin(), perm.end(), 0);
      if (heads == rank - 3)
        std::swap(perm[rank - 3], perm[rank - 2]);
      Value input = makeTranspose(builder, loc, c.x, perm);
      Value cos =
          makeTable(builder, loc, c.cos, rank, heads, size / 2, interleaved);
      Value sin =
          makeTable(builder, loc, c.sin, rank, heads, size / 2, interleaved);
      Value rotary =
          nn::RotaryOp::create(builder, loc, input, cos, sin, interleaved);
      return makeTranspose(builder, loc, rotary, perm);
    }
    return {};
  }

  SymbolicElements elements;
};

struct FuseRotaryPass : llmc::impl::FuseRotaryPassBase<FuseRotaryPass> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    SmallVector<nn::AddOp> sums;
    function.walk([&](nn::AddOp op) { sums.push_back(op); });
    Rotary rotary(function);
    // Replaced sums stay until the end: the analysis remembers their operands.
    SmallVector<nn::AddOp> dead;
    for (nn::AddOp op : sums)
      if (Value value = rotary.rewrite(op)) {
        op.getResult().replaceAllUsesWith(value);
        dead.push_back(op);
      }
    for (nn::AddOp op : dead)
      op.erase();
  }
};

} // namespace
