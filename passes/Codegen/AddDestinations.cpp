//===- AddDestinations.cpp - Results get their memory as arguments ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Conventions.h"
#include "llmc/Dialect/NN/NNDialect.h"
#include "llmc/Passes/CodegenPasses.h"

namespace llmc {
#define GEN_PASS_DEF_ADDDESTINATIONS
#include "llmc/Passes/CodegenPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

struct AddDestinations : llmc::impl::AddDestinationsBase<AddDestinations> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (func::FuncOp function : getFunctionsPostOrder(module))
      if (failed(addToFunction(function)) ||
          failed(addToCalls(module, function)))
        return signalPassFailure();
  }

  /// Results of a function that are tied to a state argument.
  static llvm::BitVector getStateResults(func::FuncOp function) {
    llvm::BitVector tied(function.getNumResults());
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      if (auto state =
              function.getArgAttrOfType<IntegerAttr>(i, nn::NNDialect::kState);
          state && state.getInt() >= 0)
        tied.set(state.getInt());
    return tied;
  }

  LogicalResult addToFunction(func::FuncOp function) {
    llvm::BitVector tied = getStateResults(function);
    auto ret = dyn_cast<func::ReturnOp>(function.front().getTerminator());
    if (!ret || !function.getBody().hasOneBlock())
      return function.emitError("expected a function of one block");
    Builder builder(&getContext());
    for (unsigned i = 0; i < function.getNumResults(); ++i) {
      auto type = dyn_cast<RankedTensorType>(function.getResultTypes()[i]);
      if (!type || tied.test(i))
        continue;
      NamedAttrList attrs;
      attrs.set(kOut, builder.getI64IntegerAttr(i));
      for (StringRef name : {nn::NNDialect::kDims, nn::NNDialect::kName})
        if (Attribute attr = function.getResultAttr(i, name))
          attrs.set(name, attr);
      unsigned place = function.getNumArguments();
      if (failed(function.insertArgument(
              place, type, attrs.getDictionary(&getContext()), ret.getLoc())))
        return failure();
      OpBuilder at(ret);
      auto stored = bufferization::MaterializeInDestinationOp::create(
          at, ret.getLoc(), type, ret.getOperand(i),
          function.getArgument(place), /*restrict=*/false, /*writable=*/false);
      ret.setOperand(i, stored.getResult());
    }
    return success();
  }

  /// Gives the calls inside `function` the memory of their results.
  LogicalResult addToCalls(ModuleOp module, func::FuncOp function) {
    SmallVector<func::CallOp> calls(function.getOps<func::CallOp>());
    for (func::CallOp call : calls) {
      auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
      if (!callee || callee.isExternal() || callee->hasAttr(kKernel))
        continue;
      OpBuilder builder(call);
      SmallVector<Value> operands(call.getOperands());
      for (unsigned i = operands.size(); i < callee.getNumArguments(); ++i) {
        auto type = cast<RankedTensorType>(callee.getArgumentTypes()[i]);
        SmallVector<Value> sizes;
        auto dims = callee.getArgAttrOfType<ArrayAttr>(i, nn::NNDialect::kDims);
        if (failed(buildDynamicDims(builder, call.getLoc(), function, type,
                                    dims, sizes)))
          return failure();
        operands.push_back(
            tensor::EmptyOp::create(builder, call.getLoc(), type.getShape(),
                                    type.getElementType(), sizes));
      }
      call.getOperandsMutable().assign(operands);
    }
    return success();
  }
};

} // namespace
