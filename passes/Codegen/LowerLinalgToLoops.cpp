//===- LowerLinalgToLoops.cpp - linalg on memory becomes loops ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/CodegenPasses.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"

namespace llmc {
#define GEN_PASS_DEF_LOWERLINALGTOLOOPS
#include "llmc/Passes/CodegenPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// One linalg op under conversion.
class LoopNest {
public:
  LoopNest(OpBuilder &builder, linalg::LinalgOp op)
      : b(builder), op(op), loc(op.getLoc()) {}

  void build() {
    b.setInsertionPoint(op);
    zero = arith::ConstantIndexOp::create(b, loc, 0);
    one = arith::ConstantIndexOp::create(b, loc, 1);
    SmallVector<Value> extents = getExtents();
    ivs.assign(extents.size(), Value());
    SmallVector<unsigned> parallel, reduction;
    for (auto [i, type] : llvm::enumerate(op.getIteratorTypesArray()))
      (type == utils::IteratorType::parallel ? parallel : reduction)
          .push_back(i);

    // The innermost loop of several is made below, after what does not move
    // with it: a factor per row is then computed per row.
    bool split = reduction.empty() && parallel.size() > 1;
    if (split)
      parallel.pop_back();
    if (!parallel.empty()) {
      SmallVector<Value> lower(parallel.size(), zero),
          step(parallel.size(), one), upper;
      for (unsigned i : parallel)
        upper.push_back(extents[i]);
      auto loop = scf::ParallelOp::create(b, loc, lower, upper, step);
      for (auto [i, iv] : llvm::zip(parallel, loop.getInductionVars()))
        ivs[i] = iv;
      b.setInsertionPoint(loop.getBody()->getTerminator());
    }
    if (split) {
      unsigned last = ivs.size() - 1;
      while (ivs[last])
        --last;
      buildInvariants(last);
      auto loop = scf::ForOp::create(b, loc, zero, extents[last], one);
      ivs[last] = loop.getInductionVar();
      b.setInsertionPointToStart(loop.getBody());
    }
    if (reduction.empty()) {
      SmallVector<Value> results = buildBody(loadInits());
      storeInits(results);
      return;
    }
    if (!canCarry(reduction)) { // the accumulator moves with the reduction
      for (unsigned i : reduction) {
        auto loop = scf::ForOp::create(b, loc, zero, extents[i], one);
        ivs[i] = loop.getInductionVar();
        b.setInsertionPointToStart(loop.getBody());
      }
      storeInits(buildBody(loadInits()));
      return;
    }
    storeInits(buildReductions(reduction, extents, loadInits()));
  }

private:
  OpBuilder &b;
  linalg::LinalgOp op;
  Location loc;
  Value zero, one;
  SmallVector<Value> ivs;
  /// Values of the body that were built before its innermost loop.
  IRMapping invariants;

  /// The extent of each iterator, from the first operand that has it alone.
  SmallVector<Value> getExtents() {
    SmallVector<Value> extents(op.getNumLoops());
    for (OpOperand &operand : op->getOpOperands()) {
      auto type = dyn_cast<MemRefType>(operand.get().getType());
      if (!type)
        continue;
      AffineMap map = op.getMatchingIndexingMap(&operand);
      for (auto [d, expr] : llvm::enumerate(map.getResults())) {
        auto dim = dyn_cast<AffineDimExpr>(expr);
        if (!dim || extents[dim.getPosition()])
          continue;
        extents[dim.getPosition()] =
            type.isDynamicDim(d)
                ? memref::DimOp::create(b, loc, operand.get(), d).getResult()
                : arith::ConstantIndexOp::create(b, loc, type.getDimSize(d))
                      .getResult();
      }
    }
    return extents;
  }

  /// Whether no init is indexed by a reduction iterator.
  bool canCarry(ArrayRef<unsigned> reduction) {
    return llvm::all_of(op.getDpsInitsMutable(), [&](OpOperand &init) {
      AffineMap map = op.getMatchingIndexingMap(&init);
      return llvm::none_of(reduction,
                           [&](unsigned i) { return map.isFunctionOfDim(i); });
    });
  }

  SmallVector<Value> getIndices(OpOperand &operand) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    SmallVector<Value> indices;
    for (AffineExpr expr : map.getResults()) {
      if (auto dim = dyn_cast<AffineDimExpr>(expr))
        indices.push_back(ivs[dim.getPosition()]);
      else if (auto constant = dyn_cast<AffineConstantExpr>(expr))
        indices.push_back(
            arith::ConstantIndexOp::create(b, loc, constant.getValue()));
      else
        indices.push_back(affine::AffineApplyOp::create(
            b, loc, AffineMap::get(map.getNumDims(), 0, expr), ivs));
    }
    return indices;
  }

  bool isUsed(OpOperand &operand) {
    return !op.getMatchingBlockArgument(&operand).use_empty();
  }

  /// The current values of the inits; null where the body does not read one.
  SmallVector<Value> loadInits() {
    SmallVector<Value> values;
    for (OpOperand &init : op.getDpsInitsMutable())
      values.push_back(isUsed(init) ? memref::LoadOp::create(b, loc, init.get(),
                                                             getIndices(init))
                                          .getResult()
                                    : Value());
    return values;
  }

