//===- EntryFacts.cpp - What a manifest tells of an entry -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Facts for people, not for the runtime: what an entry is made of and how much
// scratch memory it takes. The size is that of the code's own expression,
// evaluated here with the folders of its ops, so that it is known for targets
// whose code cannot run on this machine, too.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Bundle.h"
#include "llmc/Codegen/Conventions.h"
#include "llmc/Dialect/NN/NNOps.h"

using namespace mlir;
using namespace llmc;
namespace json = llvm::json;

json::Object llmc::countOperators(func::FuncOp function) {
  std::map<std::string, int64_t> counts;
  function.walk([&](Operation *op) {
    if (op != function && !isa<func::ReturnOp, nn::GetOp>(op) &&
        !op->hasTrait<OpTrait::ConstantLike>())
      ++counts[op->getName().getStringRef().str()];
  });
  json::Object result;
  for (auto &[name, count] : counts)
    result[name] = count;
  return result;
}

/// What a function of one block over index arguments returns; nothing where an
/// op does not fold.
static std::optional<int64_t> evaluate(ModuleOp module, func::FuncOp function,
                                       ArrayRef<int64_t> arguments) {
  Builder builder(module.getContext());
  Block &block = function.front();
  if (arguments.size() != block.getNumArguments())
    return std::nullopt;
  llvm::DenseMap<Value, Attribute> known;
  for (auto [argument, value] : llvm::zip(block.getArguments(), arguments))
    known[argument] = builder.getIndexAttr(value);
  auto number = [&](Value value) -> std::optional<int64_t> {
    if (auto attr = dyn_cast_or_null<IntegerAttr>(known.lookup(value)))
      return attr.getInt();
    return std::nullopt;
  };
  for (Operation &op : block) {
    if (isa<func::ReturnOp>(op))
      return op.getNumOperands() ? number(op.getOperand(0)) : std::nullopt;
    if (auto call = dyn_cast<func::CallOp>(op)) {
      auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
      SmallVector<int64_t> values;
      for (Value operand : call.getOperands()) {
        auto value = number(operand);
        if (!value)
          return std::nullopt;
        values.push_back(*value);
      }
      auto result = evaluate(module, callee, values);
      if (!result)
        return std::nullopt;
      known[call.getResult(0)] = builder.getIndexAttr(*result);
      continue;
    }
    SmallVector<Attribute> operands;
    for (Value operand : op.getOperands())
      operands.push_back(known.lookup(operand));
    SmallVector<OpFoldResult> folded;
    if (failed(op.fold(operands, folded)) ||
        folded.size() != op.getNumResults())
      return std::nullopt;
    for (auto [result, fold] : llvm::zip(op.getResults(), folded))
      known[result] = isa<Attribute>(fold) ? cast<Attribute>(fold)
                                           : known.lookup(cast<Value>(fold));
  }
  return std::nullopt;
}

std::optional<json::Object> llmc::describeArena(ModuleOp module,
                                                const json::Object &entry) {
  // A piece as long as there may be, at the end of a full context, with all its
  // logits; a symbol without a bound counts as 1.
  json::Object at;
  std::map<StringRef, int64_t> bounds;
  SmallVector<int64_t> values;
  const json::Array &symbols = *entry.getArray("symbols");
  for (const json::Value &symbol : symbols)
    if (auto max = symbol.getAsObject()->getInteger("max"))
      bounds[*symbol.getAsObject()->getString("name")] = *max;
  for (const json::Value &symbol : symbols) {
    StringRef name = *symbol.getAsObject()->getString("name");
    int64_t value = 1;
    if (bounds.count(name))
      value = bounds[name];
    else if (name == "past" && bounds.count("seq") && bounds.count("context"))
      value = std::max<int64_t>(0, bounds["context"] - bounds["seq"]);
    else if (name == "n_logits" && bounds.count("seq"))
      value = bounds["seq"];
    at[name] = value;
    values.push_back(value);
  }
  StringRef name = *entry.getString("name");
  int64_t bytes = kAlignment;
  for (auto function : module.getOps<func::FuncOp>()) {
    auto of = function->getAttrOfType<StringAttr>(kVariantOf);
    if (function.getName() != name && (!of || of.getValue() != name))
      continue;
    auto size = module.lookupSymbol<func::FuncOp>(
        (function.getName() + "_arena_size").str());
    auto result = size ? evaluate(module, size, values) : std::nullopt;
    if (!result)
      return std::nullopt;
    bytes = std::max(bytes, *result);
  }
  return json::Object{{"bytes", bytes}, {"at", std::move(at)}};
}
