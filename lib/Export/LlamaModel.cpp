//===- LlamaModel.cpp - A Llama, found in @lm -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "LlamaModel.h"

#include "llmc/Weights/ReadMatrix.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include <cmath>

using namespace mlir;
using namespace llmc;
using llvm::createStringError;
using llvm::Expected;

namespace {

/// Follows values back; after the first fault nothing is found any more.
class Matcher {
public:
  Matcher(ModuleOp module, const WeightStore &store)
      : module(module), store(store), symbols(module) {}

  Expected<LlamaModel> run();

private:
  void fail(const Twine &what) {
    if (fault.empty())
      fault = what.str();
  }
  void check(bool holds, const Twine &what) {
    if (!holds)
      fail(what);
  }
  /// In front of everything that only gives the same numbers another shape.
  static Value strip(Value value) {
    while (value)
      if (auto op = value.getDefiningOp<nn::ReshapeOp>())
        value = op.getInput();
      else if (auto op = value.getDefiningOp<nn::UnsqueezeOp>())
        value = op.getInput();
      else
        break;
    return value;
  }
  template <typename Op> Op find(Value value, StringRef what) {
    if (!fault.empty())
      return {};
    value = strip(value);
    if (auto op = value.getDefiningOp<Op>())
      return op;
    Operation *other = value.getDefiningOp();
    fail("expected " + what + " but got " +
         (other ? "'" + other->getName().getStringRef() + "'"
                : Twine("an argument")));
    return {};
  }
  nn::WeightOp weight(Value value, StringRef what) {
    auto get = find<nn::GetOp>(value, what);
    return get ? symbols.lookup<nn::WeightOp>(get.getWeight()) : nn::WeightOp();
  }
  LlamaLinear linear(nn::LinearOp op) {
    LlamaLinear result;
    if (!op)
      return result;
    result.weight = weight(op.getWeight(), "a weight");
    if (op.getBias())
      result.bias = weight(op.getBias(), "a bias");
    return result;
  }
  nn::RmsNormOp norm(Value value, StringRef what);
  std::pair<nn::LinearOp, Value> residual(Value value, StringRef what);
  nn::LinearOp rotated(Value value, StringRef what);
  Value layer(Value end, LlamaLayer &layer);
  void tables(nn::RotaryOp op);
  void checkAngles();

  ModuleOp module;
  const WeightStore &store;
  SymbolTable symbols;
  func::FuncOp lm;
  LlamaModel model;
  std::string fault;
  /// Tables of cosines and sines, [positions][headSize / 2].
  nn::WeightOp cosines, sines;
  /// Whether rotations are interleaved, once one was seen.
  std::optional<bool> turned;
};

} // namespace

nn::RmsNormOp Matcher::norm(Value value, StringRef what) {
  auto op = find<nn::RmsNormOp>(value, what);
  if (!op)
    return op;
  double epsilon = op.getEpsilon().convertToDouble();
  check(model.epsilon == 0 || model.epsilon == epsilon,
        "expected one epsilon in all norms");
  model.epsilon = epsilon;
  return op;
}

/// A sum of a product and what goes around it.
std::pair<nn::LinearOp, Value> Matcher::residual(Value value, StringRef what) {
  auto sum = find<nn::AddOp>(value, what);
  if (!sum)
    return {};
  for (Value side : {sum.getRhs(), sum.getLhs()})
    if (auto op = strip(side).getDefiningOp<nn::LinearOp>())
      return {op, side == sum.getRhs() ? sum.getLhs() : sum.getRhs()};
  fail("expected a product in " + what);
  return {};
}

/// The table of which rows past .. past + seq - 1 turn the heads.
void Matcher::tables(nn::RotaryOp op) {
  auto table = [&](Value value, nn::WeightOp &known) {
    auto rows = find<nn::RowsOp>(value, "rows of a table of angles");
    if (!rows)
      return;
    nn::WeightOp found = weight(rows.getInput(), "a table of angles");
    check(rows.getStart() == lm.getArgument(2),
          "expected angles of the positions of the ids");
    check(!known || known == found, "expected one table of angles");
    known = found;
  };
  table(op.getCos(), cosines);
  table(op.getSin(), sines);
  check(turned.value_or(op.getInterleaved()) == op.getInterleaved(),
        "expected one kind of rotation");
  turned = model.interleaved = op.getInterleaved();
}

