//===- PlanArena.cpp - Every allocation gets a place in one arena ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// 1. For each allocation of a function, callees first, find the first and the
//    last op of the body that touches it through any view. Products that are
//    `joined` begin together.
// 2. Walk them in order of their first use; reuse a place whose life has ended
//    where both have the same dynamic extents (else the maximum of unrelated
//    expressions would grow), the same size preferred.
// 3. Offsets are running sums of the places' sizes, as expressions of the index
//    arguments; the same code makes NAME_arena_size.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Conventions.h"
#include "llmc/Dialect/Kern/KernOps.h"
#include "llmc/Dialect/NN/NNDialect.h"
#include "llmc/Passes/CodegenPasses.h"

#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"

namespace llmc {
#define GEN_PASS_DEF_PLANARENA
#include "llmc/Passes/CodegenPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// Bytes of one element in memory.
int64_t getElementBytes(MemRefType type) {
  if (type.getElementType().isIndex())
    return 8;
  return llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

/// Product of element size and static extents.
int64_t getStaticBytes(MemRefType type) {
  int64_t bytes = getElementBytes(type);
  for (int64_t extent : type.getShape())
    if (!ShapedType::isDynamic(extent))
      bytes *= extent;
  return bytes;
}

/// A place in the arena and the allocations that share it.
struct Slot {
  SmallVector<memref::AllocOp> members;
  int64_t end; // last op that touches the latest member
};

bool haveSameExtents(memref::AllocOp a, memref::AllocOp b) {
  return a.getDynamicSizes() == b.getDynamicSizes();
}

bool haveSameSize(memref::AllocOp a, memref::AllocOp b) {
  return haveSameExtents(a, b) &&
         getStaticBytes(a.getType()) == getStaticBytes(b.getType());
}

/// Places, offsets and total of one function, as values at one point.
struct Plan {
  SmallVector<Value> offsets;
  Value own;   // bytes of the function's places
  Value total; // own + the largest callee
};

struct PlanArena : llmc::impl::PlanArenaBase<PlanArena> {
  llvm::DenseMap<StringAttr, func::FuncOp> sizeFunctions;

  void runOnOperation() override {
    sizeFunctions.clear();
    for (func::FuncOp function : getFunctionsPostOrder(getOperation()))
      if (failed(planFunction(function)))
        return signalPassFailure();
  }

  LogicalResult planFunction(func::FuncOp function) {
    if (!function.getBody().hasOneBlock())
      return function.emitError("expected a function of one block");
    FailureOr<SmallVector<Slot>> slots = assignSlots(function);
    if (failed(slots))
      return failure();
    FailureOr<func::FuncOp> size = buildSizeFunction(function, *slots);
    if (failed(size))
      return failure();
    if (failed(rewrite(function, *slots)))
      return failure();
    sizeFunctions[function.getNameAttr()] = *size;
    return success();
  }

  FailureOr<SmallVector<Slot>> assignSlots(func::FuncOp function) {
    Block &body = function.front();
    // Products that are joined begin at once: what one of them reads must not
    // give its place to what another one writes.
    llvm::DenseMap<Operation *, std::pair<int64_t, int64_t>> position;
    int64_t count = 0, product = 0;
    for (Operation &op : body) {
      if (kern::isProduct(&op) && !kern::isJoined(&op))
        product = count;
      position[&op] = {kern::isJoined(&op) ? product : count, count};
      ++count;
    }

    SmallVector<memref::AllocOp> allocs;
    WalkResult found = function.walk([&](memref::AllocOp alloc) {
      if (alloc->getBlock() != &body) {
        alloc.emitError(
            "allocation inside a region cannot be placed in the arena");
        return WalkResult::interrupt();
      }
      allocs.push_back(alloc);
      return WalkResult::advance();
    });
    if (found.wasInterrupted())
      return failure();

    BufferViewFlowAnalysis flow(function);
    llvm::DenseMap<Operation *, std::pair<int64_t, int64_t>> life;
    for (memref::AllocOp alloc : allocs) {
      int64_t begin = count, end = -1;
      for (Value alias : flow.resolve(alloc.getMemref()))
        for (Operation *user : alias.getUsers()) {
          if (isa<func::ReturnOp>(user)) {
            alloc.emitError("allocation escapes @") << function.getName();
            return failure();
          }
          auto [first, last] =
              position.lookup(body.findAncestorOpInBlock(*user));
          begin = std::min(begin, first);
          end = std::max(end, last);
        }
      life[alloc] = {begin, end};
    }
    llvm::stable_sort(allocs, [&](memref::AllocOp a, memref::AllocOp b) {
      return life[a].first < life[b].first;
    });

    SmallVector<Slot> slots;
    for (memref::AllocOp alloc : allocs) {
      auto [begin, end] = life[alloc];
      Slot *best = nullptr;
      for (Slot &slot : slots) {
        if (slot.end >= begin || !haveSameExtents(slot.members.front(), alloc))
          continue;
        if (haveSameSize(slot.members.front(), alloc)) {
          best = &slot;
          break;
        }
        if (!best)
          best = &slot;
      }
      if (!best) {
        slots.emplace_back();
        best = &slots.back();
      }
      best->members.push_back(alloc);
      best->end = end;
    }
    return slots;
  }

  /// Clones the pure ops that compute `value` from what `map` holds.
  FailureOr<Value> cloneSlice(OpBuilder &builder, Value value, IRMapping &map) {
    if (Value mapped = map.lookupOrNull(value))
      return mapped;
    Operation *op = value.getDefiningOp();
    if (!op || !isMemoryEffectFree(op) || op->getNumRegions())
      return emitError(value.getLoc(),
                       "size is not an expression of index arguments");
    for (Value operand : op->getOperands())
      if (failed(cloneSlice(builder, operand, map)))
        return failure();
    builder.clone(*op, map);
    return map.lookup(value);
  }

  FailureOr<Plan> buildPlan(OpBuilder &b, func::FuncOp function,
                            ArrayRef<Slot> slots, IRMapping &map) {
    Location loc = function.getLoc();
    auto constant = [&](int64_t value) -> Value {
      return arith::ConstantIndexOp::create(b, loc, value);
    };
    Plan plan;
    Value offset = constant(0);
    for (const Slot &slot : slots) {
      Value largest;
      for (memref::AllocOp alloc : slot.members) {
        Value bytes = constant(getStaticBytes(alloc.getType()));
        for (Value extent : alloc.getDynamicSizes()) {
          FailureOr<Value> cloned = cloneSlice(b, extent, map);
          if (failed(cloned))
            return failure();
          bytes = arith::MulIOp::create(b, loc, bytes, *cloned);
        }
        largest =
            largest ? arith::MaxUIOp::create(b, loc, largest, bytes).getResult()
                    : bytes;
      }
      plan.offsets.push_back(offset);
      Value rounded = arith::AndIOp::create(
          b, loc,
          arith::AddIOp::create(b, loc, largest, constant(kAlignment - 1)),
          constant(-kAlignment));
      offset = arith::AddIOp::create(b, loc, offset, rounded);
    }
    plan.own = offset;
    Value callees;
    for (auto call : function.front().getOps<func::CallOp>()) {
      func::FuncOp size = sizeFunctions.lookup(
          StringAttr::get(&getContext(), call.getCallee()));
      if (!size)
        continue;
      SmallVector<Value> operands;
      for (Value operand : call.getOperands())
        if (operand.getType().isIndex()) {
          FailureOr<Value> cloned = cloneSlice(b, operand, map);
          if (failed(cloned))
            return failure();
          operands.push_back(*cloned);
        }
      Value bytes = func::CallOp::create(b, loc, size, operands).getResult(0);
      callees = callees
                    ? arith::MaxUIOp::create(b, loc, callees, bytes).getResult()
                    : bytes;
    }
    plan.total =
        callees ? arith::AddIOp::create(b, loc, offset, callees).getResult()
                : offset;
    return plan;
  }

  static SmallVector<Value> getIndexArguments(func::FuncOp function) {
    SmallVector<Value> result;
    for (Value argument : function.getArguments())
      if (argument.getType().isIndex())
        result.push_back(argument);
    return result;
  }

  FailureOr<func::FuncOp> buildSizeFunction(func::FuncOp function,
                                            ArrayRef<Slot> slots) {
    OpBuilder builder(function);
    Type index = builder.getIndexType();
    SmallVector<Value> arguments = getIndexArguments(function);
    auto size = func::FuncOp::create(
        builder, function.getLoc(), (function.getName() + "_arena_size").str(),
        builder.getFunctionType(SmallVector<Type>(arguments.size(), index),
                                {index}));
    size.setPrivate();
    size->setAttr(kKernel, builder.getUnitAttr());
    Block *entry = size.addEntryBlock();
    builder.setInsertionPointToEnd(entry);
    IRMapping map;
    for (auto [from, to] : llvm::zip(arguments, entry->getArguments()))
      map.map(from, to);
    FailureOr<Plan> plan = buildPlan(builder, function, slots, map);
    if (failed(plan))
      return failure();
    func::ReturnOp::create(builder, function.getLoc(), plan->total);
    return size;
  }

  LogicalResult rewrite(func::FuncOp function, ArrayRef<Slot> slots) {
    MemRefType raw = getRawType(&getContext());
    Location loc = function.getLoc();
    unsigned place = function.getNumArguments();
    Builder attrs(&getContext());
    if (failed(
            function.insertArgument(place, raw,
                                    attrs.getDictionaryAttr(attrs.getNamedAttr(
                                        kArena, attrs.getUnitAttr())),
                                    loc)))
      return failure();
    Value arena = function.getArgument(place);
    OpBuilder builder = OpBuilder::atBlockBegin(&function.front());
    IRMapping map;
    for (Value argument : getIndexArguments(function))
      map.map(argument, argument);
    FailureOr<Plan> plan = buildPlan(builder, function, slots, map);
    if (failed(plan))
      return failure();
    // Built before the allocations go: one may stand at the builder's place.
    SmallVector<func::CallOp> calls;
    for (auto call : function.front().getOps<func::CallOp>())
      if (sizeFunctions.count(StringAttr::get(&getContext(), call.getCallee())))
        calls.push_back(call);
    if (!calls.empty()) {
      Value tail = memref::ViewOp::create(builder, loc, raw, arena, plan->own,
                                          ValueRange{});
      for (func::CallOp call : calls)
        call.getOperandsMutable().append(tail);
    }
    for (auto [slot, offset] : llvm::zip(slots, plan->offsets))
      for (memref::AllocOp alloc : slot.members) {
        OpBuilder at(alloc);
        Value view =
            memref::ViewOp::create(at, alloc.getLoc(), alloc.getType(), arena,
                                   offset, alloc.getDynamicSizes());
        alloc.replaceAllUsesWith(view);
        alloc.erase();
      }
    return success();
  }
};

} // namespace
