//===- LmWriter.cpp - The walk over a bound language model ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "LmWriter.h"
#include "RowOps.h"

#include "llmc/Passes/Matching.h"
#include "llmc/Passes/RestructurePasses.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace llmc;

LmWriter::LmWriter(func::FuncOp bound, int64_t context)
    : bound(bound), module(bound->getParentOfType<ModuleOp>()), symbols(module),
      context(context), elements(bound), builder(bound.getContext()) {
  seq = elements.context().symbol("seq", 1);
  past = elements.context().symbol("past", 0);
}

LogicalResult LmWriter::refuse(Operation *op, const Twine &text) {
  if (!culprit) {
    culprit = op;
    reason = text.str();
  }
  return failure();
}

const Rows *LmWriter::find(Value value) const {
  auto it = rows.find(value);
  return it == rows.end() ? nullptr : &it->second;
}

void LmWriter::set(Value value, Value canonical, ArrayRef<int64_t> axes) {
  rows[value] = Rows{canonical, SmallVector<int64_t>(axes)};
}

SmallVector<Value> LmWriter::getNeeded(Operation *op) {
  if (isa<nn::GetOp, arith::ConstantOp>(op))
    return {};
  if (auto attention = dyn_cast<nn::AttentionOp>(op)) {
    SmallVector<Value> values{attention.getQuery()};
    for (Value operand : {attention.getKey(), attention.getValue()})
      if (auto memory = getMemory(attention, operand); succeeded(memory))
        values.push_back(memory->rows);
    return values;
  }
  if (isElementwise(op) || isa<nn::ConcatOp>(op))
    return SmallVector<Value>(op->getOperands());
  // The ids; positions that index a table are proved, not written.
  if (auto gather = dyn_cast<nn::GatherOp>(op))
    return {gather.getIndices()};
  // Shapes, bounds, tables and parameters are proved or copied.
  return {op->getOperand(0)};
}

LogicalResult LmWriter::findNeeded() {
  auto end = cast<func::ReturnOp>(bound.getBody().front().getTerminator());
  SmallVector<Value> work{end.getOperand(logits)};
  while (!work.empty()) {
    Operation *op = work.pop_back_val().getDefiningOp();
    if (!op || !needed.insert(op).second || op->getNumOperands() == 0)
      continue;
    if (op->getNumRegions() != 0)
      return refuse(op, "op '" + op->getName().getStringRef() +
                            "' on the way to the logits has regions");
    llvm::append_range(work, getNeeded(op));
    if (culprit)
      return failure();
  }
  return success();
}

void LmWriter::declare() {
  Location loc = bound.getLoc();
  builder.setInsertionPointAfter(bound);
  result = func::FuncOp::create(builder, loc, "lm.canonical",
                                builder.getFunctionType({}, {}));
  Block *block = result.addEntryBlock();
  auto add = [&](Type type) { return block->addArgument(type, loc); };
  ids =
      add(RankedTensorType::get({ShapedType::kDynamic}, builder.getI64Type()));
  seqIndex = add(builder.getIndexType());
  pastIndex = add(builder.getIndexType());
  countIndex = add(builder.getIndexType());
  add(builder.getIndexType());
  builder.setInsertionPointToStart(block);
  set(bound.getArgument(0), ids, {0});
}

LogicalResult LmWriter::write(Operation *op) {
  if (auto gather = dyn_cast<nn::GatherOp>(op))
    return writeGather(gather);
  if (isLayer(op))
    return writeLayer(op);
  if (auto attention = dyn_cast<nn::AttentionOp>(op))
    return writeAttention(attention);
  if (auto rotary = dyn_cast<nn::RotaryOp>(op))
    return writeRotary(rotary);
  if (auto slice = dyn_cast<nn::SliceOp>(op))
    return writeSlice(slice);
  if (isa<nn::ReshapeOp, nn::TransposeOp, nn::SqueezeOp, nn::UnsqueezeOp,
          nn::ExpandOp>(op))
    return writeReshape(op);
  if (isElementwise(op))
    return writeElementwise(op);
  return refuse(op, "op '" + op->getName().getStringRef() +
                        "' does not treat each row of time by itself");
}

