//===- SymExprLogic.cpp - Comparisons, booleans and choices ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Comparisons of integers become `p >= 0` or `p == 0` with the common divisor
// of the coefficients taken out, and are decided where bounds suffice.
//
//===----------------------------------------------------------------------===//
#include "SymExprImpl.h"

#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <numeric>

using namespace llmc;
using llvm::ArrayRef;
using llvm::SmallVector;

namespace {
/// Makes comparisons of one polynomial with zero.
struct Comparer {
  SymContext &context;

  SymExpr nonNegative(SymExpr p, unsigned splits = 0);
  SymExpr zero(SymExpr p, unsigned splits = 0);

private:
  /// A select that stands in `p` linearly, and p with it replaced by each arm.
  struct Split {
    SymExpr condition, onTrue, onFalse;
  };
  std::optional<Split> splitSelect(SymExpr p);
};
} // namespace

/// The greatest divisor of the coefficients that stand with factors; 0 where
/// there are none, or where the least integer would make division overflow.
static int64_t commonDivisor(const Sum &sum) {
  int64_t divisor = 0;
  for (const Monomial &term : sum) {
    if (term.coefficient == std::numeric_limits<int64_t>::min())
      return 0;
    if (!term.factors.empty())
      divisor = std::gcd(divisor, term.coefficient);
  }
  return divisor;
}

std::optional<Comparer::Split> Comparer::splitSelect(SymExpr p) {
  for (const Monomial &term : toSum(p))
    for (SymExpr factor : term.factors) {
      if (!factor.is(SymKind::Select))
        continue;
      auto linear = context.splitLinear(p, factor);
      if (!linear)
        continue;
      auto with = [&](unsigned arm) {
        return context.add(context.mul(linear->first, factor->getOperand(arm)),
                           linear->second);
      };
      return Split{factor->getOperand(0), with(1), with(2)};
    }
  return std::nullopt;
}

SymExpr Comparer::nonNegative(SymExpr p, unsigned splits) {
  if (!p)
    return {};
  if (auto value = p.constant())
    return context.boolean(*value >= 0);
  if (context.isNonNegative(p))
    return context.boolean(true);
  if (context.isPositive(context.neg(p)))
    return context.boolean(false);
  if (splits < kMaxSelects) {
    if (auto split = splitSelect(p))
      return context.select(split->condition,
                            nonNegative(split->onTrue, splits + 1),
                            nonNegative(split->onFalse, splits + 1));
    // min(a, b) >= c is a >= c and b >= c; the other cases alike.
    for (const Monomial &term : toSum(p)) {
      if (term.factors.size() != 1)
        continue;
      SymExpr atom = term.factors[0];
      if (!atom.is(SymKind::Min) && !atom.is(SymKind::Max))
        continue;
      auto linear = context.splitLinear(p, atom);
      if (!linear || !linear->first.constant())
        continue;
      bool both = (*linear->first.constant() > 0) == atom.is(SymKind::Min);
      auto with = [&](unsigned i) {
        return nonNegative(
            context.add(context.mul(linear->first, atom->getOperand(i)),
                        linear->second),
            splits + 1);
      };
      return both ? context.land(with(0), with(1))
                  : context.lor(with(0), with(1));
    }
  }
  Sum sum = toSum(p);
  int64_t divisor = commonDivisor(sum);
  if (divisor > 1) {
    Sum reduced;
    for (Monomial &term : sum) {
      term.coefficient = floorDivide(term.coefficient, divisor);
      if (term.coefficient)
        reduced.push_back(std::move(term));
    }
    p = fromSum(context, reduced);
  }
  // p <= 0 where p >= 0: only p == 0 is left.
  if (context.isNonNegative(context.neg(p)))
    return zero(p, splits);
  return context.comparison(SymKind::NonNegative, p);
}

SymExpr Comparer::zero(SymExpr p, unsigned splits) {
  if (!p)
    return {};
  if (auto value = p.constant())
    return context.boolean(*value == 0);
  if (context.isPositive(p) || context.isPositive(context.neg(p)))
    return context.boolean(false);
  if (splits < kMaxSelects)
    if (auto split = splitSelect(p))
      return context.select(split->condition, zero(split->onTrue, splits + 1),
                            zero(split->onFalse, splits + 1));
  Sum sum = toSum(p);
  if (int64_t divisor = commonDivisor(sum)) {
    if (sum.front().coefficient < 0)
      divisor = -divisor;
    for (Monomial &term : sum) {
      if (term.coefficient % divisor)
        return context.boolean(false); // only a constant can fail to divide
      term.coefficient /= divisor;
    }
    p = fromSum(context, sum);
  }
  return context.comparison(SymKind::Zero, p);
}

SymExpr SymContext::comparison(SymKind kind, SymExpr p) {
  if (!p)
    return {};
  return Builder{.kind = kind, .type = SymType::Bool, .operands = p}.get(*this);
}

