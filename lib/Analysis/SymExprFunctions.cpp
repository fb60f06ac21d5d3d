//===- SymExprFunctions.cpp - Casts and functions of expressions ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Float functions on real numbers. Differences become sums, quotients become
// products, and both are flattened and ordered, so that formulas which differ
// only in how they were written are one expression.
//
//===----------------------------------------------------------------------===//
#include "SymExprImpl.h"

#include "llvm/ADT/StringSwitch.h"
#include <cmath>

using namespace llmc;
using llvm::ArrayRef;
using llvm::SmallVector;
using llvm::StringRef;

/// Largest magnitude up to which every integer is a double.
static constexpr double kExact = 9007199254740992.0;

static bool isApply(SymExpr a, StringRef name) {
  return a.is(SymKind::Apply) && a->getName() == name;
}

static std::optional<double> foldUnary(StringRef name, double x) {
  using Function = double (*)(double);
  Function function =
      llvm::StringSwitch<Function>(name)
          .Case("abs", [](double v) { return std::fabs(v); })
          .Case("exp", [](double v) { return std::exp(v); })
          .Case("log", [](double v) { return std::log(v); })
          .Case("sqrt", [](double v) { return std::sqrt(v); })
          .Case("rsqrt", [](double v) { return 1 / std::sqrt(v); })
          .Case("reciprocal", [](double v) { return 1 / v; })
          .Case("sin", [](double v) { return std::sin(v); })
          .Case("cos", [](double v) { return std::cos(v); })
          .Case("tanh", [](double v) { return std::tanh(v); })
          .Case("floor", [](double v) { return std::floor(v); })
          .Case("ceil", [](double v) { return std::ceil(v); })
          .Case("round", [](double v) { return std::nearbyint(v); })
          .Case("sign", [](double v) { return double((v > 0) - (v < 0)); })
          .Case("relu", [](double v) { return v > 0 ? v : 0.0; })
          .Default(nullptr);
  if (!function)
    return std::nullopt;
  return function(x);
}

static std::optional<double> foldBinary(StringRef name, double x, double y) {
  if (std::isnan(x) || std::isnan(y))
    return std::nan("");
  return llvm::StringSwitch<std::optional<double>>(name)
      .Case("add", x + y)
      .Case("mul", x * y)
      .Case("pow", std::pow(x, y))
      .Case("min", std::min(x, y))
      .Case("max", std::max(x, y))
      .Default(std::nullopt);
}

/// Sum or product of the operands with constants and whole numbers merged.
static void mergeParts(SymContext &context, bool isAdd,
                       SmallVector<SymExpr> &parts) {
  double constant = isAdd ? 0 : 1;
  SymExpr whole; // sum or product of the parts that are integers
  SmallVector<SymExpr> rest;
  for (SymExpr part : parts) {
    if (auto value = part.real()) {
      constant = isAdd ? constant + *value : constant * *value;
    } else if (isApply(part, "real")) {
      SymExpr value = part->getOperand(0);
      SymExpr merged = !whole  ? value
                       : isAdd ? context.add(whole, value)
                               : context.mul(whole, value);
      if (merged)
        whole = merged;
      else
        rest.push_back(part);
    } else {
      rest.push_back(part);
    }
  }
  bool exact = std::floor(constant) == constant && std::abs(constant) < kExact;
  if (whole && exact && (isAdd || constant == -1)) {
    SymExpr number = context.constant(static_cast<int64_t>(constant));
    SymExpr merged =
        isAdd ? context.add(whole, number) : context.mul(whole, number);
    if (merged) {
      whole = merged;
      constant = isAdd ? 0 : 1;
    }
  }
  if (whole) {
    SymExpr value = context.cast(whole, SymType::Float);
    if (auto number = value.real())
      constant = isAdd ? constant + *number : constant * *number;
    else if (value)
      rest.push_back(value);
  }
  if (constant != (isAdd ? 0 : 1) || rest.empty())
    rest.push_back(context.real(constant));
  llvm::sort(rest,
             [](SymExpr x, SymExpr y) { return x->getId() < y->getId(); });
  parts = std::move(rest);
}

