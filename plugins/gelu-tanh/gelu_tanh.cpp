//===- gelu_tanh.cpp - GELU by its tanh form, where that is close enough --===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Hendrycks and Gimpel, Gaussian Error Linear Units, 2016, section 2, give
//     x Phi(x) ~ x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
// The pass measures how far the two are apart on the inputs that are expected,
// and takes the second where an option allows that much.
//
//===----------------------------------------------------------------------===//
#include <llmc/Dialect/NN/NNOps.h>
#include <llmc/Plugin/CxxPlugin.h>
#include <llvm/Support/FormatVariadic.h>
#include <mlir/Dialect/Func/IR/FuncOps.h>

#include <cmath>

using namespace llmc;

namespace {

/// Distance of two inputs that are compared. Between them the difference of the
/// two forms, whose second derivative is below 0.002, grows by 3e-10 at most.
constexpr double kStep = 1.0 / 1024;

double exactGelu(double x) { return x / 2 * std::erfc(-x * M_SQRT1_2); }

double tanhGelu(double x) {
  return x / 2 *
         (1 + std::tanh(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x)));
}

/// The largest difference of the two forms on a grid over [-range, range], and
/// where it is.
std::pair<double, double> measureDivergence(double range) {
  double largest = 0, place = 0;
  auto steps = static_cast<int64_t>(std::ceil(range / kStep));
  for (int64_t i = -steps; i <= steps; ++i) {
    double x = std::clamp(static_cast<double>(i) * kStep, -range, range);
    double difference = std::abs(exactGelu(x) - tanhGelu(x));
    if (difference > largest) {
      largest = difference;
      place = x;
    }
  }
  return {largest, place};
}

/// Replaces exact GELU by its tanh form where the two differ by no more than
/// `max-divergence` for inputs of at most `range`:
///
///     %1 = nn.gelu %0 : (tensor<?x4xf32>) -> tensor<?x4xf32>
///     // becomes
///     %1 = nn.gelu %0 {tanh} : (tensor<?x4xf32>) -> tensor<?x4xf32>
class GeluTanh
    : public mlir::PassWrapper<GeluTanh,
                               mlir::OperationPass<mlir::func::FuncOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(GeluTanh)

  GeluTanh() = default;
  GeluTanh(const GeluTanh &other) : PassWrapper(other) {}

  llvm::StringRef getArgument() const final { return "example-gelu-tanh"; }
  llvm::StringRef getDescription() const final {
    return "Replace exact GELU by its tanh form where that is close enough";
  }

  void runOnOperation() override {
    if (!(maxDivergence >= 0) || !(range > 0) || range > 1e6) {
      getOperation().emitError("expected max-divergence of at least 0 and a "
                               "range above 0 up to 1e6 but got ")
          << maxDivergence << " and " << range;
      return signalPassFailure();
    }
    auto [divergence, place] = measureDivergence(range);
    bool allowed = divergence <= maxDivergence;
    std::string reason = llvm::formatv(
        "the tanh form differs by {0:e2} at {1:f2}, and {2:e2} is allowed",
        divergence, place, maxDivergence.getValue());
    getOperation().walk([&](nn::GeluOp op) {
      if (op.getTanh())
        return;
      op.emitRemark() << (allowed ? "replaces" : "keeps")
                      << " exact GELU: " << reason;
      if (allowed)
        op.setTanh(true);
    });
  }

private:
  Option<double> maxDivergence{
      *this, "max-divergence",
      llvm::cl::desc("Largest difference of the two forms that is allowed"),
      llvm::cl::init(5e-4)};
  Option<double> range{
      *this, "range",
      llvm::cl::desc("Inputs that are expected: from -range to range"),
      llvm::cl::init(8)};
};

} // namespace

LLMC_CXX_PLUGIN("example", "1.0", plugin) {
  plugin.addPass<GeluTanh>();
  plugin.join(Slot::AfterFuse, "func.func(example-gelu-tanh)");
}
