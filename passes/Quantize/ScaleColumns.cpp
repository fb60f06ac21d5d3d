//===- ScaleColumns.cpp - Even out the columns of matrices ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matrices with one input get one scale together. Classes of such matrices are
// taken from the last to the first in the order of the code, so that the rows of
// a producer have been scaled before its own columns are looked at.
//
//===----------------------------------------------------------------------===//
#include "FoldScale.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Methods/Method.h"
#include "llmc/Passes/KernelPasses.h"
#include "llmc/Passes/QuantizePasses.h"
#include "llmc/Weights/ReadMatrix.h"

#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"

namespace llmc {
#define GEN_PASS_DEF_SCALECOLUMNSPASS
#include "llmc/Passes/QuantizePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// Matrices that read the same values, wherever they are read.
struct ColumnClass {
  SmallVector<nn::WeightOp> weights;
  SmallVector<nn::LinearOp> linears;
};

struct ScaleColumns : llmc::impl::ScaleColumnsPassBase<ScaleColumns> {
  using ScaleColumnsPassBase::ScaleColumnsPassBase;
  ScaleColumns(const WeightStore &store, unsigned threadCount, bool mayFold)
      : store(&store) {
    threads = threadCount;
    fold = mayFold;
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    WeightStore none;
    Workers workers(threads);
    SmallVector<ColumnClass> classes = collect(module, symbols);
    for (ColumnClass &members : llvm::reverse(classes)) {
      auto scale = compute(members, store ? *store : none, workers);
      if (!scale) {
        members.weights.front().emitError(llvm::toString(scale.takeError()));
        return signalPassFailure();
      }
      if (!scale->empty())
        apply(symbols, members, *scale);
    }
  }

  /// The classes in the order in which the code first reads them.
  SmallVector<ColumnClass> collect(ModuleOp module, SymbolTable &symbols) {
    llvm::MapVector<StringAttr, SmallVector<nn::LinearOp>> readers;
    llvm::SmallPtrSet<Attribute, 8> excluded;
    module.walk([&](nn::GetOp get) {
      auto name = get.getWeightAttr().getAttr();
      for (OpOperand &use : get->getUses()) {
        auto linear = dyn_cast<nn::LinearOp>(use.getOwner());
        if (linear && readsPacked(use))
          readers[name].push_back(linear);
        else
          excluded.insert(name);
      }
    });
    llvm::EquivalenceClasses<StringAttr> joined;
    llvm::DenseMap<std::pair<Value, Attribute>, StringAttr> first;
    for (auto &[name, linears] : readers) {
      auto weight = symbols.lookup<nn::WeightOp>(name);
      auto method = weight ? weight->getAttrOfType<pack::MethodAttr>(
                                 pack::PackDialect::kMethod)
                           : pack::MethodAttr();
      if (!method || method.getName() != "sinq" || excluded.contains(name))
        continue;
      joined.insert(name);
      for (nn::LinearOp linear : linears) {
        auto [place, isNew] =
            first.try_emplace({linear.getInput(), method}, name);
        if (!isNew)
          joined.unionSets(place->second, name);
      }
    }
    llvm::MapVector<StringAttr, ColumnClass> classes;
    for (auto &[name, linears] : readers) {
      auto leader = joined.findLeader(name);
      if (leader == joined.member_end())
        continue;
      ColumnClass &members = classes[*leader];
      members.weights.push_back(symbols.lookup<nn::WeightOp>(name));
      members.linears.append(linears);
    }
    SmallVector<ColumnClass> result;
    for (auto &entry : classes)
      result.push_back(std::move(entry.second));
    return result;
  }

  /// The scale of the columns; empty where the method's options forbid one.
  llvm::Expected<std::vector<float>> compute(const ColumnClass &members,
                                             const WeightStore &weights,
                                             Workers &workers) {
    auto method = members.weights.front()->getAttrOfType<pack::MethodAttr>(
        pack::PackDialect::kMethod);
    std::vector<std::vector<float>> values;
    SmallVector<MatrixView> views;
    for (nn::WeightOp weight : members.weights) {
      auto read = readMatrix(weights, weight.getSource(), workers);
      if (!read)
        return read.takeError();
      values.push_back(std::move(*read));
      auto type = cast<RankedTensorType>(weight.getType());
      views.push_back({weight.getSymName(), values.back().data(), RealType::F32,
                       type.getDimSize(0), type.getDimSize(1),
                       type.getDimSize(1)});
    }
    std::string note;
    auto scale = computeSharedScale(views, method.getFormat(),
                                    pack::getSettings(method), workers, note);
    if (!note.empty())
      for (nn::WeightOp weight : members.weights)
        weight->setAttr(pack::PackDialect::kNote,
                        StringAttr::get(weight.getContext(), note));
    return scale;
  }

  void apply(SymbolTable &symbols, const ColumnClass &members,
             ArrayRef<float> scale) {
    nn::WeightOp first = members.weights.front();
    MLIRContext *context = first.getContext();
    auto type = RankedTensorType::get({static_cast<int64_t>(scale.size())},
                                      Float32Type::get(context));
    Attribute factors =
        nn::DenseSourceAttr::get(context, DenseElementsAttr::get(type, scale));
    for (nn::WeightOp weight : members.weights)
      weight.setSourceAttr(nn::ScaleSourceAttr::get(
          context, weight.getSource(), factors, /*axis=*/1, /*inverse=*/true));

    OpBuilder builder(first);
    auto columns = nn::WeightOp::create(builder, first.getLoc(),
                                        (first.getSymName() + ".columns").str(),
                                        type, factors);
    symbols.insert(columns, first->getIterator());
    llvm::MapVector<Value, nn::MulOp> scaled;
    for (nn::LinearOp linear : members.linears) {
      nn::MulOp &product = scaled[linear.getInput()];
      if (!product) {
        builder.setInsertionPointAfterValue(linear.getInput());
        Value t = nn::GetOp::create(builder, linear.getLoc(), type,
                                    columns.getSymName());
        product = nn::MulOp::create(builder, linear.getLoc(),
                                    linear.getInput().getType(),
                                    linear.getInput(), t);
      }
      linear.getInputMutable().assign(product.getResult());
    }
    SmallVector<nn::MulOp> products;
    for (auto &entry : scaled)
      products.push_back(entry.second);
    if (fold && foldScale(symbols, products, factors))
      symbols.erase(columns);
  }

  const WeightStore *store = nullptr;
};

} // namespace

std::unique_ptr<Pass> llmc::createScaleColumnsPass(const WeightStore &store,
                                                   unsigned threads,
                                                   bool fold) {
  return std::make_unique<ScaleColumns>(store, threads, fold);
}