/// The integer that a "real" function holds.
static SymExpr integerOf(SymExpr a) {
  if (a.is(SymKind::Apply) && a->getName() == "real")
    return a->getOperand(0);
  return {};
}

/// Whether both arms are numbers; comparing distributes over such a select.
static bool hasRealArms(SymExpr a) {
  return a.is(SymKind::Select) && (a->getOperand(1).is(SymKind::Real) ||
                                   a->getOperand(2).is(SymKind::Real));
}

/// a < b (strict) or a <= b of reals.
static SymExpr compareReal(SymContext &context, SymExpr a, SymExpr b,
                           bool strict) {
  auto x = a.real(), y = b.real();
  if (x && y)
    return context.boolean(strict ? *x < *y : *x <= *y);
  for (auto [choice, other] : {std::pair(a, b), std::pair(b, a)})
    if (hasRealArms(choice)) {
      auto arm = [&, other = other, choice = choice](unsigned i) {
        SymExpr value = choice->getOperand(i);
        return choice == a ? compareReal(context, value, other, strict)
                           : compareReal(context, other, value, strict);
      };
      return context.select(choice->getOperand(0), arm(1), arm(2));
    }
  constexpr double limit = 9.0e18;
  SymExpr i = integerOf(a), j = integerOf(b);
  if (i && y && std::abs(*y) < limit) // i < y: i < ceil(y); i <= floor(y)
    j = context.constant(
        static_cast<int64_t>(strict ? std::ceil(*y) : std::floor(*y)));
  else if (j && x && std::abs(*x) < limit)
    i = context.constant(
        static_cast<int64_t>(strict ? std::floor(*x) : std::ceil(*x)));
  if (i && j)
    return strict ? context.less(i, j) : context.lessEqual(i, j);
  return context.apply(strict ? "lt" : "le", SymType::Bool, {a, b});
}

SymExpr SymContext::lessEqual(SymExpr a, SymExpr b) {
  if (!a || !b)
    return {};
  if (a->getType() == SymType::Float)
    return compareReal(*this, a, b, /*strict=*/false);
  return Comparer{*this}.nonNegative(sub(b, a));
}

SymExpr SymContext::less(SymExpr a, SymExpr b) {
  if (!a || !b)
    return {};
  if (a->getType() == SymType::Float)
    return compareReal(*this, a, b, /*strict=*/true);
  return Comparer{*this}.nonNegative(sub(sub(b, a), constant(1)));
}

SymExpr SymContext::equal(SymExpr a, SymExpr b) {
  if (!a || !b)
    return {};
  if (a == b)
    return boolean(true);
  switch (a->getType()) {
  case SymType::Int:
    return Comparer{*this}.zero(sub(a, b));
  case SymType::Bool:
    return select(a, b, lnot(b));
  case SymType::Float:
    break;
  }
  if (a.real() && b.real())
    return boolean(*a.real() == *b.real());
  if (b->getId() < a->getId())
    std::swap(a, b);
  for (auto [choice, other] : {std::pair(a, b), std::pair(b, a)})
    if (hasRealArms(choice))
      return select(choice->getOperand(0), equal(choice->getOperand(1), other),
                    equal(choice->getOperand(2), other));
  SymExpr i = integerOf(a), j = integerOf(b);
  if (i && j)
    return equal(i, j);
  for (auto [whole, number] : {std::pair(i, b.real()), std::pair(j, a.real())})
    if (whole && number) {
      if (std::floor(*number) != *number || std::abs(*number) > 9.0e15)
        return boolean(false);
      return equal(whole, constant(static_cast<int64_t>(*number)));
    }
  return apply("eq", SymType::Bool, {a, b});
}

SymExpr SymContext::notEqual(SymExpr a, SymExpr b) { return lnot(equal(a, b)); }

SymExpr SymContext::lnot(SymExpr a) {
  if (!a)
    return {};
  switch (a.kind()) {
  case SymKind::Bool:
    return boolean(!a->getValue());
  case SymKind::Not:
    return a->getOperand(0);
  case SymKind::NonNegative:
    return Comparer{*this}.nonNegative(sub(neg(a->getOperand(0)), constant(1)));
  case SymKind::Zero: {
    SymExpr p = a->getOperand(0);
    if (isNonNegative(p))
      return Comparer{*this}.nonNegative(sub(p, constant(1)));
    if (isNonNegative(neg(p)))
      return Comparer{*this}.nonNegative(sub(neg(p), constant(1)));
    break;
  }
  case SymKind::And:
  case SymKind::Or: {
    bool isAnd = a.is(SymKind::And);
    SymExpr result = boolean(!isAnd);
    for (SymExpr operand : a->getOperands())
      result = isAnd ? lor(result, lnot(operand)) : land(result, lnot(operand));
    return result;
  }
  default:
    break;
  }
  return Builder{.kind = SymKind::Not, .type = SymType::Bool, .operands = a}
      .get(*this);
}

