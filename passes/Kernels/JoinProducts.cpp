//===- JoinProducts.cpp - Products that run together ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/Kern/KernOps.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Passes/KernelPasses.h"

namespace llmc {
#define GEN_PASS_DEF_JOINPRODUCTSPASS
#include "llmc/Passes/KernelPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

void setJoined(Operation *product) {
  if (auto linear = dyn_cast<kern::LinearOp>(product))
    linear.setJoined(true);
  else if (auto sparse = dyn_cast<kern::SparseLinearOp>(product))
    sparse.setJoined(true);
  else
    cast<kern::QuantizedLinearOp>(product).setJoined(true);
}

/// Whether an op may go up with the product that needs it: it computes no
/// elements, or they are the product's own input. (Memory of a moved op lives
/// longer, and its work is no longer beside that of its neighbors.)
bool canMove(Operation *op) {
  return isa<kern::QuantizeOp, kern::RotateOp, kern::PermuteOp, kern::SideOp,
             tensor::EmptyOp, tensor::DimOp, tensor::CollapseShapeOp,
             tensor::ExpandShapeOp, nn::GetOp>(op) ||
         (op->getDialect() && isa<arith::ArithDialect>(op->getDialect()) &&
          llvm::all_of(op->getResultTypes(),
                       [](Type type) { return type.isIntOrIndex(); }));
}

struct JoinProducts : llmc::impl::JoinProductsPassBase<JoinProducts> {
  void runOnOperation() override {
    getOperation().walk([](Block *block) { joinIn(*block); });
  }

  /// Products that run together.
  struct Group {
    Operation *first = nullptr, *last = nullptr;
  };

  static void joinIn(Block &block) {
    // What is added to products comes after all of these, in a group behind them.
    Group products, added;
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (!kern::isProduct(&op))
        continue;
      bool isAdded = kern::isAdded(&op);
      auto &[first, last] = isAdded ? added : products;
      SetVector<Operation *> needed; // what `op` needs of after `first`
      if (!first || !collect(&op, first, needed)) {
        first = last = &op;
        if (!isAdded)
          added = Group();
        continue;
      }
      SmallVector<Operation *> order(needed.begin(), needed.end());
      llvm::sort(order, [](Operation *a, Operation *b) {
        return a->isBeforeInBlock(b);
      });
      for (Operation *each : order)
        each->moveBefore(first);
      op.moveAfter(last);
      setJoined(&op);
      last = &op;
    }
  }

  /// Collects the ops from `first` on whose results `op` needs; false if one of
  /// them must stay.
  static bool collect(Operation *op, Operation *first,
                      SetVector<Operation *> &needed) {
    for (Value operand : op->getOperands()) {
      Operation *source = operand.getDefiningOp();
      if (!source || source->getBlock() != first->getBlock() ||
          source->isBeforeInBlock(first) || needed.contains(source))
        continue;
      if (!canMove(source) || !collect(source, first, needed))
        return false;
      needed.insert(source);
    }
    return true;
  }
};

} // namespace
