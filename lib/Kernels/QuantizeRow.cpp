//===- QuantizeRow.cpp - Inputs of products with compressed matrices ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The order of bytes is at the top of Quantized.cpp.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/KernelLibrary.h"
#include "llmc/Codegen/QuantizedEmitter.h"

using namespace mlir;
using namespace llmc;
using kern::Activations;
using kern::kInputGroup;

/// Largest magnitude of a code: with 16 bits, 256 * 127 + 127, so that neither
/// byte is out of range.
static constexpr int64_t kLargestCode = 127, kLargestWideCode = 32639;

StringRef llmc::getActivationsSuffix(Activations activations) {
  switch (activations) {
  case Activations::I8:
    return "";
  case Activations::I16:
    return "_a16";
  case Activations::BF16:
    return "_abf16";
  case Activations::F32:
    return "_af32";
  }
  llvm_unreachable("no such activations");
}

namespace {

/// Builds the body of a kernel that turns a row into groups.
class RowBuilder {
public:
  RowBuilder(Emitter &e, const Target &target, Activations activations)
      : e(e), activations(activations), places(activations),
        lanes(std::min<int64_t>(target.lanes(), 16)),
        parts(kInputGroup / lanes) {}

  /// All columns of a group, or what is left of them. `t` may be null.
  void addGroup(Value x, Value t, Value q, Value unit, Value left) {
    Value begin = e.mul(unit, kInputGroup);
    Emitter::Values values;
    for (int64_t p = 0; p < parts; ++p) {
      auto read = [&](Value base) {
        Value from = e.at(base, e.add(begin, p * lanes));
        if (!left)
          return e.load(e.vectorType(lanes), from);
        Value count = e.sub(e.toInt32(left), e.splatInt(0, p * lanes));
        return e.loadMasked(lanes, from, e.mask(lanes, count));
      };
      Value value = read(x);
      values.push_back(t ? e.mul(value, read(t)) : value);
    }
    Value to = e.at(q, e.mul(unit, kern::getInputGroupBytes(activations)), 1);
    if (kern::areReals(activations))
      storeReals(values, to);
    else
      storeCodes(values, to);
  }

private:
  void storeReals(ArrayRef<Value> values, Value to) {
    Value halves[2] = {};
    for (int64_t p = 0; p < parts; ++p) {
      Value value = values[p];
      if (activations == Activations::BF16) {
        Value bits = emitToBf16(e, lanes, value);
        e.store(bits, e.at(to, p * lanes, 2), 2);
        value = emitFromBf16(e, lanes, bits);
      } else {
        e.store(value, e.at(to, p * lanes));
      }
      Value &half = halves[p >= parts / 2];
      half = half ? e.add(half, value) : value;
    }
    Value first = e.reduceAdd(halves[0]), second = e.reduceAdd(halves[1]);
    e.store(e.f32(1), e.at(to, places.scale, 1));
    Value stored[] = {e.add(first, second), first, second};
    for (auto [i, sum] : llvm::enumerate(stored))
      e.store(sum, e.at(to, places.scaledSums + 4 * i, 1));
  }

  void storeCodes(ArrayRef<Value> values, Value to) {
    Type words = VectorType::get({lanes}, e.getI32Type());
    int64_t limit =
        activations == Activations::I8 ? kLargestCode : kLargestWideCode;
    double largestCode = static_cast<double>(limit);
    Value most;
    for (Value value : values) {
      Value size = e.create<LLVM::FAbsOp>(value);
      most = most ? e.max(most, size) : size;
    }
    Value largest = e.reduceMax(most);
    Value scale = e.mul(largest, e.f32(1 / largestCode));
    // The reciprocal of what is smaller would not be finite.
    Value some = e.less(e.f32(0x1p-100), largest);
    Value inverse = e.create<arith::SelectOp>(
        some, e.create<arith::DivFOp>(e.f32(largestCode), largest), e.f32(0));
    Value factor = e.broadcast(inverse, lanes),
          magic = e.splat(lanes, 0x1.8p23);
    Value sums[2] = {};
    for (int64_t p = 0; p < parts; ++p) {
      // Rounds to the nearest, halves to even: a sum of that size has no bits
      // behind the point.
      Value code = e.create<arith::FPToSIOp>(
          words, e.sub(e.add(e.mul(values[p], factor), magic), magic));
      // Rounding of the reciprocal may give one more than the largest.
      code = e.create<arith::MaxSIOp>(
          e.create<arith::MinSIOp>(code, e.splatInt(lanes, limit)),
          e.splatInt(lanes, -limit));
      storeBytes(code, e.at(to, p * lanes, 1));
      Value &sum = sums[p >= parts / 2];
      sum = sum ? e.add(sum, code) : code;
    }
    Value first =
        e.create<vector::ReductionOp>(vector::CombiningKind::ADD, sums[0]);
    Value second =
        e.create<vector::ReductionOp>(vector::CombiningKind::ADD, sums[1]);
    Value all = e.add(first, second),
          offset = e.splatInt(0, -(int64_t(1) << kCorrectionShift));
    e.store(scale, e.at(to, places.scale, 1));
    Value stored[] = {all, first, second};
    for (auto [i, sum] : llvm::enumerate(stored)) {
      Value real = e.create<arith::SIToFPOp>(e.getF32Type(), sum);
      e.store(e.mul(real, scale), e.at(to, places.scaledSums + 4 * i, 1));
      e.store(e.mul(sum, offset), e.at(to, places.corrections + 4 * i, 1));
    }
  }

  void storeBytes(Value code, Value to) {
    Type bytes = VectorType::get({lanes}, e.getI8Type());
    Value low = code;
    if (activations == Activations::I16) {
      // The low byte has a sign, too: the nearest multiple of 256 is taken off.
      Value eight = e.splatInt(lanes, 8);
      Value high =
          e.create<arith::ShRSIOp>(e.add(code, e.splatInt(lanes, 128)), eight);
      e.store(e.create<arith::TruncIOp>(bytes, high), to, 1);
      low = e.sub(code, e.create<arith::ShLIOp>(high, eight));
      to = e.at(to, kInputGroup, 1);
    }
    e.store(e.create<arith::TruncIOp>(bytes, low), to, 1);
  }

  Emitter &e;
  Activations activations;
  InputPlaces places;
  int64_t lanes, parts;
};

} // namespace

func::FuncOp KernelLibrary::getQuantizeRow(Activations activations,
                                           bool scaled) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  SmallVector<Type> types{pointer};
  if (scaled)
    types.push_back(pointer);
  types.append({pointer, index});
  std::string name = scaled ? "kern_quantize_scaled" : "kern_quantize";
  return getOrCreate(name + getActivationsSuffix(activations).str(), types,
                     [&](Emitter &e, ValueRange args) {
                       Value x = args[0], t = scaled ? args[1] : Value(),
                             q = args[args.size() - 2], columns = args.back();
                       RowBuilder row(e, target, activations);
                       Value whole = e.floorDiv(columns, e.index(kInputGroup));
                       e.loop(e.index(0), whole, 1, [&](Value unit) {
                         row.addGroup(x, t, q, unit, Value());
                       });
                       Value left = e.sub(columns, e.mul(whole, kInputGroup));
                       e.ifThen(e.less(e.index(0), left),
                                [&] { row.addGroup(x, t, q, whole, left); });
                     });
}
