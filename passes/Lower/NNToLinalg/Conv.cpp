//===- Conv.cpp - Lowering of nn.conv -------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One linalg.generic over an input with a border of zeros. With groups the axes
// of channels are split in two, so that every loop is an axis of some operand.
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

/// Splits `axis` of `shape` into groups and what is in each.
static FailureOr<Shape> split(Lowering &l, ArrayRef<SymExpr> shape, size_t axis,
                              int64_t groups) {
  SymExpr each = l.ctx.divideExactly(shape[axis], l.constant(groups));
  if (!each)
    return failure();
  Shape result(shape.begin(), shape.end());
  result[axis] = each;
  result.insert(result.begin() + axis, l.constant(groups));
  return result;
}

/// Loops: (batch, group?, out channel, space but the last, in channel, kernel,
/// the last of space): the innermost runs along rows of input and result.
static Value lowerConv(nn::ConvOp op, Lowering &l) {
  Shape input = l.shape(op.getInput()), weight = l.shape(op.getWeight()),
        result = l.shape(op.getResult());
  Type element = getElementTypeOrSelf(op.getType());
  Type wide = computeType(element);
  auto groups = static_cast<int64_t>(op.getGroups());
  int64_t space = input.size() - 2;

  Shape padded = input, before(input.size(), l.constant(0));
  for (int64_t i = 0; i < space; ++i) {
    before[i + 2] = l.constant(op.getPads()[i]);
    padded[i + 2] = l.ctx.sum(
        {input[i + 2], before[i + 2], l.constant(op.getPads()[i + space])});
  }
  Value image = l.border(l.get(op.getInput()), input, before, padded,
                         l.constantOf(element, 0));
  Value kernel = l.get(op.getWeight());
  bool grouped = groups > 1;
  Shape loopResult = result;
  if (grouped) {
    auto imageSplit = split(l, padded, 1, groups);
    auto kernelSplit = split(l, weight, 0, groups);
    auto resultSplit = split(l, result, 1, groups);
    if (failed(imageSplit) || failed(kernelSplit) || failed(resultSplit))
      return l.fail(op, "expected channels that are known to be a multiple of "
                        "the groups");
    image = l.reshape(image, padded, *imageSplit);
    kernel = l.reshape(kernel, weight, *kernelSplit);
    loopResult = *resultSplit;
  }

  int64_t group = 1, out = 1 + grouped, firstSpace = out + 1,
          in = firstSpace + space - 1, firstKernel = in + 1,
          last = firstKernel + space;
  auto spaceLoop = [&](int64_t i) {
    return i == space - 1 ? last : firstSpace + i;
  };
  auto dim = [&](int64_t loop) { return l.b.getAffineDimExpr(loop); };
  SmallVector<AffineExpr> imageMap = {dim(0)}, kernelMap, resultMap = {dim(0)};
  if (grouped)
    for (auto *map : {&imageMap, &kernelMap, &resultMap})
      map->push_back(dim(group));
  imageMap.push_back(dim(in));
  kernelMap.append({dim(out), dim(in)});
  resultMap.push_back(dim(out));
  for (int64_t i = 0; i < space; ++i) {
    AffineExpr place = dim(spaceLoop(i)), step = dim(firstKernel + i);
    imageMap.push_back(place * op.getStrides()[i] +
                       step * op.getDilations()[i]);
    kernelMap.push_back(step);
    resultMap.push_back(place);
  }
  auto map = [&](ArrayRef<AffineExpr> results) {
    return AffineMap::get(last + 1, 0, results, l.b.getContext());
  };
  Value init;
  if (Value bias = op.getBias()) {
    Shape own = {result[1]}, loops = {loopResult[1]};
    SmallVector<int64_t> dims = {1};
    if (grouped) {
      loops = {loopResult[1], loopResult[2]};
      dims = {1, 2};
    }
    init = l.each(loopResult, wide,
                  Operand{l.reshape(l.get(bias), own, loops),
                          l.select(loopResult.size(), dims)},
                  [&](ScalarBuilder &b, ValueRange x) {
                    return castScalar(b, x[0], wide);
                  });
  }
  Value sum = l.sum(loopResult, wide, map(resultMap),
                    {{image, map(imageMap)}, {kernel, map(kernelMap)}}, init);
  return l.reshape(l.convert(sum, loopResult, element), loopResult, result);
}

void lower::addConv(Handlers &handlers) { handlers.add<nn::ConvOp>(lowerConv); }
