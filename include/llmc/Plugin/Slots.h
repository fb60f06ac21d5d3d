//===- Slots.h - Runs passes of plugins ------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PLUGIN_SLOTS_H
#define LLMC_PLUGIN_SLOTS_H

#include "llmc/Plugin/CxxPlugin.h"
#include "llmc/Plugin/PluginSet.h"
#include "llmc/Report/Ledger.h"
#include "mlir/IR/BuiltinOps.h"

namespace llmc {

/// Runs the pipelines that plugins joined to a slot on the module, which is
/// verified after each pass, and adds a line for every pass to `lines`. `begins`
/// is told a pipeline, as `llmc-opt --pass-pipeline` takes it, before it runs.
/// An error names the pass, the plugin and the slot; what the pass said of its
/// own went to the handlers of diagnostics.
llvm::Error runSlot(const PluginSet &plugins, Slot slot, mlir::ModuleOp module,
                    std::vector<PassLine> &lines,
                    llvm::function_ref<void(llvm::StringRef pipeline)> begins);

/// Behind the slot before-lower: reports the ops of dialects of plugins that are
/// left in the module, one of each name, and fails if there are any.
llvm::LogicalResult checkLowered(const PluginSet &plugins,
                                 mlir::ModuleOp module);

} // namespace llmc

#endif // LLMC_PLUGIN_SLOTS_H