SymExpr SymContext::apply(StringRef name, SymType type,
                          ArrayRef<SymExpr> operands) {
  for (SymExpr operand : operands)
    if (!operand)
      return {};
  auto make = [&](StringRef function, ArrayRef<SymExpr> parts) {
    return Builder{.kind = SymKind::Apply,
                   .type = type,
                   .name = function,
                   .operands = parts}
        .get(*this);
  };
  if (type != SymType::Float)
    return make(name, operands);
  auto call = [&](StringRef function, ArrayRef<SymExpr> parts) {
    return apply(function, SymType::Float, parts);
  };
  if (name == "sub" && operands.size() == 2)
    return call("add", {operands[0], call("mul", {real(-1), operands[1]})});
  if (name == "neg" && operands.size() == 1)
    return call("mul", {real(-1), operands[0]});
  if (name == "div" && operands.size() == 2)
    return call("mul", {operands[0], call("reciprocal", operands[1])});

  // A function of a choice between numbers is a choice.
  for (auto [i, operand] : llvm::enumerate(operands)) {
    if (!operand.is(SymKind::Select) || operand->getDepth() > kMaxDepth / 4)
      continue;
    if (!operand->getOperand(1).is(SymKind::Real) &&
        !operand->getOperand(2).is(SymKind::Real))
      continue;
    SmallVector<SymExpr> onTrue(operands), onFalse(operands);
    onTrue[i] = operand->getOperand(1);
    onFalse[i] = operand->getOperand(2);
    return select(operand->getOperand(0), call(name, onTrue),
                  call(name, onFalse));
  }

  if (operands.size() == 1) {
    if (auto value = operands[0].real())
      if (auto folded = foldUnary(name, *value))
        return real(*folded);
    bool rounds = name == "floor" || name == "ceil" || name == "round";
    if (rounds && isApply(operands[0], "real"))
      return operands[0];
    return make(name, operands);
  }
  if (operands.size() == 2 && operands[0].real() && operands[1].real())
    if (auto folded =
            foldBinary(name, *operands[0].real(), *operands[1].real()))
      return real(*folded);
  if (name == "add" || name == "mul") {
    SmallVector<SymExpr> parts;
    for (SymExpr operand : operands) {
      if (isApply(operand, name))
        parts.append(operand->getOperands().begin(),
                     operand->getOperands().end());
      else
        parts.push_back(operand);
    }
    mergeParts(*this, name == "add", parts);
    return parts.size() == 1 ? parts[0] : make(name, parts);
  }
  if ((name == "min" || name == "max") && operands.size() == 2) {
    if (operands[0] == operands[1])
      return operands[0];
    SmallVector<SymExpr> parts(operands);
    if (parts[1]->getId() < parts[0]->getId())
      std::swap(parts[0], parts[1]);
    return make(name, parts);
  }
  return make(name, operands);
}

SymExpr SymContext::cast(SymExpr a, SymType type) {
  if (!a)
    return {};
  SymType from = a->getType();
  if (from == type)
    return a;
  if (from == SymType::Bool)
    return type == SymType::Int ? select(a, constant(1), constant(0))
                                : select(a, real(1), real(0));
  if (type == SymType::Bool)
    return notEqual(a, from == SymType::Int ? constant(0) : real(0));
  // A choice is cast arm by arm where that decides something.
  if (a.is(SymKind::Select) && a->getDepth() <= kMaxDepth / 4)
    return select(a->getOperand(0), cast(a->getOperand(1), type),
                  cast(a->getOperand(2), type));
  if (type == SymType::Float) {
    if (auto value = a.constant())
      return real(static_cast<double>(*value));
    return Builder{
        .kind = SymKind::Apply, .type = type, .name = "real", .operands = a}
        .get(*this);
  }
  if (auto value = a.real()) {
    if (std::isnan(*value) || std::abs(*value) > 9.0e18)
      return {};
    return constant(static_cast<int64_t>(*value));
  }
  if (isApply(a, "real"))
    return a->getOperand(0);
  return Builder{
      .kind = SymKind::Apply, .type = type, .name = "trunc", .operands = a}
      .get(*this);
}
