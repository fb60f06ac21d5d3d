//===- Emit.cpp - From the LLVM dialect to machine code -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Emit.h"
#include "EmitModule.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/Analysis/LoopAnalysisManager.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"

using namespace llvm;
using namespace llmc;

static Error fail(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

/// Features that code can fail without; tuning flags are not among them.
static constexpr StringLiteral kCheckedFeatures[] = {"sse4.2",
                                                     "popcnt",
                                                     "avx",
                                                     "avx2",
                                                     "fma",
                                                     "f16c",
                                                     "bmi",
                                                     "bmi2",
                                                     "lzcnt",
                                                     "avx512f",
                                                     "avx512cd",
                                                     "avx512bw",
                                                     "avx512dq",
                                                     "avx512vl",
                                                     "avx512ifma",
                                                     "avx512vbmi",
                                                     "avx512vbmi2",
                                                     "avx512bitalg",
                                                     "avx512vpopcntdq",
                                                     "avx512vnni",
                                                     "avx512bf16",
                                                     "avx512fp16",
                                                     "avxvnni",
                                                     "avxvnniint8",
                                                     "avxvnniint16",
                                                     "avxifma",
                                                     "gfni",
                                                     "neon",
                                                     "dotprod",
                                                     "i8mm",
                                                     "sve"};

/// Makes the families of processors known that `Target::resolve` knows.
static void initializeTargets() {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
}

std::vector<std::string> llmc::getRequiredFeatures(const Target &target) {
  initializeTargets();
  std::string message;
  Triple triple(target.triple);
  std::vector<std::string> result;
  const llvm::Target *llvmTarget =
      TargetRegistry::lookupTarget(triple, message);
  if (!llvmTarget)
    return result;
  std::unique_ptr<MCSubtargetInfo> info(
      llvmTarget->createMCSubtargetInfo(triple, target.cpu, target.features));
  for (const SubtargetFeatureKV &feature : info->getEnabledProcessorFeatures())
    if (llvm::is_contained(kCheckedFeatures, StringRef(feature.Key)))
      result.push_back(feature.Key);
  return result;
}

Expected<std::unique_ptr<TargetMachine>>
llmc::createTargetMachine(const llmc::Target &choice) {
  initializeTargets();
  std::string message;
  Triple triple(choice.triple);
  const llvm::Target *target = TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return fail(message);
  TargetOptions options;
  options.AllowFPOpFusion = FPOpFusion::Standard;
  std::unique_ptr<TargetMachine> machine(target->createTargetMachine(
      triple, choice.cpu, choice.features, options, Reloc::PIC_, std::nullopt,
      CodeGenOptLevel::Aggressive));
  if (!machine)
    return fail("no code can be made for " + choice.triple);
  return machine;
}

static void optimize(Module &module, TargetMachine &machine) {
  LoopAnalysisManager lam;
  FunctionAnalysisManager fam;
  CGSCCAnalysisManager cgam;
  ModuleAnalysisManager mam;
  PipelineTuningOptions tuning;
  tuning.LoopVectorization = true;
  tuning.SLPVectorization = true;
  PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cgam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cgam, mam);
  builder.buildPerModuleDefaultPipeline(OptimizationLevel::O3).run(module, mam);
}

Expected<std::unique_ptr<Module>> llmc::translateModule(mlir::ModuleOp op,
                                                        TargetMachine &machine,
                                                        LLVMContext &context) {
  std::unique_ptr<Module> module = mlir::translateModuleToLLVMIR(op, context);
  if (!module)
    return fail("the module could not be translated to LLVM IR");
  module->setDataLayout(machine.createDataLayout());
  module->setTargetTriple(machine.getTargetTriple());
  for (Function &function : *module)
    if (!function.isDeclaration()) {
      function.addFnAttr("target-cpu", machine.getTargetCPU());
      function.addFnAttr("target-features", machine.getTargetFeatureString());
      function.addFnAttr("prefer-vector-width", "512");
      function.addFnAttr(Attribute::NoUnwind);
      // Inner loops lie the same whatever stands before them.
      function.setAlignment(Align(64));
    }
  return module;
}

Error llmc::emitModule(Module &module, TargetMachine &machine, CodeKind kind,
                       SmallVectorImpl<char> &code) {
  optimize(module, machine);
  raw_svector_ostream stream(code);
  if (kind == CodeKind::LLVMText) {
    module.print(stream, nullptr);
    return Error::success();
  }
  legacy::PassManager passes;
  auto file = kind == CodeKind::Object ? CodeGenFileType::ObjectFile
                                       : CodeGenFileType::AssemblyFile;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, file))
    return fail("the target cannot emit this kind of file");
  passes.run(module);
  return Error::success();
}

Error llmc::emitCode(mlir::ModuleOp op, TargetMachine &machine, CodeKind kind,
                     SmallVectorImpl<char> &code) {
  LLVMContext context;
  auto module = translateModule(op, machine, context);
  if (!module)
    return module.takeError();
  return emitModule(**module, machine, kind, code);
}

Error llmc::linkShared(ArrayRef<std::string> objects, StringRef library) {
  std::string linker = LLMC_LLVM_BINDIR "/ld.lld";
  if (!sys::fs::can_execute(linker)) {
    auto found = sys::findProgramByName("ld.lld");
    if (!found)
      return fail(
          "the linker ld.lld was not found; install the package lld-22");
    linker = *found;
  }
  SmallVector<StringRef> arguments{linker,
                                   "-shared",
                                   "-o",
                                   library,
                                   "-z",
                                   "noexecstack",
                                   "--build-id=none",
                                   "--no-undefined-version",
                                   "--strip-all"};
  arguments.append(objects.begin(), objects.end());
  std::string message;
  int code =
      sys::ExecuteAndWait(linker, arguments, std::nullopt, {}, 0, 0, &message);
  if (code != 0)
    return fail("linking failed with code " + Twine(code) +
                (message.empty() ? "" : ": " + message));
  return Error::success();
}
