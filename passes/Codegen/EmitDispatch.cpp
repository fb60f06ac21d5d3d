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
      if (entry->hasAttr(kReplayOf))
        emitReplay(entry);
      else if (!entry->hasAttr(kVariantOf))
        emitRun(entry, entries);
    for (auto function : module.getOps<LLVM::LLVMFuncOp>())
      for (StringRef name : {kSignature, kVariantOf, kReplayOf, kWhen, kKernel})
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

  /// A function of the contract, and what its body loads.
  struct Exported {
    Exported(StringRef name, LLVM::LLVMFuncOp entry, unsigned numbers)
        : loc(entry.getLoc()), builder(entry),
          ptr(LLVM::LLVMPointerType::get(entry.getContext())),
          i64(builder.getI64Type()) {
      SmallVector<Type> types(5, ptr);
      types.append(numbers, i64);
      function = LLVM::LLVMFuncOp::create(
          builder, loc, name,
          LLVM::LLVMFunctionType::get(
              LLVM::LLVMVoidType::get(entry.getContext()), types));
      block = function.addEntryBlock(builder);
      builder.setInsertionPointToEnd(block);
    }

    Value load(unsigned array, int64_t at, Type type) {
      Value place = LLVM::GEPOp::create(
          builder, loc, ptr, type, block->getArgument(array),
          ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(at)});
      return LLVM::LoadOp::create(builder, loc, type, place);
    }

    /// Calls `target` with what its signature names, and returns.
    void call(LLVM::LLVMFuncOp target) {
      auto argument = [&](unsigned number) -> Value {
        return block->getArgument(number);
      };
      SmallVector<Value> operands;
      for (Attribute role : target->getAttrOfType<ArrayAttr>(kSignature)) {
        auto [kind, number] = cast<StringAttr>(role).getValue().split(':');
        int64_t at = 0;
        number.getAsInteger(10, at);
        operands.push_back(llvm::StringSwitch<llvm::function_ref<Value()>>(kind)
                               .Case("symbol", [&] { return load(1, at, i64); })
                               .Case("buffer", [&] { return load(2, at, ptr); })
                               .Case("weights", [&] { return argument(3); })
                               .Case("arena", [&] { return argument(4); })
                               .Case("part", [&] { return argument(5); })
                               .Case("parts", [&] { return argument(6); })
                               .Default([&] { return argument(0); })());
      }
      LLVM::CallOp::create(builder, loc, target, operands);
      LLVM::ReturnOp::create(builder, loc, ValueRange{});
    }

    Location loc;
    OpBuilder builder;
    Type ptr, i64;
    LLVM::LLVMFuncOp function;
    Block *block = nullptr;
  };

  /// llmc_replay_E(ctx, symbols, buffers, weights, arena, part, parts).
  static void emitReplay(LLVM::LLVMFuncOp replay) {
    StringRef entry = replay->getAttrOfType<StringAttr>(kReplayOf).getValue();
    Exported(("llmc_replay_" + entry).str(), replay, 2).call(replay);
  }

  /// llmc_run_E(ctx, symbols, buffers, weights, arena).
  static void emitRun(LLVM::LLVMFuncOp entry,
                      ArrayRef<LLVM::LLVMFuncOp> entries) {
    Exported run(("llmc_run_" + entry.getName()).str(), entry, 0);
    OpBuilder &builder = run.builder;
    Location loc = run.loc;
    for (LLVM::LLVMFuncOp variant : entries) {
      auto of = variant->getAttrOfType<StringAttr>(kVariantOf);
      if (!of || of.getValue() != entry.getName())
        continue;
      // `llmc.when`: pairs (number of a symbol, value).
      auto when = variant->getAttrOfType<DenseI64ArrayAttr>(kWhen);
      Value holds;
      for (int64_t i = 0; i + 1 < when.size(); i += 2) {
        Value wanted = LLVM::ConstantOp::create(
            builder, loc, run.i64, builder.getI64IntegerAttr(when[i + 1]));
        Value equal =
            LLVM::ICmpOp::create(builder, loc, LLVM::ICmpPredicate::eq,
                                 run.load(1, when[i], run.i64), wanted);
        holds =
            holds ? LLVM::AndOp::create(builder, loc, holds, equal).getResult()
                  : equal;
      }
      Block *yes = builder.createBlock(&run.function.getBody());
      Block *no = builder.createBlock(&run.function.getBody());
      builder.setInsertionPointAfterValue(holds);
      LLVM::CondBrOp::create(builder, loc, holds, yes, no);
      builder.setInsertionPointToEnd(yes);
      run.call(variant);
      builder.setInsertionPointToEnd(no);
    }
    run.call(entry);
  }
};

} // namespace
