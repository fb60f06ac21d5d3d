//===- SymExprWalk.cpp - Substitution and evaluation ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Expressions are graphs with sharing: every walk remembers what it has seen.
// Their depth is bounded (kMaxDepth), so recursion is safe.
//
//===----------------------------------------------------------------------===//
#include "SymExprImpl.h"

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Support/MathExtras.h"

using namespace llmc;
using llvm::SmallVector;

//===----------------------------------------------------------------------===//
// substitute
//===----------------------------------------------------------------------===//

namespace {
struct Substituter {
  Substituter(SymContext &context, const llvm::DenseMap<SymExpr, SymExpr> &map)
      : context(context), map(map) {}

  SymContext &context;
  const llvm::DenseMap<SymExpr, SymExpr> &map;
  llvm::DenseMap<SymExpr, SymExpr> done;

  SymExpr operator()(SymExpr a) {
    if (!a)
      return {};
    if (auto known = map.find(a); known != map.end())
      return known->second;
    if (auto known = done.find(a); known != done.end())
      return known->second;
    SymExpr result = rebuild(a);
    done[a] = result;
    return result;
  }

  SymExpr rebuild(SymExpr a) {
    // The extent of an index variable is part of what it is.
    if (a.is(SymKind::Index))
      return a;
    if (a.is(SymKind::Polynomial)) {
      SymExpr sum = context.constant(0);
      for (const SymTerm &term : a->getTerms()) {
        SymExpr product = context.constant(term.coefficient);
        for (SymExpr factor : term.factors)
          product = context.mul(product, (*this)(factor));
        sum = context.add(sum, product);
      }
      return sum;
    }
    if (a->getOperands().empty())
      return a;
    SmallVector<SymExpr> operands;
    bool same = true;
    for (SymExpr operand : a->getOperands()) {
      operands.push_back((*this)(operand));
      same &= operands.back() == operand;
    }
    if (same)
      return a;
    switch (a.kind()) {
    case SymKind::FloorDiv:
      return context.floorDiv(operands[0], operands[1]);
    case SymKind::Min:
      return context.min(operands[0], operands[1]);
    case SymKind::Max:
      return context.max(operands[0], operands[1]);
    case SymKind::NonNegative:
      return context.lessEqual(context.constant(0), operands[0]);
    case SymKind::Zero:
      return context.equal(operands[0], context.constant(0));
    case SymKind::Not:
      return context.lnot(operands[0]);
    case SymKind::And:
    case SymKind::Or: {
      bool isAnd = a.is(SymKind::And);
      SymExpr result = context.boolean(isAnd);
      for (SymExpr operand : operands)
        result = isAnd ? context.land(result, operand)
                       : context.lor(result, operand);
      return result;
    }
    case SymKind::Select:
      return context.select(operands[0], operands[1], operands[2]);
    case SymKind::Element:
      return context.element(a->getHandle(), a->getName(), a->getType(),
                             operands);
    case SymKind::Tuple:
      return context.tuple(operands);
    case SymKind::Apply:
      return reapply(a, operands);
    default:
      return {};
    }
  }

  SymExpr reapply(SymExpr a, llvm::ArrayRef<SymExpr> operands) {
    if (operands[0]) {
      if (a->getName() == "real")
        return context.cast(operands[0], SymType::Float);
      if (a->getName() == "trunc")
        return context.cast(operands[0], SymType::Int);
      if (a->getName() == "lt")
        return context.less(operands[0], operands[1]);
      if (a->getName() == "le")
        return context.lessEqual(operands[0], operands[1]);
      if (a->getName() == "eq")
        return context.equal(operands[0], operands[1]);
      if (a->getName() == "truncdiv")
        return context.truncDiv(operands[0], operands[1]);
    }
    return context.apply(a->getName(), a->getType(), operands);
  }
};
} // namespace

SymExpr SymContext::substitute(SymExpr a,
                               const llvm::DenseMap<SymExpr, SymExpr> &map) {
  return Substituter(*this, map)(a);
}

//===----------------------------------------------------------------------===//
// contains
//===----------------------------------------------------------------------===//

