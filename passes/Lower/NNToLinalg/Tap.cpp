//===- Tap.cpp - Lowering of what calibration measures --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Columns are summed one by one and rows in order, in f64: the sums do not
// depend on threads, and hardly on how a compiler associates them.
//
//===----------------------------------------------------------------------===//
#include "Tap.h"
#include "llmc/Dialect/Kern/KernOps.h"
#include "llmc/Dialect/NN/NNTap.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

/// Multiples of the step of 8 bits up to the largest number of a group.
static constexpr double kSteps = 127;

/// The largest |x| of each group of columns: [..., groups].
static Value findLargest(Lowering &l, Value x, Shape shape) {
  int64_t columns = *shape.back().constant();
  Shape padded(shape), grouped(shape), none(shape.size(), l.constant(0));
  SymExpr groups =
      l.constant(llvm::divideCeil(columns, int64_t(kern::kInputGroup)));
  padded.back() = l.ctx.mul(groups, l.constant(kern::kInputGroup));
  grouped.back() = groups;
  Value zero = l.constantOf(l.b.getF32Type(), 0);
  Value parts = l.border(x, shape, none, padded, zero);
  Shape split(grouped);
  split.push_back(l.constant(kern::kInputGroup));
  parts = l.reshape(parts, padded, split);
  AffineMap outer = l.select(split.size(), axesOf(0, grouped.size()));
  return l.reduce(l.fill(grouped, zero), outer, l.whole(parts),
                  [](ScalarBuilder &b, ValueRange x) {
                    return maxScalars(b, math::AbsFOp::create(b, x[0]), x[1]);
                  });
}

static Value lowerTap(nn::TapOp op, Lowering &l) {
  Shape shape = l.shape(op.getInput());
  Value x = l.get(op.getInput());
  unsigned rank = shape.size();
  Type f64 = l.b.getF64Type();
  SymExpr one = l.constant(1), columns = shape.back();
  AffineMap byColumn = l.select(rank, static_cast<int64_t>(rank) - 1);
  SmallVector<AffineExpr> group(l.identity(rank).getResults());
  group.back() = group.back().floorDiv(kern::kInputGroup);
  AffineMap byGroup = AffineMap::get(rank, 0, group, l.b.getContext());

  Value sums[] = {
      l.sum(columns, f64, byColumn, l.whole(x), {},
            [&](ScalarBuilder &b, ValueRange x) -> Value {
              return castScalar(b, math::AbsFOp::create(b, x[0]), f64);
            }),
      l.sum(columns, f64, byColumn, {l.whole(x), l.whole(x)}),
      l.sum(columns, f64, byColumn,
            {l.whole(x), {findLargest(l, x, shape), byGroup}}, {},
            [&](ScalarBuilder &b, ValueRange x) -> Value {
              Value value = castScalar(b, x[0], f64);
              Value step = arith::DivFOp::create(b, castScalar(b, x[1], f64),
                                                 scalarOf(b, f64, kSteps));
              // A group of zeros is rounded to itself.
              Value divisor = maxScalars(b, step, scalarOf(b, f64, 1e-300));
              Value rounded = math::RoundEvenOp::create(
                  b, arith::DivFOp::create(b, value, divisor));
              Value error =
                  subScalars(b, value, mulScalars(b, rounded, divisor));
              return mulScalars(b, error, error);
            })};
  Shape row{one, columns}, all = l.shape(op.getResult());
  Value result = l.empty(all, f64);
  for (auto [i, sum] : llvm::enumerate(sums))
    result = l.insert(l.reshape(sum, columns, row), result,
                      {l.b.getIndexAttr(i), l.b.getIndexAttr(0)}, row);
  return result;
}

void lower::addTap(Handlers &handlers) { handlers.add<nn::TapOp>(lowerTap); }
