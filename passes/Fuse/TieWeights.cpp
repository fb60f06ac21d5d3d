//===- TieWeights.cpp - One symbol for equal tensors ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Passes/FusePasses.h"
#include "llmc/Weights/ReadMatrix.h"

#include "mlir/IR/BuiltinOps.h"

namespace llmc {
#define GEN_PASS_DEF_TIEWEIGHTSPASS
#include "llmc/Passes/FusePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

struct TieWeightsPass : llmc::impl::TieWeightsPassBase<TieWeightsPass> {
  TieWeightsPass() = default;
  explicit TieWeightsPass(const WeightStore &store) : store(&store) {}

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    llvm::SetVector<StringAttr> tables, matrices;
    module.walk([&](Operation *op) {
      unsigned operand = isa<nn::GatherOp>(op) ? 0 : 1;
      if (!isa<nn::GatherOp, nn::LinearOp>(op))
        return;
      if (auto get = op->getOperand(operand).getDefiningOp<nn::GetOp>())
        (operand ? matrices : tables).insert(get.getWeightAttr().getAttr());
    });
    DenseMap<StringAttr, StringAttr> tied;
    WeightStore none;
    for (StringAttr name : tables)
      for (StringAttr other : matrices) {
        auto table = symbols.lookup<nn::WeightOp>(name);
        auto matrix = symbols.lookup<nn::WeightOp>(other);
        auto type = table ? dyn_cast<RankedTensorType>(table.getType())
                          : RankedTensorType();
        if (name == other || !matrix || !type || matrix.getType() != type ||
            tied.count(other))
          continue;
        auto equal = haveEqualBytes(store ? *store : none, table.getSource(),
                                    matrix.getSource(), type);
        if (!equal) {
          // Without the store the bytes of keys are not there to compare.
          std::string reason = llvm::toString(equal.takeError());
          if (!store)
            continue;
          table.emitError("cannot compare with weight '")
              << other.getValue() << "': " << reason;
          return signalPassFailure();
        }
        if (*equal)
          tied[other] = name;
      }
    module.walk([&](nn::GetOp get) {
      if (StringAttr name = tied.lookup(get.getWeightAttr().getAttr()))
        get.setWeightAttr(FlatSymbolRefAttr::get(name));
    });
    for (auto [other, name] : tied)
      symbols.erase(symbols.lookup(other));
  }

  const WeightStore *store = nullptr;
};

} // namespace

std::unique_ptr<Pass> llmc::createTieWeightsPass(const WeightStore &store) {
  return std::make_unique<TieWeightsPass>(store);
}
