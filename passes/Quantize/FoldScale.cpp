//===- FoldScale.cpp - Scales of columns move into parameters -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// RMSNorm(x) * gamma * t = RMSNorm(x) * (gamma t),
// f(g) * (W x + b) * t = f(g) * (diag(t) W x + t b), and
// P (V x + b) * t = P (diag(t) V x + t b) for the weights P of attention.
//
//===----------------------------------------------------------------------===//
#include "FoldScale.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Recipes/Recipe.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace llmc;

nn::MulOp llmc::findGatedProduct(Value value) {
  auto product = value.getDefiningOp<nn::MulOp>();
  return product && product.getLhs().getType() == product.getType() &&
                 product.getRhs().getType() == product.getType()
             ? product
             : nn::MulOp();
}

std::optional<ScaleFold> ScaleFold::find(SymbolTable &symbols,
                                         ArrayRef<nn::LinearOp> readers) {
  ScaleFold fold(symbols);
  llvm::SetVector<Value> inputs;
  for (nn::LinearOp linear : readers)
    inputs.insert(fold.follow(linear.getInputMutable()));
  for (Value input : inputs)
    if (!fold.addProducer(input))
      return std::nullopt;
  if (!fold.readsAreForeseen())
    return std::nullopt;
  return fold;
}

void ScaleFold::apply(ArrayRef<float> factors) {
  MLIRContext *context = symbols->getOp()->getContext();
  auto type = RankedTensorType::get({static_cast<int64_t>(factors.size())},
                                    Float32Type::get(context));
  Attribute values =
      nn::DenseSourceAttr::get(context, DenseElementsAttr::get(type, factors));
  for (StringAttr name : parameters) {
    auto weight = symbols->lookup<nn::WeightOp>(name);
    weight.setSourceAttr(nn::ScaleSourceAttr::get(context, weight.getSource(),
                                                  values, /*axis=*/0,
                                                  /*inverse=*/false));
  }
}

Value ScaleFold::follow(OpOperand &operand) {
  foreseen.insert(&operand);
  changed.insert(operand.get());
  return operand.get();
}

/// What else reads a changed value, or a changed parameter, forbids the fold.
bool ScaleFold::readsAreForeseen() {
  for (Value value : changed)
    for (OpOperand &use : value.getUses())
      if (!foreseen.contains(&use))
        return false;
  auto module = cast<ModuleOp>(symbols->getOp());
  bool onlyOurs = true;
  module.walk([&](nn::GetOp get) {
    if (!parameters.contains(get.getWeightAttr().getAttr()))
      return;
    for (OpOperand &use : get->getUses())
      onlyOurs &= makers.contains(use.getOwner()) && use.getOperandNumber() > 0;
  });
  return onlyOurs;
}

bool ScaleFold::setShared(SharedColumns columns) {
  if (!shared)
    shared = columns;
  return *shared == columns;
}

bool ScaleFold::addProducer(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (auto merged = dyn_cast<nn::ReshapeOp>(op))
    return addAttention(merged);
  if (isa<nn::RmsNormOp, nn::LayerNormOp>(op))
    return setShared({}) && addMaker(op);
  nn::MulOp gated = findGatedProduct(value);
  if (!gated)
    return false;
  for (OpOperand *side : {&gated.getRhsMutable(), &gated.getLhsMutable()})
    if (auto up = side->get().getDefiningOp<nn::LinearOp>();
        up && up->hasOneUse()) {
      follow(*side);
      return setShared({}) && addMaker(up);
    }
  return false;
}

/// Whether a reshape only joins the two last extents, `heads` and `size`, or only
/// parts them: elements keep their row-major order.
static bool joinsHeads(RankedTensorType joined, int64_t heads, int64_t size) {
  return joined.getRank() > 0 && heads > 0 && size > 0 &&
         joined.getShape().back() == heads * size;
}

bool ScaleFold::addAttention(nn::ReshapeOp merged) {
  OpOperand *values;
  Operation *op = merged.getInput().getDefiningOp();
  if (auto attention = dyn_cast_if_present<nn::AttentionOp>(op))
    values = &attention.getValueMutable();
  else if (auto attention = dyn_cast_if_present<nn::CachedAttentionOp>(op))
    values = &attention.getValueMutable();
  else
    return false;
  follow(merged.getInputMutable());
  ArrayRef<int64_t> outputs =
      cast<RankedTensorType>(op->getResult(0).getType()).getShape();
  int64_t heads = outputs[outputs.size() - 2], size = outputs.back();
  if (!joinsHeads(cast<RankedTensorType>(merged.getType()), heads, size))
    return false;
  Value rows = follow(*values);
  if (isa<nn::CachedAttentionOp>(op)) {
    auto append = rows.getDefiningOp<nn::AppendOp>();
    if (!append || !addCache(append))
      return false;
    rows = follow(append.getInputMutable());
  }
  auto parted = rows.getDefiningOp<nn::ReshapeOp>();
  if (!parted)
    return false;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(rows.getType()).getShape();
  int64_t valueHeads = shape[shape.size() - 2];
  Value product = follow(parted.getInputMutable());
  auto linear = product.getDefiningOp<nn::LinearOp>();
  return linear && valueHeads > 0 && heads % valueHeads == 0 &&
         joinsHeads(cast<RankedTensorType>(product.getType()), valueHeads,
                    size) &&
         setShared({heads / valueHeads, size}) && addMaker(linear);
}

/// A cache is filled by one append from call to call, and rows beyond what was
/// appended are not read.
bool ScaleFold::addCache(nn::AppendOp append) {
  auto argument = dyn_cast<BlockArgument>(follow(append.getCacheMutable()));
  auto function = dyn_cast<func::FuncOp>(append->getParentOp());
  if (!argument || !function || argument.getOwner() != &function.front())
    return false;
  auto state = function.getArgAttrOfType<IntegerAttr>(argument.getArgNumber(),
                                                      nn::NNDialect::kState);
  if (!state)
    return false;
  OpOperand &next =
      function.front().getTerminator()->getOpOperand(state.getInt());
  foreseen.insert(&next);
  return next.get() == append.getResult();
}

/// An op whose operands after the first are parameters.
bool ScaleFold::addMaker(Operation *op) {
  makers.insert(op);
  for (Value operand : op->getOperands().drop_front()) {
    auto get = operand.getDefiningOp<nn::GetOp>();
    auto weight =
        get ? symbols->lookup<nn::WeightOp>(get.getWeight()) : nn::WeightOp();
    // What is compressed already can no longer be scaled.
    if (!weight || !isa<RankedTensorType>(weight.getType()))
      return false;
    auto method =
        weight->getAttrOfType<pack::MethodAttr>(pack::PackDialect::kMethod);
    if (method && method.getName() == kKeepMethod)
      return false;
    parameters.insert(get.getWeightAttr().getAttr());
  }
  return true;
}