  void storeInits(ArrayRef<Value> values) {
    for (auto [init, value] : llvm::zip(op.getDpsInitsMutable(), values))
      memref::StoreOp::create(b, loc, value, init.get(), getIndices(init));
  }

  /// Builds the loads and operations of the body that do not depend on iterator
  /// `last`. An output never holds such an input: bufferization shares buffers
  /// between operands of equal maps alone.
  void buildInvariants(unsigned last) {
    for (OpOperand *input : op.getDpsInputOperands()) {
      AffineMap map = op.getMatchingIndexingMap(input);
      if (!isUsed(*input) || map.isFunctionOfDim(last))
        continue;
      Value value = input->get();
      if (isa<MemRefType>(value.getType()))
        value = memref::LoadOp::create(b, loc, value, getIndices(*input));
      invariants.map(op.getMatchingBlockArgument(input), value);
    }
    for (Operation &inner : op.getBlock()->without_terminator()) {
      bool known = llvm::all_of(inner.getOperands(), [&](Value operand) {
        return invariants.contains(operand) ||
               operand.getParentBlock() != op.getBlock();
      });
      if (known && inner.getNumRegions() == 0 && isPure(&inner) &&
          !isa<linalg::IndexOp>(inner))
        b.clone(inner, invariants);
    }
  }

  /// Clones the body with the inputs at the current point; returns what it
  /// yields.
  SmallVector<Value> buildBody(ArrayRef<Value> inits) {
    IRMapping map = invariants;
    for (OpOperand *input : op.getDpsInputOperands()) {
      if (!isUsed(*input) || map.contains(op.getMatchingBlockArgument(input)))
        continue;
      Value value = input->get();
      if (isa<MemRefType>(value.getType()))
        value = memref::LoadOp::create(b, loc, value, getIndices(*input));
      map.map(op.getMatchingBlockArgument(input), value);
    }
    for (auto [init, value] : llvm::zip(op.getDpsInitsMutable(), inits))
      if (value)
        map.map(op.getMatchingBlockArgument(&init), value);
    for (Operation &inner : op.getBlock()->without_terminator()) {
      if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
        map.map(index.getResult(), ivs[index.getDim()]);
        continue;
      }
      if (inner.getNumResults() == 0 || !map.contains(inner.getResult(0)))
        b.clone(inner, map);
    }
    SmallVector<Value> yielded;
    for (Value value : op.getBlock()->getTerminator()->getOperands())
      yielded.push_back(map.lookupOrDefault(value));
    return yielded;
  }

  SmallVector<Value> buildReductions(ArrayRef<unsigned> reduction,
                                     ArrayRef<Value> extents,
                                     SmallVector<Value> accumulators) {
    // An init that the body ignores keeps the last value, which starts
    // anywhere.
    for (auto [init, value] : llvm::zip(op.getDpsInitsMutable(), accumulators))
      if (!value)
        value = memref::LoadOp::create(b, loc, init.get(), getIndices(init));
    SmallVector<Value> outerResults;
    OpBuilder::InsertPoint after;
    scf::ForOp parent;
    SmallVector<Value> carried = accumulators;
    for (unsigned i : reduction) {
      auto loop = scf::ForOp::create(b, loc, zero, extents[i], one, carried);
      if (parent) {
        scf::YieldOp::create(b, loc, loop.getResults());
      } else {
        outerResults.assign(loop.getResults().begin(), loop.getResults().end());
        after = b.saveInsertionPoint();
      }
      ivs[i] = loop.getInductionVar();
      carried.assign(loop.getRegionIterArgs().begin(),
                     loop.getRegionIterArgs().end());
      b.setInsertionPointToStart(loop.getBody());
      parent = loop;
    }
    SmallVector<Value> results = buildBody(carried);
    relax(results, carried);
    scf::YieldOp::create(b, loc, results);
    b.restoreInsertionPoint(after);
    return outerResults;
  }

  /// Lets the combiners be reassociated: the ops between the accumulator and
  /// what is yielded.
  void relax(ArrayRef<Value> results, ArrayRef<Value> carried) {
    auto flags = arith::FastMathFlagsAttr::get(
        b.getContext(),
        arith::FastMathFlags::reassoc | arith::FastMathFlags::contract);
    for (auto [result, accumulator] : llvm::zip(results, carried)) {
      Operation *combiner = result.getDefiningOp();
      if (combiner && isa<arith::AddFOp, arith::MulFOp>(combiner) &&
          llvm::is_contained(combiner->getOperands(), accumulator))
        combiner->setAttr("fastmath", flags);
    }
  }
};

struct LowerLinalgToLoops
    : llmc::impl::LowerLinalgToLoopsBase<LowerLinalgToLoops> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    SmallVector<memref::CopyOp> copies;
    function.walk([&](memref::CopyOp copy) { copies.push_back(copy); });
    for (memref::CopyOp copy : copies) {
      OpBuilder builder(copy);
      linalg::CopyOp::create(builder, copy.getLoc(), copy.getSource(),
                             copy.getTarget());
      copy.erase();
    }
    SmallVector<linalg::LinalgOp> ops;
    function.walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (linalg::LinalgOp op : ops) {
      if (!op.hasPureBufferSemantics()) {
        op.emitError("expected buffers");
        return signalPassFailure();
      }
      OpBuilder builder(op);
      LoopNest(builder, op).build();
      op.erase();
    }
  }
};

} // namespace
