//===- EmitEntries.cpp - Signatures, shapes and arena sizes of the entries ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Conventions.h"
#include "llmc/Dialect/NN/NNDialect.h"
#include "llmc/Passes/CodegenPasses.h"
#include "llmc/Passes/Dims.h"

namespace llmc {
#define GEN_PASS_DEF_EMITENTRIES
#include "llmc/Passes/CodegenPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// Where one argument of an entry comes from.
struct Role {
  StringRef kind; // symbol, buffer, weights, arena, ctx
  int64_t index = 0;
};

struct EmitEntries : llmc::impl::EmitEntriesBase<EmitEntries> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<func::FuncOp> entries;
    for (auto function : module.getOps<func::FuncOp>())
      if (function.isPublic() && !function.isExternal())
        entries.push_back(function);
    for (func::FuncOp entry : entries)
      if (failed(emitEntry(module, entry, entries)))
        return signalPassFailure();
    for (auto function : module.getOps<func::FuncOp>())
      finishFunction(function);
  }

  /// Arguments that are buffers, in the order of the contract: inputs, outputs,
  /// states.
  static SmallVector<unsigned> getBufferArguments(func::FuncOp entry) {
    SmallVector<unsigned> inputs, outputs, states;
    for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
      auto has = [&](StringRef name) {
        return bool(entry.getArgAttr(i, name));
      };
      if (has(kWeights) || has(kArena) || has(kCtx) ||
          has(nn::NNDialect::kSymbol))
        continue;
      if (has(kOut))
        outputs.push_back(i);
      else if (has(nn::NNDialect::kState))
        states.push_back(i);
      else
        inputs.push_back(i);
    }
    llvm::stable_sort(outputs, [&](unsigned a, unsigned b) {
      return entry.getArgAttrOfType<IntegerAttr>(a, kOut).getInt() <
             entry.getArgAttrOfType<IntegerAttr>(b, kOut).getInt();
    });
    llvm::append_range(inputs, outputs);
    llvm::append_range(inputs, states);
    return inputs;
  }

  LogicalResult emitEntry(ModuleOp module, func::FuncOp entry,
                          ArrayRef<func::FuncOp> entries) {
    SmallVector<unsigned> buffers = getBufferArguments(entry);
    SmallVector<Attribute> signature;
    SmallVector<unsigned> symbols;
    Builder attrs(&getContext());
    for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
      auto has = [&](StringRef name) {
        return bool(entry.getArgAttr(i, name));
      };
      std::string role;
      if (has(nn::NNDialect::kSymbol)) {
        role = "symbol:" + std::to_string(symbols.size());
        symbols.push_back(i);
      } else if (has(kWeights))
        role = "weights";
      else if (has(kArena))
        role = "arena";
      else if (has(kCtx))
        role = "ctx";
      else
        role = "buffer:" +
               std::to_string(llvm::find(buffers, i) - buffers.begin());
      if (entry.getArgumentTypes()[i].isIndex() && !has(nn::NNDialect::kSymbol))
        return entry.emitError("index argument ")
               << i << " of @" << entry.getName() << " is no symbol";
      signature.push_back(attrs.getStringAttr(role));
    }
    entry->setAttr(kSignature, attrs.getArrayAttr(signature));
    if (entry->hasAttr(kVariantOf))
      return success();
    if (failed(emitShapes(entry, symbols, buffers)))
      return failure();
    return emitArena(module, entry, symbols, entries);
  }

  /// A public function over the values of the symbols.
  func::FuncOp beginFunction(func::FuncOp entry, StringRef prefix,
                             ArrayRef<unsigned> symbols, TypeRange extra,
                             TypeRange results,
                             SmallVectorImpl<Value> &values) {
    OpBuilder builder(entry);
    Location loc = entry.getLoc();
    Type i64 = builder.getI64Type();
    SmallVector<Type> types{
        MemRefType::get({std::max<int64_t>(1, symbols.size())}, i64)};
    llvm::append_range(types, extra);
    auto function =
        func::FuncOp::create(builder, loc, (prefix + entry.getName()).str(),
                             builder.getFunctionType(types, results));
    function->setAttr(kKernel, builder.getUnitAttr());
    Block *block = function.addEntryBlock();
    builder.setInsertionPointToEnd(block);
    for (size_t i = 0; i < symbols.size(); ++i) {
      Value at = arith::ConstantIndexOp::create(builder, loc, i);
      Value value =
          memref::LoadOp::create(builder, loc, block->getArgument(0), at);
      values.push_back(arith::IndexCastOp::create(
          builder, loc, builder.getIndexType(), value));
    }
    return function;
  }

  LogicalResult emitShapes(func::FuncOp entry, ArrayRef<unsigned> symbols,
                           ArrayRef<unsigned> buffers) {
    OpBuilder builder(&getContext());
    Location loc = entry.getLoc();
    SmallVector<Value> symbolValues;
    Type i64 = builder.getI64Type();
    MemRefType dimsType =
        MemRefType::get({int64_t(1) << 32}, i64); // as many as there are
    func::FuncOp function = beginFunction(entry, "llmc_shape_", symbols,
                                          dimsType, {}, symbolValues);
    builder.setInsertionPointToEnd(&function.front());
    int64_t place = 0;
    for (unsigned i : buffers) {
      auto dims = entry.getArgAttrOfType<ArrayAttr>(i, nn::NNDialect::kDims);
      SmallVector<Attribute> extents;
      if (dims)
        llvm::append_range(extents, dims);
      else if (auto type = dyn_cast<MemRefType>(entry.getArgumentTypes()[i]))
        for (int64_t extent : type.getShape())
          extents.push_back(builder.getI64IntegerAttr(extent));
      for (Attribute extent : extents) {
        Value value =
            buildDimOver(builder, loc, entry, symbols, symbolValues, extent);
        if (!value)
          return entry.emitError("extent ")
                 << extent << " of argument " << i
                 << " is no expression over the symbols of @"
                 << entry.getName();
        Value at = arith::ConstantIndexOp::create(builder, loc, place++);
        Value number = arith::IndexCastOp::create(builder, loc, i64, value);
        memref::StoreOp::create(builder, loc, number, function.getArgument(1),
                                at);
      }
    }
    func::ReturnOp::create(builder, loc);
    return success();
  }

  LogicalResult emitArena(ModuleOp module, func::FuncOp entry,
                          ArrayRef<unsigned> symbols,
                          ArrayRef<func::FuncOp> entries) {
    OpBuilder builder(&getContext());
    Location loc = entry.getLoc();
    SmallVector<Value> values;
    func::FuncOp function = beginFunction(entry, "llmc_arena_", symbols, {},
                                          builder.getI64Type(), values);
    builder.setInsertionPointToEnd(&function.front());
    Value largest = arith::ConstantIndexOp::create(builder, loc, kAlignment);
    for (func::FuncOp variant : entries) {
      auto of = variant->getAttrOfType<StringAttr>(kVariantOf);
      if (variant != entry && (!of || of.getValue() != entry.getName()))
        continue;
      auto size = module.lookupSymbol<func::FuncOp>(
          (variant.getName() + "_arena_size").str());
      if (!size)
        return entry.emitError("no arena was planned for @")
               << variant.getName();
      Value bytes =
          func::CallOp::create(builder, loc, size, values).getResult(0);
      largest = arith::MaxUIOp::create(builder, loc, largest, bytes);
    }
    Value result =
        arith::IndexCastOp::create(builder, loc, builder.getI64Type(), largest);
    if (failed(checkConditions(builder, entry, symbols, values, result)))
      return failure();
    func::ReturnOp::create(builder, loc, result);
    return success();
  }

  /// `result` becomes -1 - i where the entry's condition i is the first that
  /// does not hold.
  static LogicalResult checkConditions(OpBuilder &builder, func::FuncOp entry,
                                       ArrayRef<unsigned> symbols,
                                       ArrayRef<Value> values, Value &result) {
    auto conditions = entry->getAttrOfType<ArrayAttr>(kConditions);
    if (!conditions)
      return success();
    Location loc = entry.getLoc();
    SymContext context;
    SymExprBuilder exprs(builder, loc, context, [&](StringRef name) {
      return lookupSymbol(entry, symbols, values, name);
    });
    for (size_t i = conditions.size(); i-- > 0;) {
      auto condition = cast<ArrayAttr>(conditions[i]);
      auto build = [&](unsigned side) {
        return exprs.build(
            context.parse(cast<StringAttr>(condition[side]).getValue()));
      };
      Value left = build(0), right = build(1);
      if (!left || !right)
        return entry.emitError("condition ")
               << condition << " is no equality over the symbols of @"
               << entry.getName();
      Value holds = arith::CmpIOp::create(
          builder, loc, arith::CmpIPredicate::eq, left, right);
      Value number = arith::ConstantIntOp::create(
          builder, loc, builder.getI64Type(), -1 - static_cast<int64_t>(i));
      result = arith::SelectOp::create(builder, loc, holds, result, number);
    }
    return success();
  }

  /// `buildDim` with the symbols' values given instead of arguments.
  static Value buildDimOver(OpBuilder &builder, Location loc,
                            func::FuncOp entry, ArrayRef<unsigned> symbols,
                            ArrayRef<Value> values, Attribute dim) {
    return buildDim(builder, loc, dim, [&](StringRef name) {
      return lookupSymbol(entry, symbols, values, name);
    });
  }

  static Value lookupSymbol(func::FuncOp entry, ArrayRef<unsigned> symbols,
                            ArrayRef<Value> values, StringRef name) {
    for (auto [i, value] : llvm::zip(symbols, values))
      if (entry.getArgAttrOfType<StringAttr>(i, nn::NNDialect::kSymbol)
              .getValue() == name)
        return value;
    return {};
  }

  /// Linkage and aliasing; the attributes of the upper levels are done with.
  void finishFunction(func::FuncOp function) {
    MLIRContext *context = &getContext();
    bool exported =
        function.getName().starts_with("llmc_") && function.isPublic();
    if (!exported)
      function->setAttr("llvm.linkage", LLVM::LinkageAttr::get(
                                            context, LLVM::Linkage::Internal));
    if (function.isExternal())
      return;
    bool kernel = function->hasAttr(kKernel);
    for (unsigned i = 0; i < function.getNumArguments(); ++i) {
      SmallVector<NamedAttribute> kept;
      if (auto old = function.getArgAttrDict(i))
        for (NamedAttribute attr : old)
          if (attr.getName().getValue().starts_with("llvm."))
            kept.push_back(attr);
      // Buffers of one call never overlap; kernels say so themselves.
      if (!kernel && isa<MemRefType>(function.getArgumentTypes()[i]))
        kept.push_back(
            {StringAttr::get(context, "llvm.noalias"), UnitAttr::get(context)});
      function.setArgAttrs(i, kept);
    }
  }
};

} // namespace