//===----------------------------------------------------------------------===//
// and, or
//===----------------------------------------------------------------------===//

/// p >= 0 or p == 0 in p; null for other booleans.
static SymExpr argumentOf(SymExpr a, SymKind kind) {
  return a.is(kind) ? a->getOperand(0) : SymExpr();
}

/// Whether `a` implies `b`, by what their polynomials are; false: not shown.
static bool implies(SymContext &context, SymExpr a, SymExpr b) {
  if (a == b)
    return true;
  SymExpr q = argumentOf(b, SymKind::NonNegative);
  if (!q)
    return false;
  if (SymExpr p = argumentOf(a, SymKind::NonNegative))
    return context.isLessEqual(p, q);
  if (SymExpr p = argumentOf(a, SymKind::Zero))
    return context.isLessEqual(p, q) ||
           context.isNonNegative(context.add(p, q));
  return false;
}

/// Whether `a` and `b` cannot both hold; false: not shown.
static bool excludes(SymContext &context, SymExpr a, SymExpr b) {
  SymExpr q = argumentOf(b, SymKind::NonNegative);
  if (!q)
    return false;
  if (SymExpr p = argumentOf(a, SymKind::NonNegative))
    return context.isPositive(context.neg(context.add(p, q)));
  if (SymExpr p = argumentOf(a, SymKind::Zero))
    return context.isPositive(context.neg(context.add(p, q))) ||
           context.isPositive(context.sub(p, q));
  return false;
}

/// Whether one of `a` and `b` always holds; false: not shown.
static bool covers(SymContext &context, SymExpr a, SymExpr b) {
  SymExpr p = argumentOf(a, SymKind::NonNegative);
  SymExpr q = argumentOf(b, SymKind::NonNegative);
  return p && q &&
         context.isNonNegative(
             context.add(context.add(p, q), context.constant(1)));
}

/// "p == 0 or p >= 1" is "p >= 0"; null where the two are not so.
static SymExpr uniteZero(SymContext &context, SymExpr a, SymExpr b) {
  SymExpr p = argumentOf(a, SymKind::Zero);
  SymExpr q = argumentOf(b, SymKind::NonNegative);
  if (!p || !q)
    return {};
  if (context.sub(p, q).isConstant(1))
    return context.lessEqual(context.constant(0), p);
  if (context.add(p, q).isConstant(-1))
    return context.lessEqual(p, context.constant(0));
  return {};
}

SymExpr SymContext::junction(SymKind kind, SymExpr a, SymExpr b) {
  if (!a || !b)
    return {};
  bool isAnd = kind == SymKind::And;
  SymKind dual = isAnd ? SymKind::Or : SymKind::And;
  SmallVector<SymExpr> parts;
  for (SymExpr side : {a, b}) {
    if (side.is(kind))
      parts.append(side->getOperands().begin(), side->getOperands().end());
    else
      parts.push_back(side);
  }
  if (parts.size() > kMaxOperands)
    return {};
  SymExpr unit = boolean(isAnd), absorbing = boolean(!isAnd);
  llvm::sort(parts,
             [](SymExpr x, SymExpr y) { return x->getId() < y->getId(); });
  parts.erase(llvm::unique(parts), parts.end());
  llvm::erase(parts, unit);
  if (llvm::is_contained(parts, absorbing))
    return absorbing;

  for (size_t i = 0; i < parts.size(); ++i)
    for (size_t j = 0; j < parts.size(); ++j) {
      if (i == j)
        continue;
      SymExpr x = parts[i], y = parts[j];
      if (x.is(SymKind::Not) && x->getOperand(0) == y)
        return absorbing;
      if (isAnd ? excludes(*this, x, y) : covers(*this, x, y))
        return absorbing;
      // Of two where one implies the other, one is enough.
      if (implies(*this, x, y)) {
        parts.erase(parts.begin() + (isAnd ? j : i));
        return junctionOf(kind, parts);
      }
      if (isAnd) {
        // p >= 0 and p <= 0.
        SymExpr p = argumentOf(x, SymKind::NonNegative);
        SymExpr q = argumentOf(y, SymKind::NonNegative);
        if (p && q && isZero(add(p, q))) {
          parts.erase(parts.begin() + std::max(i, j));
          parts[std::min(i, j)] = equal(p, constant(0));
          return junctionOf(kind, parts);
        }
      } else if (SymExpr united = uniteZero(*this, x, y)) {
        parts.erase(parts.begin() + std::max(i, j));
        parts[std::min(i, j)] = united;
        return junctionOf(kind, parts);
      }
      if (!x.is(dual))
        continue;
      // (y or ...) and y is y; (not y or r) and y is r and y.
      SmallVector<SymExpr> rest(x->getOperands());
      if (llvm::is_contained(rest, y)) {
        parts.erase(parts.begin() + i);
        return junctionOf(kind, parts);
      }
      if (y.is(dual) || y.is(kind))
        continue;
      SymExpr negated = lnot(y);
      if (llvm::is_contained(rest, negated)) {
        llvm::erase(rest, negated);
        parts[i] = junctionOf(dual, rest);
        return junctionOf(kind, parts);
      }
    }
  if (parts.empty())
    return unit;
  if (parts.size() == 1)
    return parts[0];

  // (c and x) or (c and y) is c and (x or y).
  if (llvm::all_of(parts, [&](SymExpr part) { return part.is(dual); }))
    for (SymExpr common : parts[0]->getOperands()) {
      if (!llvm::all_of(parts, [&](SymExpr part) {
            return llvm::is_contained(part->getOperands(), common);
          }))
        continue;
      SmallVector<SymExpr> remainders;
      for (SymExpr part : parts) {
        SmallVector<SymExpr> operands(part->getOperands());
        llvm::erase(operands, common);
        remainders.push_back(junctionOf(dual, operands));
      }
      return junction(dual, common, junctionOf(kind, remainders));
    }
  return Builder{.kind = kind, .type = SymType::Bool, .operands = parts}.get(
      *this);
}

