//===- Proofs.cpp - Masks, repeated heads, rotary angles, positions -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Analysis/Proofs.h"

#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace llmc;

static bool isApply(SymExpr a, StringRef name) {
  return a.is(SymKind::Apply) && a->getName() == name;
}

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

/// Numbers from here on hide a key when they are added to its score: exporters
/// write -1e4, the least float, or minus infinity.
static constexpr double kHidden = -1e4;

/// When an element of a mask shows its key; null where that is not known.
static SymExpr visible(SymContext &c, SymExpr a) {
  if (!a)
    return {};
  if (a->getType() == SymType::Bool)
    return a;
  if (auto value = a.real()) {
    if (*value == 0)
      return c.boolean(true);
    return *value <= kHidden ? c.boolean(false) : SymExpr();
  }
  if (a.is(SymKind::Select)) {
    SymExpr onTrue = visible(c, a->getOperand(1));
    SymExpr onFalse = visible(c, a->getOperand(2));
    if (!onTrue || !onFalse)
      return {};
    return c.select(a->getOperand(0), onTrue, onFalse);
  }
  if (isApply(a, "add") || isApply(a, "min")) {
    SymExpr all = c.boolean(true);
    for (SymExpr part : a->getOperands())
      all = c.land(all, visible(c, part));
    return all;
  }
  return {};
}

std::optional<MaskProof> llmc::proveMask(SymbolicElements &elements, Value mask,
                                         SymExpr queries, SymExpr keys) {
  SymContext &c = elements.context();
  ArrayRef<SymExpr> shape = elements.shape(mask);
  if (shape.size() < 2 || !queries || !keys)
    return std::nullopt;
  auto variable = [&](StringRef name, SymExpr extent) {
    return extent.isConstant(1) ? c.constant(0) : c.index(name, extent);
  };
  SymExpr q = variable("q", queries), k = variable("k", keys);
  SymIndex index = elements.freshIndex(mask);
  index[shape.size() - 2] =
      shape[shape.size() - 2].isConstant(1) ? c.constant(0) : q;
  index.back() = shape.back().isConstant(1) ? c.constant(0) : k;
  SymExpr shown = visible(c, elements.element(mask, index));
  if (!shown)
    return std::nullopt;

  MaskProof proof;
  if (shown.isTrue())
    return proof;
  // distance = q + (T - S) - k: how far the key lies before the query.
  SymExpr distance = c.sub(c.add(q, c.sub(keys, queries)), k);
  SmallVector<SymExpr> conditions;
  if (shown.is(SymKind::And))
    conditions.append(shown->getOperands().begin(), shown->getOperands().end());
  else
    conditions.push_back(shown);
  for (SymExpr condition : conditions) {
    if (!condition.is(SymKind::NonNegative))
      return std::nullopt;
    SymExpr p = condition->getOperand(0);
    if (p == distance) {
      proof.causal = true;
      continue;
    }
    // distance < window is window - 1 - distance >= 0.
    auto reach = c.add(p, distance).constant();
    if (!reach || *reach < 0 || proof.window)
      return std::nullopt;
    proof.window = *reach + 1;
  }
  return proof;
}

//===----------------------------------------------------------------------===//
// Repeated heads
//===----------------------------------------------------------------------===//

/// Matches places in a source with those in a value of the same rank.
static std::optional<RepeatProof>
matchRepeat(SymbolicElements &elements, const ElementSource &source,
            Value value, ArrayRef<SymExpr> index, int64_t heads) {
  size_t rank = index.size();
  RepeatProof proof;
  proof.source = source.value;
  proof.perm.assign(rank, -1);
  SmallVector<bool> used(rank, false);
  SmallVector<size_t> ones; // axes of the source of extent one
  for (auto [axis, at] : llvm::enumerate(source.index)) {
    if (at.isConstant(0)) {
      ones.push_back(axis);
      continue;
    }
    SymExpr variable = at;
    if (at.is(SymKind::FloorDiv)) {
      auto repeat = at->getOperand(1).constant();
      variable = at->getOperand(0);
      if (!repeat || variable != index[heads])
        return std::nullopt;
      proof.repeat = *repeat;
    }
    auto *place = llvm::find(index, variable);
    size_t i = place - index.begin();
    if (place == index.end() || used[i])
      return std::nullopt;
    used[i] = true;
    proof.perm[axis] = i;
  }
  auto next = ones.begin();
  for (size_t i = 0; i < rank; ++i) {
    if (used[i])
      continue;
    if (next == ones.end())
      return std::nullopt;
    size_t axis = *next++;
    // Place 0 must mean an extent of one, not a chosen row.
    if (!elements.dim(source.value, axis).isConstant(1))
      return std::nullopt;
    proof.perm[axis] = i;
    if (index[i].isConstant(0))
      continue;
    auto count = elements.dim(value, i).constant();
    if (static_cast<int64_t>(i) != heads || !count)
      return std::nullopt;
    proof.repeat = *count; // one head for all
  }
  return proof;
}

