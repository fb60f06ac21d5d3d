//===- NNShape.cpp - Inference of the ops that move elements ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/NNOps.h"

#include "mlir/IR/Matchers.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNShape.cpp.inc"

void NNDialect::registerShapeOps() {
  addOperations<
#define GET_OP_LIST
#include "llmc/Dialect/NN/NNShape.cpp.inc"
      >();
}

/// The number of entries of a shape operand; reports [C1] where it is unknown.
static FailureOr<int64_t> shapeLength(MaybeLoc loc, StringRef op, Value shape) {
  int64_t length = tensorType(shape).getDimSize(0);
  if (!ShapedType::isDynamic(length))
    return length;
  return inferError(loc, op, "expected 'shape' of static length but got ?");
}

LogicalResult
ReshapeOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                            DictionaryAttr attrs, OpaqueProperties props,
                            RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto type = tensorType(adaptor.getInput());
  auto length =
      shapeLength(loc, getOperationName(), adaptor.getShape()); // [C1]
  if (failed(length))
    return failure();
  SmallVector<int64_t> shape(*length, kDynamic);
  if (auto entries = getConstantInts(adaptor.getShape())) {
    std::optional<int64_t> known = 1;
    std::optional<size_t> rest;
    for (auto [i, entry] : llvm::enumerate(*entries)) {
      if (entry == -1) {
        if (rest) // [C4]
          return inferError(loc, getOperationName(),
                            "expected one entry -1 in 'shape' at most");
        rest = i;
        continue;
      }
      if (entry == 0 && !adaptor.getAllowzero()) {
        if (static_cast<int64_t>(i) >= type.getRank()) // [C3]
          return inferError(loc, getOperationName(),
                            "entry " + Twine(i) +
                                " of 'shape' copies an extent"
                                " that the input of rank " +
                                Twine(type.getRank()) + " does not have");
        entry = type.getDimSize(i);
      }
      shape[i] = entry;
      if (!ShapedType::isDynamic(entry) && entry < 0) // [C4]
        return inferError(loc, getOperationName(),
                          "expected entries of -1 or more in 'shape' but got " +
                              Twine(entry));
      known = productOfExtents(*known, entry);
      if (!known) // [C5]
        return overflowError(loc, getOperationName());
    }
    if (rest && !ShapedType::isDynamic(*known) && type.hasStaticShape() &&
        *known > 0)
      shape[*rest] = type.getNumElements() / *known;
  }
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

LogicalResult ReshapeOp::verify() {
  auto from = tensorType(getInput()), to = tensorType(getResult());
  if (from.hasStaticShape() && to.hasStaticShape() &&
      from.getNumElements() != to.getNumElements()) // [C2]
    return emitOpError("expected ")
           << from.getNumElements() << " elements in the result but got "
           << to.getNumElements();
  return success();
}

LogicalResult TransposeOp::inferReturnTypes(
    MLIRContext *, MaybeLoc loc, ValueRange operands, DictionaryAttr attrs,
    OpaqueProperties props, RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto type = tensorType(adaptor.getInput());
  SmallVector<bool> seen(type.getRank());
  SmallVector<int64_t> shape;
  bool good = static_cast<int64_t>(adaptor.getPerm().size()) == type.getRank();
  for (int64_t axis : adaptor.getPerm()) {
    good = good && axis >= 0 && axis < type.getRank() && !seen[axis];
    if (!good)
      break;
    seen[axis] = true;
    shape.push_back(type.getDimSize(axis));
  }
  if (!good) // [C1]
    return inferError(loc, getOperationName(),
                      "expected 'perm' to be a permutation of 0 to " +
                          Twine(type.getRank() - 1));
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType() &&
      llvm::equal(getPerm(), llvm::seq<int64_t>(0, getPerm().size())))
    return getInput();
  return {};
}

