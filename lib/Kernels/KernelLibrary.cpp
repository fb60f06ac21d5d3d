//===- KernelLibrary.cpp - The micro-kernels of a module ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/KernelLibrary.h"

using namespace mlir;
using namespace llmc;

KernelLibrary::KernelLibrary(ModuleOp module, const Target &target)
    : module(module), symbols(module), target(target) {}

func::FuncOp
KernelLibrary::getOrCreate(StringRef name, ArrayRef<Type> types,
                           function_ref<void(Emitter &, ValueRange)> body) {
  if (auto found = symbols.lookup<func::FuncOp>(name))
    return found;
  MLIRContext *context = module.getContext();
  Emitter e(module.getLoc(), context);
  e.fused = target.fma;
  e.halves = target.halves;
  auto function = e.create<func::FuncOp>(name, e.getFunctionType(types, {}));
  symbols.insert(function);
  function.setPrivate();
  function->setAttr("llmc.kernel", e.getUnitAttr());
  // `no_inline` does not reach LLVM; the pass-through does.
  function->setAttr("passthrough", e.getArrayAttr(e.getStringAttr("noinline")));
  Block *entry = function.addEntryBlock();
  for (auto [i, type] : llvm::enumerate(types))
    if (isa<LLVM::LLVMPointerType>(type))
      function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                          e.getUnitAttr());
  e.setInsertionPointToStart(entry);
  body(e, entry->getArguments());
  e.create<func::ReturnOp>();
  return function;
}

func::FuncOp KernelLibrary::getFetch() {
  MLIRContext *context = module.getContext();
  return getOrCreate(
      "kern_fetch",
      {LLVM::LLVMPointerType::get(context), IndexType::get(context)},
      [&](Emitter &e, ValueRange args) {
        // To the second level: weights pass through the first one meanwhile.
        e.loop(e.index(0), args[1], Emitter::kCacheLine, [&](Value at) {
          e.prefetch(e.at(args[0], at, 1), Emitter::kSecondLevel);
        });
      });
}

int64_t llmc::getStoredBytes(Type storage) {
  return storage.getIntOrFloatBitWidth() / 8;
}

Value llmc::emitLoadStored(Emitter &e, Type storage, int64_t lanes,
                           Value pointer, Value mask) {
  if (storage.isF32())
    return mask ? e.loadMasked(lanes, pointer, mask)
                : e.load(e.vectorType(lanes), pointer);
  int64_t bytes = getStoredBytes(storage);
  auto stored = VectorType::get({lanes}, e.getIntegerType(8 * bytes));
  auto words = VectorType::get({lanes}, e.getI32Type());
  Value codes;
  if (mask) {
    Value zeros = e.create<arith::ConstantOp>(e.getZeroAttr(stored));
    codes = e.create<LLVM::MaskedLoadOp>(stored, pointer, mask, zeros, bytes);
  } else {
    codes = e.load(stored, pointer, bytes);
  }
  if (storage.isInteger(8))
    return e.create<arith::SIToFPOp>(e.vectorType(lanes),
                                     e.create<arith::ExtSIOp>(words, codes));
  return storage.isF16() ? emitFromF16(e, lanes, codes)
                         : emitFromBf16(e, lanes, codes);
}

// bf16 is the upper half of an f32.
Value llmc::emitFromBf16(Emitter &e, int64_t lanes, Value bits) {
  Value wide =
      e.create<arith::ExtUIOp>(VectorType::get({lanes}, e.getI32Type()), bits);
  return e.create<arith::BitcastOp>(
      e.vectorType(lanes),
      e.create<arith::ShLIOp>(wide, e.splatInt(lanes, 16)));
}

Value llmc::emitFromF16(Emitter &e, int64_t lanes, Value bits) {
  if (e.halves) {
    Value halves = e.create<arith::BitcastOp>(
        VectorType::get({lanes}, e.getF16Type()), bits);
    return e.create<arith::ExtFOp>(e.vectorType(lanes), halves);
  }
  auto words = VectorType::get({lanes}, e.getI32Type());
  auto asFloat = [&](Value value) -> Value {
    return e.create<arith::BitcastOp>(e.vectorType(lanes), value);
  };
  auto masked = [&](Value value, int64_t mask) -> Value {
    return e.create<arith::AndIOp>(value, e.splatInt(lanes, mask));
  };
  auto moved = [&](Value value, int64_t by) -> Value {
    return e.create<arith::ShLIOp>(value, e.splatInt(lanes, by));
  };
  // In integers, where there is no instruction: 2^112 times the number whose
  // bits these are is right for all finite ones, subnormal or not.
  Value half = e.create<arith::ExtUIOp>(words, bits);
  Value sign = moved(masked(half, 0x8000), 16);
  Value magnitude = moved(masked(half, 0x7fff), 13);
  Value scaled = e.create<arith::BitcastOp>(
      words, e.mul(asFloat(magnitude), e.splat(lanes, 0x1p112)));
  Value infinite = e.create<arith::CmpIOp>(arith::CmpIPredicate::uge, magnitude,
                                           e.splatInt(lanes, 0x0f800000));
  Value value = e.create<arith::SelectOp>(
      infinite,
      e.create<arith::OrIOp>(magnitude, e.splatInt(lanes, 0x7f800000)), scaled);
  return asFloat(e.create<arith::OrIOp>(value, sign));
}

Value llmc::emitToBf16(Emitter &e, int64_t lanes, Value x) {
  auto typed = [&](Type element) {
    return lanes ? Type(VectorType::get({lanes}, element)) : element;
  };
  auto number = [&](int64_t value) { return e.splatInt(lanes, value); };
  Value bits = e.create<arith::BitcastOp>(typed(e.getI32Type()), x);
  Value high = e.create<arith::ShRUIOp>(bits, number(16));
  Value odd = e.create<arith::AndIOp>(high, number(1));
  Value rounded = e.create<arith::ShRUIOp>(
      e.add(e.add(bits, number(0x7fff)), odd), number(16));
  // Rounding would carry a NaN into infinity; a bit above keeps it quiet.
  Value nan = e.create<arith::CmpFOp>(arith::CmpFPredicate::UNO, x, x);
  Value quiet = e.create<arith::OrIOp>(high, number(0x40));
  return e.create<arith::TruncIOp>(
      typed(e.getI16Type()), e.create<arith::SelectOp>(nan, quiet, rounded));
}

Value llmc::emitColumn(Emitter &e, int64_t bytes, Value pointer, Value last) {
  Value stored = e.load(e.getIntegerType(8 * bytes), pointer, bytes);
  return e.min(e.create<arith::IndexCastUIOp>(e.getIndexType(), stored), last);
}
