//===- ElementsElementwise.cpp - Rules of the element-wise ops ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ElementRules.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::rules;

MaybeShape rules::shapeOfElementwise(Asker &ask, Operation *op) {
  if (isa<nn::AddOp, nn::SubOp, nn::MulOp, nn::DivOp, nn::PowOp, nn::ModOp,
          nn::MinOp, nn::MaxOp, nn::AndOp, nn::OrOp, nn::XorOp, nn::CompareOp,
          nn::WhereOp>(op)) {
    SmallVector<ArrayRef<SymExpr>> shapes;
    for (Value operand : op->getOperands())
      shapes.push_back(ask.shape(operand));
    return ask.broadcast(shapes, op);
  }
  if (isa<nn::NegOp, nn::AbsOp, nn::SignOp, nn::NotOp, nn::ExpOp, nn::LogOp,
          nn::SqrtOp, nn::RsqrtOp, nn::ReciprocalOp, nn::SinOp, nn::CosOp,
          nn::TanhOp, nn::ErfOp, nn::FloorOp, nn::CeilOp, nn::RoundOp,
          nn::IsNanOp, nn::CastOp, nn::ReluOp, nn::SigmoidOp, nn::SiluOp,
          nn::SoftplusOp, nn::GeluOp, nn::LeakyReluOp, nn::EluOp,
          nn::HardSigmoidOp, nn::SoftmaxOp, nn::LogSoftmaxOp>(op))
    return SymIndex(ask.shape(op->getOperand(0)));
  return std::nullopt;
}

/// a to a constant power of 0 or more.
static SymExpr power(Asker &ask, SymExpr a, SymExpr exponent) {
  constexpr int64_t kMaxPower = 8;
  auto value = exponent.constant();
  if (!value || *value < 0)
    return {};
  if (a.isConstant(1) || (a.isConstant(0) && *value > 0))
    return a;
  if (a.constant() ? *value > 63 : *value > kMaxPower)
    return {};
  SymExpr result = ask.n(1);
  for (int64_t i = 0; i < *value; ++i)
    result = ask.c.mul(result, a);
  return result;
}

/// Two integers.
static SymExpr ofIntegers(Asker &ask, Operation *op, SymExpr a, SymExpr b) {
  SymContext &c = ask.c;
  return llvm::TypeSwitch<Operation *, SymExpr>(op)
      .Case([&](nn::AddOp) { return c.add(a, b); })
      .Case([&](nn::SubOp) { return c.sub(a, b); })
      .Case([&](nn::MulOp) { return c.mul(a, b); })
      .Case([&](nn::DivOp) { return c.truncDiv(a, b); })
      .Case([&](nn::ModOp op) {
        return op.getFmod() ? c.sub(a, c.mul(b, c.truncDiv(a, b)))
                            : c.mod(a, b);
      })
      .Case([&](nn::MinOp) { return c.min(a, b); })
      .Case([&](nn::MaxOp) { return c.max(a, b); })
      .Case([&](nn::PowOp) { return power(ask, a, b); })
      .Case<nn::AndOp, nn::OrOp, nn::XorOp>([&](Operation *op) -> SymExpr {
        auto x = a.constant(), y = b.constant();
        if (!x || !y)
          return {};
        return c.constant(isa<nn::AndOp>(op)  ? *x & *y
                          : isa<nn::OrOp>(op) ? *x | *y
                                              : *x ^ *y);
      })
      .Default([](Operation *) { return SymExpr(); });
}

static SymExpr ofBooleans(Asker &ask, Operation *op, SymExpr a, SymExpr b) {
  SymContext &c = ask.c;
  return llvm::TypeSwitch<Operation *, SymExpr>(op)
      .Case<nn::AndOp, nn::MulOp, nn::MinOp>(
          [&](Operation *) { return c.land(a, b); })
      .Case<nn::OrOp, nn::MaxOp>([&](Operation *) { return c.lor(a, b); })
      .Case([&](nn::XorOp) { return c.notEqual(a, b); })
      .Default([](Operation *) { return SymExpr(); });
}

static SymExpr ofReals(Asker &ask, Operation *op, SymExpr a, SymExpr b) {
  StringRef name =
      llvm::TypeSwitch<Operation *, StringRef>(op)
          .Case([](nn::AddOp) { return "add"; })
          .Case([](nn::SubOp) { return "sub"; })
          .Case([](nn::MulOp) { return "mul"; })
          .Case([](nn::DivOp) { return "div"; })
          .Case([](nn::PowOp) { return "pow"; })
          .Case([](nn::MinOp) { return "min"; })
          .Case([](nn::MaxOp) { return "max"; })
          .Case([](nn::ModOp op) { return op.getFmod() ? "fmod" : "mod"; })
          .Default([](Operation *) { return ""; });
  if (name.empty())
    return {};
  return ask.c.apply(name, SymType::Float, {a, b});
}

static SymExpr compare(Asker &ask, nn::Predicate predicate, SymExpr a,
                       SymExpr b) {
  SymContext &c = ask.c;
  if (a && a->getType() == SymType::Bool && predicate != nn::Predicate::eq &&
      predicate != nn::Predicate::ne) {
    a = c.cast(a, SymType::Int);
    b = c.cast(b, SymType::Int);
  }
  switch (predicate) {
  case nn::Predicate::eq:
    return c.equal(a, b);
  case nn::Predicate::ne:
    return c.notEqual(a, b);
  case nn::Predicate::lt:
    return c.less(a, b);
  case nn::Predicate::le:
    return c.lessEqual(a, b);
  case nn::Predicate::gt:
    return c.less(b, a);
  case nn::Predicate::ge:
    return c.lessEqual(b, a);
  }
  return {};
}

