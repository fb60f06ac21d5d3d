//===- cxx.cpp - A C++ plugin that is right, or wrong in a way ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What it brings is what LLMC_TEST_CXX asks for while it is loaded.
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Plugin/CxxPlugin.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <cstdlib>

using namespace llmc;

static llvm::StringRef asked() {
  const char *text = getenv("LLMC_TEST_CXX");
  return text ? text : "";
}

namespace {

struct ExitsAtLoad {
  ExitsAtLoad() {
    if (asked() == "exits")
      exit(0);
  }
} exitsAtLoad;

/// A pass of any name that does something.
class AnyPass
    : public mlir::PassWrapper<AnyPass, mlir::OperationPass<mlir::ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(AnyPass)
  AnyPass(llvm::StringRef name, void (*work)(AnyPass &))
      : name(name), work(work) {}
  AnyPass(const AnyPass &) = default;
  llvm::StringRef getArgument() const final { return name; }
  llvm::StringRef getDescription() const final { return "for tests"; }
  void runOnOperation() override { work(*this); }
  using OperationPass::getOperation;
  using Pass::signalPassFailure;

private:
  std::string name;
  void (*work)(AnyPass &);
};

class AnyDialect : public mlir::Dialect {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(AnyDialect)
  static llvm::StringRef getDialectNamespace() {
    return asked() == "dialect of llmc" ? "nn"
           : asked() == "dialect name"  ? "other"
                                        : "testing_ops";
  }
  explicit AnyDialect(mlir::MLIRContext *context)
      : Dialect(getDialectNamespace(), context,
                mlir::TypeID::get<AnyDialect>()) {}
};

} // namespace

static void doNothing(AnyPass &) {}
static void fail(AnyPass &pass) { pass.signalPassFailure(); }
/// Leaves a function without an end.
static void damage(AnyPass &pass) {
  for (auto function : pass.getOperation().getOps<mlir::func::FuncOp>())
    function.front().getTerminator()->erase();
}
static void dropWeights(AnyPass &pass) {
  for (auto weight :
       llvm::make_early_inc_range(pass.getOperation().getOps<nn::WeightOp>()))
    weight.erase();
}

/// Says why.
static void refuse(AnyPass &pass) {
  pass.getOperation().emitError("not such a module");
  pass.signalPassFailure();
}
static void crash(AnyPass &) { abort(); }
/// Other numbers each time.
static void number(AnyPass &pass) {
  static int64_t runs;
  mlir::Builder builder(pass.getOperation());
  pass.getOperation()->setAttr("testing.run",
                               builder.getI64IntegerAttr(runs++));
}

namespace {
/// Its option is not what is read of it.
struct OptionPass
    : public mlir::PassWrapper<OptionPass,
                               mlir::OperationPass<mlir::func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(OptionPass)
  OptionPass() = default;
  OptionPass(const OptionPass &other) : PassWrapper(other) {}
  llvm::StringRef getArgument() const final { return "checked-option"; }
  llvm::StringRef getDescription() const final { return "for tests"; }
  void runOnOperation() override {}
  Option<std::string> text{*this, "text", llvm::cl::desc("any"),
                           llvm::cl::init("}")};
};
} // namespace

static void addPass(PluginContent &plugin, llvm::StringRef name,
                    void (*work)(AnyPass &) = doNothing) {
  plugin.addPass([name = name.str(), work] {
    return std::make_unique<AnyPass>(name, work);
  });
}

static void negate(onnx::NodeReader &n) {
  n.result(0, n.create<nn::NegOp>(n.input(0)));
}

static void abortWithoutInput(onnx::NodeReader &n) {
  if (n.numInputs() == 0)
    abort();
  negate(n);
}
static void negateOften(onnx::NodeReader &n) {
  static int times;
  mlir::Value value = n.input(0);
  for (int i = 0; i <= times; ++i)
    value = n.create<nn::NegOp>(value);
  ++times;
  n.result(0, value);
}

