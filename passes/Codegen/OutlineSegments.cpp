//===- OutlineSegments.cpp - One function for equal layers ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// 1. Cut the function (llmc/Analysis/Segments.h).
// 2. Build a function for each segment and print it without its name: equal
//    texts are equal layers.
// 3. Replace the segments whose text occurs more than once by calls.
//
//===----------------------------------------------------------------------===//
#include "llmc/Analysis/Segments.h"
#include "llmc/Analysis/SymbolicElements.h"
#include "llmc/Codegen/Conventions.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Passes/CodegenPasses.h"

namespace llmc {
#define GEN_PASS_DEF_OUTLINESEGMENTS
#include "llmc/Passes/CodegenPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// A segment as a function, and what to call it with.
struct Outlined {
  SmallVector<Operation *> ops;
  OwningOpRef<func::FuncOp> function;
  SmallVector<Value> operands;
  SmallVector<Value> results;
  std::string text;
};

struct OutlineSegments : llmc::impl::OutlineSegmentsBase<OutlineSegments> {
  void runOnOperation() override {
    SmallVector<func::FuncOp> functions;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function.isPublic() && !function.isExternal() &&
          function.getBody().hasOneBlock())
        functions.push_back(function);
    SymbolTable symbols(getOperation());
    for (func::FuncOp function : functions)
      outline(symbols, function);
  }

  void outline(SymbolTable &symbols, func::FuncOp function) {
    Segments segments(function);
    if (segments.get().size() < 2)
      return;
    SymbolicElements elements(function);
    SmallVector<Outlined> outlined;
    llvm::StringMap<unsigned> count;
    for (ArrayRef<Operation *> ops : segments.get()) {
      outlined.push_back(build(function, segments, elements, ops));
      ++count[outlined.back().text];
    }
    llvm::StringMap<func::FuncOp> made;
    for (Outlined &segment : outlined) {
      if (count[segment.text] < 2 || segment.ops.size() < 2)
        continue;
      func::FuncOp &callee = made[segment.text];
      if (!callee) {
        callee = segment.function.release();
        callee.setName((function.getName() + "_segment").str());
        symbols.insert(callee, Block::iterator(function));
      }
      OpBuilder builder(&getContext());
      builder.setInsertionPointAfter(segment.ops.back());
      auto call = func::CallOp::create(builder, segment.ops.front()->getLoc(),
                                       callee, segment.operands);
      for (auto [from, to] : llvm::zip(segment.results, call.getResults()))
        from.replaceAllUsesWith(to);
      // Operands of later segments were recorded before they were replaced.
      for (Outlined &other : outlined)
        for (Value &operand : other.operands)
          for (auto [from, to] : llvm::zip(segment.results, call.getResults()))
            if (operand == from)
              operand = to;
      for (Operation *op : llvm::reverse(segment.ops))
        op->erase();
    }
  }

  /// Collects what a segment reads from outside: values to pass, and ops that
  /// are repeated inside: constants, index arithmetic, and rows of a table, for
  /// memory that is passed begins at its beginning, so that rows of it would be
  /// copied at every call.
  static void collectInputs(const Segments &segments, ArrayRef<Operation *> ops,
                            SetVector<Value> &passed,
                            SetVector<Operation *> &repeated) {
    llvm::SmallPtrSet<Operation *, 16> inside(ops.begin(), ops.end());
    std::function<void(Value)> add = [&](Value value) {
      Operation *op = value.getDefiningOp();
      if (op && inside.contains(op))
        return;
      bool cheap = op && segments.isGlobal(value) &&
                   (op->hasTrait<OpTrait::ConstantLike>() ||
                    isa<nn::RowsOp>(op) || value.getType().isIndex());
      if (!cheap) {
        passed.insert(value);
        return;
      }
      if (repeated.contains(op))
        return;
      for (Value operand : op->getOperands())
        add(operand);
      repeated.insert(op);
    };
    for (Operation *op : ops)
      for (Value operand : op->getOperands())
        add(operand);
  }