FailureOr<func::FuncOp> LmWriter::run() {
  auto end = cast<func::ReturnOp>(bound.getBody().front().getTerminator());
  for (auto [i, type] : llvm::enumerate(bound.getResultTypes()))
    if (auto name =
            bound.getResultAttrOfType<StringAttr>(i, nn::NNDialect::kName);
        name && name.getValue() == "logits")
      logits = i;
  hasPasts = llvm::any_of(bound.getArguments(), [](BlockArgument argument) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    return type && type.getRank() == 4;
  });
  if (failed(findNeeded()))
    return failure();
  declare();
  for (Operation &op : bound.getBody().front().without_terminator()) {
    if (!needed.contains(&op) || isa<nn::GetOp, arith::ConstantOp>(op))
      continue;
    // What is invariant in time is copied by its users.
    if (isWeight(op.getResult(0)) || getScalar(op.getResult(0)))
      continue;
    if (failed(write(&op))) {
      (void)refuse(&op, "op '" + op.getName().getStringRef() +
                            "' has a form that is not known");
      result.erase();
      return failure();
    }
  }
  const Rows *final = find(end.getOperand(logits));
  if (!final || final->axes != ArrayRef<int64_t>{Rows::kUnit, 0, 1}) {
    (void)refuse(end, "expected logits [batch, seq, vocabulary]");
    result.erase();
    return failure();
  }
  if (failed(finish())) {
    result.erase();
    return failure();
  }
  return result;
}

/// Follows the chain of ops that treat each row by itself back from the logits
/// and repeats it on the last rows, so that the head runs on no other.
Value LmWriter::takeLastRows(Value value) {
  SmallVector<Operation *> chain;
  Value x = value;
  while (Operation *op = x.getDefiningOp()) {
    if (!isLayer(op) && !isElementwise(op))
      break;
    // One operand of the op has rows; the others are parameters.
    SmallVector<Value> activations;
    for (Value operand : op->getOperands())
      if (!operand.getDefiningOp() ||
          !isa<nn::GetOp, arith::ConstantOp>(operand.getDefiningOp()))
        activations.push_back(operand);
    if (activations.size() != 1 || !x.hasOneUse())
      if (x != value || activations.size() != 1)
        break;
    chain.push_back(op);
    x = activations.front();
  }
  Location loc = bound.getLoc();
  Value start = arith::SubIOp::create(builder, loc, seqIndex, countIndex);
  Value last = nn::RowsOp::create(builder, loc, x, start, countIndex);
  IRMapping mapping;
  mapping.map(x, last);
  for (Operation *op : llvm::reverse(chain))
    last = builder.clone(*op, mapping)->getResult(0);
  for (Operation *op : chain)
    if (op->use_empty())
      op->erase();
  return last;
}

LogicalResult LmWriter::finish() {
  auto end = cast<func::ReturnOp>(bound.getBody().front().getTerminator());
  for (BlockArgument argument : bound.getArguments()) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (type && type.getRank() == 4 && !caches.count(argument))
      return refuse(
          bound, "the past '" +
                     bound
                         .getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                       nn::NNDialect::kName)
                         .getValue() +
                     "' is read by no attention");
  }
  Location loc = bound.getLoc();
  Value last = takeLastRows(find(end.getOperand(logits))->value);
  SmallVector<Value> results{last};
  for (auto &entry : caches)
    results.push_back(entry.second.appended);
  func::ReturnOp::create(builder, loc, results);
  result.setFunctionType(
      builder.getFunctionType(result.getBody().front().getArgumentTypes(),
                              ValueRange(results).getTypes()));

  auto text = [&](StringRef value) { return builder.getStringAttr(value); };
  result.setArgAttr(0, nn::NNDialect::kName, text("ids"));
  result.setArgAttr(0, nn::NNDialect::kDims, builder.getStrArrayAttr({"seq"}));
  unsigned symbol = 1;
  for (StringRef name : {"seq", "past", "n_logits", "context"})
    result.setArgAttr(symbol++, nn::NNDialect::kSymbol, text(name));
  int64_t vocabulary = cast<RankedTensorType>(last.getType()).getDimSize(1);
  result.setResultAttr(0, nn::NNDialect::kName, text("logits"));
  result.setResultAttr(
      0, nn::NNDialect::kDims,
      builder.getArrayAttr(
          {text("n_logits"), builder.getI64IntegerAttr(vocabulary)}));
  for (auto [i, entry] : llvm::enumerate(caches)) {
    auto type = cast<RankedTensorType>(entry.second.argument.getType());
    unsigned argument =
        cast<BlockArgument>(entry.second.argument).getArgNumber();
    auto dims = builder.getArrayAttr(
        {builder.getI64IntegerAttr(type.getDimSize(0)), text("context"),
         builder.getI64IntegerAttr(type.getDimSize(2))});
    result.setArgAttr(argument, nn::NNDialect::kName, text(entry.second.name));
    result.setArgAttr(argument, nn::NNDialect::kDims, dims);
    result.setArgAttr(argument, nn::NNDialect::kState,
                      builder.getI64IntegerAttr(1 + i));
    result.setResultAttr(1 + i, nn::NNDialect::kName, text(entry.second.name));
    result.setResultAttr(1 + i, nn::NNDialect::kDims, dims);
  }
  return success();
}
