//===- OutlineParallel.cpp - Bodies of parallel loops become functions over a
// range ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Conventions.h"
#include "llmc/Passes/CodegenPasses.h"

#include "mlir/Transforms/RegionUtils.h"

namespace llmc {
#define GEN_PASS_DEF_OUTLINEPARALLEL
#include "llmc/Passes/CodegenPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// Splits what a region captures into ops to clone into the new function and
/// values to pass to it.
struct Captures {
  SetVector<Operation *> clones; // in dominance order
  SetVector<Value> passed;

  void add(Value value) {
    Operation *op = value.getDefiningOp();
    // Memory passes as one pointer, so views with unknown extents are made
    // again; constants are. Numbers are passed: an offset into the arena is a
    // long expression, and where LLVM sees it behind every pointer, its loop
    // strength reduction takes most of all code generation time.
    bool repeat = op && isPure(op) && !op->getNumRegions() &&
                  (op->hasTrait<OpTrait::ConstantLike>() ||
                   !value.getType().isIntOrIndexOrFloat());
    if (!repeat) {
      passed.insert(value);
      return;
    }
    if (clones.contains(op))
      return;
    for (Value operand : op->getOperands())
      add(operand);
    clones.insert(op);
  }
};

struct OutlineParallel : llmc::impl::OutlineParallelBase<OutlineParallel> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    for (func::FuncOp function : getFunctionsPostOrder(module)) {
      SmallVector<scf::ParallelOp> loops;
      function.walk<WalkOrder::PreOrder>([&](scf::ParallelOp loop) {
        if (isWorthIt(loop))
          loops.push_back(loop);
        return WalkResult::skip();
      });
      for (scf::ParallelOp loop : loops)
        outline(symbols, function, loop);
    }
  }

  /// Small static loops are not worth a fork; a loop with results is a
  /// reduction, whose order must not depend on the team.
  static bool isWorthIt(scf::ParallelOp loop) {
    if (loop.getNumResults())
      return false;
    return loop->hasAttr(kParallel) ||
           !getConstantIntValue(loop.getUpperBound()[0]);
  }

  static bool hasProduct(scf::ParallelOp loop) {
    return loop
        .walk([](func::CallOp call) {
          return call->hasAttr(kProduct) ? WalkResult::interrupt()
                                         : WalkResult::advance();
        })
        .wasInterrupted();
  }

  void outline(SymbolTable &symbols, func::FuncOp function,
               scf::ParallelOp loop) {
    Location loc = loop.getLoc();
    OpBuilder builder(loop);
    Value lower = loop.getLowerBound()[0], step = loop.getStep()[0];
    Value span =
        arith::SubIOp::create(builder, loc, loop.getUpperBound()[0], lower);
    Value count = arith::CeilDivSIOp::create(builder, loc, span, step);

    Captures captures;
    SetVector<Value> used;
    getUsedValuesDefinedAbove(loop.getRegion(), used);
    for (auto bounds : {loop.getLowerBound(), loop.getUpperBound().drop_front(),
                        loop.getStep()})
      for (Value value : bounds)
        used.insert(value);
    for (Value value : used)
      captures.add(value);

    SmallVector<Type> types(2, builder.getIndexType());
    for (Value value : captures.passed)
      types.push_back(value.getType());
    OpBuilder top(function);
    auto body =
        func::FuncOp::create(top, loc, (function.getName() + "_body").str(),
                             builder.getFunctionType(types, {}));
    body.setPrivate();
    body->setAttr(kKernel, builder.getUnitAttr());
    symbols.insert(body);

    Block *entry = body.addEntryBlock();
    OpBuilder in = OpBuilder::atBlockEnd(entry);
    IRMapping map;
    for (auto [value, argument] :
         llvm::zip(captures.passed, entry->getArguments().drop_front(2)))
      map.map(value, argument);
    for (Operation *op : captures.clones)
      in.clone(*op, map);
    auto mapped = [&](Value value) { return map.lookup(value); };
    Value one = arith::ConstantIndexOp::create(in, loc, 1);
    auto outer = scf::ForOp::create(in, loc, entry->getArgument(0),
                                    entry->getArgument(1), one);
    func::ReturnOp::create(in, loc);
    in.setInsertionPointToStart(outer.getBody());
    Value first = arith::AddIOp::create(
        in, loc, mapped(lower),
        arith::MulIOp::create(in, loc, outer.getInductionVar(), mapped(step)));
    map.map(loop.getInductionVars()[0], first);
    for (unsigned i = 1; i < loop.getNumLoops(); ++i) {
      auto inner = scf::ForOp::create(in, loc, mapped(loop.getLowerBound()[i]),
                                      mapped(loop.getUpperBound()[i]),
                                      mapped(loop.getStep()[i]));
      map.map(loop.getInductionVars()[i], inner.getInductionVar());
      in.setInsertionPointToStart(inner.getBody());
    }
    for (Operation &op : loop.getBody()->without_terminator())
      in.clone(op, map);

    Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
    SmallVector<Value> operands{zero, count};
    llvm::append_range(operands, captures.passed);
    auto call = func::CallOp::create(builder, loc, body, operands);
    call->setAttr(kParallel, builder.getUnitAttr());
    if (hasProduct(loop))
      call->setAttr(kProduct, builder.getUnitAttr());
    loop.erase();
  }
};

} // namespace
