//===- Reshape.cpp - The same elements in another shape -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The extents of both shapes are split into groups with equal products, found
// by exact division of polynomials. Then a reshape is a collapse and an expand,
// which move nothing. Where no such groups are proved the elements are fetched
// by their place in row-major order.
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

namespace {
struct Group {
  SmallVector<int64_t, 2> from, to;
  SymExpr product;
};
} // namespace

static std::optional<SmallVector<Group>>
findGroups(SymContext &ctx, ArrayRef<SymExpr> from, ArrayRef<SymExpr> to) {
  SmallVector<Group> groups;
  size_t i = 0, j = 0;
  while (i < from.size() && j < to.size()) {
    Group group;
    SymExpr left = from[i], right = to[j];
    group.from.push_back(i++);
    group.to.push_back(j++);
    while (left != right) {
      // The smaller product takes the next extent.
      bool rightIsSmaller = bool(ctx.divideExactly(left, right));
      if (!rightIsSmaller && !ctx.divideExactly(right, left))
        rightIsSmaller = i == from.size();
      if (rightIsSmaller) {
        if (j == to.size())
          return std::nullopt;
        right = ctx.mul(right, to[j]);
        group.to.push_back(j++);
      } else {
        if (i == from.size())
          return std::nullopt;
        left = ctx.mul(left, from[i]);
        group.from.push_back(i++);
      }
      if (!left || !right)
        return std::nullopt;
    }
    group.product = left;
    groups.push_back(std::move(group));
  }
  // Extents of one that are left over belong to the last group.
  for (; i < from.size(); ++i) {
    if (!from[i].isConstant(1) || groups.empty())
      return std::nullopt;
    groups.back().from.push_back(i);
  }
  for (; j < to.size(); ++j) {
    if (!to[j].isConstant(1) || groups.empty())
      return std::nullopt;
    groups.back().to.push_back(j);
  }
  return groups;
}

static Value collapse(Lowering &l, Value value, ArrayRef<Group> groups,
                      ArrayRef<SymExpr> products) {
  SmallVector<ReassociationIndices> reassociation;
  for (const Group &group : groups)
    reassociation.emplace_back(group.from.begin(), group.from.end());
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  return tensor::CollapseShapeOp::create(l.b, l.type(products, element), value,
                                         reassociation);
}

static Value expand(Lowering &l, Value value, ArrayRef<Group> groups,
                    ArrayRef<SymExpr> to) {
  SmallVector<ReassociationIndices> reassociation;
  for (const Group &group : groups)
    reassociation.emplace_back(group.to.begin(), group.to.end());
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  return tensor::ExpandShapeOp::create(l.b, l.type(to, element), value,
                                       reassociation, l.extents(to));
}

/// Fetches each element by its place in row-major order.
static Value fetch(Lowering &l, Value value, ArrayRef<SymExpr> from,
                   ArrayRef<SymExpr> to) {
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  SmallVector<Value> fromExtents, toExtents;
  for (SymExpr extent : from)
    fromExtents.push_back(l.index(extent));
  for (SymExpr extent : to)
    toExtents.push_back(l.index(extent));
  return l.each(to, element, {}, [&](ScalarBuilder &b, ValueRange) -> Value {
    Value place = arith::ConstantIndexOp::create(b, 0);
    for (auto [axis, extent] : llvm::enumerate(toExtents)) {
      Value step = linalg::IndexOp::create(b, axis);
      place = arith::AddIOp::create(b, arith::MulIOp::create(b, place, extent),
                                    step);
    }
    SmallVector<Value> indices(from.size());
    for (int64_t axis = from.size() - 1; axis >= 0; --axis) {
      indices[axis] =
          axis == 0
              ? place
              : Value(arith::RemUIOp::create(b, place, fromExtents[axis]));
      if (axis > 0)
        place = arith::DivUIOp::create(b, place, fromExtents[axis]);
    }
    return tensor::ExtractOp::create(b, value, indices);
  });
}

Value Lowering::reshape(Value value, ArrayRef<SymExpr> from,
                        ArrayRef<SymExpr> to) {
  if (from == to)
    return value;
  auto isZero = [](SymExpr extent) { return extent.isConstant(0); };
  if (llvm::any_of(from, isZero) || llvm::any_of(to, isZero))
    return empty(to, cast<RankedTensorType>(value.getType()).getElementType());
  auto isOne = [](SymExpr extent) { return extent.isConstant(1); };
  // Between a scalar and extents of one there is a single, empty group.
  if (from.empty() && llvm::all_of(to, isOne))
    return expand(*this, value, {}, to);
  if (to.empty() && llvm::all_of(from, isOne))
    return collapse(*this, value, {}, {});
  auto groups = findGroups(ctx, from, to);
  if (!groups)
    return fetch(*this, value, from, to);
  // MLIR 22.1 cannot compute the strides of two extents that are unknown to the
  // compiler and come out of one (expand-strided-metadata crashes).
  for (const Group &group : *groups)
    if (llvm::count_if(group.to,
                       [&](int64_t axis) { return !to[axis].constant(); }) > 1)
      return fetch(*this, value, from, to);
  Shape products;
  bool collapses = false, expands = false;
  for (const Group &group : *groups) {
    products.push_back(group.product);
    collapses |= group.from.size() > 1;
    expands |= group.to.size() > 1;
  }
  if (collapses)
    value = collapse(*this, value, *groups, products);
  return expands ? expand(*this, value, *groups, to) : value;
}
