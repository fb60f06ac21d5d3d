//===- PassWatch.cpp - What passes do to weights --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass manager calls an instrumentation under a lock, also from the threads
// that run passes on functions. While these run, nothing here may look into a
// function: weights are counted only around passes on the module.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/PassWatch.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Formats/Layout.h"
#include "llmc/Weights/WeightStore.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;
using namespace llmc;

/// Ops between a weight and what reads it as a matrix: a transposition, a
/// conversion, a slice and the like.
static constexpr unsigned kLongestWay = 8;

static TensorRole join(TensorRole one, TensorRole other) {
  for (TensorRole role : {TensorRole::Table, TensorRole::Linear})
    if (one == role || other == role)
      return role;
  return TensorRole::Other;
}

static TensorRole findRole(Value value, unsigned way) {
  TensorRole role = TensorRole::Other;
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    unsigned number = use.getOperandNumber();
    if (isa<nn::MatmulOp>(user) ||
        (isa<nn::LinearOp, pack::LinearOp>(user) && number == 1)) {
      auto type = dyn_cast<ShapedType>(value.getType());
      if (!type || type.getRank() >= 2)
        role = join(role, TensorRole::Linear);
    } else if (isa<pack::GatherOp>(user)) {
      role = TensorRole::Table;
    } else if (auto gather = dyn_cast<nn::GatherOp>(user)) {
      auto type = dyn_cast<ShapedType>(value.getType());
      if (number == 0 && gather.getAxis() == 0 && type && type.getRank() == 2)
        role = TensorRole::Table;
    } else if (way < kLongestWay && number == 0 &&
               isa<nn::TransposeOp, nn::ReshapeOp, nn::CastOp, nn::SliceOp,
                   nn::ConcatOp, nn::SqueezeOp, nn::UnsqueezeOp>(user)) {
      role = join(role, findRole(user->getResult(0), way + 1));
    }
  }
  return role;
}

TensorRole llmc::findRole(Value weight) { return ::findRole(weight, 0); }

static WeightTotals::Sum count(Type declared, pack::MethodAttr method) {
  WeightTotals::Sum sum;
  sum.tensors = 1;
  std::optional<FormatDescription> format;
  int64_t rows = 0, columns = 0, tileRows = 16;
  if (auto packed = dyn_cast<pack::TensorType>(declared)) {
    rows = packed.getRows();
    columns = packed.getColumns();
    tileRows = packed.getLayout().getCount();
    sum.weights = rows * columns;
    if (auto quantized =
            dyn_cast<pack::QuantizedAttr>(Attribute(packed.getFormat())))
      format = pack::getFormat(quantized);
    else if (auto dense =
                 dyn_cast<pack::DenseAttr>(Attribute(packed.getFormat())))
      sum.bytes = static_cast<int64_t>(llvm::alignTo(rows, tileRows)) *
                  columns * (dense.getStorage().getIntOrFloatBitWidth() / 8);
    else
      sum.bytes = packed.getBytes();
  } else if (auto tensor = dyn_cast<RankedTensorType>(declared)) {
    // A type of any extents may stand in a text.
    auto bytes = getTensorBytes(tensor);
    if (!bytes)
      return sum;
    sum.weights = tensor.getNumElements();
    sum.bytes = *bytes;
    if (method && tensor.getRank() == 2) {
      rows = tensor.getDimSize(0);
      columns = tensor.getDimSize(1);
      format = pack::getFormat(method);
    }
  }
  if (!format)
    return sum;
  if (auto layout = PackedLayout::create(*format, rows, columns, tileRows))
    sum.bytes = layout->getUsedBytes();
  else
    llvm::consumeError(layout.takeError());
  return sum;
}

WeightCensus WeightCensus::take(ModuleOp module) {
  llvm::DenseMap<StringAttr, TensorRole> roles;
  module.walk([&](nn::GetOp get) {
    TensorRole &role =
        roles.try_emplace(get.getWeightAttr().getAttr(), TensorRole::Other)
            .first->second;
    role = join(role, findRole(get.getResult()));
  });
  WeightCensus census;
  for (auto weight : module.getOps<nn::WeightOp>()) {
    auto method =
        weight->getAttrOfType<pack::MethodAttr>(pack::PackDialect::kMethod);
    if (method)
      census.methods[weight.getSymName()] = method;
    TensorRole role =
        roles.lookup_or(weight.getSymNameAttr(), TensorRole::Other);
    // Layers may stand in functions of their own; what is packed and no table
    // belongs to one.
    if (isa<pack::TensorType>(weight.getType()))
      role = join(role, TensorRole::Linear);
    census.totals[role].add(count(weight.getType(), method));
  }
  return census;
}

PassWatch::PassWatch(ModuleOp module, const PassLine *prototype,
                     PassRecord &record)
    : module(module), writesLines(prototype), record(record) {
  if (!prototype)
    return;
  this->prototype = *prototype;
  census = WeightCensus::take(module);
  firstLine = record.lines.size();
}

void PassWatch::runBeforePass(Pass *, Operation *op) {
  if (writesLines)
    states[op].running.push_back(Clock::now());
}

PassLine &PassWatch::findLine(Pass *pass, Operation *op, size_t number) {
  StringRef anchor = op == module ? "" : op->getName().getStringRef();
  for (PassLine &line : llvm::drop_begin(record.lines, firstLine))
    if (line.anchor == anchor && number-- == 0)
      return line;
  PassLine line = prototype;
  line.pass = pass->getArgument();
  line.anchor = anchor;
  line.before = line.after = census.totals;
  return record.lines.emplace_back(std::move(line));
}

void PassWatch::runAfterPass(Pass *pass, Operation *op) {
  if (!writesLines)
    return;
  State &state = states[op];
  std::chrono::duration<double> seconds =
      Clock::now() - state.running.pop_back_val();
  // Inside of another one.
  if (!state.running.empty())
    return;
  // What only brings passes to their functions has no name.
  bool named = !pass->getArgument().empty();
  if (named)
    findLine(pass, op, state.finished++).seconds += seconds.count();
  if (op != module)
    return;
  WeightCensus now = WeightCensus::take(module);
  if (named) {
    PassLine &line = record.lines.back();
    line.after = now.totals;
    for (auto &entry : now.methods)
      if (census.methods.lookup(entry.first()) != entry.second)
        line.asked.push_back(entry.first().str());
    llvm::sort(line.asked);
  }
  census = std::move(now);
  states.clear();
  firstLine = record.lines.size();
}

void PassWatch::runAfterPassFailed(Pass *pass, Operation *op) {
  // The innermost one is told first.
  if (!record.failedPass.empty() || pass->getArgument().empty())
    return;
  record.failedPass = pass->getArgument();
  if (auto function = dyn_cast<func::FuncOp>(op))
    record.failedFunction = function.getSymName().str();
}