/// The name of a float function of one operand without attributes.
static StringRef realFunction(Operation *op) {
  return llvm::TypeSwitch<Operation *, StringRef>(op)
      .Case([](nn::NegOp) { return "neg"; })
      .Case([](nn::AbsOp) { return "abs"; })
      .Case([](nn::SignOp) { return "sign"; })
      .Case([](nn::ExpOp) { return "exp"; })
      .Case([](nn::LogOp) { return "log"; })
      .Case([](nn::SqrtOp) { return "sqrt"; })
      .Case([](nn::RsqrtOp) { return "rsqrt"; })
      .Case([](nn::ReciprocalOp) { return "reciprocal"; })
      .Case([](nn::SinOp) { return "sin"; })
      .Case([](nn::CosOp) { return "cos"; })
      .Case([](nn::TanhOp) { return "tanh"; })
      .Case([](nn::ErfOp) { return "erf"; })
      .Case([](nn::FloorOp) { return "floor"; })
      .Case([](nn::CeilOp) { return "ceil"; })
      .Case([](nn::RoundOp) { return "round"; })
      .Case([](nn::ReluOp) { return "relu"; })
      .Case([](nn::SigmoidOp) { return "sigmoid"; })
      .Case([](nn::SiluOp) { return "silu"; })
      .Case([](nn::SoftplusOp) { return "softplus"; })
      .Default([](Operation *) { return ""; });
}

static SymExpr ofOne(Asker &ask, Operation *op, ArrayRef<SymExpr> index) {
  StringRef function = realFunction(op);
  if (function.empty() && !isa<nn::NotOp, nn::IsNanOp>(op))
    return {};
  SymContext &c = ask.c;
  SymExpr a = ask.element(op->getOperand(0), index);
  if (!a)
    return {};
  switch (a->getType()) {
  case SymType::Bool:
    return isa<nn::NotOp>(op) ? c.lnot(a) : SymExpr();
  case SymType::Float:
    if (auto value = a.real(); value && isa<nn::IsNanOp>(op))
      return c.boolean(std::isnan(*value));
    if (isa<nn::IsNanOp>(op))
      return c.apply("is_nan", SymType::Bool, {a});
    return c.apply(function, SymType::Float, {a});
  case SymType::Int:
    return llvm::TypeSwitch<Operation *, SymExpr>(op)
        .Case([&](nn::NegOp) { return c.neg(a); })
        .Case([&](nn::NotOp) { return c.sub(c.neg(a), ask.n(1)); })
        .Case([&](nn::AbsOp) { return c.max(a, c.neg(a)); })
        .Case([&](nn::ReluOp) { return c.max(a, ask.n(0)); })
        .Case([&](nn::SignOp) {
          return c.select(c.less(ask.n(0), a), ask.n(1),
                          c.select(c.less(a, ask.n(0)), ask.n(-1), ask.n(0)));
        })
        .Default([](Operation *) { return SymExpr(); });
  }
  return {};
}

/// Integers narrower than this wrap too soon to be taken for whole numbers.
static constexpr unsigned kLeastWidth = 32;

static SymExpr castElement(Asker &ask, nn::CastOp op, ArrayRef<SymExpr> index) {
  SymExpr a = ask.element(op.getInput(), index);
  if (!a)
    return {};
  Type to = getElementTypeOrSelf(op.getType());
  if (auto integer = dyn_cast<IntegerType>(to))
    if (integer.getWidth() > 1 && integer.getWidth() < kLeastWidth) {
      SymExpr low = ask.n(0), high = ask.n(127); // fits signed and unsigned
      if (a->getType() == SymType::Float ||
          (a->getType() == SymType::Int &&
           !(ask.c.isLessEqual(low, a) && ask.c.isLessEqual(a, high))))
        return {};
    }
  return ask.c.cast(a, SymbolicElements::typeOf(to));
}

SymExpr rules::elementOfElementwise(Asker &ask, Operation *op,
                                    ArrayRef<SymExpr> index) {
  SymContext &c = ask.c;
  if (auto cast = dyn_cast<nn::CastOp>(op))
    return castElement(ask, cast, index);
  if (auto where = dyn_cast<nn::WhereOp>(op)) {
    SymExpr condition = ask.broadcastElement(where.getCondition(), index);
    if (!condition)
      return {};
    // The arm that is not chosen is not computed.
    SymExpr onTrue, onFalse;
    if (!condition.isFalse())
      onTrue = ask.broadcastElement(where.getOnTrue(), index);
    if (!condition.isTrue())
      onFalse = ask.broadcastElement(where.getOnFalse(), index);
    return c.select(condition, onTrue, onFalse);
  }
  bool binary =
      isa<nn::AddOp, nn::SubOp, nn::MulOp, nn::DivOp, nn::PowOp, nn::ModOp,
          nn::MinOp, nn::MaxOp, nn::AndOp, nn::OrOp, nn::XorOp, nn::CompareOp>(
          op);
  if (!binary)
    return ofOne(ask, op, index);
  SymExpr a = ask.broadcastElement(op->getOperand(0), index);
  SymExpr b = ask.broadcastElement(op->getOperand(1), index);
  if (!a || !b)
    return {};
  if (auto comparison = dyn_cast<nn::CompareOp>(op))
    return compare(ask, comparison.getPredicate(), a, b);
  if (a->getType() == SymType::Float)
    return ofReals(ask, op, a, c.cast(b, SymType::Float));
  if (a->getType() != b->getType())
    return {};
  return a->getType() == SymType::Int ? ofIntegers(ask, op, a, b)
                                      : ofBooleans(ask, op, a, b);
}