bool SymContext::contains(SymExpr a, SymExpr atom) const {
  llvm::SmallPtrSet<const SymNode *, 16> seen;
  SmallVector<SymExpr> work = {a};
  while (!work.empty()) {
    SymExpr next = work.pop_back_val();
    if (!next || !seen.insert(next.get()).second)
      continue;
    if (next == atom)
      return true;
    // Every operand is older than its user.
    if (atom && next->getId() < atom->getId())
      continue;
    if (!next.is(SymKind::Index))
      work.append(next->getOperands().begin(), next->getOperands().end());
    for (const SymTerm &term : next->getTerms())
      work.append(term.factors.begin(), term.factors.end());
  }
  return false;
}

//===----------------------------------------------------------------------===//
// evaluate
//===----------------------------------------------------------------------===//

namespace {
struct Evaluator {
  using Value = std::optional<int64_t>;
  explicit Evaluator(llvm::function_ref<Value(SymExpr)> lookup)
      : lookup(lookup) {}

  llvm::function_ref<Value(SymExpr)> lookup;
  llvm::DenseMap<SymExpr, Value> done;

  Value operator()(SymExpr a) {
    if (!a)
      return std::nullopt;
    if (auto known = done.find(a); known != done.end())
      return known->second;
    Value result = compute(a);
    done[a] = result;
    return result;
  }

  Value polynomial(SymExpr a) {
    int64_t sum = 0;
    for (const SymTerm &term : a->getTerms()) {
      int64_t product = term.coefficient;
      for (SymExpr factor : term.factors) {
        Value value = (*this)(factor);
        if (!value || llvm::MulOverflow(product, *value, product))
          return std::nullopt;
      }
      if (llvm::AddOverflow(sum, product, sum))
        return std::nullopt;
    }
    return sum;
  }

  Value compute(SymExpr a) {
    auto operand = [&](unsigned i) { return (*this)(a->getOperand(i)); };
    switch (a.kind()) {
    case SymKind::Constant:
    case SymKind::Bool:
      return a->getValue();
    case SymKind::Polynomial:
      return polynomial(a);
    case SymKind::FloorDiv: {
      Value x = operand(0), d = operand(1);
      int64_t least = std::numeric_limits<int64_t>::min();
      if (!x || !d || *d == 0 || (*x == least && *d == -1))
        return std::nullopt;
      int64_t q = *x / *d;
      return *x % *d != 0 && (*x < 0) != (*d < 0) ? q - 1 : q;
    }
    case SymKind::Min:
    case SymKind::Max: {
      Value x = operand(0), y = operand(1);
      if (!x || !y)
        return std::nullopt;
      return a.is(SymKind::Min) ? std::min(*x, *y) : std::max(*x, *y);
    }
    case SymKind::NonNegative:
    case SymKind::Zero: {
      Value x = operand(0);
      if (!x)
        return std::nullopt;
      return a.is(SymKind::Zero) ? *x == 0 : *x >= 0;
    }
    case SymKind::And:
    case SymKind::Or: {
      bool isAnd = a.is(SymKind::And), unknown = false;
      for (SymExpr part : a->getOperands()) {
        Value x = (*this)(part);
        if (!x)
          unknown = true;
        else if (bool(*x) != isAnd)
          return !isAnd;
      }
      if (unknown)
        return std::nullopt;
      return isAnd;
    }
    case SymKind::Not: {
      Value x = operand(0);
      if (!x)
        return std::nullopt;
      return !*x;
    }
    case SymKind::Select: {
      Value x = operand(0);
      if (!x)
        return std::nullopt;
      return operand(*x ? 1 : 2);
    }
    case SymKind::Apply:
      if (a->getName() == "truncdiv") {
        Value x = operand(0), d = operand(1);
        int64_t least = std::numeric_limits<int64_t>::min();
        if (!x || !d || *d == 0 || (*x == least && *d == -1))
          return std::nullopt;
        return *x / *d;
      }
      return lookup(a);
    default:
      return lookup(a);
    }
  }
};
} // namespace

std::optional<int64_t> SymContext::evaluate(
    SymExpr a,
    llvm::function_ref<std::optional<int64_t>(SymExpr)> lookup) const {
  return Evaluator(lookup)(a);
}

std::optional<int64_t>
SymContext::evaluate(SymExpr a, const llvm::StringMap<int64_t> &symbols) const {
  return evaluate(a, [&](SymExpr atom) -> std::optional<int64_t> {
    if (!atom.is(SymKind::Symbol) && !atom.is(SymKind::Index))
      return std::nullopt;
    auto known = symbols.find(atom->getName());
    if (known == symbols.end())
      return std::nullopt;
    return known->second;
  });
}
