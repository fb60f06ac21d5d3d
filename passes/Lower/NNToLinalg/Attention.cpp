//===- Attention.cpp - Lowering of attention and of the cache -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The reference form: products and a masked softmax, one key head against its
// group of query heads, so that no head is ever repeated in memory. A cache is
// written through a slice of itself and read through another, which
// bufferization does in place.
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

namespace {
/// One attention over loops (batch?, group, member, row, key, channel). `batch`
/// is 0 or 1 loops.
struct Attention {
  Attention(Lowering &l, int64_t batch) : l(l), batch(batch) {}

  Lowering &l;
  int64_t batch;
  Shape outer;                         // the batch extent, if there is one
  SymExpr groups, members, rows, keys; // H = groups * members
  SymExpr keySize, valueSize;
  Value query;        // [batch?, rows, groups, members, keySize]
  Operand key, value; // maps over (batch?, group, member, row, key, channel)
  Value mask;         // or null
  Shape maskShape;    // of rank 5 or less
  Value offset;       // the row s stands at key offset + s; null: sees all keys
  double scale = 1;
  std::optional<int64_t> window;
  std::optional<double> softcap;

  Shape with(std::initializer_list<SymExpr> rest) const {
    Shape shape = outer;
    shape.append(rest);
    return shape;
  }
  AffineMap map(std::initializer_list<int64_t> dims) const {
    SmallVector<int64_t> all = axesOf(0, batch);
    for (int64_t dim : dims)
      all.push_back(dim + batch);
    return l.select(6 - 1 + batch, all);
  }

  Value score(ScalarBuilder &b, Value x, Value bias, Type wide) const;
  Value build(Type element) const;
};
} // namespace

/// What softmax sees of one product.
Value Attention::score(ScalarBuilder &b, Value x, Value bias, Type wide) const {
  auto c = [&](double number) { return scalarOf(b, wide, number); };
  x = mulScalars(b, x, c(scale));
  if (softcap) {
    Value ratio = arith::DivFOp::create(b, x, c(*softcap));
    x = mulScalars(b, math::TanhOp::create(b, ratio), c(*softcap));
  }
  Value hidden = lowestScalar(b, wide);
  if (bias)
    x = bias.getType().isInteger(1)
            ? Value(arith::SelectOp::create(b, bias, x, hidden))
            : addScalars(b, x, castScalar(b, bias, wide));
  if (!offset)
    return x;
  Value row = linalg::IndexOp::create(b, batch + 2);
  Value column = linalg::IndexOp::create(b, batch + 3);
  Value place = arith::AddIOp::create(b, row, offset);
  Value seen =
      arith::CmpIOp::create(b, arith::CmpIPredicate::sle, column, place);
  if (window) {
    Value width = arith::ConstantIndexOp::create(b, *window);
    Value near =
        arith::CmpIOp::create(b, arith::CmpIPredicate::sgt,
                              arith::AddIOp::create(b, column, width), place);
    seen = arith::AndIOp::create(b, seen, near);
  }
  return arith::SelectOp::create(b, seen, x, hidden);
}

Value Attention::build(Type element) const {
  Type wide = computeType(element);
  Shape shape = with({groups, members, rows, keys});
  Value scores =
      l.sum(shape, wide, map({0, 1, 2, 3}), {{query, map({2, 0, 1, 4})}, key});
  SmallVector<Operand> inputs = {l.whole(scores)};
  if (mask)
    inputs.push_back(l.broadcast(mask, maskShape, shape));
  scores = l.each(shape, wide, inputs, [&](ScalarBuilder &b, ValueRange x) {
    return score(b, x[0], mask ? x[1] : Value(), wide);
  });
  Value weights = l.softmaxRows(scores, shape);
  Shape result = with({rows, groups, members, valueSize});
  Value sum = l.sum(result, wide, map({2, 0, 1, 4}),
                    {{weights, map({0, 1, 2, 3})}, value});
  return l.convert(sum, result, element);
}

/// The number of query heads for each key head; null after a report where it is
/// not known, or keys and values differ in heads.
static SymExpr groupSize(Lowering &l, Operation *op, SymExpr queryHeads,
                         SymExpr keyHeads, SymExpr valueHeads) {
  if (keyHeads != valueHeads) {
    l.fail(op, "expected key and value to have the same heads but got '" +
                   keyHeads.str() + "' and '" + valueHeads.str() + "'");
    return {};
  }
  SymExpr size = l.ctx.divideExactly(queryHeads, keyHeads);
  if (!size)
    l.fail(op, "expected the query heads, '" + queryHeads.str() +
                   "', to be a multiple of the key heads, '" + keyHeads.str() +
                   "'");
  return size;
}

template <class Op> static void setOptions(Op op, Attention &a) {
  a.scale = op.getScale().convertToDouble();
  if (auto window = op.getWindow())
    a.window = static_cast<int64_t>(*window);
  if (auto softcap = op.getSoftcap())
    a.softcap = softcap->convertToDouble();
}