LLMC_CXX_PLUGIN("testing", "1.0", plugin) {
  llvm::StringRef what = asked();
  if (what == "runs") {
    plugin.setName("running", "1.0");
    addPass(plugin, "running-nothing");
    addPass(plugin, "running-drop", dropWeights);
    addPass(plugin, "running-fail", fail);
    addPass(plugin, "running-damage", damage);
    plugin.join(Slot::AfterImport, "running-nothing,cse");
    plugin.join(Slot::AfterFuse, "running-drop");
    plugin.join(Slot::Compress, "running-fail");
    plugin.join(Slot::BeforeLower, "running-damage");
    return;
  }
  if (what == "checked") {
    plugin.setName("checked", "1.0");
    addPass(plugin, "checked-good");
    addPass(plugin, "checked-refuse", refuse);
    addPass(plugin, "checked-fail", fail);
    addPass(plugin, "checked-damage", damage);
    addPass(plugin, "checked-crash", crash);
    addPass(plugin, "checked-number", number);
    plugin.addPass<OptionPass>();
    plugin.join(Slot::AfterFuse, "checked-good,func.func(cse)");
    plugin.join(Slot::AfterFuse, "checked-good");
    plugin.join(Slot::Compress, "checked-damage");
    plugin.addConverter("checked.ops", "Flip", 1, negate);
    plugin.addConverter("checked.ops", "Crash", 1, abortWithoutInput);
    plugin.addConverter("checked.ops", "Often", 1, negateOften);
    return;
  }
  if (what == "nothing")
    return;
  if (what == "fatal")
    llvm::report_fatal_error("beyond repair");
  if (what == "vendor llmc")
    plugin.setName("llmc", "1.0");
  if (what == "vendor letters")
    plugin.setName("Testing\x1b", "1.0");
  if (what == "version")
    plugin.setName("testing", "1.0\n");
  if (what == "duplicate of llmc") {
    plugin.setName("affine", "1.0");
    addPass(plugin, "affine-loop-fusion");
  }
  if (what == "unprefixed")
    addPass(plugin, "note");
  if (what == "prefix of another")
    addPass(plugin, "testingnote");
  if (what == "letters")
    addPass(plugin, "testing-No.te\n");
  if (what == "twins") {
    addPass(plugin, "testing-twin");
    addPass(plugin, "testing-twin");
  }
  if (what == "no pass")
    plugin.addPass([] { return std::unique_ptr<mlir::Pass>(); });
  if (what == "no function")
    plugin.addPass(nullptr);
  if (what == "dialect of llmc")
    plugin.setName("nn", "1.0");
  if (what.starts_with("dialect"))
    plugin.addDialect<AnyDialect>();
  if (what == "converter of llmc")
    plugin.addConverter("ai.onnx", "Relu", 30, negate);
  if (what == "converter version")
    plugin.addConverter("testing.ops", "Flip", 0, negate);
  if (what == "converter function")
    plugin.addConverter("testing.ops", "Flip", 1, nullptr);
  if (what == "converter twins") {
    plugin.addConverter("testing.ops", "Flip", 1, negate);
    plugin.addConverter("testing.ops", "Flip", 1, negate);
  }
  if (what == "slot pass")
    plugin.join(Slot::AfterFuse, "testing-none");
  if (what == "slot option")
    plugin.join(Slot::AfterFuse, "cse{depth=1}");
  if (what == "slot empty")
    plugin.join(Slot::AfterFuse, "");
  if (what == "slot number")
    plugin.join(static_cast<Slot>(9), "cse");
  if (what.empty()) {
    addPass(plugin, "testing-good");
    plugin.addDialect<AnyDialect>();
    plugin.addConverter("testing.ops", "Flip", 1, negate);
    plugin.join(Slot::AfterFuse, "testing-good,func.func(cse)");
  }
}
