//===- FuseActivation.cpp - Activation functions --------------------------
//===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/FusePasses.h"
#include "llmc/Passes/Matching.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace llmc {
#define GEN_PASS_DEF_FUSEACTIVATIONPASS
#include "llmc/Passes/FusePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// Coefficients of 1, x, x^2, x^3.
using Cubic = std::array<double, 4>;

/// `value` as a polynomial in `x` of degree 3 or less.
std::optional<Cubic> getCubic(Value value, Value x, int depth = 8) {
  value = skipCasts(value);
  if (value == x)
    return Cubic{0, 1, 0, 0};
  if (auto scalar = getScalar(value))
    return Cubic{*scalar, 0, 0, 0};
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return std::nullopt;
  auto part = [&](Value operand) { return getCubic(operand, x, depth - 1); };
  auto product = [](const Cubic &a, const Cubic &b) -> std::optional<Cubic> {
    Cubic result{};
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j) {
        double term = a[i] * b[j];
        if (i + j < 4)
          result[i + j] += term;
        else if (term != 0)
          return std::nullopt;
      }
    return result;
  };
  if (isa<nn::AddOp, nn::MulOp>(op)) {
    auto a = part(op->getOperand(0)), b = part(op->getOperand(1));
    if (!a || !b)
      return std::nullopt;
    if (isa<nn::MulOp>(op))
      return product(*a, *b);
    for (int i = 0; i < 4; ++i)
      (*a)[i] += (*b)[i];
    return a;
  }
  if (auto div = dyn_cast<nn::DivOp>(op)) {
    auto a = part(div.getLhs());
    auto scalar = getScalar(div.getRhs());
    if (!a || !scalar || *scalar == 0)
      return std::nullopt;
    for (double &coefficient : *a)
      coefficient /= *scalar;
    return a;
  }
  if (auto pow = dyn_cast<nn::PowOp>(op)) {
    auto a = part(pow.getLhs());
    auto exponent = getScalar(pow.getRhs());
    if (!a || !exponent || (*exponent != 2 && *exponent != 3))
      return std::nullopt;
    auto result = product(*a, *a);
    return result && *exponent == 3 ? product(*result, *a) : result;
  }
  return std::nullopt;
}

/// Constants are written in single precision, with few or many digits.
bool isNear(double a, double b) {
  return std::abs(a - b) <= 1e-5 * std::abs(b) + 1e-12;
}
bool isNear(const Cubic &a, const Cubic &b) {
  for (int i = 0; i < 4; ++i)
    if (!isNear(a[i], b[i]))
      return false;
  return true;
}

struct FuseProduct : OpRewritePattern<nn::MulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::MulOp op,
                                PatternRewriter &rewriter) const override {
    // Silu first as it stands: its x may be a product itself.
    for (auto [x, gate] : bothOrders(op))
      if (auto sigmoid = gate.getDefiningOp<nn::SigmoidOp>();
          sigmoid && sigmoid.getInput() == x) {
        rewriter.replaceOpWithNewOp<nn::SiluOp>(op, op.getType(), x);
        return success();
      }
    Product product = getProduct(op.getResult());
    if (product.factors.size() != 2)
      return rewriter.notifyMatchFailure(op, "not two factors");
    auto type = tensorType(op.getResult());
    for (int i : {0, 1}) {
      Value x = product.factors[i], gate = product.factors[1 - i];
      if (x.getType() != type)
        continue;
      auto sigmoid = gate.getDefiningOp<nn::SigmoidOp>();
      if (sigmoid && skipCasts(sigmoid.getInput()) == x &&
          isNear(product.constant, 1)) {
        rewriter.replaceOpWithNewOp<nn::SiluOp>(op, type, x);
        return success();
      }
      // Gelu: constant * x * (1 + f(polynomial in x)).
      auto sum = gate.getDefiningOp<nn::AddOp>();
      if (!sum || !isNear(product.constant, 0.5))
        continue;
      for (auto [one, function] : bothOrders(sum)) {
        if (!isScalar(one, 1))
          continue;
        Value inner = skipCasts(function);
        if (auto erf = inner.getDefiningOp<nn::ErfOp>()) {
          auto argument = getCubic(erf.getInput(), x);
          if (argument && isNear(*argument, {0, std::sqrt(0.5), 0, 0})) {
            rewriter.replaceOpWithNewOp<nn::GeluOp>(op, type, x, false);
            return success();
          }
        }
        if (auto tanh = inner.getDefiningOp<nn::TanhOp>()) {
          double k = std::sqrt(2 / M_PI);
          auto argument = getCubic(tanh.getInput(), x);
          if (argument && isNear(*argument, {0, k, 0, 0.044715 * k})) {
            rewriter.replaceOpWithNewOp<nn::GeluOp>(op, type, x, true);
            return success();
          }
        }
      }
    }
    return rewriter.notifyMatchFailure(op, "no activation function");
  }
};

/// The x of `1 + exp(x)`; null otherwise.
Value matchOnePlusExp(Value value) {
  auto sum = value.getDefiningOp<nn::AddOp>();
  if (!sum)
    return {};
  for (auto [one, other] : bothOrders(sum))
    if (auto exp = other.getDefiningOp<nn::ExpOp>(); exp && isScalar(one, 1))
      return exp.getInput();
  return {};
}

struct FuseSoftplus : OpRewritePattern<nn::LogOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::LogOp op,
                                PatternRewriter &rewriter) const override {
    Value x = matchOnePlusExp(op.getInput());
    if (!x)
      return rewriter.notifyMatchFailure(op, "no logarithm of 1 + exp(x)");
    rewriter.replaceOpWithNewOp<nn::SoftplusOp>(op, op.getType(), x);
    return success();
  }
};

template <typename Op> struct FuseSigmoid : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;

  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    Value divisor;
    if constexpr (std::is_same_v<Op, nn::DivOp>) {
      if (!isScalar(op.getLhs(), 1))
        return rewriter.notifyMatchFailure(op, "dividend is not one");
      divisor = op.getRhs();
    } else {
      divisor = op.getInput();
    }
    Value negative = matchOnePlusExp(divisor);
    auto neg = negative ? negative.getDefiningOp<nn::NegOp>() : nn::NegOp();
    if (!neg || neg.getInput().getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "divisor is not 1 + exp(-x)");
    rewriter.replaceOpWithNewOp<nn::SigmoidOp>(op, op.getType(),
                                               neg.getInput());
    return success();
  }
};

struct FuseActivationPass
    : llmc::impl::FuseActivationPassBase<FuseActivationPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseProduct, FuseSoftplus, FuseSigmoid<nn::DivOp>,
                 FuseSigmoid<nn::ReciprocalOp>>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
