//===- Lowering.cpp - What the lowerings of nn ops share -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

Lowering::Lowering(func::FuncOp function, SymbolicElements &elements)
    : elements(elements), ctx(elements.context()),
      b(function.getLoc(), function.getContext()), dims(function, ctx) {}

Shape Lowering::shape(Value old) {
  ArrayRef<SymExpr> extents = elements.shape(old);
  return Shape(extents.begin(), extents.end());
}

Value Lowering::get(Value old) {
  Value value = map.lookup(old);
  if (!value) {
    value = old;
    // Constants and arguments may be less static than what is known of them.
    auto refined = type(shape(old), getElementTypeOrSelf(old.getType()));
    if (refined != old.getType() &&
        tensor::CastOp::areCastCompatible(old.getType(), refined))
      value = tensor::CastOp::create(b, refined, old);
  }
  return value;
}

Value Lowering::fail(Operation *op, const Twine &reason) {
  op->emitOpError() << reason;
  return {};
}

RankedTensorType Lowering::type(ArrayRef<SymExpr> shape, Type element) {
  SmallVector<int64_t> extents;
  for (SymExpr expr : shape)
    extents.push_back(expr.constant().value_or(ShapedType::kDynamic));
  return RankedTensorType::get(extents, element);
}

OpFoldResult Lowering::extent(SymExpr expr) {
  if (auto value = expr.constant())
    return b.getIndexAttr(*value);
  return index(expr);
}

SmallVector<OpFoldResult> Lowering::extents(ArrayRef<SymExpr> shape) {
  SmallVector<OpFoldResult> result;
  for (SymExpr expr : shape)
    result.push_back(extent(expr));
  return result;
}

Shape Lowering::integers(Value old) {
  Shape result;
  auto type = cast<RankedTensorType>(old.getType());
  int64_t count = type.hasStaticShape() ? type.getNumElements() : 0;
  for (int64_t i = 0; i < count; ++i) {
    SymExpr expr = elements.element(old, {ctx.constant(i)});
    result.push_back(expr && index(expr) ? expr : SymExpr());
  }
  return result;
}

Value Lowering::empty(ArrayRef<SymExpr> shape, Type element) {
  return tensor::EmptyOp::create(b, extents(shape), element);
}

Value Lowering::fill(ArrayRef<SymExpr> shape, Value scalar) {
  Value init = empty(shape, scalar.getType());
  return linalg::FillOp::create(b, scalar, init).getResult(0);
}

Value Lowering::constantOf(Type element, double value) {
  return scalarOf(b, element, value);
}

Value Lowering::scalar(Value old) {
  DenseElementsAttr values;
  if (matchPattern(old, m_Constant(&values)) && values.isSplat())
    return arith::ConstantOp::create(
        b, cast<TypedAttr>(values.getSplatValue<Attribute>()));
  SmallVector<Value> zeros(cast<RankedTensorType>(old.getType()).getRank(),
                           index(0));
  return tensor::ExtractOp::create(b, get(old), zeros);
}

AffineMap Lowering::select(unsigned loops, ArrayRef<int64_t> dims) {
  SmallVector<AffineExpr> results;
  for (int64_t dim : dims)
    results.push_back(dim < 0 ? b.getAffineConstantExpr(0)
                              : b.getAffineDimExpr(dim));
  return AffineMap::get(loops, 0, results, b.getContext());
}

Operand Lowering::broadcast(Value old, ArrayRef<SymExpr> shape) {
  return broadcast(get(old), this->shape(old), shape);
}

Operand Lowering::broadcast(Value value, ArrayRef<SymExpr> own,
                            ArrayRef<SymExpr> shape) {
  SmallVector<int64_t> dims;
  int64_t shift = shape.size() - own.size();
  for (auto [axis, extent] : llvm::enumerate(own)) {
    bool repeats = extent.isConstant(1) && !shape[axis + shift].isConstant(1);
    dims.push_back(repeats ? -1 : static_cast<int64_t>(axis) + shift);
  }
  return {value, select(shape.size(), dims)};
}

Operand Lowering::whole(Value value) {
  return {value, identity(cast<RankedTensorType>(value.getType()).getRank())};
}

Value Lowering::generic(Value init, AffineMap map, ArrayRef<Operand> inputs,
                        bool readsInit, Body body) {
  SmallVector<Value> values;
  SmallVector<AffineMap> maps;
  // An input that is one number is written into the body: no load, no buffer.
  SmallVector<TypedAttr> splats;
  for (const Operand &input : inputs) {
    DenseElementsAttr elements;
    if (matchPattern(input.value, m_Constant(&elements)) &&
        elements.isSplat() && (!readsInit || input.map.getNumResults() == 0)) {
      splats.push_back(cast<TypedAttr>(elements.getSplatValue<Attribute>()));
      continue;
    }
    splats.push_back({});
    values.push_back(input.value);
    maps.push_back(input.map);
  }
  maps.push_back(map);
  SmallVector<utils::IteratorType> iterators(map.getNumDims(),
                                             utils::IteratorType::reduction);
  for (AffineExpr result : map.getResults())
    if (auto dim = dyn_cast<AffineDimExpr>(result))
      iterators[dim.getPosition()] = utils::IteratorType::parallel;
  auto op = linalg::GenericOp::create(
      b, init.getType(), values, init, maps, iterators,
      [&](OpBuilder &nested, Location loc, ValueRange arguments) {
        ScalarBuilder inner(loc, nested);
        SmallVector<Value> elements;
        unsigned next = 0;
        for (TypedAttr splat : splats)
          elements.push_back(
              splat ? Value(arith::ConstantOp::create(inner, splat))
                    : Value(arguments[next++]));
        if (readsInit)
          elements.push_back(arguments.back());
        linalg::YieldOp::create(inner, body(inner, elements));
      });
  return op.getResult(0);
}

