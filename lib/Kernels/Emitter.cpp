//===- Emitter.cpp - Short words for building kernels ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Emitter.h"

using namespace mlir;
using namespace llmc;

using Value = mlir::Value;

Value Emitter::index(int64_t value) {
  return create<arith::ConstantIndexOp>(value);
}
Value Emitter::f32(double value) {
  return create<arith::ConstantOp>(getF32FloatAttr(value));
}
Value Emitter::splat(int64_t lanes, double value) {
  if (lanes == 0)
    return f32(value);
  return create<arith::ConstantOp>(
      SplatElementsAttr::get(vectorType(lanes), static_cast<float>(value)));
}
Value Emitter::splatInt(int64_t lanes, int64_t value) {
  if (lanes == 0)
    return create<arith::ConstantOp>(getI32IntegerAttr(value));
  return create<arith::ConstantOp>(
      SplatElementsAttr::get(VectorType::get({lanes}, getI32Type()),
                             getI32IntegerAttr(value).getValue()));
}
Value Emitter::broadcast(Value scalar, int64_t lanes) {
  if (lanes == 0)
    return scalar;
  return create<vector::BroadcastOp>(VectorType::get({lanes}, scalar.getType()),
                                     scalar);
}
Value Emitter::iota(int64_t lanes) {
  SmallVector<int32_t> values(lanes);
  std::iota(values.begin(), values.end(), 0);
  return create<arith::ConstantOp>(DenseElementsAttr::get(
      VectorType::get({lanes}, getI32Type()), ArrayRef<int32_t>(values)));
}

static bool isFloat(Value value) {
  return isa<FloatType>(getElementTypeOrSelf(value.getType()));
}

Value Emitter::add(Value a, Value b) {
  if (isFloat(a))
    return create<arith::AddFOp>(a, b);
  return create<arith::AddIOp>(a, b);
}
Value Emitter::add(Value a, int64_t b) { return b ? add(a, index(b)) : a; }
Value Emitter::sub(Value a, Value b) {
  if (isFloat(a))
    return create<arith::SubFOp>(a, b);
  return create<arith::SubIOp>(a, b);
}
Value Emitter::mul(Value a, Value b) {
  if (isFloat(a))
    return create<arith::MulFOp>(a, b);
  return create<arith::MulIOp>(a, b);
}
Value Emitter::mul(Value a, int64_t b) { return mul(a, index(b)); }
Value Emitter::min(Value a, Value b) {
  if (isFloat(a))
    return create<arith::SelectOp>(less(a, b), a, b);
  return create<arith::MinSIOp>(a, b);
}
// Of floats: the second where either is not a number, as one x86 instruction
// does it.
Value Emitter::max(Value a, Value b) {
  if (isFloat(a))
    return create<arith::SelectOp>(
        create<arith::CmpFOp>(arith::CmpFPredicate::OGT, a, b), a, b);
  return create<arith::MaxSIOp>(a, b);
}
Value Emitter::ceilDiv(Value a, Value b) {
  // Operands are not negative.
  return create<arith::DivUIOp>(sub(add(a, b), index(1)), b);
}
Value Emitter::floorDiv(Value a, Value b) {
  return create<arith::DivUIOp>(a, b);
}
Value Emitter::less(Value a, Value b) {
  if (isFloat(a))
    return create<arith::CmpFOp>(arith::CmpFPredicate::OLT, a, b);
  return create<arith::CmpIOp>(arith::CmpIPredicate::slt, a, b);
}
Value Emitter::toInt32(Value index) {
  return create<arith::IndexCastOp>(getI32Type(), index);
}

VectorType Emitter::vectorType(int64_t lanes) {
  return VectorType::get({lanes}, getF32Type());
}
Type Emitter::pointerType() { return LLVM::LLVMPointerType::get(getContext()); }

