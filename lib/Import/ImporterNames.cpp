//===- ImporterNames.cpp - The names of weights, once all are known -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is not used is dropped first; the rest gets the name a person would use,
// without a wrapper that all share, each once.
//
//===----------------------------------------------------------------------===//
#include "Importer.h"

#include "Names.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

void Importer::finishNames() {
  Block &body = main.getBody().front();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
    if (isOpTriviallyDead(&op))
      op.erase();
  llvm::StringMap<SmallVector<nn::GetOp>> users;
  main.walk([&](nn::GetOp get) { users[get.getWeight()].push_back(get); });
  SmallVector<nn::WeightOp> kept;
  std::vector<std::string> names;
  for (auto weight :
       llvm::make_early_inc_range(module->getOps<nn::WeightOp>())) {
    if (!users.contains(weight.getSymName())) {
      weight.erase();
      continue;
    }
    kept.push_back(weight);
    names.push_back(wishOf(weight));
  }
  std::string wrapper = commonWrapper(names);
  llvm::StringSet<> taken;
  taken.insert("main");
  for (auto [weight, name] : llvm::zip(kept, names)) {
    if (!wrapper.empty())
      name.erase(0, wrapper.size() + 1);
    if (name.empty())
      name = "weight";
    std::string unique = name;
    for (unsigned i = 1; !taken.insert(unique).second; ++i)
      unique = name + "_" + std::to_string(i);
    auto symbol = b.getStringAttr(unique);
    for (nn::GetOp get : users[weight.getSymName()])
      get.setWeightAttr(FlatSymbolRefAttr::get(symbol));
    weight.setSymNameAttr(symbol);
  }
}
