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

Value llmc::emitLoadStored(Emitter &e, Type storage, int64_t lanes,
                           Value pointer) {
  if (storage.isF32())
    return e.load(e.vectorType(lanes), pointer);
  // bf16 is the upper half of an f32.
  Value half = e.load(VectorType::get({lanes}, e.getI16Type()), pointer, 2);
  Value wide =
      e.create<arith::ExtUIOp>(VectorType::get({lanes}, e.getI32Type()), half);
  return e.create<arith::BitcastOp>(
      e.vectorType(lanes),
      e.create<arith::ShLIOp>(wide, e.splatInt(lanes, 16)));
}
