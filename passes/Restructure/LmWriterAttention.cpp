//===- LmWriterAttention.cpp - Attention, caches and rotary tables --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "LmWriter.h"

#include "llmc/Analysis/Proofs.h"
#include "llmc/Passes/Matching.h"

using namespace mlir;
using namespace llmc;

Value LmWriter::getCanonical(Operation *op, Value value,
                             ArrayRef<int64_t> axes) {
  const Rows *found = find(value);
  if (found && ArrayRef<int64_t>(found->axes) == axes)
    return found->value;
  (void)refuse(op, "op '" + op->getName().getStringRef() +
                       "' reads a tensor that is not [batch, time, heads, "
                       "size]");
  return {};
}

/// Skips transpositions; `axis` follows the axis of time.
static Value skipTransposes(Value value, int64_t &axis) {
  while (auto transpose = value.getDefiningOp<nn::TransposeOp>()) {
    axis = transpose.getPerm()[axis];
    value = transpose.getInput();
  }
  return value;
}

FailureOr<LmWriter::Memory> LmWriter::getMemory(nn::AttentionOp op,
                                                Value operand) {
  int64_t axis = 1;
  auto concat = skipTransposes(operand, axis).getDefiningOp<nn::ConcatOp>();
  if (!hasPasts && !concat)
    return Memory{{}, operand};
  if (!concat || concat.getInputs().size() != 2 ||
      static_cast<int64_t>(concat.getAxis()) != axis)
    return refuse(op, "op 'nn.attention' reads keys or values that are no past "
                      "followed by new rows");
  int64_t pastAxis = axis;
  auto argument =
      dyn_cast<BlockArgument>(skipTransposes(concat.getInputs()[0], pastAxis));
  if (!argument || pastAxis != 2 || argument.getOwner() != &bound.front())
    return refuse(op, "op 'nn.attention' reads keys or values whose first rows "
                      "are no past");
  return Memory{argument, concat.getInputs()[1]};
}

FailureOr<Value> LmWriter::append(nn::AttentionOp op, const Memory &memory,
                                  StringRef kind, size_t layer) {
  Value key = memory.past ? Value(memory.past) : memory.rows;
  if (auto it = caches.find(key); it != caches.end())
    return it->second.appended;
  // Any order of the axes will do: the canonical value is time, heads, size.
  const Rows *found = find(memory.rows);
  Value rows = found ? found->value : Value();
  auto type = rows ? tensorType(rows) : RankedTensorType();
  if (!type || type.getRank() != 3 || type.isDynamicDim(1) ||
      type.isDynamicDim(2))
    return refuse(op, "op 'nn.attention' reads keys or values that are not "
                      "[batch, time, heads, size]");
  Location loc = op.getLoc();
  Value argument = result.front().addArgument(
      type.clone(
          {type.getDimSize(1), ShapedType::kDynamic, type.getDimSize(2)}),
      loc);
  Value appended =
      nn::AppendOp::create(builder, loc, argument, rows, pastIndex);
  caches[key] =
      Cache{argument, appended, ("layers." + Twine(layer) + "." + kind).str()};
  return appended;
}

LogicalResult LmWriter::writeAttention(nn::AttentionOp op) {
  if (!op.getCausal() || op.getMask())
    return refuse(op, "op 'nn.attention' is not proved causal");
  auto key = getMemory(op, op.getKey()), value = getMemory(op, op.getValue());
  if (failed(key) || failed(value))
    return failure();
  constexpr int64_t kLayout[] = {Rows::kUnit, 0, 1, 2};
  Value query = getCanonical(op, op.getQuery(), kLayout);
  if (!query)
    return failure();
  size_t before = caches.size();
  auto keys = append(op, *key, "key", layers);
  if (failed(keys))
    return failure();
  auto values = append(op, *value, "value", layers);
  if (failed(values))
    return failure();
  if (caches.size() != before)
    ++layers;
  set(op.getResult(),
      nn::CachedAttentionOp::create(builder, op.getLoc(), query, *keys, *values,
                                    pastIndex, op.getScaleAttr(),
                                    op.getWindowAttr(), op.getSoftcapAttr()),
      kLayout);
  return success();
}

bool LmWriter::isPosition(SymExpr position, SymExpr row) {
  SymContext &ctx = elements.context();
  return position && position == (hasPasts ? ctx.add(past, row) : row);
}

