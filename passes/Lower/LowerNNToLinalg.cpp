//===- LowerNNToLinalg.cpp - Lower nn to linalg, tensor and arith ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// 1. Find the ops whose value is needed: shape operands are not read, since the
//    analysis tells what they hold.
// 2. In program order build what stands for each, beside the old ops.
// 3. Hand the new values to the ops that stay, erase the old ones.
//
//===----------------------------------------------------------------------===//
#include "NNToLinalg/Tap.h"
#include "llmc/Passes/LowerPasses.h"
#include "llmc/Passes/NNLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace llmc {
#define GEN_PASS_DEF_LOWERNNTOLINALG
#include "llmc/Passes/LowerPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

static const Handlers &getHandlers() {
  static const Handlers handlers = [] {
    Handlers all;
    addElementwise(all);
    addPower(all);
    addUnary(all);
    addActivation(all);
    addShape(all);
    addFill(all);
    addPad(all);
    addGather(all);
    addReduce(all);
    addTap(all);
    addLinear(all);
    addNorm(all);
    addAttention(all);
    addRotary(all);
    addConv(all);
    addPool(all);
    return all;
  }();
  return handlers;
}

static bool isLowered(Operation *op) {
  return isa<nn::NNDialect>(op->getDialect()) && !isa<nn::GetOp>(op);
}

/// Whether the lowering of `use`'s owner reads the values of that operand; it
/// does not where the analysis tells all that is needed.
static bool isRead(OpOperand &use, Lowering &l) {
  Operation *op = use.getOwner();
  if (!isLowered(op))
    return true;
  auto known = [&] {
    Shape entries = l.integers(use.get());
    return llvm::all_of(entries, [](SymExpr e) { return bool(e); });
  };
  unsigned number = use.getOperandNumber();
  return !llvm::TypeSwitch<Operation *, bool>(op)
              .Case<nn::ShapeOfOp>([](auto) { return true; })
              .Case<nn::ReshapeOp, nn::ExpandOp, nn::TileOp>(
                  [&](auto) { return number == 1; })
              .Case<nn::FullOp>([&](auto) { return number == 0; })
              .Case<nn::SliceOp>([&](auto) { return number > 0 && known(); })
              .Case<nn::PadOp>([&](auto) { return number == 1; })
              .Default([](auto) { return false; });
}

namespace {
struct LowerNNToLinalg : llmc::impl::LowerNNToLinalgBase<LowerNNToLinalg> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isLowered(op))
        ops.push_back(op);
    });
    if (ops.empty())
      return;
    SymbolicElements elements(getOperation());
    Lowering l(getOperation(), elements);
    llvm::SmallPtrSet<Operation *, 16> needed;
    for (Operation *op : llvm::reverse(ops))
      for (OpOperand &use : op->getUses())
        if ((!isLowered(use.getOwner()) || needed.contains(use.getOwner())) &&
            isRead(use, l)) {
          needed.insert(op);
          break;
        }
    bool failed = false;
    for (Operation *op : ops)
      if (needed.contains(op))
        failed |= !lowerOp(op, l);
    if (failed)
      return signalPassFailure();
    for (Operation *op : ops)
      if (needed.contains(op))
        replaceOutside(op, l);
    for (Operation *op : llvm::reverse(ops))
      op->erase();
  }

  static bool lowerOp(Operation *op, Lowering &l) {
    l.b.setLoc(op->getLoc());
    l.b.setInsertionPoint(op);
    const auto *handler = getHandlers().find(op);
    if (!handler) {
      l.fail(op, "has no lowering to linalg");
      return false;
    }
    auto check = [&](Value value) {
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (!type)
        return true;
      if (type.getElementType().isUnsignedInteger() ||
          type.getElementType().isSignedInteger()) {
        l.fail(op,
               "expected floats or signless integers but got " + text(type));
        return false;
      }
      for (auto [axis, extent] : llvm::enumerate(l.shape(value)))
        if (!l.index(extent)) {
          l.fail(op, "expected axis " + Twine(axis) + " of " + text(type) +
                         " to depend on symbols of the entry only but it is '" +
                         extent.str() + "', which needs '" +
                         l.getObstacle(extent) + "'");
          return false;
        }
      return true;
    };
    for (OpOperand &operand : op->getOpOperands())
      if (isRead(operand, l) && !check(operand.get()))
        return false;
    if (!check(op->getResult(0)))
      return false;
    // What an op before failed to give was reported there.
    for (OpOperand &operand : op->getOpOperands())
      if (Operation *source = operand.get().getDefiningOp();
          source && isLowered(source) && isRead(operand, l) &&
          !l.lookup(operand.get()))
        return false;
    Value value = (*handler)(op, l);
    if (value)
      l.set(op->getResult(0), value);
    return bool(value);
  }

  static std::string text(Type type) {
    std::string result;
    llvm::raw_string_ostream(result) << type;
    return result;
  }

  static void replaceOutside(Operation *op, Lowering &l) {
    Value old = op->getResult(0), value = l.lookup(old);
    Value cast;
    for (OpOperand &use : llvm::make_early_inc_range(old.getUses())) {
      if (isLowered(use.getOwner()))
        continue;
      if (!cast) {
        l.b.setLoc(op->getLoc());
        l.b.setInsertionPointAfter(op);
        cast = value.getType() == old.getType()
                   ? value
                   : tensor::CastOp::create(l.b, old.getType(), value);
      }
      use.set(cast);
    }
  }
};
} // namespace
