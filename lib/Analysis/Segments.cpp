//===- Segments.cpp - Where a model can be cut ----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Analysis/Segments.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Dialect/Pack/PackOps.h"

using namespace mlir;
using namespace llmc;

/// Whether an op makes its result part of a layer. Gathers do not: they read
/// embeddings, but rotary tables as well.
static bool isLayerOp(Operation *op) {
  return isa<nn::LinearOp, nn::ConvOp, nn::AttentionOp, nn::CachedAttentionOp,
             nn::AppendOp, nn::RotaryOp, nn::RmsNormOp, nn::LayerNormOp,
             nn::MaxPoolOp, nn::AvgPoolOp, pack::LinearOp>(op);
}

static bool isState(BlockArgument argument) {
  auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
  return bool(
      function.getArgAttr(argument.getArgNumber(), nn::NNDialect::kState));
}

Segments::Segments(func::FuncOp function) {
  Block &body = function.front();
  findGlobals(body);
  findContext(body);
  cut(function);
}

void Segments::findGlobals(Block &body) {
  for (BlockArgument argument : body.getArguments())
    if (argument.getType().isIndex())
      global.insert(argument);
  for (Operation &op : body.without_terminator())
    if (isPure(&op) &&
        llvm::all_of(op.getOperands(), [&](Value v) { return isGlobal(v); }))
      global.insert(op.result_begin(), op.result_end());
}

/// The ops of one kind that read a value which no layer made, by how deep they
/// lie: layer ops on the longest way to them, themselves included.
namespace {
struct Depths {
  unsigned min = UINT_MAX, max = 0;
  void add(const Depths &other) {
    min = std::min(min, other.min);
    max = std::max(max, other.max);
  }
};
using Readers = llvm::SmallDenseMap<OperationName, Depths, 4>;
} // namespace

/// Ops of one kind at different depths read a mask. A table that only one layer
/// reads is read by no first op of the model. The embeddings are: by the first
/// norm, and by one sum.
static bool isReadByLayers(const Readers &readers) {
  unsigned first = UINT_MAX;
  for (auto &[name, depths] : readers) {
    if (depths.min != depths.max)
      return true;
    first = std::min(first, depths.min);
  }
  return !readers.empty() && first > 1;
}

void Segments::findContext(Block &body) {
  // Light values depend on inputs and on no layer op.
  llvm::DenseSet<Value> light;
  llvm::DenseMap<Operation *, unsigned> depths;
  for (BlockArgument argument : body.getArguments())
    if (!isGlobal(argument) && !isState(argument))
      light.insert(argument);
  for (Operation &op : body.without_terminator()) {
    unsigned depth = isLayerOp(&op);
    bool isLight = isPure(&op) && !isLayerOp(&op);
    for (Value operand : op.getOperands()) {
      isLight &= isGlobal(operand) || light.contains(operand);
      if (Operation *maker = operand.getDefiningOp())
        depth = std::max(depth, depths.lookup(maker) + isLayerOp(&op));
    }
    depths[&op] = depth;
    if (isLight)
      for (Value result : op.getResults())
        if (!isGlobal(result))
          light.insert(result);
  }

  // Who reads a light value in the end, past other light values. Last ops
  // first, so that the readers of each value are complete.
  llvm::DenseMap<Value, Readers> readers;
  for (Operation &op : llvm::reverse(body.without_terminator())) {
    Readers own;
    if (op.getNumResults() && light.contains(op.getResult(0))) {
      for (Value result : op.getResults())
        for (auto &[name, depths] : readers[result])
          own[name].add(depths);
      if (isReadByLayers(own))
        context.insert(op.result_begin(), op.result_end());
      // An extent is known without the value.
      if (isa<nn::ShapeOfOp>(op))
        continue;
    } else {
      own[op.getName()] = {depths[&op], depths[&op]};
    }
    for (Value operand : op.getOperands())
      if (light.contains(operand))
        for (auto &[name, depths] : own)
          readers[operand][name].add(depths);
  }
  for (BlockArgument argument : body.getArguments())
    if (light.contains(argument) && isReadByLayers(readers[argument]))
      context.insert(argument);
  // What context is made of is context: it cannot lie inside a segment.
  for (Operation &op : llvm::reverse(body.without_terminator()))
    if (llvm::any_of(op.getResults(), [&](Value v) { return isContext(v); }))
      for (Value operand : op.getOperands())
        if (!isGlobal(operand))
          context.insert(operand);
}

void Segments::cut(func::FuncOp function) {
  Block &body = function.front();
  SmallVector<Operation *> activations;
  llvm::DenseMap<Operation *, size_t> position;
  for (Operation &op : body.without_terminator()) {
    if (op.getNumResults() && llvm::all_of(op.getResults(), [&](Value v) {
          return isGlobal(v) || isContext(v);
        }))
      continue;
    position[&op] = activations.size();
    activations.push_back(&op);
  }

  // The activation ops that read a value: the first, and one past the last.
  auto uses = [&](Value value) {
    std::pair<size_t, size_t> range(SIZE_MAX, 0);
    for (Operation *user : value.getUsers())
      if (auto it = position.find(user); it != position.end()) {
        range.first = std::min(range.first, it->second);
        range.second = std::max(range.second, it->second + 1);
      }
    return range;
  };
  // How many activations come to life before each op and are dead after it.
  SmallVector<int64_t> births(activations.size()), deaths(activations.size());
  for (BlockArgument argument : body.getArguments())
    if (isa<RankedTensorType>(argument.getType()) && !isState(argument) &&
        !isContext(argument))
      if (auto [first, end] = uses(argument); end) {
        ++births[first];
        ++deaths[end - 1];
      }
  for (auto [i, op] : llvm::enumerate(activations))
    for (Value result : op->getResults())
      if (auto [first, end] = uses(result); end) {
        ++births[i];
        ++deaths[end - 1];
      }
  int64_t live = 0;
  segments.emplace_back();
  for (auto [i, op] : llvm::enumerate(activations)) {
    segments.back().push_back(op);
    live += births[i] - deaths[i];
    if (live == 1 && i + 1 != activations.size())
      segments.emplace_back();
  }
}
