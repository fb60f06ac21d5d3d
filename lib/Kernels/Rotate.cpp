//===- Rotate.cpp - Hadamard transforms of rows ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every number is one tree of sums and differences, the same for all widths of
// vectors, so the bits are those of llmc/Formats/Hadamard.h.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/KernelLibrary.h"
#include "llmc/Formats/Hadamard.h"

#include <cmath>

using namespace mlir;
using namespace llmc;

namespace {

/// Builds the body of a kernel that transforms a row.
class RotationBuilder {
public:
  RotationBuilder(Emitter &e, const Target &target)
      : e(e), lanes(std::min<int64_t>(target.lanes(), kSmallestHadamard)) {}

  /// The block of `size` columns from `begin` on. `t` may be null.
  void addBlock(Value x, Value t, Value y, Value begin, int64_t size) {
    Emitter::Values values;
    for (int64_t i = 0; i < size; i += lanes) {
      Value value = load(x, begin, i);
      values.push_back(t ? e.mul(value, load(t, begin, i)) : value);
    }
    for (int64_t h = 1; h < lanes; h *= 2)
      for (Value &value : values)
        value = mixLanes(value, h);
    for (int64_t h = 1; h < size / lanes; h *= 2)
      for (int64_t i = 0; i < size / lanes; ++i)
        if ((i & h) == 0) {
          Value a = values[i], b = values[i + h];
          values[i] = e.add(a, b);
          values[i + h] = e.sub(a, b);
        }
    Value factor = e.splat(lanes, 1 / std::sqrt(static_cast<double>(size)));
    for (auto [i, value] : llvm::enumerate(values))
      e.store(e.mul(value, factor),
              e.at(e.at(y, begin), static_cast<int64_t>(i) * lanes));
  }

private:
  Value load(Value base, Value begin, int64_t i) {
    return e.load(e.vectorType(lanes), e.at(e.at(base, begin), i));
  }

  /// Sums and differences of lanes that are `h` apart: its partner plus each
  /// lane times 1 or -1, which is exact.
  Value mixLanes(Value value, int64_t h) {
    SmallVector<int64_t> partners(lanes);
    SmallVector<float> signs(lanes);
    for (int64_t i = 0; i < lanes; ++i) {
      partners[i] = i ^ h;
      signs[i] = i & h ? -1.0f : 1.0f;
    }
    Value partner = e.create<vector::ShuffleOp>(value, value, partners);
    Value sign = e.create<arith::ConstantOp>(
        DenseElementsAttr::get(e.vectorType(lanes), ArrayRef<float>(signs)));
    return e.fma(value, sign, partner);
  }

  Emitter &e;
  int64_t lanes;
};

} // namespace

func::FuncOp KernelLibrary::getRotateRow(int64_t size, bool scaled) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  SmallVector<Type> types{pointer};
  if (scaled)
    types.push_back(pointer);
  types.append({pointer, index});
  std::string name = (scaled ? "kern_rotate_scaled_h" : "kern_rotate_h") +
                     std::to_string(size);
  return getOrCreate(name, types, [&](Emitter &e, ValueRange args) {
    Value x = args[0], t = scaled ? args[1] : Value(),
          y = args[args.size() - 2], columns = args.back();
    RotationBuilder row(e, target);
    Value whole = e.mul(e.floorDiv(columns, e.index(size)), size);
    e.loop(e.index(0), whole, size,
           [&](Value begin) { row.addBlock(x, t, y, begin, size); });
    // What is left, in binary, is the blocks that there are.
    for (int64_t part = size / 2; part >= kSmallestHadamard; part /= 2) {
      Value begin = e.mul(e.floorDiv(columns, e.index(2 * part)), 2 * part);
      e.ifThen(e.less(e.index(part - 1), e.sub(columns, begin)),
               [&] { row.addBlock(x, t, y, begin, part); });
    }
    Value begin = e.mul(e.floorDiv(columns, e.index(kSmallestHadamard)),
                        kSmallestHadamard);
    e.loop(begin, columns, 1, [&](Value k) {
      Value value = e.load(e.getF32Type(), e.at(x, k));
      if (t)
        value = e.mul(value, e.load(e.getF32Type(), e.at(t, k)));
      e.store(value, e.at(y, k));
    });
  });
}
