//===- RawAbi.cpp - Memory crosses function boundaries as plain pointers ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Conventions.h"
#include "llmc/Dialect/NN/NNDialect.h"
#include "llmc/Passes/CodegenPasses.h"

namespace llmc {
#define GEN_PASS_DEF_RAWABI
#include "llmc/Passes/CodegenPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

/// Whether an argument of this type must become raw memory.
static bool becomesRaw(Type type) {
  if (auto memref = dyn_cast<MemRefType>(type))
    // MLIR has no bare pointer for memory of no elements.
    return !memref.hasStaticShape() || memref.getNumElements() == 0;
  return !isa<MemRefType, IndexType, IntegerType, FloatType>(type) &&
         !LLVM::isCompatibleType(type);
}

namespace {

struct RawAbi : llmc::impl::RawAbiBase<RawAbi> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<func::FuncOp> functions = getFunctionsPostOrder(module);
    for (func::FuncOp function : functions)
      if (failed(rewriteArguments(function)))
        return signalPassFailure();
    for (func::FuncOp function : functions)
      if (failed(rewriteCalls(module, function)))
        return signalPassFailure();
  }

  LogicalResult rewriteArguments(func::FuncOp function) {
    MemRefType raw = getRawType(&getContext());
    Builder attrs(&getContext());
    if (failed(
            function.insertArgument(0, raw,
                                    attrs.getDictionaryAttr(attrs.getNamedAttr(
                                        kCtx, attrs.getUnitAttr())),
                                    function.getLoc())))
      return failure();
    OpBuilder builder = OpBuilder::atBlockBegin(&function.front());
    Location loc = function.getLoc();
    for (BlockArgument argument : function.getArguments()) {
      Type type = argument.getType();
      if (!becomesRaw(type))
        continue;
      Operation *typed;
      if (auto memref = dyn_cast<MemRefType>(type)) {
        if (!memref.getLayout().isIdentity())
          return function.emitError("argument ")
                 << argument.getArgNumber() << " of @" << function.getName()
                 << " has a layout that cannot cross a function: " << memref;
        SmallVector<Value> sizes;
        auto dims = function.getArgAttrOfType<ArrayAttr>(
            argument.getArgNumber(), nn::NNDialect::kDims);
        if (failed(
                buildDynamicDims(builder, loc, function, memref, dims, sizes)))
          return failure();
        Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
        argument.setType(raw);
        typed =
            memref::ViewOp::create(builder, loc, memref, argument, zero, sizes);
      } else {
        argument.setType(raw);
        typed =
            UnrealizedConversionCastOp::create(builder, loc, type, argument);
      }
      argument.replaceAllUsesExcept(typed->getResult(0), typed);
    }
    function.setFunctionType(
        FunctionType::get(&getContext(), function.front().getArgumentTypes(),
                          function.getResultTypes()));
    return success();
  }

  /// Raw memory that begins where `value` begins; null where unknown.
  Value getRaw(OpBuilder &builder, Location loc, Value value) {
    MemRefType raw = getRawType(&getContext());
    if (!isa<MemRefType>(value.getType()))
      return UnrealizedConversionCastOp::create(builder, loc, raw, value)
          .getResult(0);
    while (Operation *op = value.getDefiningOp()) {
      // These keep the first byte where it is.
      if (!isa<memref::CastOp, memref::CollapseShapeOp, memref::ExpandShapeOp>(
              op))
        break;
      value = op->getOperand(0);
    }
    auto view = value.getDefiningOp<memref::ViewOp>();
    if (!view)
      return {};
    return memref::ViewOp::create(builder, loc, raw, view.getSource(),
                                  view.getByteShift(), ValueRange{});
  }

  LogicalResult rewriteCalls(ModuleOp module, func::FuncOp function) {
    SmallVector<func::CallOp> calls;
    function.walk([&](func::CallOp call) { calls.push_back(call); });
    for (func::CallOp call : calls) {
      auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
      if (!callee || callee.isExternal() || callee->hasAttr(kKernel))
        continue;
      OpBuilder builder(call);
      SmallVector<Value> operands{function.getArgument(0)};
      for (auto [operand, type] : llvm::zip(
               call.getOperands(), callee.getArgumentTypes().drop_front())) {
        if (operand.getType() == type) {
          operands.push_back(operand);
          continue;
        }
        Value raw = getRaw(builder, call.getLoc(), operand);
        if (!raw)
          return call.emitError("operand of type ")
                 << operand.getType() << " is not a view of raw memory";
        operands.push_back(raw);
      }
      call.getOperandsMutable().assign(operands);
    }
    return success();
  }
};

} // namespace
