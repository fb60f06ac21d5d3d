//===- SymExprPolynomial.cpp - Integer arithmetic on expressions ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SymExprImpl.h"

#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <numeric>

using namespace llmc;
using llvm::AddOverflow;
using llvm::ArrayRef;
using llvm::MulOverflow;
using llvm::SmallVector;

bool llmc::precedes(ArrayRef<SymExpr> a, ArrayRef<SymExpr> b) {
  if (a.size() != b.size())
    return a.size() > b.size();
  return std::lexicographical_compare(
      a.begin(), a.end(), b.begin(), b.end(),
      [](SymExpr x, SymExpr y) { return x->getId() < y->getId(); });
}

bool llmc::isZero(SymExpr expr) { return expr.isConstant(0); }

int64_t llmc::floorDivide(int64_t a, int64_t b) {
  int64_t q = a / b;
  return a % b < 0 ? q - 1 : q;
}

Sum llmc::toSum(SymExpr expr) {
  Sum sum;
  if (auto value = expr.constant()) {
    if (*value)
      sum.push_back({{}, *value});
  } else if (expr.is(SymKind::Polynomial)) {
    for (const SymTerm &term : expr->getTerms())
      sum.push_back({SmallVector<SymExpr, 4>(term.factors), term.coefficient});
  } else {
    sum.push_back({{expr}, 1});
  }
  return sum;
}

SymExpr llmc::fromSum(SymContext &context, const Sum &sum) {
  if (sum.empty())
    return context.constant(0);
  if (sum.size() == 1) {
    if (sum[0].factors.empty())
      return context.constant(sum[0].coefficient);
    if (sum[0].factors.size() == 1 && sum[0].coefficient == 1)
      return sum[0].factors[0];
  }
  if (sum.size() > kMaxTerms)
    return {};
  SmallVector<SymTerm> terms;
  for (const Monomial &term : sum)
    terms.push_back({term.coefficient, term.factors});
  return SymContext::Builder{
      .kind = SymKind::Polynomial, .type = SymType::Int, .terms = terms}
      .get(context);
}

bool llmc::addTo(Sum &sum, const Sum &addend, int64_t factor) {
  Sum result;
  size_t i = 0, j = 0;
  while (i < sum.size() || j < addend.size()) {
    bool first =
        j == addend.size() ||
        (i < sum.size() && precedes(sum[i].factors, addend[j].factors));
    bool second = !first && (i == sum.size() ||
                             precedes(addend[j].factors, sum[i].factors));
    if (first) {
      result.push_back(sum[i++]);
      continue;
    }
    Monomial term = addend[j++];
    if (MulOverflow(term.coefficient, factor, term.coefficient))
      return false;
    if (!second &&
        AddOverflow(term.coefficient, sum[i++].coefficient, term.coefficient))
      return false;
    if (term.coefficient)
      result.push_back(std::move(term));
  }
  sum = std::move(result);
  return true;
}

std::optional<Sum> llmc::multiply(const Sum &a, const Sum &b) {
  Sum result;
  for (const Monomial &x : a) {
    Sum row;
    for (const Monomial &y : b) {
      Monomial term;
      if (x.factors.size() + y.factors.size() > kMaxDegree ||
          MulOverflow(x.coefficient, y.coefficient, term.coefficient))
        return std::nullopt;
      std::merge(x.factors.begin(), x.factors.end(), y.factors.begin(),
                 y.factors.end(), std::back_inserter(term.factors),
                 [](SymExpr p, SymExpr q) { return p->getId() < q->getId(); });
      row.push_back(std::move(term));
    }
    // A row stays sorted: the order is compatible with multiplication.
    if (!addTo(result, row, 1) || result.size() > kMaxTerms)
      return std::nullopt;
  }
  return result;
}

/// factors / divisor, if it divides.
static std::optional<SmallVector<SymExpr, 4>>
divideFactors(ArrayRef<SymExpr> factors, ArrayRef<SymExpr> divisor) {
  SmallVector<SymExpr, 4> rest;
  size_t j = 0;
  for (SymExpr factor : factors) {
    if (j < divisor.size() && divisor[j] == factor)
      ++j;
    else
      rest.push_back(factor);
  }
  if (j != divisor.size())
    return std::nullopt;
  return rest;
}

