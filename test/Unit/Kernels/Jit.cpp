//===- Jit.cpp - Runs generated kernels inside a test ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Jit.h"

#include "llmc/Codegen/Emit.h"
#include "llmc/Driver/Registration.h"
#include "llmc/Passes/KernelPasses.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::test;

Jit::Jit(std::unique_ptr<llvm::orc::LLJIT> engine)
    : engine(std::move(engine)) {}
Jit::~Jit() = default;

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
  registerAllDialects(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  return registry;
}

llvm::Expected<std::string> llmc::test::compileObject(llvm::StringRef text,
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
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  MLIRContext context(makeRegistry());
  ExpandKernelsPassOptions options;
  options.cpu = cpu.str();
  auto module = toLLVM(context, text, options);
  if (!module)
    return module.takeError();

  auto llvmContext = std::make_unique<llvm::LLVMContext>();
  auto code = translateModuleToLLVMIR(**module, *llvmContext);
  if (!code)
    return fail("the module does not translate");
  auto builder = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!builder)
    return builder.takeError();
  builder->setCodeGenOptLevel(llvm::CodeGenOptLevel::Aggressive);
  auto machine = builder->createTargetMachine();
  if (!machine)
    return machine.takeError();
  code->setDataLayout((*machine)->createDataLayout());
  code->setTargetTriple((*machine)->getTargetTriple());
  for (llvm::Function &function : *code)
    if (!function.isDeclaration()) {
      function.addFnAttr("target-cpu", (*machine)->getTargetCPU());
      function.addFnAttr("target-features",
                         (*machine)->getTargetFeatureString());
      function.addFnAttr("prefer-vector-width", "512");
      function.addFnAttr("min-legal-vector-width", "512");
    }
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder passes(machine->get());
  passes.registerModuleAnalyses(modules);
  passes.registerCGSCCAnalyses(graphs);
  passes.registerFunctionAnalyses(functions);
  passes.registerLoopAnalyses(loops);
  passes.crossRegisterProxies(loops, functions, graphs, modules);
  passes.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2)
      .run(*code, modules);

  auto engine = llvm::orc::LLJITBuilder()
                    .setJITTargetMachineBuilder(std::move(*builder))
                    .create();
  if (!engine)
    return engine.takeError();
  if (llvm::Error error = (*engine)->addIRModule(
          llvm::orc::ThreadSafeModule(std::move(code), std::move(llvmContext))))
    return std::move(error);
  return std::unique_ptr<Jit>(new Jit(std::move(*engine)));
}

void *Jit::lookup(llvm::StringRef name) {
  auto symbol = engine->lookup(name);
  if (!symbol) {
    llvm::consumeError(symbol.takeError());
    return nullptr;
  }
  return symbol->toPtr<void *>();
}
