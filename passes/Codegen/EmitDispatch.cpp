//===- EmitDispatch.cpp - Parallel calls and entries in the contract ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The contract is llmc/Runtime/abi.h. A parallel call
//   call @body(begin, end, captures...) {llmc.parallel}
// becomes
//   closure = {captures...}            (on the stack of the caller)
//   ctx->parallel_for(ctx, @body_thunk, &closure, end)
// with @body_thunk(closure, begin, end) calling @body.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Conventions.h"
#include "llmc/Passes/CodegenPasses.h"

namespace llmc {
#define GEN_PASS_DEF_EMITDISPATCH
#include "llmc/Passes/CodegenPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// Byte offset of `parallel_for` in llmc_ctx, after the size.
constexpr int64_t kParallelForOffset = 8;

struct EmitDispatch : llmc::impl::EmitDispatchBase<EmitDispatch> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<LLVM::CallOp> calls;
    module.walk([&](LLVM::CallOp call) {
      if (call->hasAttr(kParallel))
        calls.push_back(call);
    });
    for (LLVM::CallOp call : calls)
      emitParallelCall(module, call);

    SmallVector<LLVM::LLVMFuncOp> entries;
    for (auto function : module.getOps<LLVM::LLVMFuncOp>())
      if (function->hasAttr(kSignature))
        entries.push_back(function);
    for (LLVM::LLVMFuncOp entry : entries) {
      auto when = entry->getAttrOfType<DenseI64ArrayAttr>(kWhen);
      if (entry->hasAttr(kVariantOf) &&
          (!when || when.empty() || when.size() % 2)) {
        entry.emitOpError("expected pairs of a symbol's number and its value "
                          "in '")
            << kWhen << "' but got " << entry->getAttr(kWhen);
        return signalPassFailure();
      }
    }
    for (LLVM::LLVMFuncOp entry : entries)
      if (!entry->hasAttr(kVariantOf))
        emitRun(entry, entries);
    for (auto function : module.getOps<LLVM::LLVMFuncOp>())
      for (StringRef name : {kSignature, kVariantOf, kWhen, kKernel})
        function->removeAttr(name);
  }

  void emitParallelCall(ModuleOp module, LLVM::CallOp call) {
    MLIRContext *context = &getContext();
    auto function = call->getParentOfType<LLVM::LLVMFuncOp>();
    auto callee = module.lookupSymbol<LLVM::LLVMFuncOp>(*call.getCallee());
    Location loc = call.getLoc();
    Type ptr = LLVM::LLVMPointerType::get(context);
    ValueRange captures = call.getOperands().drop_front(2);
    auto closureType = LLVM::LLVMStructType::getLiteral(
        context, llvm::to_vector(captures.getTypes()));

    // The closure lives in the entry block, so that a loop does not grow the
    // stack.
    OpBuilder top = OpBuilder::atBlockBegin(&function.front());
    Value one = LLVM::ConstantOp::create(top, loc, top.getI64Type(),
                                         top.getI64IntegerAttr(1));
    Value closure = LLVM::AllocaOp::create(top, loc, ptr, closureType, one);
    OpBuilder builder(call);
    for (auto [i, value] : llvm::enumerate(captures)) {
      Value field = LLVM::GEPOp::create(
          builder, loc, ptr, closureType, closure,
          ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(i)});
      LLVM::StoreOp::create(builder, loc, value, field);
    }
    LLVM::LLVMFuncOp thunk = getThunk(module, callee, closureType);
    Value ctx = function.getArgument(0);
    Value service =
        LLVM::GEPOp::create(builder, loc, ptr, builder.getI8Type(), ctx,
                            ArrayRef<LLVM::GEPArg>{kParallelForOffset});
    Value target = LLVM::LoadOp::create(builder, loc, ptr, service);
    Value body = LLVM::AddressOfOp::create(builder, loc, thunk);
    auto type =
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context),
                                    {ptr, ptr, ptr, builder.getI64Type()});
    LLVM::CallOp::create(
        builder, loc, type,
        ValueRange{target, ctx, body, closure, call.getOperand(1)});
    call.erase();
  }

  LLVM::LLVMFuncOp getThunk(ModuleOp module, LLVM::LLVMFuncOp callee,
                            LLVM::LLVMStructType closureType) {
    std::string name = (callee.getName() + "_thunk").str();
    if (auto thunk = module.lookupSymbol<LLVM::LLVMFuncOp>(name))
      return thunk;
    MLIRContext *context = &getContext();
    Location loc = callee.getLoc();
    OpBuilder builder(callee);
    Type ptr = LLVM::LLVMPointerType::get(context), i64 = builder.getI64Type();
    auto thunk = LLVM::LLVMFuncOp::create(
        builder, loc, name,
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context),
                                    {ptr, i64, i64}),
        LLVM::Linkage::Internal);
    Block *entry = thunk.addEntryBlock(builder);
    builder.setInsertionPointToEnd(entry);
    SmallVector<Value> operands{entry->getArgument(1), entry->getArgument(2)};
    for (auto [i, type] : llvm::enumerate(closureType.getBody())) {
      Value field = LLVM::GEPOp::create(
          builder, loc, ptr, closureType, entry->getArgument(0),
          ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(i)});
      operands.push_back(LLVM::LoadOp::create(builder, loc, type, field));
    }
    LLVM::CallOp::create(builder, loc, callee, operands);
    LLVM::ReturnOp::create(builder, loc, ValueRange{});
    return thunk;
  }

  /// llmc_run_E(ctx, symbols, buffers, weights, arena).
  void emitRun(LLVM::LLVMFuncOp entry, ArrayRef<LLVM::LLVMFuncOp> entries) {
    MLIRContext *context = &getContext();
    Location loc = entry.getLoc();
    OpBuilder builder(entry);
    Type ptr = LLVM::LLVMPointerType::get(context);
    auto run = LLVM::LLVMFuncOp::create(
        builder, loc, ("llmc_run_" + entry.getName()).str(),
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context),
                                    SmallVector<Type>(5, ptr)));
    Block *block = run.addEntryBlock(builder);
    builder.setInsertionPointToEnd(block);
    Type i64 = builder.getI64Type();
    auto load = [&](unsigned array, int64_t at, Type type) -> Value {
      Value place = LLVM::GEPOp::create(
          builder, loc, ptr, type, block->getArgument(array),
          ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(at)});
      return LLVM::LoadOp::create(builder, loc, type, place);
    };
    auto callEntry = [&](LLVM::LLVMFuncOp target) {
      SmallVector<Value> operands;
      for (Attribute role : target->getAttrOfType<ArrayAttr>(kSignature)) {
        auto [kind, number] = cast<StringAttr>(role).getValue().split(':');
        int64_t at = 0;
        number.getAsInteger(10, at);
        operands.push_back(
            llvm::StringSwitch<llvm::function_ref<Value()>>(kind)
                .Case("symbol", [&] { return load(1, at, i64); })
                .Case("buffer", [&] { return load(2, at, ptr); })
                .Case("weights",
                      [&]() -> Value { return block->getArgument(3); })
                .Case("arena", [&]() -> Value { return block->getArgument(4); })
                .Default([&]() -> Value { return block->getArgument(0); })());
      }
      LLVM::CallOp::create(builder, loc, target, operands);
      LLVM::ReturnOp::create(builder, loc, ValueRange{});
    };
    for (LLVM::LLVMFuncOp variant : entries) {
      auto of = variant->getAttrOfType<StringAttr>(kVariantOf);
      if (!of || of.getValue() != entry.getName())
        continue;
      // `llmc.when`: pairs (number of a symbol, value).
      auto when = variant->getAttrOfType<DenseI64ArrayAttr>(kWhen);
      Value holds;
      for (int64_t i = 0; i + 1 < when.size(); i += 2) {
        Value wanted = LLVM::ConstantOp::create(
            builder, loc, i64, builder.getI64IntegerAttr(when[i + 1]));
        Value equal =
            LLVM::ICmpOp::create(builder, loc, LLVM::ICmpPredicate::eq,
                                 load(1, when[i], i64), wanted);
        holds =
            holds ? LLVM::AndOp::create(builder, loc, holds, equal).getResult()
                  : equal;
      }
      Block *yes = builder.createBlock(&run.getBody());
      Block *no = builder.createBlock(&run.getBody());
      builder.setInsertionPointAfterValue(holds);
      LLVM::CondBrOp::create(builder, loc, holds, yes, no);
      builder.setInsertionPointToEnd(yes);
      callEntry(variant);
      builder.setInsertionPointToEnd(no);
    }
    callEntry(entry);
  }
};

} // namespace