nn::LinearOp Matcher::rotated(Value value, StringRef what) {
  auto rotary = find<nn::RotaryOp>(value, what);
  if (!rotary)
    return {};
  tables(rotary);
  int64_t half =
      cast<RankedTensorType>(rotary.getCos().getType()).getShape().back();
  int64_t size = cast<RankedTensorType>(rotary.getType()).getShape().back();
  check(2 * half == size, "expected rotation of whole heads");
  return find<nn::LinearOp>(rotary.getInput(), what);
}

/// Follows a layer from its end; returns what goes in.
Value Matcher::layer(Value end, LlamaLayer &layer) {
  auto [down, middle] = residual(end, "the sum after a feed-forward block");
  if (!down)
    return {};
  auto gated = find<nn::MulOp>(down.getInput(), "a gated product");
  if (!gated)
    return {};
  Value gateSide = gated.getLhs(), upSide = gated.getRhs();
  if (!strip(gateSide).getDefiningOp<nn::SiluOp>())
    std::swap(gateSide, upSide);
  auto silu = find<nn::SiluOp>(gateSide, "SiLU of a gate");
  auto up = find<nn::LinearOp>(upSide, "the product beside a gate");
  if (!silu || !up)
    return {};
  auto gate = find<nn::LinearOp>(silu.getInput(), "the product of a gate");
  if (!gate)
    return {};
  auto second = norm(gate.getInput(), "the norm of a feed-forward block");
  if (!second)
    return {};
  check(strip(up.getInput()) == second.getResult() &&
            strip(second.getInput()) == strip(middle),
        "expected gate and up to read the norm of their block");
  auto [o, begin] = residual(middle, "the sum after attention");
  if (!o)
    return {};
  if (auto scaled = strip(o.getInput()).getDefiningOp<nn::MulOp>())
    fail("expected attention before weight '" +
         cast<nn::GetOp>(o.getWeight().getDefiningOp()).getWeight() +
         "' but got a scale of its columns, for which the format has no place; "
         "a rule for it with the method mse leaves it out");
  auto attention = find<nn::CachedAttentionOp>(o.getInput(), "attention");
  if (!attention)
    return {};
  auto key = find<nn::AppendOp>(attention.getKey(), "a cache of keys"),
       value = find<nn::AppendOp>(attention.getValue(), "a cache of values");
  if (!key || !value)
    return {};
  auto q = rotated(attention.getQuery(), "rotated queries"),
       k = rotated(key.getInput(), "rotated keys"),
       v = find<nn::LinearOp>(value.getInput(), "values");
  if (!q || !k || !v)
    return {};
  auto first = norm(q.getInput(), "the norm of attention");
  if (!first)
    return {};
  check(strip(k.getInput()) == first.getResult() &&
            strip(v.getInput()) == first.getResult() &&
            strip(first.getInput()) == strip(begin),
        "expected queries, keys and values to read the norm of their layer");
  auto queries = cast<RankedTensorType>(attention.getQuery().getType());
  auto keys = cast<RankedTensorType>(attention.getKey().getType());
  int64_t heads = queries.getDimSize(1), size = queries.getDimSize(2);
  check(attention.getPosition() == lm.getArgument(2) &&
            key.getPosition() == lm.getArgument(2) &&
            value.getPosition() == lm.getArgument(2),
        "expected new rows behind those of the past");
  check(!attention.getWindow() && !attention.getSoftcap() &&
            std::abs(attention.getScale().convertToDouble() *
                         std::sqrt(static_cast<double>(size)) -
                     1) < 1e-6,
        "expected attention over all positions, scaled by the root of the size "
        "of a head");
  check(!model.heads || (model.heads == heads && model.headSize == size &&
                         model.kvHeads == keys.getDimSize(0)),
        "expected the same heads in all layers");
  model.heads = heads;
  model.headSize = size;
  model.kvHeads = keys.getDimSize(0);
  layer.attentionNorm = weight(first.getWeight(), "the weight of a norm");
  layer.feedForwardNorm = weight(second.getWeight(), "the weight of a norm");
  layer.q = linear(q);
  layer.k = linear(k);
  layer.v = linear(v);
  layer.o = linear(o);
  layer.gate = linear(gate);
  layer.up = linear(up);
  layer.down = linear(down);
  return begin;
}

