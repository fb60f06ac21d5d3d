//===- ElementsConstant.cpp - Elements of constants -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ElementRules.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::rules;

/// The element at row-major place `place`.
static SymExpr valueAt(SymContext &c, ElementsAttr values, int64_t place) {
  Type type = values.getElementType();
  if (isa<FloatType>(type)) {
    auto range = values.tryGetValues<APFloat>();
    if (!range)
      return {};
    APFloat value = *(range->begin() + place);
    bool losesInfo;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
    return c.real(value.convertToDouble());
  }
  auto range = values.tryGetValues<APInt>();
  if (!range)
    return {};
  APInt value = *(range->begin() + place);
  if (type.isInteger(1))
    return c.boolean(value.getBoolValue());
  if (value.getBitWidth() > 64)
    return {};
  if (type.isUnsignedInteger())
    return value.getActiveBits() > 63
               ? SymExpr()
               : c.constant(static_cast<int64_t>(value.getZExtValue()));
  return c.constant(value.getSExtValue());
}

/// Integers that are offset + sum of step[axis] * index[axis], as positions
/// are; null where they are not.
static SymExpr progression(SymContext &c, ElementsAttr values,
                           ArrayRef<SymExpr> index) {
  constexpr int64_t kMaxLooked = 1 << 16;
  ArrayRef<int64_t> shape = values.getShapedType().getShape();
  int64_t count = values.getNumElements();
  auto range = values.tryGetValues<APInt>();
  if (count > kMaxLooked || count == 0 || !range ||
      values.getElementType().getIntOrFloatBitWidth() > 64)
    return {};
  auto at = [&](int64_t i) { return (*(range->begin() + i)).getSExtValue(); };
  int64_t offset = at(0);
  SmallVector<int64_t> steps(shape.size(), 0), strides(shape.size(), 1);
  for (int64_t axis = shape.size() - 1, stride = 1; axis >= 0; --axis) {
    strides[axis] = stride;
    if (shape[axis] > 1 && llvm::SubOverflow(at(stride), offset, steps[axis]))
      return {};
    stride *= shape[axis];
  }
  SmallVector<int64_t> place(shape.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    int64_t expected = offset;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      int64_t part;
      if (llvm::MulOverflow(steps[axis], place[axis], part) ||
          llvm::AddOverflow(expected, part, expected))
        return {};
    }
    if (at(i) != expected)
      return {};
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++place[axis] < shape[axis])
        break;
      place[axis] = 0;
    }
  }
  SymExpr result = c.constant(offset);
  for (size_t axis = 0; axis < shape.size(); ++axis)
    result = c.add(result, c.mul(c.constant(steps[axis]), index[axis]));
  return result;
}

SymExpr rules::elementOfConstant(Asker &ask, ElementsAttr values,
                                 ArrayRef<SymExpr> index) {
  if (!values.getElementType().isIntOrIndexOrFloat() ||
      values.getNumElements() == 0)
    return {};
  if (values.isSplat())
    return valueAt(ask.c, values, 0);
  int64_t place = 0;
  bool decided = true;
  for (auto [extent, at] :
       llvm::zip_equal(values.getShapedType().getShape(), index)) {
    auto value = at.constant();
    if (!value || *value < 0 || *value >= extent) {
      decided = false;
      break;
    }
    place = place * extent + *value;
  }
  if (decided)
    return valueAt(ask.c, values, place);
  if (values.getElementType().isSignlessInteger() &&
      !values.getElementType().isInteger(1))
    return progression(ask.c, values, index);
  return {};
}
