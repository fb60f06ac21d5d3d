//===- PluginListing.cpp - Lists what C++ plugins bring -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PluginListing.h"
#include "mlir/Pass/PassRegistry.h"

using namespace llmc;
using llvm::outs;

static llvm::StringRef nameDomain(const PluginConverter &converter) {
  return converter.domain.empty() ? llvm::StringRef("ai.onnx")
                                  : llvm::StringRef(converter.domain);
}

void llmc::listContent(const LoadedPlugin &plugin) {
  if (!plugin.content)
    return;
  outs() << "\nPasses and importers of '" << plugin.file << "', "
         << plugin.vendor << " " << plugin.version << "\n";
  for (const PluginPass &pass : plugin.passes)
    if (const mlir::PassInfo *info = mlir::PassInfo::lookup(pass.name))
      // Prints two dashes, the name, and the options with their help below.
      info->printHelpStr(/*indent=*/2, /*descIndent=*/34);
  for (const std::string &dialect : plugin.dialects)
    outs() << "  dialect " << dialect << "\n";
  for (const PluginConverter &converter : plugin.converters)
    outs() << "  operator " << converter.op << " of " << nameDomain(converter)
           << ", since version " << converter.since << "\n";
  for (const PluginSlot &slot : plugin.slots)
    outs() << "  in slot " << slot.slot << ": " << slot.pipeline << "\n";
}

void llmc::listContent(const LoadedPlugin &plugin, llvm::json::OStream &out) {
  if (!plugin.passes.empty())
    out.attributeArray("passes", [&] {
      for (const PluginPass &pass : plugin.passes)
        out.object([&] {
          out.attribute("name", pass.name);
          out.attribute("summary", pass.summary);
          out.attribute("pipeline", pass.pipeline);
        });
    });
  if (!plugin.dialects.empty())
    out.attributeArray("dialects", [&] {
      for (const std::string &dialect : plugin.dialects)
        out.value(dialect);
    });
  if (!plugin.converters.empty())
    out.attributeArray("operators", [&] {
      for (const PluginConverter &converter : plugin.converters)
        out.object([&] {
          out.attribute("domain", nameDomain(converter));
          out.attribute("operator", converter.op);
          out.attribute("since", converter.since);
        });
    });
  if (!plugin.slots.empty())
    out.attributeArray("slots", [&] {
      for (const PluginSlot &slot : plugin.slots)
        out.object([&] {
          out.attribute("slot", slot.slot);
          out.attribute("pipeline", slot.pipeline);
        });
    });
}
