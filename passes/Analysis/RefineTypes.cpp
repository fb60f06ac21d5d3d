//===- RefineTypes.cpp - Make types as static as they can be proved -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Everything is asked before anything is changed: the analysis looks at the IR
// as it is.
//
//===----------------------------------------------------------------------===//
#include "llmc/Analysis/SymbolicElements.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Passes/AnalysisPasses.h"

#include "mlir/IR/Iterators.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace llmc {
#define GEN_PASS_DEF_REFINETYPESPASS
#include "llmc/Passes/AnalysisPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

/// Constants that replace an op are at most this large.
static constexpr int64_t kMaxConstantBytes = 4096;

static bool isNN(Operation *op) {
  return isa_and_nonnull<nn::NNDialect>(op->getDialect());
}

/// `type` with the extents that are constants.
static RankedTensorType refined(RankedTensorType type,
                                ArrayRef<SymExpr> shape) {
  SmallVector<int64_t> extents(type.getShape());
  for (auto [extent, expr] : llvm::zip_equal(extents, shape))
    if (ShapedType::isDynamic(extent))
      if (auto value = expr.constant(); value && *value >= 0)
        extent = *value;
  return RankedTensorType::get(extents, type.getElementType());
}

/// Users that accept any more static type of an operand.
static bool acceptRefinement(Value value) {
  return llvm::all_of(value.getUsers(), [](Operation *user) {
    return isNN(user) || isa<func::ReturnOp>(user);
  });
}

/// The elements of the op's result, if it should become a constant.
static DenseElementsAttr constantResult(SymbolicElements &elements,
                                        Operation *op) {
  if (!isNN(op) || isa<nn::GetOp>(op) || op->getNumResults() != 1 ||
      op->use_empty())
    return {};
  Value value = op->getResult(0);
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.getElementType().isSignlessInteger() ||
      !acceptRefinement(value))
    return {};
  unsigned width = type.getElementType().getIntOrFloatBitWidth();
  if (width > 64)
    return {};
  type = refined(type, elements.shape(value));
  if (!type.hasStaticShape())
    return {};
  auto all = elements.elements(value, kMaxConstantBytes / ((width + 7) / 8));
  if (!all)
    return {};
  SmallVector<APInt> numbers;
  for (SymExpr part : *all) {
    bool isBool = part.is(SymKind::Bool);
    if (!isBool && !part.is(SymKind::Constant))
      return {};
    if (isBool != (width == 1))
      return {};
    int64_t number = part->getValue();
    if (!isBool && width < 64 && !llvm::isIntN(width, number))
      return {};
    numbers.push_back(APInt(width, number, /*isSigned=*/!isBool));
  }
  return DenseElementsAttr::get(type, numbers);
}

/// A constant that says what a reshape does: extents, 0 for one that stays in
/// its place, -1 for the one that is left. Empty where that cannot be said.
static std::optional<SmallVector<int64_t>>
constantTarget(SymbolicElements &elements, nn::ReshapeOp op) {
  auto from = elements.shape(op.getInput()),
       to = elements.shape(op.getResult());
  SmallVector<int64_t> target;
  SmallVector<size_t> open;
  for (auto [i, extent] : llvm::enumerate(to)) {
    auto value = extent.constant();
    if (value && *value <= 0)
      return std::nullopt;
    if (!value)
      open.push_back(i);
    target.push_back(value.value_or(-1));
  }
  if (open.size() <= 1)
    return target;
  for (size_t i : open)
    if (i < from.size() && from[i] == to[i])
      target[i] = 0;
  if (llvm::count(target, -1) > 1)
    return std::nullopt;
  return target;
}

namespace {
/// What is to be changed in one function.
struct Changes {
  SmallVector<std::pair<Value, RankedTensorType>> types;
  SmallVector<std::pair<Operation *, DenseElementsAttr>> constants;
  SmallVector<std::pair<nn::ReshapeOp, SmallVector<int64_t>>> reshapes;
};

struct RefineTypes : llmc::impl::RefineTypesPassBase<RefineTypes> {
  void runOnOperation() override;

private:
  Changes collect(func::FuncOp function, bool called);
  void apply(func::FuncOp function, bool called, Changes changes);
};
} // namespace

Changes RefineTypes::collect(func::FuncOp function, bool called) {
  SymbolicElements elements(function);
  Changes changes;
  auto consider = [&](Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || type.hasStaticShape() || !acceptRefinement(value))
      return;
    auto better = refined(type, elements.shape(value));
    if (better != type)
      changes.types.emplace_back(value, better);
  };
  if (!called)
    for (BlockArgument arg : function.getArguments())
      consider(arg);
  function.walk([&](Operation *op) {
    if (DenseElementsAttr values = constantResult(elements, op)) {
      changes.constants.emplace_back(op, values);
      return;
    }
    if (isNN(op))
      for (Value result : op->getResults())
        consider(result);
    if (auto reshape = dyn_cast<nn::ReshapeOp>(op))
      if (auto target = constantTarget(elements, reshape))
        changes.reshapes.emplace_back(reshape, *target);
  });
  return changes;
}

void RefineTypes::apply(func::FuncOp function, bool called, Changes changes) {
  for (auto [value, type] : changes.types)
    value.setType(type);
  for (auto &[reshape, target] : changes.reshapes) {
    OpBuilder builder(reshape);
    auto type =
        RankedTensorType::get(target.size(), builder.getIntegerType(64));
    auto values = DenseElementsAttr::get(type, ArrayRef(target));
    DenseElementsAttr present;
    if (matchPattern(reshape.getShape(), m_Constant(&present)) &&
        present == values)
      continue;
    Value shape = arith::ConstantOp::create(builder, reshape.getLoc(), values);
    reshape.getShapeMutable().assign(shape);
    reshape.setAllowzero(false); // no entry means an extent of zero
  }
  for (auto [op, values] : changes.constants) {
    OpBuilder builder(op);
    Value constant = arith::ConstantOp::create(builder, op->getLoc(), values);
    op->getResult(0).replaceAllUsesWith(constant);
  }
  // Users come after what they use, so one walk from the end is enough.
  function.walk<WalkOrder::PostOrder, ReverseIterator>([](Operation *op) {
    if (isOpTriviallyDead(op))
      op->erase();
  });
  SmallVector<Type> results(function.getResultTypes());
  function.walk([&](func::ReturnOp op) {
    for (auto [i, operand] : llvm::enumerate(op->getOpOperands())) {
      if (operand.get().getType() == results[i])
        continue;
      // One return speaks for the function; others are cast to what it says.
      if (called || !llvm::hasSingleElement(function.getBody())) {
        OpBuilder builder(op);
        operand.set(tensor::CastOp::create(builder, op.getLoc(), results[i],
                                           operand.get()));
      } else {
        results[i] = operand.get().getType();
      }
    }
  });
  function.setType(FunctionType::get(
      &getContext(),
      called ? function.getArgumentTypes()
             : TypeRange(function.getBody().getArgumentTypes()),
      results));
}

void RefineTypes::runOnOperation() {
  SymbolTableCollection tables;
  SymbolUserMap users(tables, getOperation());
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    if (function.isExternal())
      continue;
    bool called = !users.getUsers(function).empty();
    apply(function, called, collect(function, called));
  }
}