std::optional<RepeatProof> llmc::proveRepeatHeads(SymbolicElements &elements,
                                                  Value value, int64_t heads) {
  SymIndex index = elements.freshIndex(value);
  if (heads < 0 || heads >= static_cast<int64_t>(index.size()))
    return std::nullopt;
  ElementSource at{value, index};
  while (auto next = elements.traceStep(at)) {
    at = std::move(*next);
    if (at.index.size() != index.size())
      continue;
    auto proof = matchRepeat(elements, at, value, index, heads);
    if (!proof || proof->repeat <= 1)
      continue;
    // The whole source is repeated, not a part of its heads.
    auto axis = llvm::find(proof->perm, heads) - proof->perm.begin();
    SymContext &c = elements.context();
    SymExpr all =
        c.mul(elements.dim(at.value, axis), c.constant(proof->repeat));
    if (all == elements.dim(value, heads))
      return proof;
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Rotary angles
//===----------------------------------------------------------------------===//

/// Takes scale * cos(position * frequency) apart.
static std::optional<RotaryProof> matchRotary(SymContext &c, SymExpr a,
                                              SymExpr column) {
  RotaryProof proof;
  if (isApply(a, "mul") && a->getOperands().size() == 2) {
    for (unsigned i : {0, 1})
      if (auto scale = a->getOperand(i).real()) {
        proof.scale = *scale;
        a = a->getOperand(1 - i);
        break;
      }
  }
  proof.sine = isApply(a, "sin");
  if (!proof.sine && !isApply(a, "cos"))
    return std::nullopt;
  SymExpr angle = a->getOperand(0);
  if (!isApply(angle, "mul") || angle->getOperands().size() != 2)
    return std::nullopt;
  for (SymExpr part : angle->getOperands()) {
    if (isApply(part, "real"))
      proof.position = part->getOperand(0);
    else if (part.is(SymKind::Element))
      proof.frequency = part;
  }
  if (!proof.position || !proof.frequency || c.contains(proof.position, column))
    return std::nullopt;
  // The frequency depends on the column only.
  bool found = false;
  for (SymExpr at : proof.frequency->getOperands()) {
    if (at == column && !found)
      found = true;
    else if (!at.isConstant(0))
      return std::nullopt;
  }
  if (!found)
    return std::nullopt;
  proof.column = column;
  proof.frequencies = Value::getFromOpaquePointer(proof.frequency->getHandle());
  return proof;
}

std::optional<RotaryProof> llmc::proveRotaryAngle(SymbolicElements &elements,
                                                  Value value,
                                                  int64_t rowAxis) {
  SymContext &c = elements.context();
  SymIndex index = elements.freshIndex(value);
  int64_t rank = index.size();
  if (rowAxis < 0 || rowAxis + 1 >= rank)
    return std::nullopt;
  auto width = elements.dim(value, rank - 1).constant();
  if (!width || *width < 1)
    return std::nullopt;
  auto finish = [&](std::optional<RotaryProof> proof, int64_t count,
                    bool doubled) -> std::optional<RotaryProof> {
    if (!proof)
      return std::nullopt;
    proof->count = count;
    proof->doubled = doubled;
    proof->row = index[rowAxis];
    for (int64_t axis = 0; axis < rank - 1; ++axis)
      if (axis != rowAxis && !proof->batch &&
          c.contains(proof->position, index[axis]))
        proof->batch = index[axis];
    return proof;
  };
  // The second half says the same as the first.
  if (*width % 2 == 0) {
    int64_t half = *width / 2;
    SymExpr column = half == 1 ? c.constant(0) : c.index("j", c.constant(half));
    index.back() = column;
    SymExpr first = elements.element(value, index);
    index.back() = c.add(column, c.constant(half));
    SymExpr second = elements.element(value, index);
    if (first && first == second && half > 1)
      return finish(matchRotary(c, first, column), half, true);
  }
  SymExpr column = c.index("j", c.constant(*width));
  index.back() = column;
  SymExpr whole = elements.element(value, index);
  return whole ? finish(matchRotary(c, whole, column), *width, false)
               : std::nullopt;
}

//===----------------------------------------------------------------------===//
// Positions
//===----------------------------------------------------------------------===//

SymExpr llmc::provePositions(SymbolicElements &elements, Value value) {
  SymContext &c = elements.context();
  SymIndex index = elements.freshIndex(value);
  if (index.empty() || SymbolicElements::typeOf(getElementTypeOrSelf(
                           value.getType())) != SymType::Int)
    return {};
  SymExpr offset = c.sub(elements.element(value, index), index.back());
  for (SymExpr variable : index)
    if (!offset ||
        (variable.is(SymKind::Index) && c.contains(offset, variable)))
      return {};
  return offset;
}