LogicalResult
SqueezeOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                            DictionaryAttr attrs, OpaqueProperties props,
                            RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto type = tensorType(adaptor.getInput());
  if (failed(checkAxes(loc, getOperationName(), adaptor.getAxes(),
                       type.getRank()))) // [C1]
    return failure();
  SmallVector<int64_t> shape;
  for (auto [i, extent] : llvm::enumerate(type.getShape())) {
    if (!llvm::is_contained(adaptor.getAxes(), static_cast<int64_t>(i)))
      shape.push_back(extent);
    else if (extent != 1 && !ShapedType::isDynamic(extent)) // [C2]
      return inferError(loc, getOperationName(),
                        "expected extent 1 at axis " + Twine(i) + " but got " +
                            Twine(extent));
  }
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

LogicalResult UnsqueezeOp::inferReturnTypes(
    MLIRContext *, MaybeLoc loc, ValueRange operands, DictionaryAttr attrs,
    OpaqueProperties props, RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto type = tensorType(adaptor.getInput());
  int64_t rank = type.getRank() + adaptor.getAxes().size();
  if (failed(
          checkAxes(loc, getOperationName(), adaptor.getAxes(), rank))) // [C1]
    return failure();
  SmallVector<int64_t> shape(type.getShape());
  for (int64_t axis : adaptor.getAxes())
    shape.insert(shape.begin() + axis, 1);
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

LogicalResult
SliceOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                          DictionaryAttr attrs, OpaqueProperties props,
                          RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto type = tensorType(adaptor.getInput());
  auto axes = adaptor.getAxes();
  SmallVector<int64_t> shape(type.getShape());
  auto starts = getConstantInts(adaptor.getStarts());
  auto ends = getConstantInts(adaptor.getEnds());
  for (auto [i, axis] : llvm::enumerate(axes)) {
    if (axis < 0 || axis >= type.getRank() ||
        llvm::is_contained(axes.take_front(i), axis)) // [C2]
      return inferError(loc, getOperationName(),
                        "expected different 'axes' below the rank " +
                            Twine(type.getRank()) + " but got axis " +
                            Twine(axis));
    int64_t extent = shape[axis];
    shape[axis] = kDynamic;
    if (!starts || !ends || ShapedType::isDynamic(extent) ||
        starts->size() != axes.size() || ends->size() != axes.size() ||
        adaptor.getSteps().size() != axes.size() || adaptor.getSteps()[i] == 0)
      continue;
    int64_t step = adaptor.getSteps()[i];
    auto clamp = [&](int64_t bound) {
      if (bound < 0)
        bound = bound < -extent ? -1 : bound + extent;
      return step > 0 ? std::clamp<int64_t>(bound, 0, extent)
                      : std::clamp<int64_t>(bound, -1, extent - 1);
    };
    int64_t begin = clamp((*starts)[i]), end = clamp((*ends)[i]);
    int64_t span = step > 0 ? end - begin : begin - end;
    // Of a step's size only what does not exceed the extent matters.
    int64_t stride = step > 0 ? step : -std::max(step, -extent - 1);
    shape[axis] = span <= 0 ? 0 : (span - 1) / stride + 1;
  }
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

LogicalResult SliceOp::verify() {
  int64_t count = getAxes().size();
  for (Value bounds : {getStarts(), getEnds()})
    if (int64_t length = tensorType(bounds).getDimSize(0);
        length != count) // [C1]
      return emitOpError("expected ")
             << count << " starts and ends but got "
             << (ShapedType::isDynamic(length) ? std::string("?")
                                               : std::to_string(length));
  if (static_cast<int64_t>(getSteps().size()) != count) // [C1]
    return emitOpError("expected ")
           << count << " steps but got " << getSteps().size();
  if (llvm::is_contained(getSteps(), 0)) // [C3]
    return emitOpError("expected steps other than 0");
  return success();
}

LogicalResult
RowsOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                         DictionaryAttr attrs, OpaqueProperties props,
                         RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto type = tensorType(adaptor.getInput());
  if (type.getRank() < 1) // [C1]
    return inferError(loc, getOperationName(),
                      "expected an input of rank 1 or more but got rank 0");
  SmallVector<int64_t> shape(type.getShape());
  APInt count;
  shape[0] = matchPattern(adaptor.getCount(), m_ConstantInt(&count))
                 ? count.getSExtValue()
                 : kDynamic;
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

LogicalResult
ConcatOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                           DictionaryAttr attrs, OpaqueProperties props,
                           RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  if (operands.empty()) // [C1]
    return inferError(loc, getOperationName(), "expected at least one operand");
  auto first = tensorType(operands[0]);
  int64_t axis = adaptor.getAxis();
  if (failed(checkAxis(loc, getOperationName(), axis, first.getRank()))) // [C2]
    return failure();
  SmallVector<int64_t> shape(first.getShape());
  for (Value operand : operands.drop_front()) {
    auto type = tensorType(operand);
    if (type.getElementType() != first.getElementType() ||
        type.getRank() != first.getRank()) // [C1]
      return inferError(loc, getOperationName(),
                        "expected operands of one element type and rank");
    for (auto [i, extent] : llvm::enumerate(type.getShape())) {
      if (static_cast<int64_t>(i) == axis) {
        auto sum = sumOfExtents({shape[i], extent});
        if (!sum) // [C4]
          return overflowError(loc, getOperationName());
        shape[i] = *sum;
      } else if (ShapedType::isDynamic(shape[i])) {
        shape[i] = extent;
      } else if (!ShapedType::isDynamic(extent) && extent != shape[i]) { // [C3]
        return inferError(loc, getOperationName(),
                          "expected equal extents at axis " + Twine(i) +
                              " but got " + Twine(shape[i]) + " and " +
                              Twine(extent));
      }
    }
  }
  types.push_back(RankedTensorType::get(shape, first.getElementType()));
  return success();
}

