//===- AddSymbolArgs.cpp - Pass the values of symbols as arguments --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Callees first:
// 1. collect the symbols in the extents of a function's tensors that its inputs
//    tell, and those that its callees want;
// 2. write `nn.dims` where it is missing;
// 3. append an index argument for each symbol without one, and pass it on.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Conventions.h"
#include "llmc/Dialect/NN/NNDialect.h"
#include "llmc/Passes/Dims.h"
#include "llmc/Passes/LowerPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringSet.h"

namespace llmc {
#define GEN_PASS_DEF_ADDSYMBOLARGS
#include "llmc/Passes/LowerPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;
using nn::NNDialect;

namespace {
/// An argument that a function gained.
struct Added {
  std::string symbol;
  /// Where a caller reads its value: an extent or (in row-major order) an
  /// element of a tensor argument; -1 where it is neither, then a caller's
  /// symbol of the same name.
  int64_t argument = -1, axis = -1, place = -1;
};

struct AddSymbolArgs : llmc::impl::AddSymbolArgsBase<AddSymbolArgs> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      visit(function);
    for (func::FuncOp function : order)
      if (failed(run(function)))
        return signalPassFailure();
  }

private:
  void visit(func::FuncOp function) {
    if (function.isExternal() || !seen.insert(function).second)
      return;
    function.walk([&](func::CallOp call) {
      if (auto callee =
              getOperation().lookupSymbol<func::FuncOp>(call.getCallee()))
        visit(callee);
    });
    order.push_back(function);
  }

  /// The argument and the row-major place of which `symbol` is the element, as
  /// SymbolicElements names it.
  static std::optional<std::pair<int64_t, int64_t>>
  findElement(func::FuncOp function, StringRef symbol) {
    int64_t place;
    auto [name, rest] = symbol.rsplit('[');
    if (!rest.consume_back("]") || rest.getAsInteger(10, place))
      return std::nullopt;
    for (int64_t i = 0; i < function.getNumArguments(); ++i) {
      auto given = function.getArgAttrOfType<StringAttr>(i, NNDialect::kName);
      std::string own =
          given ? given.getValue().str() : "arg" + std::to_string(i);
      if (isa<RankedTensorType>(function.getArgument(i).getType()) &&
          own == name)
        return std::pair(i, place);
    }
    return std::nullopt;
  }

  ArrayAttr dimsOf(ArrayRef<SymExpr> shape) {
    OpBuilder b(&getContext());
    SmallVector<Attribute> dims;
    for (SymExpr extent : shape) {
      if (auto value = extent.constant())
        dims.push_back(b.getI64IntegerAttr(*value));
      else
        dims.push_back(b.getStringAttr(extent.str()));
    }
    return b.getArrayAttr(dims);
  }