  static ArrayAttr getDims(SymbolicElements &elements, Value value) {
    Builder builder(value.getContext());
    SmallVector<Attribute> dims;
    auto type = cast<RankedTensorType>(value.getType());
    for (auto [i, expr] : llvm::enumerate(elements.shape(value))) {
      if (!type.isDynamicDim(i))
        dims.push_back(builder.getI64IntegerAttr(type.getDimSize(i)));
      else
        dims.push_back(builder.getStringAttr(expr.str()));
    }
    return builder.getArrayAttr(dims);
  }

  Outlined build(func::FuncOp function, const Segments &segments,
                 SymbolicElements &elements, ArrayRef<Operation *> ops) {
    MLIRContext *context = &getContext();
    Outlined result;
    result.ops.assign(ops.begin(), ops.end());
    SetVector<Value> passed;
    SetVector<Operation *> repeated;
    collectInputs(segments, ops, passed, repeated);
    result.operands.assign(passed.begin(), passed.end());
    llvm::SmallPtrSet<Operation *, 16> inside(ops.begin(), ops.end());
    for (Operation *op : ops)
      for (Value value : op->getResults())
        if (llvm::any_of(value.getUsers(), [&](Operation *user) {
              return !inside.contains(user);
            }))
          result.results.push_back(value);

    OpBuilder builder(context);
    SmallVector<Type> types, resultTypes;
    for (Value value : result.operands)
      types.push_back(value.getType());
    for (Value value : result.results)
      resultTypes.push_back(value.getType());
    // A fixed location: equal layers must print alike.
    Location loc = ops.front()->getLoc();
    auto outlined = func::FuncOp::create(
        loc, "segment", builder.getFunctionType(types, resultTypes));
    outlined.setPrivate();
    result.function = outlined;
    Block *entry = outlined.addEntryBlock();
    IRMapping map;
    for (auto [value, argument] :
         llvm::zip(result.operands, entry->getArguments()))
      map.map(value, argument);
    builder.setInsertionPointToEnd(entry);
    for (Operation *op : repeated)
      builder.clone(*op, map);
    for (Operation *op : ops)
      builder.clone(*op, map);
    SmallVector<Value> returned;
    for (Value value : result.results)
      returned.push_back(map.lookup(value));
    func::ReturnOp::create(builder, loc, returned);
    setAttributes(function, elements, result);
    llvm::raw_string_ostream stream(result.text);
    outlined.print(stream, OpPrintingFlags().useLocalScope());
    return result;
  }

  /// Symbols, extents and ties to states of the new function's signature.
  static void setAttributes(func::FuncOp function, SymbolicElements &elements,
                            Outlined &segment) {
    func::FuncOp outlined = *segment.function;
    Builder builder(function.getContext());
    Operation *ret = function.front().getTerminator();
    for (auto [i, value] : llvm::enumerate(segment.operands)) {
      auto argument = dyn_cast<BlockArgument>(value);
      if (argument) {
        unsigned number = argument.getArgNumber();
        if (Attribute symbol =
                function.getArgAttr(number, nn::NNDialect::kSymbol))
          outlined.setArgAttr(i, nn::NNDialect::kSymbol, symbol);
        if (auto state = function.getArgAttrOfType<IntegerAttr>(
                number, nn::NNDialect::kState))
          for (auto [j, returned] : llvm::enumerate(segment.results))
            if (returned == ret->getOperand(state.getInt()))
              outlined.setArgAttr(i, nn::NNDialect::kState,
                                  builder.getI64IntegerAttr(j));
      }
      if (isa<RankedTensorType>(value.getType()))
        outlined.setArgAttr(i, nn::NNDialect::kDims, getDims(elements, value));
    }
    for (auto [i, value] : llvm::enumerate(segment.results))
      outlined.setResultAttr(i, nn::NNDialect::kDims, getDims(elements, value));
  }
};

} // namespace