LogicalResult
ExpandOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                           DictionaryAttr attrs, OpaqueProperties props,
                           RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto type = tensorType(adaptor.getInput());
  auto length =
      shapeLength(loc, getOperationName(), adaptor.getShape()); // [C1]
  if (failed(length))
    return failure();
  auto entries = getConstantInts(adaptor.getShape());
  SmallVector<int64_t> target =
      entries ? *entries : SmallVector<int64_t>(*length, kDynamic);
  auto shape = broadcastShapes({type.getShape(), target});
  if (!shape) // [C2]
    return inferError(loc, getOperationName(),
                      "expected shapes that broadcast but got " +
                          shapeText(type.getShape()) + " and " +
                          shapeText(target));
  // An unknown entry may be 1, and an unknown extent too: nothing is known
  // then.
  for (size_t i = 0; i < shape->size(); ++i) {
    auto at = [&](ArrayRef<int64_t> s) {
      int64_t j = static_cast<int64_t>(i + s.size()) - shape->size();
      return j < 0 ? 1 : s[j];
    };
    if (at(target) == 1 || at(type.getShape()) == 1)
      continue;
    if (ShapedType::isDynamic(at(target)) &&
        ShapedType::isDynamic(at(type.getShape())))
      (*shape)[i] = kDynamic;
  }
  types.push_back(RankedTensorType::get(*shape, type.getElementType()));
  return success();
}

