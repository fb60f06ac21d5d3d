//===- NNInference.cpp - Type inference shared by the op families ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/NNInference.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace llmc;

bool nn::areCompatibleTypes(TypeRange inferred, TypeRange actual) {
  if (inferred.size() != actual.size())
    return false;
  for (auto [want, have] : llvm::zip(inferred, actual)) {
    auto a = dyn_cast<RankedTensorType>(want);
    auto b = dyn_cast<RankedTensorType>(have);
    if (!a || !b || a.getElementType() != b.getElementType() ||
        failed(verifyCompatibleShape(a.getShape(), b.getShape())))
      return false;
  }
  return true;
}

LogicalResult nn::inferError(MaybeLoc loc, StringRef op, const Twine &message) {
  return emitOptionalError(loc, "'", op, "' op ", message);
}

std::optional<SmallVector<int64_t>>
nn::broadcastShapes(ArrayRef<ArrayRef<int64_t>> shapes) {
  size_t rank = 0;
  for (ArrayRef<int64_t> shape : shapes)
    rank = std::max(rank, shape.size());
  SmallVector<int64_t> result(rank, 1);
  for (ArrayRef<int64_t> shape : shapes)
    for (auto [i, extent] : llvm::enumerate(shape)) {
      int64_t &out = result[rank - shape.size() + i];
      if (extent == 1 || extent == out)
        continue;
      if (out == 1)
        out = extent;
      else if (ShapedType::isDynamic(out)) // known and unknown: the known one
        out = extent;
      else if (!ShapedType::isDynamic(extent))
        return std::nullopt;
    }
  return result;
}

std::string nn::shapeText(ArrayRef<int64_t> shape) {
  std::string text;
  for (auto [i, extent] : llvm::enumerate(shape)) {
    if (i)
      text += 'x';
    text += ShapedType::isDynamic(extent) ? "?" : std::to_string(extent);
  }
  return text.empty() ? "scalar" : text;
}

static std::string typeText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

LogicalResult nn::inferBinary(MaybeLoc loc, StringRef op, ValueRange operands,
                              Types &types) {
  auto a = cast<RankedTensorType>(operands[0].getType());
  auto b = cast<RankedTensorType>(operands[1].getType());
  if (a.getElementType() != b.getElementType()) // [C1]
    return inferError(loc, op,
                      "expected equal element types but got " +
                          typeText(a.getElementType()) + " and " +
                          typeText(b.getElementType()));
  auto shape = broadcastShapes({a.getShape(), b.getShape()});
  if (!shape) // [C2]
    return inferError(loc, op,
                      "expected shapes that broadcast but got " +
                          shapeText(a.getShape()) + " and " +
                          shapeText(b.getShape()));
  types.push_back(RankedTensorType::get(*shape, a.getElementType()));
  return success();
}

LogicalResult nn::checkAxes(MaybeLoc loc, StringRef op, ArrayRef<int64_t> axes,
                            int64_t rank) {
  int64_t last = -1;
  for (int64_t axis : axes) {
    if (axis <= last || axis >= rank)
      return inferError(loc, op,
                        "expected 'axes' ascending and below the rank " +
                            Twine(rank) + " but got axis " + Twine(axis));
    last = axis;
  }
  return success();
}

LogicalResult nn::checkAxis(MaybeLoc loc, StringRef op, int64_t axis,
                            int64_t rank) {
  if (axis >= 0 && axis < rank)
    return success();
  return inferError(loc, op,
                    "expected 'axis' from 0 to " + Twine(rank - 1) +
                        " but got " + Twine(axis));
}

