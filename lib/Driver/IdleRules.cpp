//===- IdleRules.cpp - Rules that fit nothing -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "IdleRules.h"
#include "llmc/Dialect/NN/NNOps.h"

using namespace mlir;
using namespace llmc;

std::vector<std::string> llmc::findIdleRules(const Recipe &recipe,
                                             StringRef given, ModuleOp module) {
  std::vector<std::string> idle;
  auto isGiven = [&](const BuiltinRecipe &each) { return each.name == given; };
  if (llvm::any_of(getBuiltinRecipes(), isGiven))
    return idle;
  for (const QuantizeRule &rule : recipe.quantize) {
    auto fits = [&](nn::WeightOp weight) {
      auto type = dyn_cast<RankedTensorType>(weight.getType());
      return type && type.getRank() == 2 &&
             rule.fits(weight.getSymName(), rule.uses);
    };
    if (!rule.match.empty() &&
        llvm::none_of(module.getOps<nn::WeightOp>(), fits))
      idle.push_back("recipe '" + recipe.name + "': '" + rule.match +
                     "' fits no matrix of this model; '--recipe f32 --dry-run "
                     "--json' lists all");
  }
  return idle;
}