/// Angles must be `position * base^(-2j / size)`.
void Matcher::checkAngles() {
  auto read = [&](nn::WeightOp table) -> Numbers {
    // Small: not worth threads.
    auto inOrder = [](int64_t count, llvm::function_ref<void(int64_t)> body) {
      for (int64_t i = 0; i < count; ++i)
        body(i);
    };
    auto values = readMatrix(store, table.getSource(), inOrder);
    if (values)
      return std::move(*values);
    fail(llvm::toString(values.takeError()));
    return {};
  };
  Numbers cosine = read(cosines), sine = read(sines);
  int64_t half = model.headSize / 2,
          rows = static_cast<int64_t>(cosine.size()) / half;
  if (!fault.empty())
    return;
  model.ropeBase = 10000;
  if (half > 1 && rows > 1) {
    double angle = std::atan2(static_cast<double>(sine[half + 1]),
                              static_cast<double>(cosine[half + 1]));
    double base = std::pow(angle, -static_cast<double>(half));
    // A whole number, but for the rounding of one angle.
    double whole = std::round(base);
    model.ropeBase = std::abs(whole / base - 1) < 1e-4 ? whole : base;
  }
  for (int64_t row = 0; row < std::min<int64_t>(rows, 64); ++row)
    for (int64_t j = 0; j < half; ++j) {
      double angle = static_cast<double>(row) *
                     std::pow(model.ropeBase, -static_cast<double>(j) /
                                                  static_cast<double>(half));
      auto differs = [](float got, double want) {
        return !(std::abs(static_cast<double>(got) - want) < 2e-5);
      };
      if (differs(cosine[row * half + j], std::cos(angle)) ||
          differs(sine[row * half + j], std::sin(angle)))
        return fail("expected rotary angles of one base without scaling");
    }
}

Expected<LlamaModel> Matcher::run() {
  lm = module.lookupSymbol<func::FuncOp>("lm");
  if (!lm)
    return createStringError("no causal language model was found");
  Value logits = lm.getBody().back().getTerminator()->getOperand(0);
  auto head = find<nn::LinearOp>(logits, "the product of the head");
  nn::RmsNormOp last;
  if (head)
    last = norm(head.getInput(), "the last norm");
  nn::RowsOp rows;
  if (last)
    rows = find<nn::RowsOp>(last.getInput(), "the last rows");
  if (rows) {
    check(rows.getCount() == lm.getArgument(3), "expected the last rows");
    model.head = linear(head);
    model.norm = weight(last.getWeight(), "the weight of the last norm");
    Value value = rows.getInput();
    while (fault.empty() && strip(value).getDefiningOp<nn::AddOp>()) {
      model.layers.emplace_back();
      value = layer(value, model.layers.back());
    }
    std::reverse(model.layers.begin(), model.layers.end());
    if (auto gather = fault.empty()
                          ? find<nn::GatherOp>(value, "rows of the embedding")
                          : nn::GatherOp()) {
      model.embedding = weight(gather.getInput(), "the embedding");
      check(gather.getAxis() == 0 &&
                strip(gather.getIndices()) == lm.getArgument(0),
            "expected the embedding of the ids");
    }
  }
  check(!model.layers.empty(), "expected a model with layers");
  if (fault.empty())
    checkAngles();
  if (!fault.empty())
    return createStringError("the model is no Llama: " + fault);
  auto shape = [](nn::WeightOp op) {
    return cast<RankedTensorType>(op.getType()).getShape();
  };
  model.vocabulary = shape(model.embedding)[0];
  model.hidden = shape(model.embedding)[1];
  model.inner = shape(model.layers[0].up.weight)[0];
  if (model.head.weight == model.embedding)
    model.head.weight = {};
  return model;
}

Expected<LlamaModel> llmc::findLlama(ModuleOp module,
                                     const WeightStore &store) {
  return Matcher(module, store).run();
}
