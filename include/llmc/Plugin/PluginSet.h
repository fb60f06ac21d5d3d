//===- PluginSet.h - The plugins that are loaded ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one loader of plugins. What a plugin brings is in an object that is passed
// on: from the driver to recipes, and to what compresses weights. Nothing is
// registered anywhere else, but for passes of C++ plugins, which MLIR keeps in a
// table of the process.
//
// Whatever is wrong with a file is an error that names it and says what would
// help. The file is looked at before it is loaded, since loading runs code.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PLUGIN_PLUGINSET_H
#define LLMC_PLUGIN_PLUGINSET_H

#include "llmc/Eval/MetricSet.h"
#include "llmc/Methods/Method.h"
#include "llmc/Recipes/Recipe.h"
#include "llvm/Support/FileSystem/UniqueID.h"
#include <functional>
#include <memory>

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace llmc {
class PluginContent;
namespace onnx {
struct Converter;
} // namespace onnx

/// Sanitizers that a library was built with, so that it needs their runtime.
struct Sanitizers {
  bool address = false, thread = false, undefined = false;
};

/// What a library exports.
struct PluginEntries {
  /// llmc_plugin_v1, of plugin.h, and llmc_cxx_plugin, of CxxPlugin.h.
  bool table = false, cxx = false;
  Sanitizers sanitizers;
};

/// Looks at the bytes of a file that may be a plugin: it must be a whole shared
/// library of ELF for this machine that exports llmc_plugin_v1 or
/// llmc_cxx_plugin; with the latter its fingerprint must be that of this llmc.
/// Runs no code of it. Errors do not name the file.
llvm::Error probePlugin(llvm::StringRef bytes, PluginEntries *found = nullptr);

/// A pass of a plugin: its argument, what it does, and how it stands in the text
/// of a pipeline, with the defaults of its options.
struct PluginPass {
  std::string name, summary, pipeline;
};

/// A handler of an ONNX operator; the domain of ai.onnx is "".
struct PluginConverter {
  std::string domain, op;
  int64_t since = 1;
};

/// A pipeline that runs in every compilation, and where.
struct PluginSlot {
  std::string slot, pipeline;
};

/// A plugin that is loaded.
struct LoadedPlugin {
  /// As it was named, and without links.
  std::string file, path;
  std::string vendor, version;
  /// LLMC_PLUGIN_ABI of the header it was compiled with; 0 without plugin.h.
  unsigned abi = 0;
  /// XXH3-128 of the file.
  std::string hash;
  /// The names of what it brings.
  std::vector<std::string> methods, formats, metrics;
  /// What a C++ plugin brings.
  std::vector<PluginPass> passes;
  std::vector<std::string> dialects;
  std::vector<PluginConverter> converters;
  std::vector<PluginSlot> slots;
  /// The same as it said it; null for others.
  std::shared_ptr<const PluginContent> content;
  llvm::sys::fs::UniqueID id;
};

/// What llmc and loaded plugins bring. Libraries stay loaded until the process
/// ends.
class PluginSet {
public:
  /// With the methods, formats and metrics of llmc, or with others.
  explicit PluginSet(MethodSet methods = MethodSet::makeBuiltin(),
                     FormatSet formats = FormatSet::getBuiltin(),
                     MetricSet metrics = MetricSet::makeBuiltin())
      : methods(std::move(methods)), formats(std::move(formats)),
        metrics(std::move(metrics)) {}
  PluginSet(const PluginSet &) = delete;
  PluginSet &operator=(const PluginSet &) = delete;

  /// Where dialects of plugins that are loaded from now on are added; it has
  /// those of llmc. Names of passes are compared with those that MLIR knows by
  /// then (registerAllPasses).
  void setDialects(mlir::DialectRegistry &registry) { dialects = &registry; }

  /// Loads a plugin; one that is loaded already, by whatever name, is not loaded
  /// again. A plugin that ends the program while it is loaded is an error, too:
  /// the exit code is then 2, with a message on stderr. (What cannot be helped
  /// here: one that calls _exit, crashes or never returns.)
  llvm::Error load(llvm::StringRef file);
  /// From now on a plugin is first loaded in a process of its own, which may take
  /// `seconds`: what happens there to one that crashes, ends the program or never
  /// returns, is the error of `load`. To be called before there are threads.
  void setTrial(int64_t seconds) { trialSeconds = seconds; }
  /// See MethodSet.
  void setRunner(MethodRunner *runner) { methods.setRunner(runner); }
  /// Every *.so in the folders, which are separated by ':', in the order of their
  /// names; then the files.
  llvm::Error loadAll(llvm::StringRef folders,
                      llvm::ArrayRef<std::string> files);

  const MethodSet &getMethods() const { return methods; }
  const FormatSet &getFormats() const { return formats; }
  const MetricSet &getMetrics() const { return metrics; }
  llvm::ArrayRef<LoadedPlugin> getPlugins() const { return plugins; }
  /// For recipes, which load plugins into this set.
  RecipeScope getRecipeScope() { return {methods, loader, formats}; }

  /// Handlers of ONNX operators, for ImportOptions.
  std::vector<onnx::Converter> listConverters() const;

  /// A line for each plugin, for people.
  std::string describe() const;
  /// For reports: "example 1.0, HASH" of each.
  std::vector<std::string> listForReport() const;
  /// For the hash of a run, whose work is kept for another with the same: a line
  /// for each plugin, which changes with any byte of it.
  std::string describeFiles() const;

private:
  MethodSet methods;
  FormatSet formats;
  MetricSet metrics;
  std::vector<LoadedPlugin> plugins;
  int64_t trialSeconds = 0;
  mlir::DialectRegistry *dialects = nullptr;
  /// What RecipeScope refers to.
  std::function<llvm::Error(llvm::StringRef)> loader =
      [this](llvm::StringRef file) { return load(file); };
};

} // namespace llmc

#endif // LLMC_PLUGIN_PLUGINSET_H
