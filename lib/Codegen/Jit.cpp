//===- Jit.cpp - Runs generated kernels in this process -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Jit.h"
#include "llmc/Codegen/Emit.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Passes/KernelPasses.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"
#include "llvm-c/Core.h"
#include "llvm-c/LLJIT.h"
#include "llvm/ExecutionEngine/Orc/Shared/ExecutorAddress.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace llmc;

/// An error of LLVM's C interface, which is ours then.
static llvm::Error take(LLVMErrorRef error) { return llvm::unwrap(error); }

Jit::Jit(LLVMOrcOpaqueLLJIT *engine) : engine(engine) {}
Jit::~Jit() { llvm::consumeError(take(LLVMOrcDisposeLLJIT(engine))); }

/// Restricts the parallel loops of `run` to the share of their items between
/// its last two arguments.
static void restrictItems(ModuleOp module) {
  auto run = module.lookupSymbol<func::FuncOp>("run");
  if (!run || run.getNumArguments() < 2)
    return;
  Value begin = run.getArgument(run.getNumArguments() - 2),
        end = run.getArgument(run.getNumArguments() - 1);
  run.walk([&](scf::ParallelOp loop) {
    OpBuilder builder(loop);
    Location loc = loop.getLoc();
    Value items = loop.getUpperBound()[0],
          whole = arith::ConstantIndexOp::create(builder, loc, kAllItems);
    auto share = [&](Value part) -> Value {
      return arith::DivUIOp::create(
          builder, loc, arith::MulIOp::create(builder, loc, items, part),
          whole);
    };
    loop.getLowerBoundMutable().assign(share(begin));
    loop.getUpperBoundMutable().assign(share(end));
  });
}

std::string llmc::getQuantizeModule(int64_t k, bool factors,
                                    kern::Activations activations) {
  return llvm::formatv(
      R"(func.func @run(%rx: {0}, %t: memref<{1}xf32>, %rq: {0}, %m: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %x = memref.view %rx[%c0][%m] : {0} to memref<?x{1}xf32>
  %q = memref.view %rq[%c0][%m] : {0} to memref<?x{2}xi8>
  kern.quantize ins(%x{3} : memref<?x{1}xf32>{4}) outs(%q : memref<?x{2}xi8>)
  return
})",
      kRaw, k, kern::getInputRowBytes(k, activations), factors ? ", %t" : "",
      factors ? llvm::formatv(", memref<{0}xf32>", k).str() : "");
}

std::string llmc::getRotateModule(int64_t k, bool factors, int64_t size) {
  return llvm::formatv(
      R"(func.func @run(%rx: {0}, %t: memref<{1}xf32>, %ry: {0}, %m: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %x = memref.view %rx[%c0][%m] : {0} to memref<?x{1}xf32>
  %y = memref.view %ry[%c0][%m] : {0} to memref<?x{1}xf32>
  kern.rotate ins(%x{2} : memref<?x{1}xf32>{3}) outs(%y : memref<?x{1}xf32>) {{size = {4} : i64}
  return
})",
      kRaw, k, factors ? ", %t" : "",
      factors ? llvm::formatv(", memref<{0}xf32>", k).str() : "", size);
}

std::string llmc::getProductModule(llvm::StringRef weight, int64_t n, int64_t k,
                                   bool bias, kern::Activations activations) {
  return llvm::formatv(
      R"(func.func @run(%rq: {0}, %rw: {0}, %b: memref<{1}xf32>, %ry: {0}, %m: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %q = memref.view %rq[%c0][%m] : {0} to memref<?x{2}xi8>
  %y = memref.view %ry[%c0][%m] : {0} to memref<?x{1}xf32>
  %w = builtin.unrealized_conversion_cast %rw : {0} to {3}
  kern.quantized_linear ins(%q, %w{4} : memref<?x{2}xi8>, {3}{5}) outs(%y : memref<?x{1}xf32>)
  return
})",
      kRaw, n, kern::getInputRowBytes(k, activations), weight,
      bias ? ", %b" : "",
      bias ? llvm::formatv(", memref<{0}xf32>", n).str() : "");
}