Value Emitter::at(Value base, Value offset, int64_t width) {
  Value bytes = create<arith::IndexCastOp>(
      getI64Type(), width == 1 ? offset : mul(offset, width));
  return create<LLVM::GEPOp>(pointerType(), getI8Type(), base,
                             ArrayRef<LLVM::GEPArg>{bytes});
}
Value Emitter::at(Value base, int64_t offset, int64_t width) {
  if (offset == 0)
    return base;
  return create<LLVM::GEPOp>(
      pointerType(), getI8Type(), base,
      ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset * width)});
}
Value Emitter::load(Type type, Value pointer, int64_t align) {
  return create<LLVM::LoadOp>(type, pointer, align);
}
void Emitter::store(Value value, Value pointer, int64_t align) {
  create<LLVM::StoreOp>(value, pointer, align);
}
Value Emitter::mask(int64_t lanes, Value count) {
  return less(iota(lanes), broadcast(count, lanes));
}
Value Emitter::loadMasked(int64_t lanes, Value pointer, Value mask,
                          int64_t align) {
  return create<LLVM::MaskedLoadOp>(vectorType(lanes), pointer, mask,
                                    splat(lanes, 0), align);
}
void Emitter::storeMasked(Value value, Value pointer, Value mask) {
  create<LLVM::MaskedStoreOp>(value, pointer, mask, 4);
}
void Emitter::prefetch(Value address, CacheLevel level, bool writes) {
  create<LLVM::Prefetch>(address, /*rw=*/writes, level, /*cache=*/1);
}

Value Emitter::stack(int64_t count) {
  Value size = create<arith::ConstantOp>(getI64IntegerAttr(count));
  return create<LLVM::AllocaOp>(pointerType(), getF32Type(), size, 64);
}

Value Emitter::fma(Value a, Value b, Value c) {
  if (!fused)
    return add(mul(a, b), c);
  if (isa<VectorType>(a.getType()))
    return create<vector::FMAOp>(a, b, c);
  return create<LLVM::FMAOp>(a, b, c);
}

Value Emitter::reduce(Value vector, function_ref<Value(Value, Value)> combine) {
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  while (lanes > 1) {
    lanes /= 2;
    SmallVector<int64_t> low(lanes), high(lanes);
    std::iota(low.begin(), low.end(), 0);
    std::iota(high.begin(), high.end(), lanes);
    vector = combine(create<vector::ShuffleOp>(vector, vector, low),
                     create<vector::ShuffleOp>(vector, vector, high));
  }
  return create<vector::ExtractOp>(vector, 0);
}
Value Emitter::reduceAdd(Value vector) {
  return reduce(vector, [&](Value a, Value b) { return add(a, b); });
}
Value Emitter::reduceMax(Value vector) {
  return reduce(vector, [&](Value a, Value b) { return max(a, b); });
}

