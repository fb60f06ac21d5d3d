//===- PackWeights.cpp - Matrices in the order of the kernels -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Only types and uses change here: the bytes are packed when the weights are
// written, from the same source.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Target.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Passes/KernelPasses.h"

namespace llmc {
#define GEN_PASS_DEF_PACKWEIGHTSPASS
#include "llmc/Passes/KernelPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

bool llmc::readsPacked(OpOperand &use) {
  if (auto linear = dyn_cast<nn::LinearOp>(use.getOwner()))
    return use.get() == linear.getWeight() &&
           use.getOperandNumber() ==
               linear.getWeightMutable().getOperandNumber();
  if (auto gather = dyn_cast<nn::GatherOp>(use.getOwner()))
    return use.getOperandNumber() == 0 && gather.getAxis() == 0;
  return false;
}

namespace {

/// Rows of a tile of a quantized matrix. All kernels take 16: enough lanes for
/// the widest registers, and one order of bytes for all processors of a target.
constexpr int64_t kTileRows = 16;

struct PackWeights : llmc::impl::PackWeightsPassBase<PackWeights> {
  using PackWeightsPassBase::PackWeightsPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    MLIRContext *context = &getContext();
    auto dense = parseFormat(format);
    if (!dense || !dense->isDense()) {
      llvm::consumeError(dense.takeError());
      module.emitError("option 'format': expected f32, bf16 or f16 but got ")
          << format;
      return signalPassFailure();
    }
    int64_t count = rows;
    if (count == 0) {
      llvm::Expected<Target> target = Target::resolve(cpu, features, triple);
      if (!target) {
        module.emitError(llvm::toString(target.takeError()));
        return signalPassFailure();
      }
      count = target->blockRows();
    }
    auto emitError = [&] { return module.emitError("option 'rows': "); };
    auto layout = pack::RowsAttr::getChecked(emitError, context, count);
    if (!layout)
      return signalPassFailure();

    SymbolTable symbols(module);
    llvm::MapVector<StringAttr, SmallVector<nn::GetOp>> gets;
    module.walk([&](nn::GetOp get) {
      gets[get.getWeightAttr().getAttr()].push_back(get);
    });
    for (auto &[name, users] : gets) {
      auto weight = symbols.lookup<nn::WeightOp>(name);
      auto type = weight ? dyn_cast<RankedTensorType>(weight.getType())
                         : RankedTensorType();
      if (!type || type.getRank() != 2 || !type.hasStaticShape() ||
          type.getNumElements() == 0 || !type.getElementType().isF32())
        continue;
      auto method =
          weight->getAttrOfType<pack::MethodAttr>(pack::PackDialect::kMethod);
      FormatDescription stored = method ? pack::getFormat(method) : *dense;
      pack::PackedFormat packed;
      auto rowsOfBlock = layout;
      if (stored.isDense()) {
        packed = pack::DenseAttr::get(context, getStorage(stored.dense));
      } else {
        packed = pack::QuantizedAttr::get(context, method.getFormat(),
                                          method.getDefinition());
        rowsOfBlock = pack::RowsAttr::get(context, kTileRows);
      }
      auto target = pack::TensorType::getChecked(
          [&] { return weight.emitOpError(); }, context, type.getDimSize(0),
          type.getDimSize(1), packed, rowsOfBlock);
      if (!target)
        return signalPassFailure();
      pack(symbols, weight, users, target);
    }
  }

  Type getStorage(RealType type) {
    MLIRContext *context = &getContext();
    return type == RealType::F32    ? Type(Float32Type::get(context))
           : type == RealType::BF16 ? Type(BFloat16Type::get(context))
                                    : Type(Float16Type::get(context));
  }

  void pack(SymbolTable &symbols, nn::WeightOp weight, ArrayRef<nn::GetOp> gets,
            pack::TensorType type) {
    bool dense = false, packed = false, multiplied = false;
    for (nn::GetOp get : gets)
      for (OpOperand &use : get->getUses()) {
        (readsPacked(use) ? packed : dense) = true;
        multiplied |= isa<nn::LinearOp>(use.getOwner());
      }
    // Rows of numbers that are there as they are need no second copy.
    auto format = dyn_cast<pack::DenseAttr>(Attribute(type.getFormat()));
    bool rounded = !format || !format.getStorage().isF32();
    if (!packed || (dense && !multiplied && !rounded))
      return;
    nn::WeightOp target = weight;
    if (dense) {
      OpBuilder builder(weight->getContext());
      builder.setInsertionPointAfter(weight);
      target = cast<nn::WeightOp>(builder.clone(*weight));
      target.setSymName((weight.getSymName() + ".packed").str());
      symbols.insert(target, std::next(weight->getIterator()));
    }
    target.setType(type);
    auto activations =
        type.isQuantized()
            ? weight->getAttrOfType<TypeAttr>(pack::PackDialect::kActivations)
            : TypeAttr();
    for (nn::GetOp get : gets) {
      OpBuilder builder(get);
      Value value =
          nn::GetOp::create(builder, get.getLoc(), type, target.getSymName());
      for (OpOperand &use : llvm::make_early_inc_range(get->getUses()))
        if (readsPacked(use))
          replace(use.getOwner(), value, activations);
      if (get->use_empty())
        get->erase();
      if (value.use_empty())
        value.getDefiningOp()->erase();
    }
  }

  /// Whether the second operand is a weight with a factor for each column.
  static bool scalesColumns(nn::MulOp product) {
    auto type = dyn_cast<RankedTensorType>(product.getRhs().getType());
    return type && type.getRank() == 1 && type.getDimSize(0) > 1 &&
           product.getRhs().getDefiningOp<nn::GetOp>() &&
           product.getLhs().getType() == product.getType();
  }

  void replace(Operation *op, Value weight, TypeAttr activations) {
    OpBuilder builder(op);
    auto linear = dyn_cast<nn::LinearOp>(op);
    if (!linear) {
      Value rows = pack::GatherOp::create(builder, op->getLoc(),
                                          op->getResult(0).getType(), weight,
                                          cast<nn::GatherOp>(op).getIndices());
      op->getResult(0).replaceAllUsesWith(rows);
      op->erase();
      return;
    }
    // Quantizing an input multiplies it by factors on the way.
    Value input = linear.getInput(), factors;
    auto product = input.getDefiningOp<nn::MulOp>();
    if (product && scalesColumns(product) &&
        cast<pack::TensorType>(weight.getType()).isQuantized()) {
      input = product.getLhs();
      factors = product.getRhs();
    }
    Value result =
        pack::LinearOp::create(builder, op->getLoc(), linear.getType(), input,
                               weight, linear.getBias(), factors, activations);
    op->getResult(0).replaceAllUsesWith(result);
    op->erase();
    if (factors && product->use_empty())
      product->erase();
  }
};

} // namespace