SymExpr SymContext::junctionOf(SymKind kind, ArrayRef<SymExpr> parts) {
  SymExpr result = boolean(kind == SymKind::And);
  for (SymExpr part : parts)
    result = junction(kind, result, part);
  return result;
}

SymExpr SymContext::land(SymExpr a, SymExpr b) {
  return junction(SymKind::And, a, b);
}
SymExpr SymContext::lor(SymExpr a, SymExpr b) {
  return junction(SymKind::Or, a, b);
}

//===----------------------------------------------------------------------===//
// select
//===----------------------------------------------------------------------===//

SymExpr SymContext::select(SymExpr condition, SymExpr onTrue, SymExpr onFalse) {
  if (!condition)
    return {};
  // An arm that is not known does no harm where it is not chosen.
  if (condition.isTrue())
    return onTrue;
  if (condition.isFalse())
    return onFalse;
  if (!onTrue || !onFalse || onTrue->getType() != onFalse->getType())
    return {};
  if (onTrue == onFalse)
    return onTrue;
  if (condition.is(SymKind::Not))
    return select(condition->getOperand(0), onFalse, onTrue);
  if (onTrue->getType() == SymType::Bool)
    return lor(land(condition, onTrue), land(lnot(condition), onFalse));
  if (onTrue.is(SymKind::Select) && onTrue->getOperand(0) == condition)
    return select(condition, onTrue->getOperand(1), onFalse);
  if (onFalse.is(SymKind::Select) && onFalse->getOperand(0) == condition)
    return select(condition, onTrue, onFalse->getOperand(2));
  // Choices that share an arm are one choice.
  if (onTrue.is(SymKind::Select)) {
    SymExpr inner = onTrue->getOperand(0);
    if (onTrue->getOperand(2) == onFalse)
      return select(land(condition, inner), onTrue->getOperand(1), onFalse);
    if (onTrue->getOperand(1) == onFalse)
      return select(land(condition, lnot(inner)), onTrue->getOperand(2),
                    onFalse);
  }
  if (onFalse.is(SymKind::Select)) {
    SymExpr inner = onFalse->getOperand(0);
    if (onFalse->getOperand(1) == onTrue)
      return select(lor(condition, inner), onTrue, onFalse->getOperand(2));
    if (onFalse->getOperand(2) == onTrue)
      return select(lor(condition, lnot(inner)), onTrue,
                    onFalse->getOperand(1));
  }
  // Where i == e, the other arm may say the same: a row that was put in front.
  if (SymExpr p = argumentOf(condition, SymKind::Zero))
    for (const Monomial &term : toSum(p)) {
      if (term.factors.size() != 1 || !term.factors[0].is(SymKind::Index) ||
          (term.coefficient != 1 && term.coefficient != -1))
        continue;
      auto linear = splitLinear(p, term.factors[0]);
      if (!linear || !linear->first.constant())
        continue;
      SymExpr value =
          *linear->first.constant() == 1 ? neg(linear->second) : linear->second;
      llvm::DenseMap<SymExpr, SymExpr> map = {{term.factors[0], value}};
      SymExpr there = substitute(onFalse, map);
      if (there && there == substitute(onTrue, map))
        return onFalse;
    }
  SymExpr operands[] = {condition, onTrue, onFalse};
  return Builder{
      .kind = SymKind::Select, .type = onTrue->getType(), .operands = operands}
      .get(*this);
}