std::string llmc::getGatherModule(llvm::StringRef weight, int64_t count,
                                  int64_t k) {
  return llvm::formatv(
      R"(func.func @run(%i: memref<{2}xi64>, %rw: {0}, %y: memref<{2}x{3}xf32>, %begin: index, %end: index) {{
  %w = builtin.unrealized_conversion_cast %rw : {0} to {1}
  kern.gather ins(%w, %i : {1}, memref<{2}xi64>) outs(%y : memref<{2}x{3}xf32>)
  return
})",
      kRaw, weight, count, k);
}

static llvm::Error fail(const llvm::Twine &message) {
  return llvm::createStringError(message.str());
}

/// Parses `text`, expands its kernels and lowers it to the LLVM dialect.
static llvm::Expected<OwningOpRef<ModuleOp>>
toLLVM(MLIRContext &context, llvm::StringRef text,
       const ExpandKernelsPassOptions &options) {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  if (!module)
    return fail("the module does not parse");

  PassManager kernels(&context);
  kernels.addPass(createExpandKernelsPass(options));
  if (failed(kernels.run(*module)))
    return fail("the kernels do not expand");
  restrictItems(*module);

  PassManager lower(&context);
  lower.addPass(createCanonicalizerPass());
  lower.addPass(createSCFToControlFlowPass());
  lower.addPass(memref::createExpandStridedMetadataPass());
  lower.addPass(createConvertVectorToLLVMPass());
  lower.addPass(createFinalizeMemRefToLLVMConversionPass());
  ConvertFuncToLLVMPassOptions convention;
  convention.useBarePtrCallConv = true;
  lower.addPass(createConvertFuncToLLVMPass(convention));
  lower.addPass(createArithToLLVMConversionPass());
  lower.addPass(createConvertControlFlowToLLVMPass());
  lower.addPass(createReconcileUnrealizedCastsPass());
  if (failed(lower.run(*module)))
    return fail("the module does not convert to LLVM");
  return module;
}

static DialectRegistry makeRegistry() {
  DialectRegistry registry;
  registry.insert<kern::KernDialect, pack::PackDialect, arith::ArithDialect,
                  cf::ControlFlowDialect, func::FuncDialect, LLVM::LLVMDialect,
                  math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                  vector::VectorDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  return registry;
}

llvm::Expected<std::string> llmc::compileObject(llvm::StringRef text,
                                                const Target &target) {
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargets();
  llvm::InitializeAllTargetMCs();
  llvm::InitializeAllAsmPrinters();
  MLIRContext context(makeRegistry());
  ExpandKernelsPassOptions options;
  options.cpu = target.cpu;
  options.features = target.features;
  options.triple = target.triple;
  auto module = toLLVM(context, text, options);
  if (!module)
    return module.takeError();
  auto machine = createTargetMachine(target);
  if (!machine)
    return machine.takeError();
  llvm::SmallVector<char, 0> code;
  if (llvm::Error error = emitCode(**module, **machine, CodeKind::Object, code))
    return std::move(error);
  return std::string(code.begin(), code.end());
}

llvm::Expected<std::unique_ptr<Jit>> Jit::compile(llvm::StringRef text,
                                                  llvm::StringRef cpu) {
  auto target = Target::resolve(cpu);
  if (!target)
    return target.takeError();
  auto object = compileObject(text, *target);
  if (!object)
    return object.takeError();
  LLVMOrcLLJITRef engine = nullptr;
  if (llvm::Error error = take(LLVMOrcCreateLLJIT(&engine, nullptr)))
    return std::move(error);
  std::unique_ptr<Jit> jit(new Jit(engine));
  LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(
      object->data(), object->size(), "kernels");
  if (llvm::Error error = take(LLVMOrcLLJITAddObjectFile(
          engine, LLVMOrcLLJITGetMainJITDylib(engine), buffer)))
    return std::move(error);
  return jit;
}

void *Jit::lookup(llvm::StringRef name) {
  LLVMOrcExecutorAddress address = 0;
  if (llvm::Error error =
          take(LLVMOrcLLJITLookup(engine, &address, name.str().c_str()))) {
    llvm::consumeError(std::move(error));
    return nullptr;
  }
  return llvm::orc::ExecutorAddr(address).toPtr<void *>();
}