Value Lowering::each(ArrayRef<SymExpr> shape, Type element,
                     ArrayRef<Operand> inputs, Body body) {
  return eachInto(empty(shape, element), inputs, body);
}

Value Lowering::eachInto(Value destination, ArrayRef<Operand> inputs,
                         Body body) {
  unsigned rank = cast<RankedTensorType>(destination.getType()).getRank();
  return generic(destination, identity(rank), inputs, false, body);
}

Value Lowering::reduce(Value init, AffineMap map, ArrayRef<Operand> inputs,
                       Body body) {
  return generic(init, map, inputs, true, body);
}

Value Lowering::sum(ArrayRef<SymExpr> shape, Type element, AffineMap map,
                    ArrayRef<Operand> inputs, Value init, Body term) {
  if (!init)
    init = fill(shape, constantOf(element, 0));
  auto flags = arith::FastMathFlagsAttr::get(
      b.getContext(),
      arith::FastMathFlags::reassoc | arith::FastMathFlags::contract);
  return reduce(init, map, inputs,
                [&](ScalarBuilder &b, ValueRange x) -> Value {
                  Value value;
                  if (term) {
                    value = term(b, x.drop_back());
                  } else {
                    for (Value factor : x.drop_back()) {
                      Value next = castScalar(b, factor, element);
                      value = value ? mulScalars(b, value, next) : next;
                    }
                  }
                  if (isa<FloatType>(element)) {
                    if (auto mul = value.getDefiningOp<arith::MulFOp>())
                      mul.setFastmathAttr(flags);
                    return arith::AddFOp::create(b, x.back(), value, flags);
                  }
                  return arith::AddIOp::create(b, x.back(), value);
                });
}

Value Lowering::slice(Value value, ArrayRef<OpFoldResult> offsets,
                      ArrayRef<SymExpr> sizes, ArrayRef<OpFoldResult> strides) {
  SmallVector<OpFoldResult> ones(sizes.size(), b.getIndexAttr(1));
  auto result =
      type(sizes, cast<RankedTensorType>(value.getType()).getElementType());
  return tensor::ExtractSliceOp::create(b, result, value, offsets,
                                        extents(sizes),
                                        strides.empty() ? ones : strides);
}

Value Lowering::insert(Value part, Value into, ArrayRef<OpFoldResult> offsets,
                       ArrayRef<SymExpr> sizes,
                       ArrayRef<OpFoldResult> strides) {
  SmallVector<OpFoldResult> ones(sizes.size(), b.getIndexAttr(1));
  return tensor::InsertSliceOp::create(b, part, into, offsets, extents(sizes),
                                       strides.empty() ? ones : strides);
}

Value Lowering::border(Value value, ArrayRef<SymExpr> shape,
                       ArrayRef<SymExpr> before, ArrayRef<SymExpr> result,
                       Value scalar) {
  bool changes = false;
  for (auto [own, wanted] : llvm::zip(shape, result))
    changes |= own != wanted;
  if (!changes)
    return value;
  return insert(value, fill(result, scalar), extents(before), shape);
}

Value Lowering::convert(Value value, ArrayRef<SymExpr> shape, Type element) {
  if (cast<RankedTensorType>(value.getType()).getElementType() == element)
    return value;
  return each(shape, element, whole(value),
              [&](ScalarBuilder &b, ValueRange x) {
                return castScalar(b, x[0], element);
              });
}

Value Lowering::softmaxRows(Value value, ArrayRef<SymExpr> shape,
                            bool logarithm) {
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  unsigned rank = shape.size();
  ArrayRef<SymExpr> rows = shape.drop_back();
  SmallVector<int64_t> outer = axesOf(0, rank - 1);
  AffineMap rowMap = select(rank, outer);
  Value lowest;
  {
    Value most = fill(rows, lowestScalar(b, element));
    lowest =
        reduce(most, rowMap, whole(value), [](ScalarBuilder &b, ValueRange x) {
          return maxScalars(b, x[0], x[1]);
        });
  }
  // A row that is minus infinity everywhere is shifted by zero, not by itself.
  auto shifted = [&](ScalarBuilder &b, Value x, Value most) -> Value {
    Value none = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, most,
                                       lowestScalar(b, element));
    Value shift =
        arith::SelectOp::create(b, none, scalarOf(b, element, 0), most);
    return arith::SubFOp::create(b, x, shift);
  };
  Value powers = each(shape, element, {whole(value), {lowest, rowMap}},
                      [&](ScalarBuilder &b, ValueRange x) -> Value {
                        return math::ExpOp::create(b, shifted(b, x[0], x[1]));
                      });
  Value total = sum(rows, element, rowMap, whole(powers));
  auto isZero = [&](ScalarBuilder &b, Value x) -> Value {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x,
                                 scalarOf(b, element, 0));
  };
  if (logarithm)
    return each(
        shape, element, {whole(value), {lowest, rowMap}, {total, rowMap}},
        [&](ScalarBuilder &b, ValueRange x) -> Value {
          Value log = math::LogOp::create(b, x[2]);
          Value result = arith::SubFOp::create(b, shifted(b, x[0], x[1]), log);
          return arith::SelectOp::create(b, isZero(b, x[2]),
                                         scalarOf(b, element, 0), result);
        });
  return each(shape, element, {whole(powers), {total, rowMap}},
              [&](ScalarBuilder &b, ValueRange x) -> Value {
                Value divisor = arith::SelectOp::create(
                    b, isZero(b, x[1]), scalarOf(b, element, 1), x[1]);
                return arith::DivFOp::create(b, x[0], divisor);
              });
}
