//===- Emitter.h - Short words for building kernels -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels work on bare pointers (`!llvm.ptr`) and extents of type `index`.
// Offsets are in elements of what the caller names; vectors have one dimension.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_EMITTER_H
#define LLMC_CODEGEN_EMITTER_H

#include "llmc/Codegen/Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace llmc {

class Emitter : public mlir::ImplicitLocOpBuilder {
public:
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;

  /// Whether `fma` is one instruction; else it is a product and a sum.
  bool fused = true;
  /// Whether there is an instruction that makes f32 of f16.
  bool halves = false;

  Value index(int64_t value);
  Value f32(double value);
  /// The constant in every lane.
  Value splat(int64_t lanes, double value);
  Value splatInt(int64_t lanes, int64_t value);
  /// A scalar in every lane; the scalar itself where `lanes` is zero.
  Value broadcast(Value scalar, int64_t lanes);
  /// 0, 1, 2, ... as integers of 32 bits.
  Value iota(int64_t lanes);

  Value add(Value a, Value b);
  Value add(Value a, int64_t b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value mul(Value a, int64_t b);
  Value min(Value a, Value b);
  Value max(Value a, Value b);
  Value ceilDiv(Value a, Value b);
  Value floorDiv(Value a, Value b);
  Value less(Value a, Value b);
  Value toInt32(Value index);

  mlir::VectorType vectorType(int64_t lanes);
  mlir::Type pointerType();
  /// The address `offset` elements of `width` bytes after `base`.
  Value at(Value base, Value offset, int64_t width = 4);
  Value at(Value base, int64_t offset, int64_t width = 4);
  Value load(mlir::Type type, Value pointer, int64_t align = 4);
  void store(Value value, Value pointer, int64_t align = 4);
  /// The lanes below `count` (an i32) as a mask.
  Value mask(int64_t lanes, Value count);
  /// Lanes outside the mask are zero and not touched in memory.
  Value loadMasked(int64_t lanes, Value pointer, Value mask, int64_t align = 4);
  void storeMasked(Value value, Value pointer, Value mask);
  /// Room on the stack for `count` f32, aligned to 64 bytes. Emit at the entry
  /// of a function only.
  Value stack(int64_t count);

  /// Bytes that one prefetch brings.
  static constexpr int64_t kCacheLine = 64;
  /// Where a prefetch brings them to, as LLVM numbers it.
  enum CacheLevel : int { kSecondLevel = 2, kFirstLevel = 3 };
  /// Asks for the line at an address, which need not be valid.
  void prefetch(Value address, CacheLevel level = kFirstLevel,
                bool writes = false);

  Value fma(Value a, Value b, Value c);
  /// a + b and max(a, b) of all lanes, folded in halves: one fixed order.
  Value reduceAdd(Value vector);
  Value reduceMax(Value vector);

  /// for (i = from; i < to; i += step) values = body(i, values)
  Values loop(Value from, Value to, int64_t step, mlir::ValueRange values,
              llvm::function_ref<Values(Value, mlir::ValueRange)> body);
  /// The same in steps of one, `factor` of them written out.
  Values unrolled(Value from, Value to, int64_t factor, mlir::ValueRange values,
                  llvm::function_ref<Values(Value, mlir::ValueRange)> body);
  void loop(Value from, Value to, int64_t step,
            llvm::function_ref<void(Value)> body);
  void ifThen(Value condition, llvm::function_ref<void()> then);
  void ifElse(Value condition, llvm::function_ref<void()> then,
              llvm::function_ref<void()> otherwise);

  /// Covers [from, to) in pieces of `sizes`, descending and 1 last: as many of
  /// the largest as fit, then of the next. `body` gets size and begin of each.
  void cover(llvm::ArrayRef<int64_t> sizes, Value from, Value to,
             llvm::function_ref<void(int64_t, Value)> body);

  /// Copies `count` f32; zeros where `from` is null.
  void copy(int64_t lanes, Value from, Value to, Value count);
  /// The row that an id reads: negative ones count from the end, and one outside
  /// reads the nearest row.
  Value clampId(Value id, Value rows);

private:
  Value reduce(Value vector, llvm::function_ref<Value(Value, Value)> combine);
};

/// exp(x) of a vector or scalar of f32, below two units in the last place:
/// 2^n times a polynomial on [-ln2/2, ln2/2]. Minus infinity and everything
/// below -87.3 give zero; x must not exceed 88.
mlir::Value emitExp(Emitter &e, mlir::Value x);
/// tanh(x) through emitExp; its absolute error is below 1e-6.
mlir::Value emitTanh(Emitter &e, mlir::Value x);

/// A matrix of f32 in memory.
struct Rows {
  mlir::Value base;
  /// Elements from one row to the next.
  mlir::Value distance;
};

/// Calls `tile`, which turns `rows` rows of `width` columns of `start` into
/// those of `output`. Where only `left` < `width` columns are there, it works on
/// `margin`, which has room for all, and what is there is copied.
void emitWithMargin(Emitter &e, int64_t lanes, int64_t rows, int64_t width,
                    mlir::Value left, Rows start, Rows output,
                    mlir::Value margin,
                    llvm::function_ref<void(Rows start, Rows output)> tile);

} // namespace llmc

#endif // LLMC_CODEGEN_EMITTER_H