/// Splits the axis of heads of `mask` into groups and members, or doubles it
/// where it has extent one.
static void setMask(Value mask, Attention &a) {
  Lowering &l = a.l;
  Shape own = l.shape(mask), split;
  int64_t heads = static_cast<int64_t>(own.size()) - 3;
  for (auto [axis, extent] : llvm::enumerate(own)) {
    bool isHeads = static_cast<int64_t>(axis) == heads;
    if (isHeads && !extent.isConstant(1))
      split.append({a.groups, a.members});
    else if (isHeads)
      split.append({extent, extent});
    else
      split.push_back(extent);
  }
  a.mask = l.reshape(l.get(mask), own, split);
  a.maskShape = split;
}

static Value lowerAttention(nn::AttentionOp op, Lowering &l) {
  Shape query = l.shape(op.getQuery()), key = l.shape(op.getKey()),
        value = l.shape(op.getValue());
  Attention a(l, 1);
  a.outer = {query[0]};
  a.rows = query[1];
  a.keys = key[1];
  a.groups = key[2];
  a.members = groupSize(l, op, query[2], key[2], value[2]);
  a.keySize = query[3];
  a.valueSize = value[3];
  if (!a.members)
    return {};
  a.query = l.reshape(l.get(op.getQuery()), query,
                      {query[0], query[1], a.groups, a.members, a.keySize});
  a.key = {l.get(op.getKey()), a.map({3, 0, 4})};
  a.value = {l.get(op.getValue()), a.map({3, 0, 4})};
  setOptions(op, a);
  if (Value mask = op.getMask())
    setMask(mask, a);
  if (op.getCausal()) {
    a.offset = l.index(l.ctx.sub(a.keys, a.rows));
    if (!a.offset)
      return l.fail(op, "the place of its rows among the keys is not known");
  }
  Type element = getElementTypeOrSelf(op.getType());
  return l.reshape(a.build(element),
                   {query[0], query[1], a.groups, a.members, a.valueSize},
                   l.shape(op.getResult()));
}

/// Only kernels know the order of what is encoded.
static const char kEncoded[] = "expected a cache of its own element type; "
                               "llmc-lower-to-kern lowers others";

static Value lowerCachedAttention(nn::CachedAttentionOp op, Lowering &l) {
  Shape query = l.shape(op.getQuery()), key = l.shape(op.getKey()),
        value = l.shape(op.getValue());
  if (op.getKey().getType().getElementType() !=
      op.getQuery().getType().getElementType())
    return l.fail(op, kEncoded);
  Attention a(l, 0);
  SymExpr position = l.elements.index(op.getPosition());
  a.rows = query[0];
  a.keys = l.ctx.add(position, query[0]);
  if (!l.index(a.keys))
    return l.fail(op, "expected 'position' to depend on symbols of the entry "
                      "only but it needs '" +
                          l.getObstacle(a.keys) + "'");
  a.groups = key[0];
  a.members = groupSize(l, op, query[1], key[0], value[0]);
  a.keySize = query[2];
  a.valueSize = value[2];
  if (!a.members)
    return {};
  a.query = l.reshape(l.get(op.getQuery()), query,
                      {query[0], a.groups, a.members, a.keySize});
  SmallVector<OpFoldResult> zeros(3, l.b.getIndexAttr(0));
  a.key = {l.slice(l.get(op.getKey()), zeros, {a.groups, a.keys, a.keySize}),
           a.map({0, 3, 4})};
  a.value = {
      l.slice(l.get(op.getValue()), zeros, {a.groups, a.keys, a.valueSize}),
      a.map({0, 3, 4})};
  setOptions(op, a);
  a.offset = l.index(position);
  Type element = getElementTypeOrSelf(op.getType());
  return l.reshape(a.build(element),
                   {query[0], a.groups, a.members, a.valueSize},
                   l.shape(op.getResult()));
}

static Value lowerAppend(nn::AppendOp op, Lowering &l) {
  if (op.getCache().getType().getElementType() !=
      op.getInput().getType().getElementType())
    return l.fail(op, kEncoded);
  Shape cache = l.shape(op.getCache()), input = l.shape(op.getInput());
  SymExpr position = l.elements.index(op.getPosition());
  bool known = l.index(position) != Value();
  SmallVector<OpFoldResult> offsets(3, l.b.getIndexAttr(0));
  offsets[1] = known ? l.extent(position) : OpFoldResult(op.getPosition());
  Shape part = {cache[0], input[0], cache[2]};
  Value into = l.get(op.getCache());
  Value rows = l.eachInto(l.slice(into, offsets, part),
                          Operand{l.get(op.getInput()), l.select(3, {1, 0, 2})},
                          [](ScalarBuilder &, ValueRange x) { return x[0]; });
  return l.insert(rows, into, offsets, part);
}

void lower::addAttention(Handlers &handlers) {
  handlers.add<nn::AttentionOp>(lowerAttention);
  handlers.add<nn::CachedAttentionOp>(lowerCachedAttention);
  handlers.add<nn::AppendOp>(lowerAppend);
}
