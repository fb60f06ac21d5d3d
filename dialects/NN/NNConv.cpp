//===- NNConv.cpp - Inference of convolution and pooling ===//
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
#include "llmc/Dialect/NN/NNConv.cpp.inc"

void NNDialect::registerConvOps() {
  addOperations<
#define GET_OP_LIST
#include "llmc/Dialect/NN/NNConv.cpp.inc"
      >();
}

LogicalResult
ConvOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                         DictionaryAttr attrs, OpaqueProperties props,
                         RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto x = cast<RankedTensorType>(adaptor.getInput().getType());
  auto w = cast<RankedTensorType>(adaptor.getWeight().getType());
  StringRef op = getOperationName();
  if (x.getRank() < 3 || x.getRank() != w.getRank() ||
      x.getElementType() != w.getElementType()) // [C1]
    return inferError(
        loc, op,
        "expected input and weight of one element type and one rank "
        "of 3 or more but got " +
            shapeText(x.getShape()) + " and " + shapeText(w.getShape()));
  size_t spatial = x.getRank() - 2;
  auto strides = adaptor.getStrides(), pads = adaptor.getPads(),
       dilations = adaptor.getDilations();
  auto positive = [](int64_t v) { return v > 0; };
  if (strides.size() != spatial || dilations.size() != spatial ||
      pads.size() != 2 * spatial || !llvm::all_of(strides, positive) ||
      !llvm::all_of(dilations, positive) ||
      llvm::any_of(pads, [](int64_t v) { return v < 0; })) // [C2]
    return inferError(
        loc, op,
        "expected one positive entry of 'strides' and 'dilations' "
        "and two entries of 'pads' for each of the " +
            Twine(spatial) + " spatial axes");
  int64_t groups = adaptor.getGroups(), channels = x.getDimSize(1),
          outChannels = w.getDimSize(0), perGroup = w.getDimSize(1);
  if (groups < 1 ||
      (!ShapedType::isDynamic(outChannels) && outChannels % groups) ||
      (!ShapedType::isDynamic(channels) && !ShapedType::isDynamic(perGroup) &&
       channels != groups * perGroup)) // [C3]
    return inferError(loc, op,
                      "expected " + shapeText({channels}) +
                          " channels to be 'groups' " + Twine(groups) +
                          " times the second extent of the weight " +
                          shapeText({perGroup}));
  if (Value bias = adaptor.getBias()) {
    auto b = cast<RankedTensorType>(bias.getType());
    if (b.getRank() != 1 ||
        failed(verifyCompatibleShape(b.getShape(), {outChannels}))) // [C4]
      return inferError(loc, op,
                        "expected 'bias' of shape " + shapeText({outChannels}) +
                            " but got " + shapeText(b.getShape()));
  }
  SmallVector<int64_t> shape{x.getDimSize(0), outChannels};
  for (size_t i = 0; i < spatial; ++i) {
    int64_t extent = x.getDimSize(i + 2), kernel = w.getDimSize(i + 2);
    if (ShapedType::isDynamic(extent) || ShapedType::isDynamic(kernel)) {
      shape.push_back(kDynamic);
      continue;
    }
    auto count = countWindows(extent, kernel, strides[i], pads[i],
                              pads[i + spatial], dilations[i], false);
    if (!count) // [C5]
      return overflowError(loc, op);
    shape.push_back(*count);
  }
  types.push_back(RankedTensorType::get(shape, x.getElementType()));
  return success();
}