LogicalResult nn::inferReduce(MaybeLoc loc, StringRef op, Value input,
                              ArrayRef<int64_t> axes, bool keepdims,
                              Types &types) {
  auto type = cast<RankedTensorType>(input.getType());
  if (failed(checkAxes(loc, op, axes, type.getRank()))) // [C1]
    return failure();
  SmallVector<int64_t> shape;
  for (auto [i, extent] : llvm::enumerate(type.getShape())) {
    if (!llvm::is_contained(axes, static_cast<int64_t>(i)))
      shape.push_back(extent);
    else if (keepdims)
      shape.push_back(1);
  }
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

LogicalResult nn::inferArgReduce(MaybeLoc loc, StringRef op, Value input,
                                 int64_t axis, bool keepdims, Types &types) {
  auto type = cast<RankedTensorType>(input.getType());
  if (failed(checkAxis(loc, op, axis, type.getRank()))) // [C1]
    return failure();
  SmallVector<int64_t> shape(type.getShape());
  if (keepdims)
    shape[axis] = 1;
  else
    shape.erase(shape.begin() + axis);
  types.push_back(
      RankedTensorType::get(shape, IntegerType::get(type.getContext(), 64)));
  return success();
}

std::optional<int64_t> nn::countWindows(int64_t extent, int64_t kernel,
                                        int64_t stride, int64_t before,
                                        int64_t after, int64_t dilation,
                                        bool ceil) {
  auto reach = productOfExtents(kernel - 1, dilation);
  auto room =
      reach ? sumOfExtents({extent, before, after, -*reach, -1}) : std::nullopt;
  if (!room)
    return std::nullopt;
  int64_t count = *room < 0 ? 0 : *room / stride + 1;
  // Rounding up adds a window only where it begins inside input or left pad.
  if (ceil && *room >= 0 && *room % stride &&
      count <= (extent + before - 1) / stride)
    ++count;
  return count;
}

LogicalResult nn::inferPool(MaybeLoc loc, StringRef op, Value input,
                            ArrayRef<int64_t> kernel, ArrayRef<int64_t> strides,
                            ArrayRef<int64_t> pads, ArrayRef<int64_t> dilations,
                            bool ceil, Types &types) {
  auto type = cast<RankedTensorType>(input.getType());
  size_t spatial = kernel.size();
  auto positive = [](ArrayRef<int64_t> values) {
    return llvm::all_of(values, [](int64_t v) { return v > 0; });
  };
  if (type.getRank() != static_cast<int64_t>(spatial) + 2 ||
      strides.size() != spatial || dilations.size() != spatial ||
      pads.size() != 2 * spatial || !positive(kernel) || !positive(strides) ||
      !positive(dilations) ||
      llvm::any_of(pads, [](int64_t v) { return v < 0; })) // [C1]
    return inferError(loc, op,
                      "expected one positive entry of 'kernel', 'strides' and "
                      "'dilations' and two entries of 'pads' for each of the " +
                          Twine(type.getRank() - 2) + " spatial axes");
  SmallVector<int64_t> shape(type.getShape().take_front(2));
  for (size_t i = 0; i < spatial; ++i) {
    auto reach = productOfExtents(kernel[i] - 1, dilations[i]);
    if (!reach) // [C3]
      return overflowError(loc, op);
    if (std::max(pads[i], pads[i + spatial]) > *reach) // [C2]
      return inferError(loc, op,
                        "expected pads of at most " + Twine(*reach) +
                            ", so that every window meets the input, but got " +
                            Twine(pads[i]) + " and " +
                            Twine(pads[i + spatial]));
    int64_t extent = type.getDimSize(i + 2);
    if (ShapedType::isDynamic(extent)) {
      shape.push_back(kDynamic);
      continue;
    }
    auto count = countWindows(extent, kernel[i], strides[i], pads[i],
                              pads[i + spatial], dilations[i], ceil);
    if (!count) // [C3]
      return overflowError(loc, op);
    shape.push_back(*count);
  }
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

std::optional<int64_t> nn::sumOfExtents(ArrayRef<int64_t> terms) {
  int64_t sum = 0;
  for (int64_t term : terms) {
    if (ShapedType::isDynamic(term))
      return kDynamic;
    if (llvm::AddOverflow(sum, term, sum))
      return std::nullopt;
  }
  return sum;
}

std::optional<int64_t> nn::productOfExtents(int64_t a, int64_t b) {
  if (ShapedType::isDynamic(a) || ShapedType::isDynamic(b))
    return kDynamic;
  int64_t product;
  if (llvm::MulOverflow(a, b, product))
    return std::nullopt;
  return product;
}

LogicalResult nn::overflowError(MaybeLoc loc, StringRef op) {
  return inferError(loc, op, "expected extents of the result that fit 64 bits");
}

std::optional<SmallVector<int64_t>> nn::getConstantInts(Value value) {
  DenseIntElementsAttr attr;
  if (!matchPattern(value, m_Constant(&attr)))
    return std::nullopt;
  SmallVector<int64_t> result;
  for (const APInt &entry : attr.getValues<APInt>())
    result.push_back(entry.getSExtValue());
  return result;
}
