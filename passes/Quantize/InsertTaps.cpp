//===- InsertTaps.cpp - Measure inputs of products ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/NNTap.h"
#include "llmc/Passes/QuantizePasses.h"

#include "llvm/ADT/MapVector.h"

namespace llmc {
#define GEN_PASS_DEF_INSERTTAPSPASS
#include "llmc/Passes/QuantizePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

SmallVector<TapPlace> llmc::findTapPlaces(func::FuncOp function) {
  llvm::MapVector<Value, TapPlace> places;
  for (auto linear : function.front().getOps<nn::LinearOp>()) {
    Value input = linear.getInput();
    auto get = linear.getWeight().getDefiningOp<nn::GetOp>();
    auto type = cast<RankedTensorType>(input.getType());
    if (!get || !type.getElementType().isF32() || type.getRank() == 0 ||
        type.isDynamicDim(type.getRank() - 1))
      continue;
    TapPlace &place = places[input];
    place.input = input;
    if (!llvm::is_contained(place.weights, get.getWeight()))
      place.weights.push_back(get.getWeight());
  }
  SmallVector<TapPlace> result;
  for (auto &entry : places)
    result.push_back(std::move(entry.second));
  return result;
}

std::string llmc::getTapName(size_t number) {
  return "tap" + std::to_string(number);
}

namespace {

struct InsertTaps : llmc::impl::InsertTapsPassBase<InsertTaps> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal() || !function.getBody().hasOneBlock())
      return;
    Operation *end = function.front().getTerminator();
    SmallVector<Value> returned(end->getOperands());
    size_t first = returned.size();
    for (const TapPlace &place : findTapPlaces(function))
      returned.push_back(insert(&function.front(), place.input));
    end->setOperands(returned);
    SmallVector<Type> types(end->getOperandTypes());
    SmallVector<DictionaryAttr> attributes;
    function.getAllResultAttrs(attributes);
    Builder builder(&getContext());
    for (size_t i = first; i < returned.size(); ++i)
      attributes.push_back(builder.getDictionaryAttr(builder.getNamedAttr(
          nn::NNDialect::kName, builder.getStringAttr(getTapName(i - first)))));
    function.setFunctionType(
        builder.getFunctionType(function.getArgumentTypes(), types));
    function.setAllResultAttrs(ArrayRef<DictionaryAttr>(attributes));
  }

  /// Before the first product that reads it, so that both lie in one segment.
  static Value insert(Block *block, Value input) {
    Operation *first = nullptr;
    for (Operation *user : input.getUsers())
      if (isa<nn::LinearOp>(user) && user->getBlock() == block &&
          (!first || user->isBeforeInBlock(first)))
        first = user;
    OpBuilder builder(first);
    return nn::TapOp::create(builder, first->getLoc(), input);
  }
};

} // namespace