LogicalResult PadOp::inferReturnTypes(MLIRContext *, MaybeLoc loc,
                                      ValueRange operands, DictionaryAttr attrs,
                                      OpaqueProperties props,
                                      RegionRange regions,
                                      SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto type = tensorType(adaptor.getInput());
  int64_t rank = type.getRank();
  if (tensorType(adaptor.getPads()).getDimSize(0) != 2 * rank) // [C1]
    return inferError(loc, getOperationName(),
                      "expected " + Twine(2 * rank) +
                          " entries in 'pads' but got " +
                          shapeText(tensorType(adaptor.getPads()).getShape()));
  auto value = tensorType(adaptor.getValue());
  if (value.getRank() != 0 ||
      value.getElementType() != type.getElementType()) // [C2]
    return inferError(
        loc, getOperationName(),
        "expected 'value' of rank 0 and the element type of the input");
  SmallVector<int64_t> shape(rank, kDynamic);
  if (auto pads = getConstantInts(adaptor.getPads()))
    for (int64_t i = 0; i < rank; ++i)
      if (!type.isDynamicDim(i)) {
        // A pad of the smallest number is not an unknown one.
        int64_t before = std::max((*pads)[i], -INT64_MAX),
                after = std::max((*pads)[i + rank], -INT64_MAX);
        auto sum = sumOfExtents({type.getDimSize(i), before, after});
        if (!sum) // [C3]
          return overflowError(loc, getOperationName());
        shape[i] = std::max<int64_t>(0, *sum);
      }
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

LogicalResult
TileOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                         DictionaryAttr attrs, OpaqueProperties props,
                         RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto type = tensorType(adaptor.getInput());
  if (tensorType(adaptor.getRepeats()).getDimSize(0) != type.getRank()) // [C1]
    return inferError(
        loc, getOperationName(),
        "expected " + Twine(type.getRank()) + " entries in 'repeats' but got " +
            shapeText(tensorType(adaptor.getRepeats()).getShape()));
  SmallVector<int64_t> shape(type.getRank(), kDynamic);
  if (auto repeats = getConstantInts(adaptor.getRepeats()))
    for (auto [i, repeat] : llvm::enumerate(*repeats))
      if (!type.isDynamicDim(i) && repeat >= 0) {
        auto product = productOfExtents(type.getDimSize(i), repeat);
        if (!product) // [C2]
          return overflowError(loc, getOperationName());
        shape[i] = *product;
      }
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

LogicalResult
ShapeOfOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                            DictionaryAttr attrs, OpaqueProperties props,
                            RegionRange regions, SmallVectorImpl<Type> &types) {
  auto type = tensorType(operands[0]);
  types.push_back(RankedTensorType::get(
      {type.getRank()}, IntegerType::get(type.getContext(), 64)));
  return success();
}

LogicalResult
RangeOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                          DictionaryAttr attrs, OpaqueProperties props,
                          RegionRange regions, SmallVectorImpl<Type> &types) {
  auto type = tensorType(operands[0]);
  for (Value operand : operands)
    if (operand.getType() != type || type.getRank() != 0) // [C1]
      return inferError(loc, getOperationName(),
                        "expected operands of rank 0 and one element type");
  int64_t count = kDynamic;
  auto start = getConstantInts(operands[0]),
       limit = getConstantInts(operands[1]),
       delta = getConstantInts(operands[2]);
  if (start && limit && delta && (*delta)[0] != 0) {
    // In 128 bits nothing of this overflows.
    __int128 step = (*delta)[0], span = __int128((*limit)[0]) - (*start)[0];
    __int128 steps = (span + step + (step > 0 ? -1 : 1)) / step;
    if (steps > INT64_MAX) // [C2]
      return overflowError(loc, getOperationName());
    count = steps < 0 ? 0 : static_cast<int64_t>(steps);
  }
  types.push_back(RankedTensorType::get({count}, type.getElementType()));
  return success();
}

LogicalResult
FullOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                         DictionaryAttr attrs, OpaqueProperties props,
                         RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto length =
      shapeLength(loc, getOperationName(), adaptor.getShape()); // [C1]
  if (failed(length))
    return failure();
  auto value = tensorType(adaptor.getValue());
  if (value.getRank() != 0) // [C2]
    return inferError(loc, getOperationName(),
                      "expected 'value' of rank 0 but got rank " +
                          Twine(value.getRank()));
  auto entries = getConstantInts(adaptor.getShape());
  if (entries &&
      llvm::any_of(*entries, [](int64_t e) { return e < 0; })) // [C3]
    return inferError(loc, getOperationName(), "expected extents of 0 or more");
  types.push_back(RankedTensorType::get(
      entries ? *entries : SmallVector<int64_t>(*length, kDynamic),
      value.getElementType()));
  return success();
}

LogicalResult
TrilOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                         DictionaryAttr attrs, OpaqueProperties props,
                         RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto type = tensorType(adaptor.getInput());
  if (type.getRank() < 2) // [C1]
    return inferError(loc, getOperationName(),
                      "expected an input of rank 2 or more but got rank " +
                          Twine(type.getRank()));
  auto k = tensorType(adaptor.getK());
  if (k.getRank() != 0 || !k.getElementType().isInteger(64)) // [C2]
    return inferError(loc, getOperationName(),
                      "expected 'k' of rank 0 and element type i64");
  types.push_back(type);
  return success();
}
