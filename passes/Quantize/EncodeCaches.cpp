//===- EncodeCaches.cpp - Caches in a format of fewer bits ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/CacheFormat.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Passes/QuantizePasses.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace llmc {
#define GEN_PASS_DEF_ENCODECACHESPASS
#include "llmc/Passes/QuantizePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

struct EncodeCaches : llmc::impl::EncodeCachesPassBase<EncodeCaches> {
  using EncodeCachesPassBase::EncodeCachesPassBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    Type stored = nn::parseCacheFormat(&getContext(), format);
    if (!stored) {
      function.emitError("expected a cache format f32, bf16 or i8 but got '")
          << format << "'";
      return signalPassFailure();
    }
    if (function.isExternal())
      return;
    SmallVector<BlockArgument> caches;
    for (BlockArgument argument : function.getArguments())
      if (function.getArgAttr(argument.getArgNumber(), nn::NNDialect::kState) &&
          llvm::any_of(argument.getUsers(),
                       [](Operation *user) { return isa<nn::AppendOp>(user); }))
        caches.push_back(argument);
    // Nothing changes before all is known to fit.
    for (BlockArgument cache : caches)
      if (failed(checkUses(cache, stored)))
        return signalPassFailure();
    for (BlockArgument cache : caches)
      encode(function, cache, stored);
    SmallVector<Type> results(
        function.front().getTerminator()->getOperandTypes());
    function.setFunctionType(FunctionType::get(
        &getContext(), function.front().getArgumentTypes(), results));
  }

  /// What holds the cache: the value itself and those that append to it.
  static SmallVector<Value> versionsOf(Value cache) {
    SmallVector<Value> versions{cache};
    for (unsigned i = 0; i < versions.size(); ++i)
      for (OpOperand &use : versions[i].getUses())
        if (auto append = dyn_cast<nn::AppendOp>(use.getOwner());
            append && use.get() == append.getCache())
          versions.push_back(append.getResult());
    return versions;
  }

  static LogicalResult checkUses(BlockArgument cache, Type stored) {
    auto type = cast<RankedTensorType>(cache.getType());
    if (type.getElementType() != stored && !type.getElementType().isF32())
      return emitError(cache.getLoc(), "expected a cache of f32 but got ")
             << type;
    if (type.isDynamicDim(2))
      return emitError(cache.getLoc(),
                       "expected a cache with heads of static size but got ")
             << type;
    for (Value version : versionsOf(cache))
      for (OpOperand &use : version.getUses()) {
        Operation *user = use.getOwner();
        auto append = dyn_cast<nn::AppendOp>(user);
        auto attention = dyn_cast<nn::CachedAttentionOp>(user);
        if (isa<func::ReturnOp>(user) ||
            (append && use.get() == append.getCache()) ||
            (attention && use.get() != attention.getQuery()))
          continue;
        return user->emitOpError(
            "reads a cache that is to be encoded; expected nn.append and "
            "nn.cached_attention alone");
      }
    return success();
  }

  static void encode(func::FuncOp function, BlockArgument cache, Type stored) {
    auto type = cast<RankedTensorType>(cache.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape.back() = nn::getStoredRowSize(stored, nn::getCachedChannels(type));
    auto encoded = RankedTensorType::get(shape, stored);
    for (Value version : versionsOf(cache))
      version.setType(encoded);
    // What the signature says of the last extent, for argument and result.
    StringRef kDims = nn::NNDialect::kDims;
    Builder builder(function.getContext());
    auto update = [&](Attribute dims) -> Attribute {
      SmallVector<Attribute> extents(cast<ArrayAttr>(dims).getValue());
      extents.back() = builder.getI64IntegerAttr(shape.back());
      return builder.getArrayAttr(extents);
    };
    unsigned number = cache.getArgNumber();
    if (Attribute dims = function.getArgAttr(number, kDims))
      function.setArgAttr(number, kDims, update(dims));
    unsigned result =
        function.getArgAttrOfType<IntegerAttr>(number, nn::NNDialect::kState)
            .getInt();
    if (Attribute dims = function.getResultAttr(result, kDims))
      function.setResultAttr(result, kDims, update(dims));
  }
};

} // namespace
