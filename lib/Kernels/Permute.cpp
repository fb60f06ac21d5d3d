//===- Permute.cpp - Rows in the order of columns of a matrix -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/KernelLibrary.h"

using namespace mlir;
using namespace llmc;

/// Columns that the loop writes out.
static constexpr int64_t kUnroll = 8;

func::FuncOp KernelLibrary::getPermuteRow(int64_t columnBytes, bool scaled) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  SmallVector<Type> types{pointer, pointer};
  if (scaled)
    types.push_back(pointer);
  types.append({pointer, index});
  std::string name = (scaled ? "kern_permute_scaled_c" : "kern_permute_c") +
                     std::to_string(columnBytes);
  return getOrCreate(name, types, [&](Emitter &e, ValueRange args) {
    Value x = args[0], order = args[1], t = scaled ? args[2] : Value(),
          y = args[args.size() - 2], columns = args.back();
    Value last = e.sub(columns, e.index(1));
    e.unrolled(e.index(0), columns, kUnroll, {}, [&](Value j, ValueRange) {
      Value column =
          emitColumn(e, columnBytes, e.at(order, j, columnBytes), last);
      Value value = e.load(e.getF32Type(), e.at(x, column));
      if (t)
        value = e.mul(value, e.load(e.getF32Type(), e.at(t, column)));
      e.store(value, e.at(y, j));
      return Emitter::Values();
    });
  });
}