Value LmWriter::readRows(Location loc, Value weight) {
  auto get = weight.getDefiningOp<nn::GetOp>();
  Value &table = tables[get ? Attribute(get.getWeightAttr()) : Attribute()];
  if (!table || !get)
    table = nn::RowsOp::create(builder, loc, weight, pastIndex, seqIndex);
  return table;
}

Value LmWriter::makeTableRows(Location loc, Attribute source,
                              RankedTensorType type, StringRef name) {
  nn::WeightOp weight;
  for (auto other : module.getOps<nn::WeightOp>())
    if (other.getSource() == source && other.getType() == type)
      weight = other;
  if (!weight) {
    OpBuilder at(module.getContext());
    at.setInsertionPoint(bound);
    weight = nn::WeightOp::create(at, loc, name, type, source);
    weight->remove();
    // The table of symbols makes the name unique.
    symbols.insert(weight, Block::iterator(bound));
  }
  auto symbol = FlatSymbolRefAttr::get(weight.getSymNameAttr());
  if (Value table = tables.lookup(symbol))
    return table;
  Value get = nn::GetOp::create(builder, loc, type, symbol);
  return readRows(loc, get);
}

Value LmWriter::getTable(nn::RotaryOp op, Value table, bool sine) {
  auto type = tensorType(table);
  // Rows of a table that the model brings.
  SymIndex index = elements.freshIndex(table);
  ElementSource source = elements.trace(table, index);
  if (Value weight = copyKnown(source.value);
      weight && source.index.size() == 2 && type.getRank() == 3) {
    auto stored = tensorType(source.value);
    if (isPosition(source.index[0], index[1]) && source.index[1] == index[2] &&
        stored.getDimSize(1) == type.getDimSize(2))
      return readRows(op.getLoc(), weight);
  }
  // Angles computed from frequencies.
  auto proof = proveRotaryAngle(elements, table, type.getRank() - 2);
  if (!proof || proof->doubled || proof->sine != sine) {
    (void)refuse(op, "op 'nn.rotary' reads a table that is not proved to hold "
                     "angles of positions");
    return {};
  }
  if (!isPosition(proof->position, proof->row)) {
    (void)refuse(op, "op 'nn.rotary' is at position " + proof->position.str() +
                         " where past + row is expected");
    return {};
  }
  if (context < 1) {
    (void)refuse(op, "op 'nn.rotary' needs a table of positions, but the "
                     "option 'context' does not say how many");
    return {};
  }
  Attribute frequencies;
  auto stored = tensorType(proof->frequencies);
  if (auto get = proof->frequencies.getDefiningOp<nn::GetOp>()) {
    if (auto weight = symbols.lookup<nn::WeightOp>(get.getWeight()))
      frequencies = weight.getSource();
  } else {
    DenseElementsAttr values;
    if (matchPattern(proof->frequencies, m_Constant(&values)))
      frequencies = nn::DenseSourceAttr::get(builder.getContext(), values);
  }
  if (!frequencies || !stored.hasStaticShape() ||
      stored.getNumElements() != proof->count) {
    (void)refuse(op, "op 'nn.rotary' has frequencies that are not known");
    return {};
  }
  if (stored.getRank() != 1)
    frequencies = nn::ReshapeSourceAttr::get(builder.getContext(), frequencies,
                                             {proof->count});
  auto attribute =
      nn::RotaryTableAttr::get(builder.getContext(), frequencies, context,
                               builder.getF64FloatAttr(proof->scale), sine);
  return makeTableRows(op.getLoc(), attribute,
                       stored.clone({context, proof->count}),
                       sine ? "rotary.sin" : "rotary.cos");
}

LogicalResult LmWriter::writeRotary(nn::RotaryOp op) {
  constexpr int64_t kLayout[] = {Rows::kUnit, 0, 1, 2};
  Value input = getCanonical(op, op.getInput(), kLayout);
  if (!input)
    return failure();
  Value cos = getTable(op, op.getCos(), false);
  Value sin = cos ? getTable(op, op.getSin(), true) : Value();
  if (!sin)
    return failure();
  set(op.getResult(),
      nn::RotaryOp::create(builder, op.getLoc(), input, cos, sin,
                           op.getInterleaved()),
      kLayout);
  return success();
}
