//===- BindWeights.cpp - Weights become places in one mapped file ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Conventions.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Passes/CodegenPasses.h"

namespace llmc {
#define GEN_PASS_DEF_BINDWEIGHTS
#include "llmc/Passes/CodegenPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

struct BindWeights : llmc::impl::BindWeightsBase<BindWeights> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (auto function : module.getOps<func::FuncOp>()) {
      if (function.isExternal() || function->hasAttr(kKernel))
        continue;
      if (failed(bind(module, function)))
        return signalPassFailure();
    }
  }

  LogicalResult bind(ModuleOp module, func::FuncOp function) {
    SmallVector<nn::GetOp> gets;
    function.walk([&](nn::GetOp get) { gets.push_back(get); });
    if (function.isPrivate()) {
      if (gets.empty())
        return success();
      return gets.front().emitOpError("stands in the private function @")
             << function.getName() << ", where weights must be arguments";
    }
    Type raw = getRawType(&getContext());
    unsigned place = function.getNumArguments();
    Builder builder(&getContext());
    auto attrs = builder.getDictionaryAttr(
        builder.getNamedAttr(kWeights, builder.getUnitAttr()));
    if (failed(function.insertArgument(place, raw, attrs, function.getLoc())))
      return failure();
    Value base = function.getArgument(place);
    for (nn::GetOp get : gets) {
      auto weight = module.lookupSymbol<nn::WeightOp>(get.getWeight());
      auto offset =
          weight ? weight->getAttrOfType<IntegerAttr>(kOffset) : nullptr;
      if (!offset)
        return get.emitOpError("weight @")
               << get.getWeight() << " has no '" << kOffset << "'";
      OpBuilder at(get);
      Value shift =
          arith::ConstantIndexOp::create(at, get.getLoc(), offset.getInt());
      Value replacement;
      if (auto type = dyn_cast<RankedTensorType>(get.getType())) {
        // Booleans lie as bytes in the file; a boolean tensor reads them as i1
        // memory, which one byte holds too.
        auto memory = MemRefType::get(type.getShape(), type.getElementType());
        Value view = memref::ViewOp::create(at, get.getLoc(), memory, base,
                                            shift, ValueRange{});
        replacement = bufferization::ToTensorOp::create(at, get.getLoc(), type,
                                                        view, /*restrict=*/true,
                                                        /*writable=*/false);
      } else {
        Value view = memref::ViewOp::create(
            at, get.getLoc(), cast<MemRefType>(raw), base, shift, ValueRange{});
        replacement = UnrealizedConversionCastOp::create(at, get.getLoc(),
                                                         get.getType(), view)
                          .getResult(0);
      }
      get.replaceAllUsesWith(replacement);
      get.erase();
    }
    return success();
  }
};

} // namespace
