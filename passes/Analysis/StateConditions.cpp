//===- StateConditions.cpp - Write down what extents must satisfy --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Types and code rest on equalities that names suggest and nothing proves. They
// are conditions over the entry's symbols, and the runtime checks them.
//
//===----------------------------------------------------------------------===//
#include "llmc/Analysis/SymbolicElements.h"
#include "llmc/Codegen/Conventions.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Passes/AnalysisPasses.h"
#include "llmc/Passes/Dims.h"
#include "llmc/Support/ElementName.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"

namespace llmc {
#define GEN_PASS_DEF_STATECONDITIONSPASS
#include "llmc/Passes/AnalysisPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

/// Of a tensor whose extents are elements of inputs.
static constexpr int64_t kMostElements = int64_t(1) << 31;

namespace {
/// Gathers the conditions of one function.
struct Gatherer {
  explicit Gatherer(func::FuncOp function)
      : function(function), elements(function), c(elements.context()) {}

  LogicalResult run() {
    function.walk([&](Operation *op) {
      for (Value result : op->getResults())
        if (isa<RankedTensorType>(result.getType()))
          (void)elements.shape(result);
    });
    LogicalResult result = success();
    for (const SymAssumption &assumed : elements.assumptions()) {
      auto [a, b, op, orOne] = assumed;
      std::string text = "expected " + shown(a) + " == " + shown(b);
      if (isa_and_nonnull<nn::ReshapeOp>(op))
        text = "expected a shape of " + shown(a) + " elements";
      if (orOne) {
        text += " or 1";
        a = c.mul(c.sub(a, b), c.sub(b, c.constant(1)));
        b = c.constant(0);
      }
      if (failed(add(a, b, op, text)))
        result = failure();
    }
    function.walk([&](Operation *op) {
      for (Value value : op->getResults())
        if (isa<RankedTensorType>(value.getType()) &&
            failed(addExtents(elements.shape(value), op)))
          result = failure();
    });
    if (!conditions.empty())
      function->setAttr(kConditions,
                        ArrayAttr::get(function.getContext(), conditions));
    return result;
  }

private:
  /// Whether an element of an input is part of `expr`: it may be any number.
  static bool isFree(SymExpr expr) {
    llvm::SetVector<SymExpr> atoms;
    collectAtoms(expr, atoms);
    return llvm::any_of(atoms, [](SymExpr atom) {
      return atom.is(SymKind::Symbol) && isElementName(atom->getName());
    });
  }

  /// Extents are not negative, and where elements of inputs make them, small
  /// enough that no product of them overflows.
  LogicalResult addExtents(ArrayRef<SymExpr> shape, Operation *op) {
    SymExpr none = c.constant(0), most = c.constant(kMostElements);
    LogicalResult result = success();
    auto demand = [&](SymExpr a, SymExpr b, const std::string &text) {
      if (failed(add(a, b, op, text)))
        result = failure();
    };
    for (SymExpr extent : shape)
      if (!c.isNonNegative(extent))
        demand(c.min(extent, none), none,
               "expected an extent of at least 0 but got " + shown(extent));
    if (!llvm::any_of(shape, isFree))
      return result;
    SymExpr product = c.constant(1);
    for (SymExpr extent : shape) {
      product = c.mul(product, extent);
      for (SymExpr number : {extent, product})
        if (!number.constant())
          demand(c.max(number, most), most,
                 "expected at most 2^31 elements but got " + shown(number));
    }
    return result;
  }

  /// Text for people: an extent can be long.
  static std::string shown(SymExpr expr) {
    constexpr size_t kMost = 60;
    std::string text = expr.str();
    return text.size() <= kMost ? text : text.substr(0, kMost - 3) + "...";
  }

  LogicalResult add(SymExpr a, SymExpr b, Operation *op,
                    const std::string &text) {
    if (!a || !b || a == b || !seen.insert({a.get(), b.get()}).second)
      return success();
    Location loc = op ? op->getLoc() : function.getLoc();
    if (a.constant() && b.constant())
      return emitError(loc) << text << ", which cannot be";
    std::string left = a.str(), right = b.str();
    if (c.parse(left) != a || c.parse(right) != b)
      return emitError(loc)
             << text
             << ", which cannot be checked: it is too long, or one of its "
                "names is no word";
    std::string where;
    if (auto name = loc->findInstanceOf<NameLoc>())
      where = "node '" + name.getName().str() + "': ";
    conditions.push_back(Builder(function.getContext())
                             .getStrArrayAttr({left, right, where + text}));
    return success();
  }

  func::FuncOp function;
  SymbolicElements elements;
  SymContext &c;
  llvm::DenseSet<std::pair<const SymNode *, const SymNode *>> seen;
  SmallVector<Attribute> conditions;
};

struct StateConditions : llmc::impl::StateConditionsPassBase<StateConditions> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isPublic() && !function.isExternal() &&
        failed(Gatherer(function).run()))
      signalPassFailure();
  }
};
} // namespace
