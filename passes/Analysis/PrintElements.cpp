//===- PrintElements.cpp - Report elements and what is proved of them -----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Analysis/Proofs.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Passes/AnalysisPasses.h"

namespace llmc {
#define GEN_PASS_DEF_PRINTELEMENTSPASS
#include "llmc/Passes/AnalysisPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

static std::string join(ArrayRef<SymExpr> parts) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(parts, os);
  return text;
}

static std::string maskText(SymbolicElements &elements, Value value) {
  auto shape = elements.shape(value);
  if (shape.size() < 2)
    return "no mask";
  auto proof =
      proveMask(elements, value, shape[shape.size() - 2], shape.back());
  if (!proof)
    return "no proof";
  if (proof->alwaysVisible())
    return "mask of nothing";
  std::string text = proof->causal ? "causal mask" : "mask";
  if (proof->window)
    text += " with window " + std::to_string(*proof->window);
  return text;
}

static std::string repeatText(SymbolicElements &elements, Value value) {
  auto proof = proveRepeatHeads(elements, value, /*heads=*/1);
  if (!proof)
    return "no proof";
  std::string text = "repeats heads of ";
  text += proof->source.getDefiningOp()
              ? proof->source.getDefiningOp()->getName().getStringRef()
              : StringRef("an argument");
  text += " by " + std::to_string(proof->repeat) + " with axes [";
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(proof->perm, os);
  os << "]";
  return text;
}

static std::string rotaryText(SymbolicElements &elements, Value value) {
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  auto proof = proveRotaryAngle(elements, value, rank - 2);
  if (!proof)
    return "no proof";
  std::string text;
  llvm::raw_string_ostream os(text);
  os << (proof->sine ? "sine" : "cosine") << " of (" << proof->position
     << ") * " << proof->frequency << ", scale "
     << llvm::format("%g", proof->scale) << ", " << proof->count
     << " frequencies" << (proof->doubled ? " doubled" : "");
  return text;
}

static std::string describe(SymbolicElements &elements, Operation *op) {
  Value value = op->getResult(0);
  auto what = op->getAttrOfType<StringAttr>("show");
  StringRef proof = what ? what.getValue() : StringRef();
  if (proof == "mask")
    return maskText(elements, value);
  if (proof == "repeat")
    return repeatText(elements, value);
  if (proof == "rotary")
    return rotaryText(elements, value);
  if (proof == "positions") {
    SymExpr offset = provePositions(elements, value);
    return offset ? "positions from " + offset.str() : "no proof";
  }
  if (proof == "trace") {
    ElementSource source = elements.trace(value, elements.freshIndex(value));
    Operation *from = source.value.getDefiningOp();
    return "from " +
           (from ? from->getName().getStringRef() : StringRef("an argument"))
               .str() +
           " at [" + join(source.index) + "]";
  }
  constexpr int64_t kMaxShown = 16;
  if (auto all = elements.elements(value, kMaxShown))
    return "elements [" + join(*all) + "]";
  return "element " + elements.element(value, elements.freshIndex(value)).str();
}

/// Reports what is proved of the angles and masks that exporters write out.
static void reportLayer(SymbolicElements &elements, Operation *op) {
  if (isa<nn::CosOp, nn::SinOp>(op))
    op->emitRemark(rotaryText(elements, op->getResult(0)));
  Value mask;
  if (auto softmax = dyn_cast<nn::SoftmaxOp>(op))
    if (auto add = softmax.getInput().getDefiningOp<nn::AddOp>())
      for (Value operand : add.getOperands())
        if (!isa_and_nonnull<nn::MatmulOp, nn::MulOp, nn::DivOp>(
                operand.getDefiningOp()))
          mask = operand;
  if (auto attention = dyn_cast<nn::AttentionOp>(op))
    mask = attention.getMask();
  if (mask)
    op->emitRemark(maskText(elements, mask));
}

namespace {
struct PrintElements : llmc::impl::PrintElementsPassBase<PrintElements> {
  using PrintElementsPassBase::PrintElementsPassBase;

  void runOnOperation() override {
    SymbolicElements elements(getOperation());
    getOperation().walk([&](Operation *op) {
      if (layers)
        reportLayer(elements, op);
      if (op->hasAttr("show") && op->getNumResults() > 0 &&
          isa<RankedTensorType>(op->getResult(0).getType()))
        op->emitRemark(describe(elements, op));
    });
    markAllAnalysesPreserved();
  }
};
} // namespace
