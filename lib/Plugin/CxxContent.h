//===- CxxContent.h - Registers what C++ plugins bring ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_PLUGIN_CXXCONTENT_H
#define LLMC_LIB_PLUGIN_CXXCONTENT_H

#include "llmc/Plugin/PluginSet.h"

namespace llmc {

/// Calls llmc_cxx_plugin.
std::shared_ptr<const PluginContent> readContent(void *entry);

/// Checks what a plugin brings beside what is there, and makes its passes known
/// to MLIR if all is well. Fills in the members of `plugin` that are about it;
/// `library` is what dlopen returned. Dialects are not added.
llvm::Error registerContent(const PluginContent &content,
                            llvm::ArrayRef<LoadedPlugin> others, void *library,
                            const mlir::DialectRegistry *dialects,
                            LoadedPlugin &plugin);

/// Adds the dialects of a plugin that was registered.
void addDialects(const PluginContent &content, mlir::DialectRegistry &dialects);

} // namespace llmc

#endif // LLMC_LIB_PLUGIN_CXXCONTENT_H
