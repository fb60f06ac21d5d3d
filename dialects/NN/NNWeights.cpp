//===- NNWeights.cpp - Weights and the types of their sources ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Formats/Ggml.h"

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

/// The types of what quantized sources make of their leaves.
static RankedTensorType
getUnpackType(UnpackSourceAttr attr,
              function_ref<InFlightDiagnostic()> emitError) {
  auto type = getSourceType(attr.getSource(), emitError);
  if (!type)
    return {};
  Type to = attr.getType();
  int64_t bits = attr.getBits();
  if (!type.getElementType().isUnsignedInteger(8) ||
      (!to.isUnsignedInteger(8) && !to.isSignlessInteger(8)) ||
      !llvm::is_contained({1, 2, 4, 8}, bits)) { // [C7]
    emitError() << "source: expected 1, 2, 4 or 8 bits of ui8 as i8 or ui8 but "
                   "got "
                << bits << " bits of " << type.getElementType() << " as " << to;
    return {};
  }
  int64_t rank = type.getRank();
  if (rank == 0 || type.isDynamicDim(rank - 1) || attr.getCount() < 0 ||
      llvm::divideCeilSigned(attr.getCount(), 8 / bits) >
          type.getDimSize(rank - 1)) { // [C8]
    emitError() << "source: expected at most 8 / " << bits
                << " integers for each byte of " << shapeText(type.getShape())
                << " but got " << attr.getCount();
    return {};
  }
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = attr.getCount();
  return RankedTensorType::get(shape, to);
}

static RankedTensorType
getDequantType(DequantSourceAttr attr,
               function_ref<InFlightDiagnostic()> emitError) {
  auto codes = getSourceType(attr.getCodes(), emitError);
  auto scales =
      codes ? getSourceType(attr.getScales(), emitError) : RankedTensorType();
  if (!codes || !scales)
    return {};
  auto code = dyn_cast<IntegerType>(codes.getElementType());
  if (!code || !codes.hasStaticShape() ||
      !llvm::is_contained({8u, 16u, 32u}, code.getWidth())) { // [C9]
    emitError() << "source: expected codes of 8, 16 or 32 bits but got "
                << codes;
    return {};
  }
  ArrayRef<int64_t> blocks = attr.getBlocks();
  SmallVector<int64_t> counts;
  for (auto [extent, block] : llvm::zip(codes.getShape(), blocks))
    counts.push_back(block < 1 ? -1 : llvm::divideCeil(extent, block));
  if (!isa<FloatType>(scales.getElementType()) ||
      static_cast<int64_t>(blocks.size()) != codes.getRank() ||
      scales.getShape() != ArrayRef(counts)) { // [C10]
    emitError() << "source: expected a scale for each block of "
                << shapeText(blocks) << " of " << codes << " but got "
                << scales;
    return {};
  }
  auto result = codes.clone(Float32Type::get(attr.getContext()));
  if (auto one = dyn_cast<IntegerAttr>(attr.getZeros())) { // [C11]
    bool fits = code.isUnsigned()
                    ? one.getValue().isIntN(code.getWidth())
                    : one.getValue().isSignedIntN(code.getWidth());
    if (fits)
      return result;
    emitError() << "source: expected a zero point that is a code of "
                << codes.getElementType() << " but got "
                << one.getValue().getSExtValue();
    return {};
  }
  auto zeros = getSourceType(attr.getZeros(), emitError);
  if (!zeros)
    return {};
  if (zeros.getShape() != scales.getShape() ||
      (zeros.getElementType() != code &&
       !isa<FloatType>(zeros.getElementType()))) { // [C11]
    emitError() << "source: expected zero points "
                << RankedTensorType::get(counts, code) << " but got " << zeros;
    return {};
  }
  return result;
}

static RankedTensorType
getBlocksType(BlocksSourceAttr attr,
              function_ref<InFlightDiagnostic()> emitError) {
  auto type = getSourceType(attr.getSource(), emitError);
  if (!type)
    return {};
  const GgmlType *known = findGgmlType(attr.getType());
  if (!known) { // [C12]
    emitError() << "source: expected a block type of GGUF files but got '"
                << attr.getType() << "'";
    return {};
  }
  int64_t columns;
  if (type.getRank() != 2 || !type.hasStaticShape() ||
      !type.getElementType().isUnsignedInteger(8) ||
      type.getDimSize(1) % known->blockBytes != 0 ||
      llvm::MulOverflow(type.getDimSize(1) / known->blockBytes,
                        known->blockColumns, columns)) { // [C13]
    emitError() << "source: expected rows of " << known->name << ", ui8 in "
                << "multiples of " << known->blockBytes << ", but got " << type;
    return {};
  }
  return RankedTensorType::get({type.getDimSize(0), columns},
                               Float32Type::get(attr.getContext()));
}

Attribute nn::permuteSource(Attribute source, ArrayRef<int64_t> perm) {
  SmallVector<int64_t> total(perm);
  if (auto inner = dyn_cast<TransposeSourceAttr>(source)) {
    for (int64_t &axis : total)
      axis = inner.getPerm()[axis];
    source = inner.getSource();
  }
  if (isIdentityPermutation(total))
    return source;
  if (auto dequant = dyn_cast<DequantSourceAttr>(source)) {
    auto move = [&](Attribute part) {
      return isa<IntegerAttr>(part) ? part : permuteSource(part, total);
    };
    return DequantSourceAttr::get(source.getContext(), move(dequant.getCodes()),
                                  move(dequant.getScales()),
                                  move(dequant.getZeros()),
                                  applyPermutation(dequant.getBlocks(), total));
  }
  return TransposeSourceAttr::get(source.getContext(), source, total);
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
      .Case([&](ScaleSourceAttr attr) -> RankedTensorType {
        auto type = getSourceType(attr.getSource(), emitError);
        auto factors = getSourceType(attr.getFactors(), emitError);
        if (!type || !factors)
          return {};
        if (!isa<FloatType>(type.getElementType()) ||
            factors.getElementType() != type.getElementType() ||
            factors.getRank() != 1 || attr.getAxis() < 0 ||
            attr.getAxis() >= type.getRank() ||
            factors.getDimSize(0) != type.getDimSize(attr.getAxis())) { // [C14]
          emitError() << "source: expected a factor for each entry of axis "
                      << attr.getAxis() << " of " << type << " but got "
                      << factors;
          return {};
        }
        return type;
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
      .Case(
          [&](UnpackSourceAttr attr) { return getUnpackType(attr, emitError); })
      .Case([&](DequantSourceAttr attr) {
        return getDequantType(attr, emitError);
      })
      .Case(
          [&](BlocksSourceAttr attr) { return getBlocksType(attr, emitError); })
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
