//===- NNWeights.cpp - Weights and the types of their sources ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/NNOps.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/OpImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNWeights.cpp.inc"

void NNDialect::registerWeightOps() {
  addOperations<
#define GET_OP_LIST
#include "llmc/Dialect/NN/NNWeights.cpp.inc"
      >();
}

RankedTensorType
nn::getSourceType(Attribute source,
                  function_ref<InFlightDiagnostic()> emitError) {
  auto refuse = [&](const Twine &message) -> RankedTensorType {
    emitError() << message;
    return {};
  };
  return llvm::TypeSwitch<Attribute, RankedTensorType>(source)
      .Case([](KeyAttr key) { return key.getType(); })
      .Case([](DenseSourceAttr dense) {
        return dyn_cast<RankedTensorType>(dense.getValues().getType());
      })
      .Case([&](TransposeSourceAttr attr) -> RankedTensorType {
        auto type = getSourceType(attr.getSource(), emitError);
        if (!type)
          return {};
        if (!isPermutationVector(attr.getPerm()) ||
            static_cast<int64_t>(attr.getPerm().size()) !=
                type.getRank()) // [C2]
          return refuse("source: expected a permutation of the axes");
        return type.clone(applyPermutation(type.getShape(), attr.getPerm()));
      })
      .Case([&](RowsSourceAttr attr) -> RankedTensorType {
        auto type = getSourceType(attr.getSource(), emitError);
        if (!type)
          return {};
        if (type.getRank() < 1 || attr.getBegin() < 0 ||
            attr.getEnd() < attr.getBegin() ||
            attr.getEnd() > type.getDimSize(0)) // [C3]
          return refuse("source: expected rows inside " +
                        shapeText(type.getShape()) + " but got " +
                        Twine(attr.getBegin()) + " to " + Twine(attr.getEnd()));
        SmallVector<int64_t> shape(type.getShape());
        shape[0] = attr.getEnd() - attr.getBegin();
        return type.clone(shape);
      })
      .Case([&](ConcatSourceAttr attr) -> RankedTensorType {
        RankedTensorType result;
        for (Attribute part : attr.getSources()) {
          auto type = getSourceType(part, emitError);
          if (!type)
            return {};
          if (!result) {
            result = type;
            continue;
          }
          if (type.getRank() < 1 || type.getRank() != result.getRank() ||
              type.getElementType() != result.getElementType() ||
              type.getShape().drop_front() !=
                  result.getShape().drop_front()) // [C4]
            return refuse("source: expected parts that differ in axis 0 alone");
          SmallVector<int64_t> shape(result.getShape());
          shape[0] += type.getDimSize(0);
          result = result.clone(shape);
        }
        return result ? result : refuse("source: expected at least one part");
      })
      .Case([&](ReshapeSourceAttr attr) -> RankedTensorType {
        auto type = getSourceType(attr.getSource(), emitError);
        if (!type)
          return {};
        auto result = type.clone(attr.getShape());
        if (!result.hasStaticShape() || !type.hasStaticShape() ||
            result.getNumElements() != type.getNumElements()) // [C5]
          return refuse("source: expected the number of elements to stay");
        return result;
      })
      .Case([&](CastSourceAttr attr) -> RankedTensorType {
        auto type = getSourceType(attr.getSource(), emitError);
        return type ? type.clone(attr.getType()) : RankedTensorType();
      })
      .Case([&](AffineSourceAttr attr) {
        return getSourceType(attr.getSource(), emitError);
      })
      .Case([&](RotaryTableAttr attr) -> RankedTensorType {
        auto type = getSourceType(attr.getFrequencies(), emitError);
        if (!type)
          return {};
        if (type.getRank() != 1 || attr.getRows() < 1) // [C6]
          return refuse(
              "source: expected frequencies of rank 1 and one row or more");
        return type.clone({attr.getRows(), type.getDimSize(0)});
      })
      .Default(RankedTensorType());
}

LogicalResult WeightOp::verify() { // [C1]
  bool reported = false;
  auto type = getSourceType(getSource(), [&] {
    reported = true;
    return emitOpError();
  });
  if (reported)
    return failure();
  if (type && isa<RankedTensorType>(getType()) && type != getType())
    return emitOpError("expected the type of its source ")
           << type << " but got " << getType();
  return success();
}

LogicalResult GetOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight =
      symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight) // [C1]
    return emitOpError("expected ")
           << getWeightAttr() << " to name an 'nn.weight'";
  if (weight.getType() != getType()) { // [C2]
    auto diag = emitOpError("expected the type of the weight ")
                << weight.getType() << " but got " << getType();
    diag.attachNote(weight.getLoc()) << "weight declared here";
    return diag;
  }
  return success();
}
