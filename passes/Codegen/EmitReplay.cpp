//===- EmitReplay.cpp - The products of a decode step, back to back -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The copies share the bodies of their originals and hold nothing but calls and
// addresses, so they are small. A call is kept where it is a product or reaches
// one; then whatever its operands are computed from, and the ops around it.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Conventions.h"
#include "llmc/Passes/CodegenPasses.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

namespace llmc {
#define GEN_PASS_DEF_EMITREPLAY
#include "llmc/Passes/CodegenPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// Adds `op`, the ops around it and all that they need to `kept`.
static void keep(Operation *op, Operation *function,
                 SetVector<Operation *> &kept) {
  SmallVector<Operation *> pending{op};
  while (!pending.empty()) {
    op = pending.pop_back_val();
    if (op == function || !kept.insert(op))
      continue;
    pending.push_back(op->getParentOp());
    // Values that leave a region are operands of its terminators.
    for (Region &region : op->getRegions())
      for (Block &block : region)
        pending.push_back(block.getTerminator());
    for (Value operand : op->getOperands())
      pending.push_back(operand.getDefiningOp()
                            ? operand.getDefiningOp()
                            : operand.getParentBlock()->getParentOp());
  }
}

struct EmitReplay : llmc::impl::EmitReplayBase<EmitReplay> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    copies.clear();
    // Callees come first, so copies of those with products are there already.
    for (func::FuncOp function : getFunctionsPostOrder(module)) {
      bool entry = function->hasAttr(kSignature);
      if (!entry || function->hasAttr(kVariantOf))
        copy(symbols, function);
    }
    // Copies that no copy of an entry calls are none.
    auto made = llvm::to_vector(copies);
    for (auto copy : llvm::reverse(made))
      if (!copy.second->hasAttr(kReplayOf) &&
          SymbolTable::symbolKnownUseEmpty(copy.second, module))
        symbols.erase(copy.second);
    module.walk([](func::CallOp call) { call->removeAttr(kProduct); });
  }

  void copy(SymbolTable &symbols, func::FuncOp function) {
    SmallVector<func::CallOp> calls;
    function.walk([&](func::CallOp call) {
      if (call->hasAttr(kProduct) || copies.contains(call.getCallee()))
        calls.push_back(call);
    });
    if (calls.empty())
      return;
    IRMapping map;
    auto made = cast<func::FuncOp>(function->clone(map));
    made.setName((function.getName() + "_replay").str());
    symbols.insert(made);
    Builder attrs(&getContext());
    if (auto entry = made->removeAttr(kVariantOf)) {
      made->removeAttr(kWhen);
      made->setAttr(kReplayOf, entry);
      auto roles = llvm::to_vector(made->getAttrOfType<ArrayAttr>(kSignature));
      roles.append({attrs.getStringAttr("part"), attrs.getStringAttr("parts")});
      made->setAttr(kSignature, attrs.getArrayAttr(roles));
    }
    Value part = addArgument(made), parts = addArgument(made);

    SetVector<Operation *> kept;
    for (Block &block : made.getBody())
      keep(block.getTerminator(), made, kept);
    SmallVector<func::CallOp> clones;
    for (func::CallOp call : calls) {
      clones.push_back(cast<func::CallOp>(map.lookup(call.getOperation())));
      keep(clones.back(), made, kept);
    }
    SmallVector<Operation *> rest;
    made.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (op == made || kept.contains(op))
        return WalkResult::advance();
      rest.push_back(op);
      return WalkResult::skip();
    });
    for (Operation *op : rest) {
      op->dropAllUses();
      op->erase();
    }
    for (func::CallOp call : clones)
      restrict(call, part, parts);
    copies.insert({function.getName(), made});
  }

  static Value addArgument(func::FuncOp function) {
    unsigned index = function.getNumArguments();
    (void)function.insertArgument(index, IndexType::get(function.getContext()),
                                  {}, function.getLoc());
    return function.getArgument(index);
  }

  /// Leaves of a call what part `part` of `parts` has to do.
  void restrict(func::CallOp call, Value part, Value parts) {
    OpBuilder builder(call);
    Location loc = call.getLoc();
    if (auto copy = copies.find(call.getCallee()); copy != copies.end()) {
      call.setCallee(copy->second.getName());
      call.getOperandsMutable().append({part, parts});
      return;
    }
    if (!call->hasAttr(kParallel)) {
      // A product too small to be divided is the first part's.
      Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
      Value first = arith::CmpIOp::create(builder, loc,
                                          arith::CmpIPredicate::eq, part, zero);
      auto branch = scf::IfOp::create(builder, loc, first, false);
      call->moveBefore(branch.thenBlock()->getTerminator());
      return;
    }
    // As the runtime's team divides [0, n): the first n % parts get one more.
    Value n = call.getOperand(1);
    Value share = arith::DivUIOp::create(builder, loc, n, parts);
    Value more = arith::RemUIOp::create(builder, loc, n, parts);
    auto begin = [&](Value index) -> Value {
      Value at = arith::MulIOp::create(builder, loc, share, index);
      Value extra = arith::MinUIOp::create(builder, loc, index, more);
      return arith::AddIOp::create(builder, loc, at, extra);
    };
    Value one = arith::ConstantIndexOp::create(builder, loc, 1);
    Value next = arith::AddIOp::create(builder, loc, part, one);
    call.setOperand(0, begin(part));
    call.setOperand(1, begin(next));
    call->removeAttr(kParallel);
  }

  /// By the name of the original, callees first.
  llvm::MapVector<StringRef, func::FuncOp> copies;
};

} // namespace