std::optional<Division> llmc::divide(const Sum &a, const Sum &b) {
  Division result;
  result.remainder = a;
  const Monomial &lead = b.front();
  if (lead.coefficient == std::numeric_limits<int64_t>::min())
    return std::nullopt;
  int64_t magnitude = std::abs(lead.coefficient);
  for (unsigned step = 0; step < 4 * kMaxTerms; ++step) {
    bool changed = false;
    for (const Monomial &term : result.remainder) {
      auto factors = divideFactors(term.factors, lead.factors);
      if (!factors)
        continue;
      int64_t q = floorDivide(term.coefficient, magnitude);
      if (lead.coefficient < 0)
        q = -q;
      if (q == 0)
        continue;
      Sum quotient = {{*factors, q}};
      auto taken = multiply(quotient, b);
      if (!taken || !addTo(result.remainder, *taken, -1) ||
          !addTo(result.quotient, quotient, 1) ||
          result.remainder.size() > kMaxTerms)
        return std::nullopt;
      changed = true;
      break;
    }
    if (!changed)
      return result;
  }
  return std::nullopt;
}

SymExpr SymContext::add(SymExpr a, SymExpr b) {
  if (!a || !b)
    return {};
  Sum sum = toSum(a);
  if (!addTo(sum, toSum(b), 1))
    return {};
  return fromSum(*this, sum);
}

SymExpr SymContext::sub(SymExpr a, SymExpr b) {
  if (!a || !b)
    return {};
  if (a == b)
    return constant(0);
  Sum sum = toSum(a);
  if (!addTo(sum, toSum(b), -1))
    return {};
  return fromSum(*this, sum);
}

SymExpr SymContext::neg(SymExpr a) { return sub(constant(0), a); }

SymExpr SymContext::mul(SymExpr a, SymExpr b) {
  if (!a || !b)
    return {};
  auto product = multiply(toSum(a), toSum(b));
  return product ? fromSum(*this, *product) : SymExpr();
}

SymExpr SymContext::sum(ArrayRef<SymExpr> parts) {
  SymExpr result = constant(0);
  for (SymExpr part : parts)
    result = add(result, part);
  return result;
}

SymExpr SymContext::product(ArrayRef<SymExpr> parts) {
  SymExpr result = constant(1);
  for (SymExpr part : parts)
    result = mul(result, part);
  return result;
}

SymExpr SymContext::divideExactly(SymExpr a, SymExpr b) {
  if (!a || !b || isZero(b))
    return {};
  if (isZero(a))
    return a;
  auto division = divide(toSum(a), toSum(b));
  if (!division || !division->remainder.empty())
    return {};
  return fromSum(*this, division->quotient);
}

/// floor(r / d) = floor(x / (d / g)) where r = g x + s and 0 <= s < g; tries
/// the g that coefficients and `d` have in common. Null where none works.
static SymExpr reduceByCommonFactor(SymContext &context, const Sum &r,
                                    int64_t d) {
  SmallVector<int64_t> candidates;
  for (const Monomial &term : r)
    if (!term.factors.empty())
      candidates.push_back(std::gcd(term.coefficient, d));
  llvm::sort(candidates, std::greater<>());
  candidates.erase(llvm::unique(candidates), candidates.end());
  for (int64_t g : candidates) {
    if (g <= 1)
      break;
    Sum x, s;
    for (const Monomial &term : r) {
      if (term.factors.empty()) {
        int64_t q = floorDivide(term.coefficient, g);
        if (q)
          x.push_back({{}, q});
        if (term.coefficient - q * g)
          s.push_back({{}, term.coefficient - q * g});
      } else if (term.coefficient % g == 0) {
        x.push_back({term.factors, term.coefficient / g});
      } else {
        s.push_back(term);
      }
    }
    SymExpr small = fromSum(context, s);
    if (context.isNonNegative(small) &&
        context.isLess(small, context.constant(g)))
      return context.floorDiv(fromSum(context, x), context.constant(d / g));
  }
  return {};
}

