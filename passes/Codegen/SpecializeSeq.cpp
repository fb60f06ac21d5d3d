//===- SpecializeSeq.cpp - The language model for one token ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Conventions.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Passes/CodegenPasses.h"

namespace llmc {
#define GEN_PASS_DEF_SPECIALIZESEQ
#include "llmc/Passes/CodegenPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

/// The symbols that are one in the clone.
static constexpr llvm::StringLiteral kOnes[] = {"seq", "n_logits"};

/// `type` with the extents that `dims` says are one, and `dims` likewise.
static std::pair<Type, ArrayAttr> refine(Type type, ArrayAttr dims) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !dims)
    return {type, dims};
  SmallVector<int64_t> shape(tensor.getShape());
  SmallVector<Attribute> entries(dims.begin(), dims.end());
  Builder builder(type.getContext());
  for (auto [extent, entry] : llvm::zip(shape, entries))
    if (auto name = dyn_cast<StringAttr>(entry);
        name && llvm::is_contained(kOnes, name.getValue())) {
      extent = 1;
      entry = builder.getI64IntegerAttr(1);
    }
  return {tensor.clone(shape), builder.getArrayAttr(entries)};
}

namespace {

struct SpecializeSeq : llmc::impl::SpecializeSeqBase<SpecializeSeq> {
  using SpecializeSeqBase::SpecializeSeqBase;

  void runOnOperation() override {
    auto original = getOperation().lookupSymbol<func::FuncOp>(function);
    if (!original || !getSymbolArgument(original, "seq"))
      return;
    OpBuilder builder(original);
    builder.setInsertionPointAfter(original);
    auto clone = cast<func::FuncOp>(builder.clone(*original));
    clone.setName((original.getName() + "_seq1").str());
    clone->setAttr(kVariantOf, builder.getStringAttr(original.getName()));
    bindSymbols(clone);
    refineSignature(clone);
    for (Operation &op : clone.front())
      refineOp(op);
    SmallVector<Type> results(clone.front().getTerminator()->getOperandTypes());
    clone.setFunctionType(
        builder.getFunctionType(clone.front().getArgumentTypes(), results));
  }

  void bindSymbols(func::FuncOp clone) {
    OpBuilder builder = OpBuilder::atBlockBegin(&clone.front());
    Value one = arith::ConstantIndexOp::create(builder, clone.getLoc(), 1);
    SmallVector<int64_t> when;
    int64_t number = 0;
    for (BlockArgument argument : clone.getArguments()) {
      auto symbol = clone.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                       nn::NNDialect::kSymbol);
      if (!symbol)
        continue;
      if (llvm::is_contained(kOnes, symbol.getValue())) {
        argument.replaceAllUsesWith(one);
        when.append({number, 1});
      }
      ++number;
    }
    clone->setAttr(kWhen, builder.getDenseI64ArrayAttr(when));
  }

  void refineSignature(func::FuncOp clone) {
    for (unsigned i = 0; i < clone.getNumArguments(); ++i) {
      auto [type, dims] =
          refine(clone.getArgument(i).getType(),
                 clone.getArgAttrOfType<ArrayAttr>(i, nn::NNDialect::kDims));
      clone.getArgument(i).setType(type);
      if (dims)
        clone.setArgAttr(i, nn::NNDialect::kDims, dims);
    }
    for (unsigned i = 0; i < clone.getNumResults(); ++i) {
      auto dims = dyn_cast_or_null<ArrayAttr>(
          clone.getResultAttr(i, nn::NNDialect::kDims));
      if (dims)
        clone.setResultAttr(i, nn::NNDialect::kDims,
                            refine(clone.getResultTypes()[i], dims).second);
    }
  }

  /// Infers the result types again and keeps what is more static.
  static void refineOp(Operation &op) {
    if (auto cast = dyn_cast<nn::CastOp>(op)) {
      auto type = llvm::cast<RankedTensorType>(cast.getType());
      auto input = llvm::cast<RankedTensorType>(cast.getInput().getType());
      cast.getResult().setType(type.clone(input.getShape()));
      return;
    }
    auto infer = dyn_cast<InferTypeOpInterface>(op);
    if (!infer || op.getNumResults() != 1)
      return;
    SmallVector<Type> types;
    if (failed(infer.inferReturnTypes(op.getContext(), op.getLoc(),
                                      op.getOperands(), op.getAttrDictionary(),
                                      op.getPropertiesStorage(),
                                      op.getRegions(), types)))
      return;
    auto inferred = dyn_cast<RankedTensorType>(types[0]);
    auto present = dyn_cast<RankedTensorType>(op.getResult(0).getType());
    if (!inferred || !present || inferred.getRank() != present.getRank())
      return;
    SmallVector<int64_t> shape(present.getShape());
    for (auto [extent, other] : llvm::zip(shape, inferred.getShape()))
      if (ShapedType::isDynamic(extent))
        extent = other;
    op.getResult(0).setType(present.clone(shape));
  }
};

} // namespace
