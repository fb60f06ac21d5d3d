//===- CodeParts.cpp - Machine code in parts, side by side ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/CodeParts.h"
#include "EmitModule.h"

#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/InstrTypes.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/ThreadPool.h"

using namespace llvm;
using namespace llmc;

/// Instructions of the largest function that every part has: larger ones are not
/// inlined where there is more than one call.
static constexpr unsigned kSmall = 64;

/// Whether parts may have the rest in common: no variable that functions write,
/// no other name of a function.
static bool canSplit(const Module &module) {
  return module.aliases().empty() && module.ifuncs().empty() &&
         all_of(module.globals(), [](const GlobalVariable &variable) {
           return variable.isDeclaration() ||
                  (variable.isConstant() && variable.hasLocalLinkage());
         });
}

/// The only function that calls `function`, in one place; null if there is none.
static Function *getOnlyCaller(Function &function) {
  if (!function.hasLocalLinkage() || !function.hasOneUse())
    return nullptr;
  auto *call = dyn_cast<CallBase>(function.user_back());
  return call && call->getCalledOperand() == &function ? call->getFunction()
                                                       : nullptr;
}

/// Gives every function to a part but those that all have.
static StringMap<unsigned> assign(Module &module, unsigned count) {
  EquivalenceClasses<Function *> together;
  SmallVector<Function *> defined;
  for (Function &function : module) {
    if (function.isDeclaration())
      continue;
    defined.push_back(&function);
    together.insert(&function);
    if (Function *caller = getOnlyCaller(function))
      together.unionSets(caller, &function);
  }
  // In the order of the module, then by size, the largest first.
  struct Cluster {
    SmallVector<Function *> functions;
    unsigned instructions = 0;
  };
  MapVector<Function *, Cluster> clusters;
  for (Function *function : defined) {
    Cluster &cluster = clusters[together.getLeaderValue(function)];
    cluster.functions.push_back(function);
    cluster.instructions += function->getInstructionCount();
  }
  SmallVector<Cluster *> order;
  for (auto &[leader, cluster] : clusters) {
    bool small = cluster.functions.size() == 1 &&
                 cluster.instructions <= kSmall &&
                 cluster.functions.front()->hasLocalLinkage();
    if (!small)
      order.push_back(&cluster);
  }
  stable_sort(order, [](const Cluster *a, const Cluster *b) {
    return a->instructions > b->instructions;
  });
  StringMap<unsigned> partOf;
  SmallVector<unsigned> load(count, 0);
  for (const Cluster *cluster : order) {
    auto least = min_element(load);
    *least += cluster->instructions;
    for (Function *function : cluster->functions)
      partOf[function->getName()] = least - load.begin();
  }
  return partOf;
}

Expected<CodeParts> CodeParts::create(mlir::ModuleOp op, const Target &target,
                                      unsigned most) {
  CodeParts parts;
  auto machine = createTargetMachine(target);
  if (!machine)
    return machine.takeError();
  LLVMContext context;
  auto module = translateModule(op, **machine, context);
  if (!module)
    return module.takeError();
  parts.machines.push_back(std::move(*machine));
  unsigned instructions = (*module)->getInstructionCount();
  if (most > 1 && instructions >= kFewest && canSplit(**module)) {
    while (parts.machines.size() < most) {
      machine = createTargetMachine(target);
      if (!machine)
        return machine.takeError();
      parts.machines.push_back(std::move(*machine));
    }
    // Parts find each other by name, and nobody else does.
    StringMap<unsigned> partOf = assign(**module, parts.machines.size());
    for (Function &function : **module) {
      auto found = partOf.find(function.getName());
      if (found == partOf.end())
        continue;
      unsigned part = found->second;
      if (function.hasLocalLinkage()) {
        function.setLinkage(GlobalValue::ExternalLinkage);
        function.setVisibility(GlobalValue::HiddenVisibility);
        // Not a name that the C library has.
        function.setName("llmc." + function.getName());
      }
      parts.partOf[function.getName()] = part;
    }
  }
  raw_svector_ostream stream(parts.bitcode);
  WriteBitcodeToFile(**module, stream);
  return parts;
}

Expected<std::string> CodeParts::emitPart(unsigned part) const {
  LLVMContext context;
  auto module = getLazyBitcodeModule(
      MemoryBufferRef(StringRef(bitcode.data(), bitcode.size()), "model"),
      context);
  if (!module)
    return module.takeError();
  for (Function &function : **module)
    if (auto found = partOf.find(function.getName());
        found != partOf.end() && found->second != part)
      function.deleteBody();
  if (Error error = (*module)->materializeAll())
    return std::move(error);
  SmallVector<char, 0> code;
  if (Error error =
          emitModule(**module, *machines[part], CodeKind::Object, code))
    return std::move(error);
  return std::string(code.begin(), code.end());
}

Expected<std::vector<std::string>>
CodeParts::emit(unsigned threads, const std::atomic<bool> &stopped) const {
  std::vector<std::string> objects(size()), errors(size());
  auto work = [&](unsigned part) {
    if (stopped)
      return;
    auto object = emitPart(part);
    if (object)
      objects[part] = std::move(*object);
    else
      errors[part] = toString(object.takeError());
  };
  if (threads == 1) {
    for (unsigned part = 0; part < size(); ++part)
      work(part);
  } else {
    DefaultThreadPool pool(hardware_concurrency(threads));
    for (unsigned part = 0; part < size(); ++part)
      pool.async(work, part);
    pool.wait();
  }
  for (const std::string &error : errors)
    if (!error.empty())
      return createStringError(error);
  return objects;
}
