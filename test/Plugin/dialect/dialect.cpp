//===- dialect.cpp - An op of a plugin, from the model to its lowering ----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ziyin, Hartwig and Ueda, Neural Networks Fail to Learn Periodic Functions and
// How to Fix It, 2020, section 4: snake(x) = x + sin(a x)^2 / a, element by
// element. An importer makes it one op of a dialect, and a pass makes that one nn
// ops, in the slot that LLMC_TEST_SLOT asks for while the plugin is loaded; in
// none where it is not set.
//
//===----------------------------------------------------------------------===//
#include <llmc/Plugin/CxxPlugin.h>
#include <mlir/Dialect/Arith/IR/Arith.h>
#include <mlir/Dialect/Func/IR/FuncOps.h>
#include <mlir/Interfaces/InferTypeOpInterface.h>
#include <mlir/Interfaces/SideEffectInterfaces.h>

#include <cstdlib>

using namespace llmc;
namespace OpTrait = mlir::OpTrait;

namespace {

/// One tensor of floats, and `alpha`, f64. Its traits say that its result has the
/// type of its operand, so llmc knows its extents.
class SnakeOp
    : public mlir::Op<SnakeOp, OpTrait::ZeroRegions, OpTrait::OneResult,
                      OpTrait::ZeroSuccessors, OpTrait::OneOperand,
                      OpTrait::SameOperandsAndResultType,
                      mlir::InferTypeOpInterface::Trait,
                      mlir::ConditionallySpeculatable::Trait,
                      OpTrait::AlwaysSpeculatableImplTrait,
                      mlir::MemoryEffectOpInterface::Trait> {
public:
  using Op::Op;
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SnakeOp)

  static llvm::StringRef getOperationName() { return "testing_ops.snake"; }
  static llvm::ArrayRef<llvm::StringRef> getAttributeNames() {
    static constexpr llvm::StringRef names[] = {"alpha"};
    return names;
  }

  double getAlpha() {
    return (*this)->getAttrOfType<mlir::FloatAttr>("alpha").getValueAsDouble();
  }

  llvm::LogicalResult verify() {
    auto alpha = (*this)->getAttrOfType<mlir::FloatAttr>("alpha");
    if (!alpha || !alpha.getType().isF64() || !(alpha.getValueAsDouble() > 0))
      return emitOpError("expected an 'alpha' of f64 above 0");
    if (!llvm::isa<mlir::FloatType>(getElementTypeOrSelf(getOperand())))
      return emitOpError("expected floats");
    return llvm::success();
  }

  static llvm::LogicalResult
  inferReturnTypes(mlir::MLIRContext *, std::optional<mlir::Location>,
                   mlir::ValueRange operands, mlir::DictionaryAttr,
                   mlir::OpaqueProperties, mlir::RegionRange,
                   llvm::SmallVectorImpl<mlir::Type> &types) {
    types.assign({operands[0].getType()});
    return llvm::success();
  }

  /// It has none.
  void getEffects(
      llvm::SmallVectorImpl<
          mlir::SideEffects::EffectInstance<mlir::MemoryEffects::Effect>> &) {}
};

class SnakeDialect : public mlir::Dialect {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SnakeDialect)
  static llvm::StringRef getDialectNamespace() { return "testing_ops"; }
  explicit SnakeDialect(mlir::MLIRContext *context)
      : Dialect(getDialectNamespace(), context,
                mlir::TypeID::get<SnakeDialect>()) {
    addOperations<SnakeOp>();
  }
};

class LowerSnake
    : public mlir::PassWrapper<LowerSnake,
                               mlir::OperationPass<mlir::func::FuncOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerSnake)
  llvm::StringRef getArgument() const final { return "testing-lower-snake"; }
  llvm::StringRef getDescription() const final { return "Snake by its sine"; }
  void getDependentDialects(mlir::DialectRegistry &registry) const override {
    registry.insert<SnakeDialect, nn::NNDialect, mlir::arith::ArithDialect>();
  }

  void runOnOperation() override {
    getOperation().walk([](SnakeOp op) {
      mlir::OpBuilder b(op);
      mlir::Location loc = op.getLoc();
      mlir::Value x = op.getOperand();
      auto scalar =
          mlir::RankedTensorType::get({}, getElementTypeOrSelf(x.getType()));
      mlir::Value alpha = mlir::arith::ConstantOp::create(
          b, loc,
          mlir::DenseElementsAttr::get(
              scalar, mlir::Attribute(b.getFloatAttr(scalar.getElementType(),
                                                     op.getAlpha()))));
      mlir::Value scaled = nn::MulOp::create(b, loc, x, alpha),
                  sine = nn::SinOp::create(b, loc, scaled),
                  square = nn::MulOp::create(b, loc, sine, sine),
                  bump = nn::DivOp::create(b, loc, square, alpha),
                  sum = nn::AddOp::create(b, loc, x, bump);
      op->getResult(0).replaceAllUsesWith(sum);
      op.erase();
    });
  }
};

} // namespace

static void snake(onnx::NodeReader &n) {
  double alpha = n.attrFloat("alpha", 1);
  if (!(alpha > 0))
    return n.fail("expected an 'alpha' above 0");
  n.result(0, n.create<SnakeOp>(n.input(0), n.namedFloat("alpha", alpha)));
}

LLMC_CXX_PLUGIN("testing", "1.0", plugin) {
  plugin.addDialect<SnakeDialect>();
  plugin.addPass<LowerSnake>();
  plugin.addConverter("testing.ops", "Snake", 1, snake);
  llvm::StringRef asked;
  if (const char *text = getenv("LLMC_TEST_SLOT"))
    asked = text;
  for (unsigned i = 0; i < kSlotCount; ++i)
    if (auto slot = static_cast<Slot>(i); getName(slot) == asked)
      plugin.join(slot, "func.func(testing-lower-snake)");
}
