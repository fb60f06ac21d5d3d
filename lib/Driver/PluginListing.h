//===- PluginListing.h - Lists what C++ plugins bring ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_DRIVER_PLUGINLISTING_H
#define LLMC_LIB_DRIVER_PLUGINLISTING_H

#include "llmc/Plugin/PluginSet.h"
#include "llvm/Support/JSON.h"

namespace llmc {

/// Passes, dialects, importers and slots of a plugin, to stdout for people;
/// nothing for one of methods alone.
void listContent(const LoadedPlugin &plugin);

/// The same as members of an open object: "passes": [{"name", "summary",
/// "pipeline"}], "dialects": [NAME], "operators": [{"domain", "operator",
/// "since"}], "slots": [{"slot", "pipeline"}]; only those that are there.
void listContent(const LoadedPlugin &plugin, llvm::json::OStream &out);

} // namespace llmc

#endif // LLMC_LIB_DRIVER_PLUGINLISTING_H
