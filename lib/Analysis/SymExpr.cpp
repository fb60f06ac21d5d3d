//===- SymExpr.cpp - Uniquing and leaves of symbolic expressions ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SymExprImpl.h"
#include "llmc/Support/ElementName.h"

#include "llvm/ADT/StringExtras.h"
#include <algorithm>
#include <cmath>
#include <cstring>

using namespace llmc;
using llvm::ArrayRef;
using llvm::SmallVector;
using llvm::StringRef;

static void profile(llvm::FoldingSetNodeID &id, SymKind kind, SymType type,
                    int64_t value, double real, const void *handle,
                    StringRef name, ArrayRef<SymExpr> operands,
                    ArrayRef<SymTerm> terms) {
  uint64_t bits;
  std::memcpy(&bits, &real, sizeof(bits));
  id.AddInteger(static_cast<unsigned>(kind));
  id.AddInteger(static_cast<unsigned>(type));
  id.AddInteger(value);
  id.AddInteger(bits);
  id.AddPointer(handle);
  id.AddString(name);
  id.AddInteger(operands.size());
  for (SymExpr operand : operands)
    id.AddPointer(operand.get());
  for (const SymTerm &term : terms) {
    id.AddInteger(term.coefficient);
    id.AddInteger(term.factors.size());
    for (SymExpr factor : term.factors)
      id.AddPointer(factor.get());
  }
}

void SymNode::Profile(llvm::FoldingSetNodeID &id) const {
  profile(id, kind, type, value, real, handle, name, operands, terms);
}

SymExpr SymContext::Builder::get(SymContext &context) const {
  Impl &impl = *context.impl;
  unsigned depth = 0;
  for (SymExpr operand : operands) {
    if (!operand)
      return {};
    depth = std::max(depth, operand->getDepth() + 1);
  }
  for (const SymTerm &term : terms)
    for (SymExpr factor : term.factors)
      depth = std::max(depth, factor->getDepth() + 1);
  if (depth > kMaxDepth || operands.size() > kMaxOperands)
    return {};
  llvm::FoldingSetNodeID id;
  profile(id, kind, type, value, real, handle, name, operands, terms);
  void *place;
  if (SymNode *node = impl.nodes.FindNodeOrInsertPos(id, place))
    return SymExpr(node);

  auto *node = new (impl.allocator.Allocate<SymNode>()) SymNode();
  auto copy = [&](auto range) {
    using T =
        std::remove_const_t<std::remove_reference_t<decltype(*range.begin())>>;
    T *data = impl.allocator.Allocate<T>(range.size());
    std::uninitialized_copy(range.begin(), range.end(), data);
    return ArrayRef<T>(data, range.size());
  };
  node->kind = kind;
  node->type = type;
  node->id = impl.nextId++;
  node->depth = depth;
  node->value = value;
  node->real = real;
  node->handle = handle;
  ArrayRef<char> text = copy(ArrayRef<char>(name.data(), name.size()));
  node->name = StringRef(text.data(), text.size());
  node->operands = copy(operands);
  SmallVector<SymTerm> owned;
  for (const SymTerm &term : terms)
    owned.push_back({term.coefficient, copy(term.factors)});
  node->terms = copy(ArrayRef<SymTerm>(owned));
  impl.nodes.InsertNode(node, place);
  return SymExpr(node);
}

SymContext::SymContext() : impl(std::make_unique<Impl>()) {
  impl->no =
      Builder{.kind = SymKind::Bool, .type = SymType::Bool, .value = 0}.get(
          *this);
  impl->yes =
      Builder{.kind = SymKind::Bool, .type = SymType::Bool, .value = 1}.get(
          *this);
}
SymContext::~SymContext() = default;

SymKind SymExpr::kind() const { return node->getKind(); }
bool SymExpr::is(SymKind kind) const { return node && node->getKind() == kind; }
std::optional<int64_t> SymExpr::constant() const {
  if (is(SymKind::Constant))
    return node->getValue();
  return std::nullopt;
}
std::optional<double> SymExpr::real() const {
  if (is(SymKind::Real))
    return node->getReal();
  return std::nullopt;
}
bool SymExpr::isTrue() const { return is(SymKind::Bool) && node->getValue(); }
bool SymExpr::isFalse() const { return is(SymKind::Bool) && !node->getValue(); }

SymExpr SymContext::constant(int64_t value) {
  return Builder{
      .kind = SymKind::Constant, .type = SymType::Int, .value = value}
      .get(*this);
}

SymExpr SymContext::real(double value) {
  if (value == 0)
    value = 0; // one zero
  return Builder{.kind = SymKind::Real, .type = SymType::Float, .real = value}
      .get(*this);
}

SymExpr SymContext::boolean(bool value) { return value ? impl->yes : impl->no; }

SymExpr SymContext::symbol(StringRef name, int64_t lowerBound) {
  SymExpr &entry = impl->symbols[name];
  if (isElementName(name))
    lowerBound = std::numeric_limits<int64_t>::min();
  if (!entry)
    entry = Builder{.kind = SymKind::Symbol,
                    .type = SymType::Int,
                    .value = lowerBound,
                    .name = name}
                .get(*this);
  return entry;
}

SymExpr SymContext::freshSymbol(StringRef prefix, int64_t lowerBound) {
  for (;;) {
    std::string name = (prefix + llvm::Twine(impl->nextFresh++)).str();
    if (!impl->symbols.contains(name))
      return symbol(name, lowerBound);
  }
}

SymExpr SymContext::index(StringRef name, SymExpr extent) {
  if (!extent)
    return {};
  // Where an index exists its extent is positive: max(0, n) is n.
  if (extent.is(SymKind::Max))
    for (unsigned i : {0, 1})
      if (auto low = extent->getOperand(i).constant(); low && *low <= 0)
        return index(name, extent->getOperand(1 - i));
  return Builder{.kind = SymKind::Index,
                 .type = SymType::Int,
                 .value = impl->nextIndex++,
                 .name = name,
                 .operands = extent}
      .get(*this);
}

SymExpr SymContext::element(const void *handle, StringRef name, SymType type,
                            ArrayRef<SymExpr> index) {
  return Builder{.kind = SymKind::Element,
                 .type = type,
                 .handle = handle,
                 .name = name,
                 .operands = index}
      .get(*this);
}

SymExpr SymContext::tuple(ArrayRef<SymExpr> parts) {
  return Builder{
      .kind = SymKind::Tuple, .type = SymType::Int, .operands = parts}
      .get(*this);
}
