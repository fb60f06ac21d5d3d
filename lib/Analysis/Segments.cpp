//===- Segments.cpp - Where a model can be cut ----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Analysis/Segments.h"
#include "llmc/Dialect/NN/NNDialect.h"

using namespace mlir;
using namespace llmc;

bool Segments::isGlobal(Value value) const { return global.contains(value); }

Segments::Segments(func::FuncOp function) {
  Block &body = function.front();
  for (BlockArgument argument : body.getArguments())
    if (argument.getType().isIndex())
      global.insert(argument);

  SmallVector<Operation *> activations;
  for (Operation &op : body.without_terminator()) {
    bool constant = isPure(&op) && llvm::all_of(op.getOperands(), [&](Value v) {
                      return global.contains(v);
                    });
    if (!constant)
      activations.push_back(&op);
    else
      global.insert(op.result_begin(), op.result_end());
  }

  Operation *ret = body.getTerminator();
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (auto state =
            function.getArgAttrOfType<IntegerAttr>(i, nn::NNDialect::kState);
        state && state.getInt() >= 0)
      stateResults.insert(ret->getOperand(state.getInt()));

  // The last activation op (or the return, one past them) that reads a value.
  llvm::DenseMap<Operation *, size_t> position;
  for (auto [i, op] : llvm::enumerate(activations))
    position[op] = i;
  auto lastUse = [&](Value value) {
    size_t last = 0;
    for (Operation *user : value.getUsers())
      if (user == ret && !stateResults.contains(value))
        last = activations.size();
      else if (auto it = position.find(user); it != position.end())
        last = std::max(last, it->second);
    return last;
  };
  // How many activations die after each op; new ones are added on the way.
  SmallVector<int64_t> deaths(activations.size() + 1);
  int64_t live = 0;
  auto isState = [&](BlockArgument argument) {
    return function.getArgAttr(argument.getArgNumber(), nn::NNDialect::kState);
  };
  for (BlockArgument argument : body.getArguments())
    if (isa<RankedTensorType>(argument.getType()) && !isState(argument) &&
        !argument.use_empty()) {
      ++live;
      ++deaths[lastUse(argument)];
    }
  segments.emplace_back();
  for (auto [i, op] : llvm::enumerate(activations)) {
    segments.back().push_back(op);
    for (Value result : op->getResults()) {
      size_t last = lastUse(result);
      // A state's new version counts while ops of its own segment read it.
      if (result.use_empty() || last <= i)
        continue;
      ++live;
      ++deaths[last];
    }
    live -= deaths[i];
    if (live == 1 && i + 1 != activations.size())
      segments.emplace_back();
  }
}
