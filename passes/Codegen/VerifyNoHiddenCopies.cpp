//===- VerifyNoHiddenCopies.cpp - State is updated in place, or refused ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One-shot bufferization copies a whole buffer without a word where a later op
// reads the old value of a state, and leaves the state argument not updated
// where a function returns another buffer. Both are errors here.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Conventions.h"
#include "llmc/Dialect/NN/NNDialect.h"
#include "llmc/Passes/CodegenPasses.h"

namespace llmc {
#define GEN_PASS_DEF_VERIFYNOHIDDENCOPIES
#include "llmc/Passes/CodegenPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

/// The value that `value` is a view of.
static Value getRoot(Value value) {
  while (auto view = value.getDefiningOp<ViewLikeOpInterface>())
    value = view.getViewSource();
  return value;
}

namespace {

struct VerifyNoHiddenCopies
    : llmc::impl::VerifyNoHiddenCopiesBase<VerifyNoHiddenCopies> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    bool good = true;
    SmallVector<func::FuncOp> functions = getFunctionsPostOrder(module);
    for (func::FuncOp function : llvm::reverse(functions)) // callers first
      good &= succeeded(verifyFunction(module, function));
    if (!good)
      return signalPassFailure();
    for (func::FuncOp function : functions)
      if (function.isPublic())
        dropReturnedArguments(function);
  }

  /// The state argument of `function` that `value` is, or is a view of.
  static BlockArgument getState(func::FuncOp function, Value value) {
    auto argument = dyn_cast<BlockArgument>(getRoot(value));
    if (argument && argument.getOwner() == &function.front() &&
        function.getArgAttr(argument.getArgNumber(), nn::NNDialect::kState))
      return argument;
    return {};
  }

  LogicalResult verifyFunction(ModuleOp module, func::FuncOp function) {
    bool good = true;
    function.walk([&](Operation *op) {
      if (auto ret = dyn_cast<func::ReturnOp>(op))
        good &= succeeded(verifyReturn(function, ret));
      else if (auto copy = dyn_cast<memref::CopyOp>(op)) {
        if (auto state = getState(function, copy.getSource())) {
          copy.emitError("copies state argument ")
              << state.getArgNumber() << " of @" << function.getName();
          good = false;
        }
      } else if (auto call = dyn_cast<func::CallOp>(op)) {
        markCallee(module, function, call);
      }
    });
    return success(good);
  }

  static LogicalResult verifyReturn(func::FuncOp function, func::ReturnOp ret) {
    for (unsigned i = 0; i < function.getNumArguments(); ++i) {
      auto state =
          function.getArgAttrOfType<IntegerAttr>(i, nn::NNDialect::kState);
      // -1: state of a caller, whose tied result is gone.
      if (!state || state.getInt() < 0 ||
          state.getInt() >= static_cast<int64_t>(ret.getNumOperands()))
        continue;
      if (getRoot(ret.getOperand(state.getInt())) != function.getArgument(i))
        return function.emitError("state argument ")
               << i << " of @" << function.getName()
               << " is not updated in place: result " << state.getInt()
               << " is another buffer";
    }
    return success();
  }

  /// An argument that receives state is state in the callee too.
  static void markCallee(ModuleOp module, func::FuncOp function,
                         func::CallOp call) {
    auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
    if (!callee || callee.isExternal())
      return;
    auto unknown =
        IntegerAttr::get(IntegerType::get(function.getContext(), 64), -1);
    for (auto [i, operand] : llvm::enumerate(call.getOperands()))
      if (getState(function, operand) &&
          !callee.getArgAttr(i, nn::NNDialect::kState))
        callee.setArgAttr(i, nn::NNDialect::kState, unknown);
  }

  static void dropReturnedArguments(func::FuncOp function) {
    auto ret = cast<func::ReturnOp>(function.front().getTerminator());
    llvm::BitVector dropped(ret.getNumOperands());
    for (auto [i, operand] : llvm::enumerate(ret.getOperands()))
      if (isa<BlockArgument>(getRoot(operand)))
        dropped.set(i);
    ret->eraseOperands(dropped);
    (void)function.eraseResults(dropped);
    auto gone =
        IntegerAttr::get(IntegerType::get(function.getContext(), 64), -1);
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      if (function.getArgAttr(i, nn::NNDialect::kState))
        function.setArgAttr(i, nn::NNDialect::kState, gone);
  }
};

} // namespace