  LogicalResult run(func::FuncOp function) {
    SymbolicElements elements(function);
    SymContext &ctx = elements.context();
    llvm::StringSet<> known; // symbols that are arguments
    llvm::StringSet<> told;  // symbols that extents of the inputs tell
    for (BlockArgument argument : function.getArguments()) {
      unsigned number = argument.getArgNumber();
      if (auto symbol =
              function.getArgAttrOfType<StringAttr>(number, NNDialect::kSymbol))
        known.insert(symbol.getValue());
      if (!isa<RankedTensorType>(argument.getType()))
        continue;
      ArrayRef<SymExpr> shape = elements.shape(argument);
      for (SymExpr extent : shape)
        forEachAtom(extent, [&](SymExpr atom) {
          if (atom.is(SymKind::Symbol))
            told.insert(atom->getName());
        });
      if (!function.getArgAttr(number, NNDialect::kDims))
        function.setArgAttr(number, NNDialect::kDims, dimsOf(shape));
    }

    std::vector<Added> &news = added[function];
    auto need = [&](SymExpr expr) {
      forEachAtom(expr, [&](SymExpr atom) {
        if (!atom.is(SymKind::Symbol))
          return;
        StringRef name = atom->getName();
        bool isTold = told.contains(name) || findElement(function, name);
        if (isTold && known.insert(name).second)
          news.push_back({name.str()});
      });
    };
    auto needAll = [&](Value value) {
      if (isa<RankedTensorType>(value.getType()))
        for (SymExpr extent : elements.shape(value))
          need(extent);
    };
    llvm::for_each(function.getArguments(), needAll);
    keepConditions(function, ctx, [&](SymExpr atom) {
      if (!atom.is(SymKind::Symbol))
        return false;
      StringRef name = atom->getName();
      need(atom);
      return known.contains(name);
    });
    function.walk([&](Operation *op) {
      llvm::for_each(op->getResults(), needAll);
      if (auto call = dyn_cast<func::CallOp>(op))
        for (const Added &wanted : addedBy(call))
          need(passed(call, wanted, elements));
    });
    for (Added &next : news)
      findSource(function, elements, next);

    if (failed(writeResultDims(function, elements, known)))
      return failure();
    for (const Added &next : news) {
      OpBuilder b(&getContext());
      auto attributes = b.getDictionaryAttr(
          b.getNamedAttr(NNDialect::kSymbol, b.getStringAttr(next.symbol)));
      if (failed(function.insertArgument(function.getNumArguments(),
                                         b.getIndexType(), attributes,
                                         function.getLoc())))
        return failure();
    }
    DimBuilder dims(function, ctx);
    WalkResult result = function.walk([&](func::CallOp call) {
      for (const Added &wanted : addedBy(call)) {
        Value value = dims.build(passed(call, wanted, elements));
        if (!value) {
          call.emitOpError()
              << "needs the value of symbol '" << wanted.symbol
              << "', which no input of @" << function.getName() << " tells";
          return WalkResult::interrupt();
        }
        call.getOperandsMutable().append(value);
      }
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

  /// Drops conditions over symbols that no input tells: their extents became
  /// constants or are refused, or they are of no consequence any more.
  static void keepConditions(func::FuncOp function, SymContext &ctx,
                             llvm::function_ref<bool(SymExpr)> isTold) {
    auto conditions = function->getAttrOfType<ArrayAttr>(kConditions);
    if (!conditions)
      return;
    SmallVector<Attribute> kept;
    for (Attribute entry : conditions) {
      bool good = true;
      for (Attribute side : cast<ArrayAttr>(entry).getValue().take_front(2))
        forEachAtom(ctx.parse(cast<StringAttr>(side).getValue()),
                    [&](SymExpr atom) { good &= isTold(atom); });
      if (good)
        kept.push_back(entry);
    }
    function->setAttr(kConditions, ArrayAttr::get(function.getContext(), kept));
  }

  LogicalResult writeResultDims(func::FuncOp function,
                                SymbolicElements &elements,
                                const llvm::StringSet<> &known) {
    Operation *end = function.front().getTerminator();
    for (auto [i, value] : llvm::enumerate(end->getOperands())) {
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (!type)
        continue;
      // What the model's file says of an output is a claim; the names in it
      // stay where they say the same.
      ArrayRef<SymExpr> shape = elements.shape(value);
      auto told = function.getResultAttrOfType<ArrayAttr>(i, NNDialect::kDims);
      if (told && says(elements.context(), told, shape))
        continue;
      for (auto [axis, extent] : llvm::enumerate(shape)) {
        std::string missing;
        forEachAtom(extent, [&](SymExpr atom) {
          if (!atom.is(SymKind::Symbol) || !known.contains(atom->getName()))
            missing = atom.str();
        });
        if (!missing.empty())
          return function.emitOpError()
                 << "expected axis " << axis << " of result " << i
                 << " to depend on its inputs' extents and elements only but "
                    "it "
                    "is '"
                 << extent.str() << "', which needs '" << missing << "'";
      }
      function.setResultAttr(i, NNDialect::kDims, dimsOf(shape));
    }
    return success();
  }

  static bool says(SymContext &ctx, ArrayAttr dims, ArrayRef<SymExpr> shape) {
    return dims.size() == shape.size() &&
           llvm::all_of(llvm::zip(dims, shape), [&](auto pair) {
             auto [dim, extent] = pair;
             if (auto text = dyn_cast<StringAttr>(dim))
               return ctx.parse(text.getValue()) == extent;
             return extent.isConstant(cast<IntegerAttr>(dim).getInt());
           });
  }

  static void forEachAtom(SymExpr expr,
                          llvm::function_ref<void(SymExpr)> visit) {
    llvm::SetVector<SymExpr> atoms;
    collectAtoms(expr, atoms);
    for (SymExpr atom : atoms)
      visit(atom);
  }

  static void findSource(func::FuncOp function, SymbolicElements &elements,
                         Added &next) {
    if (auto element = findElement(function, next.symbol)) {
      next.argument = element->first;
      next.place = element->second;
      return;
    }
    for (BlockArgument argument : function.getArguments()) {
      if (!isa<RankedTensorType>(argument.getType()))
        continue;
      for (auto [axis, extent] : llvm::enumerate(elements.shape(argument)))
        if (extent.is(SymKind::Symbol) && extent->getName() == next.symbol) {
          next.argument = argument.getArgNumber();
          next.axis = axis;
          return;
        }
    }
  }

  ArrayRef<Added> addedBy(func::CallOp call) {
    auto callee = getOperation().lookupSymbol<func::FuncOp>(call.getCallee());
    auto it = added.find(callee);
    return it == added.end() ? ArrayRef<Added>() : ArrayRef<Added>(it->second);
  }

  static SymExpr passed(func::CallOp call, const Added &wanted,
                        SymbolicElements &elements) {
    if (wanted.place >= 0) {
      Value operand = call.getOperand(wanted.argument);
      SymContext &ctx = elements.context();
      SymExpr rest = ctx.constant(wanted.place);
      SmallVector<SymExpr> index;
      for (SymExpr extent : llvm::reverse(elements.shape(operand))) {
        index.insert(index.begin(), ctx.mod(rest, extent));
        rest = ctx.floorDiv(rest, extent);
      }
      return elements.element(operand, index);
    }
    if (wanted.argument >= 0)
      return elements.dim(call.getOperand(wanted.argument), wanted.axis);
    return elements.context().symbol(wanted.symbol);
  }

  SmallVector<func::FuncOp> order;
  llvm::DenseSet<Operation *> seen;
  llvm::DenseMap<Operation *, std::vector<Added>> added;
};
} // namespace
