//===- Slots.cpp - Runs passes of plugins ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Plugin/Slots.h"
#include "llmc/Codegen/PassWatch.h"

using namespace mlir;
using namespace llmc;

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
      PassLine prototype{entry.slot, "", plugin.file};
      PassRecord record;
      manager.addInstrumentation(
          std::make_unique<PassWatch>(module, &prototype, record));
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
            (record.failedPass.empty() ? "pipeline '" + entry.pipeline
                                       : "pass '" + record.failedPass) +
            "' of plugin '" + plugin.file + "' failed in slot " + entry.slot);
      llvm::append_range(lines, std::move(record.lines));
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
