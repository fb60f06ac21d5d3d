//===- Slots.cpp - Runs passes of plugins ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Plugin/Slots.h"
#include "llmc/Weights/WeightStore.h"
#include "mlir/Pass/PassInstrumentation.h"

#include <chrono>

using namespace mlir;
using namespace llmc;
using Clock = std::chrono::steady_clock;

/// Of all weights that a module declares.
static int64_t countBytes(ModuleOp module) {
  int64_t bytes = 0;
  for (auto weight : module.getOps<nn::WeightOp>()) {
    if (auto packed = dyn_cast<pack::TensorType>(weight.getType()))
      bytes += packed.getBytes();
    else if (auto tensor = dyn_cast<RankedTensorType>(weight.getType()))
      bytes += getTensorBytes(tensor).value_or(0);
  }
  return bytes;
}

namespace {

/// Notes the time of every pass and what became of the weights. Passes that only
/// bring others to their functions have no argument and are left out.
class PassWatch : public PassInstrumentation {
public:
  PassWatch(ModuleOp module, PassLine prototype)
      : module(module), prototype(std::move(prototype)) {}

  void runBeforePass(Pass *pass, Operation *) override {
    if (!pass->getArgument().empty())
      running.push_back({Clock::now(), countBytes(module)});
  }
  void runAfterPass(Pass *pass, Operation *) override {
    if (pass->getArgument().empty())
      return;
    auto [begin, bytes] = running.pop_back_val();
    std::chrono::duration<double> seconds = Clock::now() - begin;
    auto line = llvm::find_if(lines, [&](const PassLine &line) {
      return line.pass == pass->getArgument();
    });
    if (line == lines.end()) {
      lines.push_back(prototype);
      line = std::prev(lines.end());
      line->pass = pass->getArgument();
      line->bytesBefore = bytes;
    }
    line->seconds += seconds.count();
    line->bytesAfter = countBytes(module);
  }
  void runAfterPassFailed(Pass *pass, Operation *) override {
    // The innermost one is told first.
    if (failed.empty())
      failed = pass->getArgument();
  }

  std::vector<PassLine> lines;
  std::string failed;

private:
  ModuleOp module;
  PassLine prototype;
  SmallVector<std::pair<Clock::time_point, int64_t>> running;
};

} // namespace

llvm::Error
llmc::runSlot(const PluginSet &plugins, Slot slot, ModuleOp module,
              std::vector<PassLine> &lines,
              llvm::function_ref<void(llvm::StringRef pipeline)> begins) {
  for (const LoadedPlugin &plugin : plugins.getPlugins())
    for (const PluginSlot &entry : plugin.slots) {
      if (entry.slot != getName(slot))
        continue;
      PassManager manager(module.getContext(), ModuleOp::getOperationName(),
                          OpPassManager::Nesting::Implicit);
      auto watch = std::make_unique<PassWatch>(
          module, PassLine{entry.slot, "", plugin.file});
      PassWatch &seen = *watch;
      manager.addInstrumentation(std::move(watch));
      // It was read when the plugin was loaded.
      if (failed(parsePassPipeline(entry.pipeline, manager)))
        return llvm::createStringError("cannot read '" + entry.pipeline +
                                       "' of plugin '" + plugin.file + "'");
      std::string text;
      llvm::raw_string_ostream stream(text);
      manager.printAsTextualPipeline(stream);
      begins(text);
      if (failed(manager.run(module)))
        return llvm::createStringError(
            (seen.failed.empty() ? "pipeline '" + entry.pipeline
                                 : "pass '" + seen.failed) +
            "' of plugin '" + plugin.file + "' failed in slot " + entry.slot);
      llvm::append_range(lines, seen.lines);
    }
  return llvm::Error::success();
}

LogicalResult llmc::checkLowered(const PluginSet &plugins, ModuleOp module) {
  llvm::StringMap<StringRef> fileOf;
  for (const LoadedPlugin &plugin : plugins.getPlugins())
    for (const std::string &dialect : plugin.dialects)
      fileOf[dialect] = plugin.file;
  if (fileOf.empty())
    return success();
  llvm::SmallDenseSet<OperationName> told;
  module.walk([&](Operation *op) {
    auto file = fileOf.find(op->getName().getDialectNamespace());
    if (file != fileOf.end() && told.insert(op->getName()).second)
      op->emitOpError() << "of plugin '" << file->second
                        << "' is left behind slot before-lower, and code is "
                           "made of ops of llmc alone; have a pass of the "
                           "plugin replace it by nn ops in that slot or before "
                           "(PluginContent::join)";
  });
  return success(told.empty());
}