SymExpr SymContext::floorDiv(SymExpr a, SymExpr b) {
  if (!a || !b || isZero(b))
    return {};
  auto divisor = b.constant();
  if (divisor == 1)
    return a;
  if (divisor && *divisor < 0)
    return floorDiv(neg(a), neg(b));
  if (isZero(a))
    return a;
  auto division = divide(toSum(a), toSum(b));
  if (!division)
    return {};
  SymExpr quotient = fromSum(*this, division->quotient);
  SymExpr rest = fromSum(*this, division->remainder);
  if (!quotient || !rest || isZero(rest))
    return quotient;
  if (isNonNegative(rest) && isLess(rest, b))
    return quotient;
  // One lower: -b <= rest < 0, as in (b * x - 1) / b.
  if (!divisor && isNonNegative(add(rest, b)) && isPositive(neg(rest)))
    return sub(quotient, constant(1));
  if (divisor) {
    if (SymExpr reduced =
            reduceByCommonFactor(*this, division->remainder, *divisor))
      return add(quotient, reduced);
    // floor(floor(x / c) / d) = floor(x / (c * d)).
    int64_t both;
    if (rest.is(SymKind::FloorDiv))
      if (auto inner = rest->getOperand(1).constant())
        if (*inner > 0 && !MulOverflow(*inner, *divisor, both))
          return add(quotient, floorDiv(rest->getOperand(0), constant(both)));
  }
  SymExpr operands[] = {rest, b};
  return add(quotient, Builder{.kind = SymKind::FloorDiv,
                               .type = SymType::Int,
                               .operands = operands}
                           .get(*this));
}

SymExpr SymContext::truncDiv(SymExpr a, SymExpr b) {
  if (!a || !b || isZero(b))
    return {};
  if (auto exact = divideExactly(a, b))
    return exact;
  bool positive = isPositive(b), negative = !positive && isPositive(neg(b));
  if ((positive && isNonNegative(a)) || (negative && isNonNegative(neg(a))))
    return floorDiv(a, b);
  if ((positive && isNonNegative(neg(a))) || (negative && isNonNegative(a)))
    return neg(floorDiv(neg(a), b));
  return apply("truncdiv", SymType::Int, {a, b});
}

SymExpr SymContext::ceilDiv(SymExpr a, SymExpr b) {
  return neg(floorDiv(neg(a), b));
}

SymExpr SymContext::mod(SymExpr a, SymExpr b) {
  return sub(a, mul(b, floorDiv(a, b)));
}

SymExpr SymContext::min(SymExpr a, SymExpr b) {
  if (!a || !b)
    return {};
  if (isLessEqual(a, b))
    return a;
  if (isLessEqual(b, a))
    return b;
  SymExpr operands[] = {a, b};
  if (b->getId() < a->getId())
    std::swap(operands[0], operands[1]);
  return Builder{
      .kind = SymKind::Min, .type = SymType::Int, .operands = operands}
      .get(*this);
}

SymExpr SymContext::max(SymExpr a, SymExpr b) {
  if (!a || !b)
    return {};
  if (isLessEqual(a, b))
    return b;
  if (isLessEqual(b, a))
    return a;
  SymExpr operands[] = {a, b};
  if (b->getId() < a->getId())
    std::swap(operands[0], operands[1]);
  return Builder{
      .kind = SymKind::Max, .type = SymType::Int, .operands = operands}
      .get(*this);
}

std::optional<std::pair<SymExpr, SymExpr>>
SymContext::splitLinear(SymExpr a, SymExpr atom) {
  if (!a || !atom)
    return std::nullopt;
  Sum coefficient, rest;
  for (Monomial &term : toSum(a)) {
    auto count = llvm::count(term.factors, atom);
    if (count > 1)
      return std::nullopt;
    if (count == 0) {
      // Terms of the rest keep their order.
      rest.push_back(std::move(term));
      continue;
    }
    term.factors.erase(llvm::find(term.factors, atom));
    if (!addTo(coefficient, {term}, 1))
      return std::nullopt;
  }
  SymExpr first = fromSum(*this, coefficient), second = fromSum(*this, rest);
  // The atom may also stand inside another one, as in floordiv(i, 2).
  if (!first || !second || contains(first, atom) || contains(second, atom))
    return std::nullopt;
  return std::make_pair(first, second);
}