Emitter::Values Emitter::loop(Value from, Value to, int64_t step,
                              ValueRange values,
                              function_ref<Values(Value, ValueRange)> body) {
  auto op = create<scf::ForOp>(from, to, index(step), values);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(op.getBody());
  Values next = body(op.getInductionVar(), op.getRegionIterArgs());
  if (!values.empty())
    create<scf::YieldOp>(next);
  return Values(op.getResults());
}
Emitter::Values
Emitter::unrolled(Value from, Value to, int64_t factor, ValueRange values,
                  function_ref<Values(Value, ValueRange)> body) {
  Value rest = create<arith::RemUIOp>(sub(to, from), index(factor));
  Value main = sub(to, rest);
  Values result =
      loop(from, main, factor, values, [&](Value i, ValueRange previous) {
        Values next(previous);
        for (int64_t ahead = 0; ahead < factor; ++ahead)
          next = body(add(i, ahead), next);
        return next;
      });
  return loop(main, to, 1, result, body);
}
void Emitter::loop(Value from, Value to, int64_t step,
                   function_ref<void(Value)> body) {
  loop(from, to, step, {}, [&](Value i, ValueRange) -> Values {
    body(i);
    return {};
  });
}
void Emitter::ifThen(Value condition, function_ref<void()> then) {
  auto op = create<scf::IfOp>(condition);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(&op.getThenRegion().front());
  then();
}
void Emitter::ifElse(Value condition, function_ref<void()> then,
                     function_ref<void()> otherwise) {
  auto op = create<scf::IfOp>(condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(&op.getThenRegion().front());
  then();
  setInsertionPointToStart(&op.getElseRegion().front());
  otherwise();
}

static int64_t lanesOf(Value value) {
  auto type = dyn_cast<VectorType>(value.getType());
  return type ? type.getNumElements() : 0;
}

Value llmc::emitExp(Emitter &e, Value x) {
  int64_t lanes = lanesOf(x);
  auto constant = [&](double value) { return e.splat(lanes, value); };
  Type ints = lanes ? Type(VectorType::get({lanes}, e.getI32Type()))
                    : Type(e.getI32Type());
  Value tiny = e.less(x, constant(-87.33654));
  Value bounded = e.max(x, constant(-87.33654));
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
  Value shifter = constant(12582912.0);
  Value shifted = e.fma(bounded, constant(1.44269504088896341), shifter);
  Value n = e.sub(shifted, shifter);
  // ln 2 in two parts, the first with few enough bits that its product is exact.
  Value r = e.fma(n, constant(-0.693145751953125), bounded);
  r = e.fma(n, constant(-1.42860682030941723212e-6), r);
  // (e^r - 1 - r) / r^2 on [-0.3466, 0.3466], fitted for the least greatest
  // relative error of e^r and rounded to f32.
  Value p = constant(1.9790341e-4);
  for (double c :
       {1.3944659e-3, 8.3334967e-3, 4.1666295e-2, 1.66666657e-1, 5.0e-1})
    p = e.fma(p, r, constant(c));
  p = e.fma(e.mul(r, r), p, r);
  p = e.add(p, constant(1.0));
  Value exponent = e.create<arith::ShLIOp>(
      e.create<arith::BitcastOp>(ints, shifted), e.splatInt(lanes, 23));
  Value bits = e.add(e.create<arith::BitcastOp>(ints, p), exponent);
  Value result = e.create<arith::BitcastOp>(x.getType(), bits);
  return e.create<arith::SelectOp>(tiny, constant(0), result);
}

Value llmc::emitTanh(Emitter &e, Value x) {
  int64_t lanes = lanesOf(x);
  // Beyond 9 the result is one in single precision.
  Value bounded = e.max(e.min(x, e.splat(lanes, 9.0)), e.splat(lanes, -9.0));
  Value power = emitExp(e, e.mul(bounded, e.splat(lanes, 2.0)));
  Value one = e.splat(lanes, 1.0);
  return e.create<arith::DivFOp>(e.sub(power, one), e.add(power, one));
}

void Emitter::cover(ArrayRef<int64_t> sizes, Value from, Value to,
                    function_ref<void(int64_t, Value)> body) {
  for (int64_t size : sizes) {
    Value times = floorDiv(sub(to, from), index(size));
    Value end = add(from, mul(times, size));
    loop(from, end, size, [&](Value begin) { body(size, begin); });
    from = end;
  }
}

void Emitter::copy(int64_t lanes, Value from, Value to, Value count) {
  Value main = sub(count, create<arith::RemUIOp>(count, index(lanes)));
  loop(index(0), main, lanes, [&](Value i) {
    Value value = from ? load(vectorType(lanes), at(from, i)) : splat(lanes, 0);
    store(value, at(to, i));
  });
  loop(main, count, 1, [&](Value i) {
    Value value = from ? load(getF32Type(), at(from, i)) : f32(0);
    store(value, at(to, i));
  });
}

Value Emitter::clampId(Value id, Value rows) {
  Value zero = index(0);
  Value wrapped = create<arith::SelectOp>(less(id, zero), add(id, rows), id);
  return max(min(wrapped, sub(rows, index(1))), zero);
}

void llmc::emitWithMargin(Emitter &e, int64_t lanes, int64_t rows,
                          int64_t width, Value left, Rows start, Rows output,
                          Value margin, function_ref<void(Rows, Rows)> tile) {
  Value all = e.index(width), many = e.index(rows);
  left = e.min(left, all);
  auto row = [&](const Rows &matrix, Value i) {
    return e.at(matrix.base, e.mul(matrix.distance, i));
  };
  e.ifElse(
      e.less(left, all),
      [&] {
        Rows whole{margin, all};
        e.copy(lanes, Value(), margin, e.mul(many, all));
        e.loop(e.index(0), many, 1, [&](Value i) {
          e.copy(lanes, row(start, i), row(whole, i), left);
        });
        tile(whole, whole);
        e.loop(e.index(0), many, 1, [&](Value i) {
          e.copy(lanes, row(whole, i), row(output, i), left);
        });
      },
      [&] { tile(start, output); });
}
