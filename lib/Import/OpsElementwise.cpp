//===- OpsElementwise.cpp - Arithmetic, comparison, activations -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Handlers.h"

#include "Importer.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

namespace {

template <typename OpTy> void unary(NodeReader &n) {
  n.result(0, n.create<OpTy>(n.input(0)));
}

template <typename OpTy> void binary(NodeReader &n) {
  n.result(0, n.create<OpTy>({n.input(0), n.input(1)}));
}

/// Operators of any number of operands, from left to right.
template <typename OpTy> Value chain(NodeReader &n) {
  Value value = n.input(0);
  for (size_t i = 1; i < n.numInputs(); ++i)
    value = n.create<OpTy>({value, n.input(i)});
  return value;
}
template <typename OpTy> void variadic(NodeReader &n) {
  n.result(0, chain<OpTy>(n));
}

template <nn::Predicate predicate> void compare(NodeReader &n) {
  n.result(0,
           n.create<nn::CompareOp>(
               {n.input(0), n.input(1)},
               n.named("predicate", nn::PredicateAttr::get(
                                        n.builder().getContext(), predicate))));
}

Value compareWith(NodeReader &n, nn::Predicate predicate, Value a, Value b) {
  return n.create<nn::CompareOp>(
      {a, b}, n.named("predicate", nn::PredicateAttr::get(
                                       n.builder().getContext(), predicate)));
}

/// A number of the element type of `like`.
Value number(NodeReader &n, double value, Value like) {
  return n.scalar(value, n.elementType(like));
}

void mean(NodeReader &n) {
  Value sum = chain<nn::AddOp>(n);
  n.result(0, n.create<nn::DivOp>(
                  {sum, number(n, static_cast<double>(n.numInputs()), sum)}));
}

void mod(NodeReader &n) {
  bool fmod = n.attrInt("fmod", 0) != 0;
  Value a = n.input(0);
  if (!fmod && a && isa<FloatType>(n.elementType(a)))
    return n.fail("expected 'fmod' to be 1 for floating point numbers");
  SmallVector<NamedAttribute> attributes;
  if (fmod)
    attributes.push_back(n.flag("fmod"));
  n.result(0, n.create<nn::ModOp>({a, n.input(1)}, attributes));
}

void where(NodeReader &n) {
  n.result(0, n.create<nn::WhereOp>({n.input(0), n.input(1), n.input(2)}));
}

void isInf(NodeReader &n) {
  bool positive = n.attrInt("detect_positive", 1) != 0,
       negative = n.attrInt("detect_negative", 1) != 0;
  Value x = n.input(0);
  if (!x)
    return;
  double inf = std::numeric_limits<double>::infinity();
  if (positive && negative)
    return n.result(0, compareWith(n, nn::Predicate::eq, n.create<nn::AbsOp>(x),
                                   number(n, inf, x)));
  if (positive || negative)
    return n.result(0, compareWith(n, nn::Predicate::eq, x,
                                   number(n, positive ? inf : -inf, x)));
  // Neither: false everywhere, in the shape of the operand.
  n.result(0, compareWith(n, nn::Predicate::lt, n.create<nn::AbsOp>(x),
                          number(n, 0, x)));
}

void cast(NodeReader &n) {
  n.ignoreAttr("saturate"); // for float8 alone, which is refused
  n.ignoreAttr("round_mode");
  int64_t to = n.attrInt("to", 0);
  Type type = n.importer().elementType(static_cast<int32_t>(to));
  if (!type)
    return n.fail("element type number " + Twine(to) +
                  " in 'to' is not supported by this version");
  n.result(0, n.cast(n.input(0), type));
}

void castLike(NodeReader &n) {
  n.ignoreAttr("saturate");
  n.ignoreAttr("round_mode");
  Value like = n.input(1);
  if (like)
    n.result(0, n.cast(n.input(0), n.elementType(like)));
}

void tan(NodeReader &n) {
  Value x = n.input(0);
  n.result(
      0, n.create<nn::DivOp>({n.create<nn::SinOp>(x), n.create<nn::CosOp>(x)}));
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

Value sigmoidOf(NodeReader &n, Value x, double alpha) {
  Value scaled = alpha == 1 ? x : n.create<nn::MulOp>({x, number(n, alpha, x)});
  return n.create<nn::SigmoidOp>(scaled);
}

void leakyRelu(NodeReader &n) {
  // The default is single precision in the standard.
  double alpha = n.attrFloat("alpha", 0.01f);
  n.result(0,
           n.create<nn::LeakyReluOp>(n.input(0), n.namedFloat("alpha", alpha)));
}

void elu(NodeReader &n) {
  double alpha = n.attrFloat("alpha", 1);
  n.result(0, n.create<nn::EluOp>(n.input(0), n.namedFloat("alpha", alpha)));
}

void selu(NodeReader &n) {
  double alpha = n.attrFloat("alpha", 1.67326319217681884765625f),
         gamma = n.attrFloat("gamma", 1.05070102214813232421875f);
  Value x = n.create<nn::EluOp>(n.input(0), n.namedFloat("alpha", alpha));
  if (x)
    n.result(0, n.create<nn::MulOp>({x, number(n, gamma, x)}));
}

void celu(NodeReader &n) {
  double alpha = n.attrFloat("alpha", 1);
  Value x = n.input(0);
  if (!x)
    return;
  if (alpha == 0)
    return n.fail("expected 'alpha' other than 0");
  Value scale = number(n, alpha, x);
  Value y = n.create<nn::EluOp>(n.create<nn::DivOp>({x, scale}),
                                n.namedFloat("alpha", 1));
  n.result(0, n.create<nn::MulOp>({y, scale}));
}

void hardSigmoid(NodeReader &n) {
  double alpha = n.attrFloat("alpha", 0.2f), beta = n.attrFloat("beta", 0.5);
  n.result(
      0, n.create<nn::HardSigmoidOp>(n.input(0), {n.namedFloat("alpha", alpha),
                                                  n.namedFloat("beta", beta)}));
}

void hardSwish(NodeReader &n) {
  Value x = n.input(0);
  Value gate = n.create<nn::HardSigmoidOp>(
      x, {n.namedFloat("alpha", 1.0 / 6.0), n.namedFloat("beta", 0.5)});
  n.result(0, n.create<nn::MulOp>({x, gate}));
}

Value geluOf(NodeReader &n, Value x, bool tanh) {
  SmallVector<NamedAttribute> attributes;
  if (tanh)
    attributes.push_back(n.flag("tanh"));
  return n.create<nn::GeluOp>(x, attributes);
}

void gelu(NodeReader &n) {
  std::string kind = n.attrString("approximate", "none");
  if (kind != "none" && kind != "tanh")
    return n.fail("expected 'approximate' to be none or tanh");
  n.result(0, geluOf(n, n.input(0), kind == "tanh"));
}

/// com.microsoft: the exact gelu, the bias first where there is one.
void biasGelu(NodeReader &n) {
  Value x = n.input(0);
  if (n.hasInput(1))
    x = n.create<nn::AddOp>({x, n.input(1)});
  n.result(0, geluOf(n, x, /*tanh=*/false));
}

void fastGelu(NodeReader &n) {
  Value x = n.input(0);
  if (n.hasInput(1))
    x = n.create<nn::AddOp>({x, n.input(1)});
  n.result(0, geluOf(n, x, /*tanh=*/true));
}

/// x * sigmoid(alpha * x): Swish, and QuickGelu with its own default.
void gated(NodeReader &n, double alpha) {
  Value x = n.input(0);
  if (!x)
    return;
  if (alpha == 1)
    return n.result(0, n.create<nn::SiluOp>(x));
  n.result(0, n.create<nn::MulOp>({x, sigmoidOf(n, x, alpha)}));
}
void swish(NodeReader &n) { gated(n, n.attrFloat("alpha", 1)); }
void quickGelu(NodeReader &n) { gated(n, n.attrFloat("alpha", 1.702f)); }

void mish(NodeReader &n) {
  Value x = n.input(0);
  Value gate = n.create<nn::TanhOp>(n.create<nn::SoftplusOp>(x));
  n.result(0, n.create<nn::MulOp>({x, gate}));
}

void softsign(NodeReader &n) {
  Value x = n.input(0);
  if (!x)
    return;
  Value below = n.create<nn::AddOp>({n.create<nn::AbsOp>(x), number(n, 1, x)});
  n.result(0, n.create<nn::DivOp>({x, below}));
}

void prelu(NodeReader &n) {
  Value x = n.input(0), slope = n.input(1);
  if (!x || !slope)
    return;
  Value low = n.create<nn::MulOp>({x, slope});
  Value negative = compareWith(n, nn::Predicate::lt, x, number(n, 0, x));
  n.result(0, n.create<nn::WhereOp>({negative, low, x}));
}

void thresholdedRelu(NodeReader &n) {
  double alpha = n.attrFloat("alpha", 1);
  Value x = n.input(0);
  if (!x)
    return;
  Value above = compareWith(n, nn::Predicate::gt, x, number(n, alpha, x));
  n.result(0, n.create<nn::WhereOp>({above, x, number(n, 0, x)}));
}

void clipBy(NodeReader &n, Value x, Value low, Value high) {
  if (low)
    x = n.create<nn::MaxOp>({x, low});
  if (high)
    x = n.create<nn::MinOp>({x, high});
  n.result(0, x);
}

void clip11(NodeReader &n) {
  Value x = n.input(0), low = n.optional(1), high = n.optional(2);
  clipBy(n, x, low, high);
}

void clip6(NodeReader &n) {
  bool hasLow = n.hasAttr("min"), hasHigh = n.hasAttr("max");
  double low = n.attrFloat("min", 0), high = n.attrFloat("max", 0);
  Value x = n.input(0);
  if (x)
    clipBy(n, x, hasLow ? number(n, low, x) : Value(),
           hasHigh ? number(n, high, x) : Value());
}

template <typename OpTy> void softmax13(NodeReader &n) {
  Value x = n.input(0);
  int64_t axis = n.axis(n.attrInt("axis", -1), n.rank(x));
  n.result(0, n.create<OpTy>(x, n.named("axis", axis)));
}

/// Before opset 13 the axes from `axis` on are one: normalized together.
template <typename OpTy> void softmax1(NodeReader &n) {
  Value x = n.input(0);
  int64_t rank = n.rank(x), axis = n.axis(n.attrInt("axis", 1), rank);
  if (n.failed())
    return;
  if (axis == rank - 1)
    return n.result(0, n.create<OpTy>(x, n.named("axis", axis)));
  Value y = n.create<OpTy>(n.foldAxes(x, axis), n.named("axis", axis));
  n.result(0, n.unfoldAxes(y, x, axis));
}

} // namespace

void llmc::onnx::addElementwiseHandlers(HandlerTable &table) {
  auto add = [&](StringRef op, int64_t since, Handler handler) {
    table.add("", op, since, handler);
  };
  add("Add", 7, binary<nn::AddOp>);
  add("Sub", 7, binary<nn::SubOp>);
  add("Mul", 7, binary<nn::MulOp>);
  add("Div", 7, binary<nn::DivOp>);
  add("Pow", 7, binary<nn::PowOp>);
  add("Mod", 10, mod);
  add("Min", 6, variadic<nn::MinOp>);
  add("Max", 6, variadic<nn::MaxOp>);
  add("Sum", 6, variadic<nn::AddOp>);
  add("Mean", 6, mean);
  add("And", 7, binary<nn::AndOp>);
  add("Or", 7, binary<nn::OrOp>);
  add("Xor", 7, binary<nn::XorOp>);
  add("Not", 1, unary<nn::NotOp>);
  add("BitwiseAnd", 18, binary<nn::AndOp>);
  add("BitwiseOr", 18, binary<nn::OrOp>);
  add("BitwiseXor", 18, binary<nn::XorOp>);
  add("BitwiseNot", 18, unary<nn::NotOp>);
  add("Equal", 7, compare<nn::Predicate::eq>);
  add("Greater", 7, compare<nn::Predicate::gt>);
  add("Less", 7, compare<nn::Predicate::lt>);
  add("GreaterOrEqual", 12, compare<nn::Predicate::ge>);
  add("LessOrEqual", 12, compare<nn::Predicate::le>);
  add("Where", 9, where);
  add("Neg", 6, unary<nn::NegOp>);
  add("Abs", 6, unary<nn::AbsOp>);
  add("Sign", 9, unary<nn::SignOp>);
  add("Exp", 6, unary<nn::ExpOp>);
  add("Log", 6, unary<nn::LogOp>);
  add("Sqrt", 6, unary<nn::SqrtOp>);
  add("Reciprocal", 6, unary<nn::ReciprocalOp>);
  add("Sin", 7, unary<nn::SinOp>);
  add("Cos", 7, unary<nn::CosOp>);
  add("Tan", 7, tan);
  add("Tanh", 6, unary<nn::TanhOp>);
  add("Erf", 9, unary<nn::ErfOp>);
  add("Floor", 6, unary<nn::FloorOp>);
  add("Ceil", 6, unary<nn::CeilOp>);
  add("Round", 11, unary<nn::RoundOp>);
  add("IsNaN", 9, unary<nn::IsNanOp>);
  add("IsInf", 10, isInf);
  add("Cast", 6, cast);
  add("CastLike", 15, castLike);

  add("Relu", 6, unary<nn::ReluOp>);
  add("Sigmoid", 6, unary<nn::SigmoidOp>);
  add("Softplus", 1, unary<nn::SoftplusOp>);
  add("Softsign", 1, softsign);
  add("LeakyRelu", 6, leakyRelu);
  add("PRelu", 7, prelu);
  add("ThresholdedRelu", 10, thresholdedRelu);
  add("Elu", 6, elu);
  add("Selu", 6, selu);
  add("Celu", 12, celu);
  add("HardSigmoid", 6, hardSigmoid);
  add("HardSwish", 14, hardSwish);
  add("Gelu", 20, gelu);
  add("Swish", 24, swish);
  add("Mish", 18, mish);
  add("Clip", 6, clip6);
  add("Clip", 11, clip11);
  add("Softmax", 1, softmax1<nn::SoftmaxOp>);
  add("Softmax", 13, softmax13<nn::SoftmaxOp>);
  add("LogSoftmax", 1, softmax1<nn::LogSoftmaxOp>);
  add("LogSoftmax", 13, softmax13<nn::LogSoftmaxOp>);

  table.add(kMicrosoft, "Gelu", 1, biasGelu);
  table.add(kMicrosoft, "BiasGelu", 1, biasGelu);
  table.add(kMicrosoft, "FastGelu", 1, fastGelu);
  table.add(kMicrosoft, "QuickGelu", 1, quickGelu);
}
