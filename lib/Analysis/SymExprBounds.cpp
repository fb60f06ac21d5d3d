//===- SymExprBounds.cpp - Proofs that an expression is not negative ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A polynomial is bounded from below by eliminating its atoms one after the
// other, the most deeply nested first: a floordiv lies between (x - d + 1) / d
// and x / d, min, max and select split the proof, an index variable takes the
// end of its range that is worst. What remains is over symbols, and not
// negative if every coefficient is, after each symbol was moved to its bound.
//
//===----------------------------------------------------------------------===//
#include "SymExprImpl.h"

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Support/MathExtras.h"

using namespace llmc;
using llvm::SmallVector;

namespace {
class Prover {
public:
  explicit Prover(SymContext &context) : context(context) {}

  bool prove(SymExpr p, unsigned depth);

private:
  bool proveOverSymbols(SymExpr p);
  bool isSignedAs(SymExpr p, bool negative, unsigned depth) {
    return prove(negative ? context.neg(p) : p, depth);
  }

  SymContext &context;
  /// Steps left; keeps case splits from multiplying.
  unsigned budget = 400;
  /// Symbols that are the extent of an index variable: at least one.
  llvm::SmallPtrSet<const SymNode *, 4> extents;
};
} // namespace

/// The atom to eliminate next: the deepest, then the latest.
static SymExpr pickAtom(SymExpr p) {
  SymExpr best;
  auto consider = [&](SymExpr atom) {
    if (atom.is(SymKind::Symbol))
      return;
    if (!best || atom->getDepth() > best->getDepth() ||
        (atom->getDepth() == best->getDepth() && atom->getId() > best->getId()))
      best = atom;
  };
  if (p.is(SymKind::Polynomial)) {
    for (const SymTerm &term : p->getTerms())
      for (SymExpr factor : term.factors)
        consider(factor);
  } else if (!p.is(SymKind::Constant)) {
    consider(p);
  }
  return best;
}

bool Prover::proveOverSymbols(SymExpr p) {
  llvm::DenseMap<SymExpr, SymExpr> shift;
  Sum sum = toSum(p);
  for (const Monomial &term : sum)
    for (SymExpr factor : term.factors) {
      int64_t bound = factor->getLowerBound();
      if (bound < 1 && extents.contains(factor.get()))
        bound = 1;
      if (bound)
        shift[factor] = context.add(factor, context.constant(bound));
    }
  if (!shift.empty()) {
    p = context.substitute(p, shift);
    if (!p)
      return false;
    sum = toSum(p);
  }
  return llvm::all_of(sum, [](const Monomial &t) { return t.coefficient > 0; });
}

bool Prover::prove(SymExpr p, unsigned depth) {
  if (!p || depth > 40 || budget == 0)
    return false;
  --budget;
  if (auto value = p.constant())
    return *value >= 0;
  SymExpr atom = pickAtom(p);
  if (!atom)
    return proveOverSymbols(p);

  if (atom.is(SymKind::Index)) {
    SymExpr extent = atom->getOperand(0);
    if (extent.is(SymKind::Symbol))
      extents.insert(extent.get());
  }
  auto split = context.splitLinear(p, atom);
  if (!split)
    return false;
  auto [factor, rest] = *split;
  bool up = isSignedAs(factor, false, depth + 1);
  bool down = !up && isSignedAs(factor, true, depth + 1);
  if (!up && !down)
    return false;
  auto with = [&](SymExpr value) {
    return context.add(rest, context.mul(factor, value));
  };
  auto next = [&](SymExpr q) { return prove(q, depth + 1); };

  switch (atom.kind()) {
  case SymKind::Index:
    return next(
        up ? rest
           : with(context.sub(atom->getOperand(0), context.constant(1))));
  case SymKind::Select:
    return next(with(atom->getOperand(1))) && next(with(atom->getOperand(2)));
  case SymKind::Min:
  case SymKind::Max: {
    SymExpr a = with(atom->getOperand(0)), b = with(atom->getOperand(1));
    bool both = up == atom.is(SymKind::Min);
    if (both)
      return next(a) && next(b);
    if (next(a) || next(b))
      return true;
    // The better one is at least the mean, as in max(x, -x).
    return next(context.add(context.add(a, b), context.constant(1)));
  }
  case SymKind::FloorDiv: {
    SymExpr x = atom->getOperand(0), d = atom->getOperand(1);
    SymExpr dLess = context.sub(d, context.constant(1));
    if (!next(dLess))
      return false;
    if (up && next(x) && next(rest))
      return true;
    // d * p >= low implies p >= 0 when low > -d, as p is an integer.
    SymExpr low = up ? context.sub(x, dLess) : x;
    SymExpr scaled =
        context.add(context.mul(d, rest), context.mul(factor, low));
    return next(context.add(scaled, dLess));
  }
  default:
    return false; // no bounds
  }
}

bool SymContext::isNonNegative(SymExpr a) {
  if (!a)
    return false;
  if (auto value = a.constant())
    return *value >= 0;
  auto known = impl->nonNegative.find(a);
  if (known != impl->nonNegative.end())
    return known->second;
  // Entered as false first: a proof that asks for itself is none.
  impl->nonNegative[a] = false;
  bool result = Prover(*this).prove(a, 0);
  impl->nonNegative[a] = result;
  return result;
}

bool SymContext::isPositive(SymExpr a) {
  return isNonNegative(sub(a, constant(1)));
}
