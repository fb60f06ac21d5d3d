//===- FoldScale.cpp - Scales of columns move into parameters -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// RMSNorm(x) * gamma * t = RMSNorm(x) * (gamma t), and
// f(g) * (W x + b) * t = f(g) * (diag(t) W x + t b).
//
//===----------------------------------------------------------------------===//
#include "FoldScale.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace llmc;

namespace {

/// Gathers what a fold would change, and whether it may.
class Fold {
public:
  Fold(SymbolTable &symbols, ArrayRef<nn::MulOp> products)
      : symbols(symbols), products(products.begin(), products.end()) {}

  bool prepare() {
    for (nn::MulOp product : products)
      if (!addProducer(product.getLhs()))
        return false;
    // Whatever else reads a parameter must be one of the ops that make the
    // scaled values.
    auto module = cast<ModuleOp>(symbols.getOp());
    bool onlyOurs = true;
    module.walk([&](nn::GetOp get) {
      if (!parameters.contains(get.getWeightAttr().getAttr()))
        return;
      for (OpOperand &use : get->getUses())
        onlyOurs &=
            makers.contains(use.getOwner()) && use.getOperandNumber() > 0;
    });
    return onlyOurs;
  }

  void apply(Attribute factors) {
    for (StringAttr name : parameters) {
      auto weight = symbols.lookup<nn::WeightOp>(name);
      weight.setSourceAttr(
          nn::ScaleSourceAttr::get(weight.getContext(), weight.getSource(),
                                   factors, /*axis=*/0, /*inverse=*/false));
    }
    for (nn::MulOp product : products) {
      product.getResult().replaceAllUsesWith(product.getLhs());
      Operation *factor = product.getRhs().getDefiningOp();
      product.erase();
      if (factor->use_empty())
        factor->erase();
    }
  }

private:
  /// Whether products with the scale alone read a value.
  bool readByProducts(Value value) {
    return llvm::all_of(value.getUsers(), [&](Operation *user) {
      return llvm::is_contained(products, dyn_cast<nn::MulOp>(user));
    });
  }

  bool addProducer(Value value) {
    Operation *op = value.getDefiningOp();
    if (!op || !readByProducts(value))
      return false;
    if (isa<nn::RmsNormOp, nn::LayerNormOp>(op))
      return addMaker(op);
    auto gated = dyn_cast<nn::MulOp>(op);
    if (!gated || gated.getLhs().getType() != gated.getType() ||
        gated.getRhs().getType() != gated.getType())
      return false;
    for (Value side : {gated.getRhs(), gated.getLhs()})
      if (auto up = side.getDefiningOp<nn::LinearOp>();
          up && up->hasOneUse() && gated.getLhs() != gated.getRhs())
        return addMaker(up);
    return false;
  }

  /// An op whose operands after the first are parameters.
  bool addMaker(Operation *op) {
    makers.insert(op);
    for (Value operand : op->getOperands().drop_front()) {
      auto get = operand.getDefiningOp<nn::GetOp>();
      auto weight =
          get ? symbols.lookup<nn::WeightOp>(get.getWeight()) : nn::WeightOp();
      // What is compressed already can no longer be scaled.
      if (!weight || !isa<RankedTensorType>(weight.getType()))
        return false;
      parameters.insert(get.getWeightAttr().getAttr());
    }
    return true;
  }

  SymbolTable &symbols;
  SmallVector<nn::MulOp> products;
  llvm::SmallPtrSet<Operation *, 4> makers;
  llvm::SetVector<StringAttr> parameters;
};

} // namespace

bool llmc::foldScale(SymbolTable &symbols, ArrayRef<nn::MulOp> products,
                     Attribute factors) {
  Fold fold(symbols, products);
  if (!fold.prepare())
    return false;
  fold.apply(factors);
  return true;
}
