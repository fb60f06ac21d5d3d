//===- NarrowRows.cpp - Compute only the rows that are read ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// 1. From an `nn.rows` backwards, find the ops whose results nobody reads but
//    through these rows. All of them treat each row by itself.
// 2. Repeat them on rows of what they read, and drop them.
//
//===----------------------------------------------------------------------===//
#include "RowOps.h"
#include "llmc/Passes/RestructurePasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/MapVector.h"

namespace llmc {
#define GEN_PASS_DEF_NARROWROWSPASS
#include "llmc/Passes/RestructurePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

static RankedTensorType tensorType(Value value) {
  return dyn_cast<RankedTensorType>(value.getType());
}

/// Whether a reshape keeps the first axis, of unknown extent, and what lies
/// behind it.
static bool keepsRows(nn::ReshapeOp op) {
  auto from = tensorType(op.getInput()), to = tensorType(op.getResult());
  if (!matchPattern(op.getShape(), m_Constant()) || from.getRank() < 1 ||
      to.getRank() < 1 || !from.isDynamicDim(0) || !to.isDynamicDim(0))
    return false;
  auto count = [](RankedTensorType type) -> int64_t {
    ArrayRef<int64_t> inner = type.getShape().drop_front();
    return ShapedType::isDynamicShape(inner)
               ? -1
               : ShapedType::getNumElements(inner);
  };
  // With other extents, or none, the rows could be cut differently.
  return count(from) > 0 && count(from) == count(to);
}

/// The operands of which an op needs just the rows that are read of its result,
/// as numbers; failure where that is not so simple.
static FailureOr<SmallVector<unsigned>> getRowOperands(Operation *op) {
  if (op->getNumResults() != 1)
    return failure();
  auto type = tensorType(op->getResult(0));
  if (!type || type.getRank() < 1 || !type.isDynamicDim(0))
    return failure();
  if (isLayer(op)) {
    if (type.getRank() < 2)
      return failure();
    return SmallVector<unsigned>{0};
  }
  if (isElementwise(op)) {
    SmallVector<unsigned> rows;
    for (OpOperand &operand : op->getOpOperands()) {
      auto other = tensorType(operand.get());
      if (!other)
        return failure();
      // What has fewer axes, or one row, is the same for every row.
      if (other.getRank() < type.getRank() || other.getDimSize(0) == 1)
        continue;
      rows.push_back(operand.getOperandNumber());
    }
    return rows;
  }
  if (auto reshape = dyn_cast<nn::ReshapeOp>(op)) {
    if (!keepsRows(reshape))
      return failure();
    return SmallVector<unsigned>{0};
  }
  if (auto slice = dyn_cast<nn::SliceOp>(op)) {
    if (llvm::is_contained(slice.getAxes(), 0))
      return failure();
    return SmallVector<unsigned>{0};
  }
  if (isa<nn::RotaryOp>(op) && type.getRank() == 3)
    return SmallVector<unsigned>{0, 1, 2};
  if (isa<nn::CachedAttentionOp>(op))
    return SmallVector<unsigned>{0};
  return failure();
}

namespace {

struct NarrowRows : llmc::impl::NarrowRowsPassBase<NarrowRows> {
  void runOnOperation() override {
    if (getOperation().isExternal() || !getOperation().getBody().hasOneBlock())
      return;
    SmallVector<nn::RowsOp> all(getOperation().getOps<nn::RowsOp>());
    for (nn::RowsOp rows : all)
      narrow(rows);
  }

  /// Ops, the last first, each with its getRowOperands.
  using Narrowed = llvm::MapVector<Operation *, SmallVector<unsigned>>;

  /// The ops that only `rows` reads; none where nothing costly is among them.
  static Narrowed findOps(nn::RowsOp rows) {
    Narrowed found;
    bool pays = false;
    for (Operation *op = rows->getPrevNode(); op; op = op->getPrevNode()) {
      if (op->use_empty())
        continue;
      auto operands = getRowOperands(op);
      if (failed(operands) || !llvm::all_of(op->getUses(), [&](OpOperand &use) {
            unsigned number = use.getOperandNumber();
            if (use.getOwner() == rows)
              return number == 0;
            auto it = found.find(use.getOwner());
            return it != found.end() && llvm::is_contained(it->second, number);
          }))
        continue;
      pays |= isa<nn::LinearOp, pack::LinearOp, nn::CachedAttentionOp>(op);
      found[op] = std::move(*operands);
    }
    return pays ? found : Narrowed();
  }

  /// Makes `value` known before `op`. Only arguments, and arithmetic of them.
  static bool raise(Value value, Operation *op) {
    Operation *maker = value.getDefiningOp();
    if (!maker || maker->isBeforeInBlock(op))
      return true;
    if (!isPure(maker) || !value.getType().isIndex() ||
        !llvm::all_of(maker->getOperands(),
                      [&](Value operand) { return raise(operand, op); }))
      return false;
    maker->moveBefore(op);
    return true;
  }

  static void narrow(nn::RowsOp rows) {
    Narrowed ops = findOps(rows);
    if (ops.empty())
      return;
    Operation *first = ops.back().first;
    Value start = rows.getStart(), count = rows.getCount();
    if (!raise(start, first) || !raise(count, first))
      return;
    int64_t extent = tensorType(rows.getResult()).getDimSize(0);
    IRMapping map;
    auto take = [&](OpBuilder &builder, Value value) {
      if (!map.contains(value))
        map.map(value, nn::RowsOp::create(builder, rows.getLoc(), value, start,
                                          count));
    };
    for (auto &[op, operands] : llvm::reverse(ops)) {
      OpBuilder builder(op);
      for (unsigned number : operands)
        take(builder, op->getOperand(number));
      Operation *copy = builder.clone(*op, map);
      auto type = tensorType(op->getResult(0));
      SmallVector<int64_t> shape(type.getShape());
      shape.front() = extent;
      copy->getResult(0).setType(type.clone(shape));
      // The first of the rows stands `start` after the first of all.
      if (auto attention = dyn_cast<nn::CachedAttentionOp>(copy)) {
        builder.setInsertionPoint(copy);
        attention.getPositionMutable().assign(arith::AddIOp::create(
            builder, op->getLoc(), attention.getPosition(), start));
      }
    }
    rows.replaceAllUsesWith(map.lookup(rows.getInput()));
    rows.erase();
    for (auto &[op, operands] : ops)
      op->erase();
  }
};

} // namespace
