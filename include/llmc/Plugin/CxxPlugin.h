//===- CxxPlugin.h - Passes, dialects and importers of a plugin *- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plugin in C++ brings passes, dialects and handlers of ONNX operators:
//
//     LLMC_CXX_PLUGIN("example", "1.0", plugin) {
//       plugin.addPass<GeluTanh>();
//       plugin.join(llmc::Slot::AfterFuse, "func.func(example-gelu-tanh)");
//     }
//
// It works with the very llmc and LLVM it was built for; what differs is told
// before the plugin is loaded (llmc/Plugin/Fingerprint.h). What has to work with
// every llmc uses llmc/Plugin/plugin.h, and one file may have both.
//
// Names have the vendor before them, so that none can clash: the argument of a
// pass is `vendor-name`, of a-z, 0-9 and `-` (a dot would make it look like the
// name of an op where pipelines are written); the namespace of a dialect is
// `vendor` or `vendor_name`. Classes of passes have
// MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Class), and settings are options
// of the pass, which travel in the text of a pipeline: static constructors,
// cl::opt and mlir::PassRegistration are not for plugins.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PLUGIN_CXXPLUGIN_H
#define LLMC_PLUGIN_CXXPLUGIN_H

#include "llmc/Import/HandlerTable.h"
#include "llmc/Plugin/Fingerprint.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"

namespace llmc {

/// Places of the compilation where passes of plugins run, in this order. The
/// module is verified after every pass.
enum class Slot : uint8_t {
  /// `after-import`: the operators of the model as nn ops, one function main.
  AfterImport,
  /// `after-fuse`: layers of nn ops; main, and lm where there is one.
  AfterFuse,
  /// `compress`: the same, with the method and the format that the recipe chose
  /// at every weight.
  Compress,
  /// `before-lower`: nn ops on packed weights in functions that are shared by
  /// equal layers, with extents as arguments.
  BeforeLower,
  /// `before-codegen`: linalg and kern ops on buffers in one arena.
  BeforeCodegen,
};
inline constexpr unsigned kSlotCount = 5;

/// "after-fuse".
llvm::StringRef getName(Slot slot);

/// What a plugin says that it brings. Nothing of it is registered while the
/// plugin speaks; llmc looks at all of it first.
class PluginContent {
public:
  struct DialectEntry {
    std::string name;
    void (*insert)(mlir::DialectRegistry &registry);
  };
  struct SlotEntry {
    Slot slot;
    std::string pipeline;
  };

  /// The vendor, 1 to 32 of a-z, 0-9 and _, a letter first; and a version for
  /// people.
  void setName(llvm::StringRef vendor, llvm::StringRef version);

  /// A pass, by a function that makes one. It can be named in pipelines of
  /// `llmc-opt` and of slots.
  void addPass(mlir::PassAllocatorFunction make);
  template <typename PassT> void addPass() {
    addPass([] { return std::make_unique<PassT>(); });
  }

  /// A dialect, whose ops handlers and passes of the plugin make. A pass of the
  /// plugin replaces them by nn ops in one of the slots up to BeforeLower; what is
  /// left over is refused. llmc knows of them what their traits and interfaces say:
  /// extents of a result that are not static only if it has the shape of the
  /// operands (SameOperandsAndResultShape or -Type).
  template <typename DialectT> void addDialect() {
    dialects.push_back(
        {DialectT::getDialectNamespace().str(),
         [](mlir::DialectRegistry &registry) { registry.insert<DialectT>(); }});
  }

  /// A handler of an ONNX operator that llmc has none for, which holds from
  /// version `since` of the operator set of `domain` on ("" is ai.onnx).
  void addConverter(llvm::StringRef domain, llvm::StringRef op, int64_t since,
                    onnx::Handler handler);

  /// Runs a pipeline, as `llmc-opt --pass-pipeline` takes it inside of
  /// `builtin.module(...)`, in every compilation. Pipelines of one slot run in
  /// the order in which they joined it.
  void join(Slot slot, llvm::StringRef pipeline);

  const std::string &getVendor() const { return vendor; }
  const std::string &getVersion() const { return version; }
  llvm::ArrayRef<mlir::PassAllocatorFunction> getPasses() const {
    return passes;
  }
  llvm::ArrayRef<DialectEntry> getDialects() const { return dialects; }
  llvm::ArrayRef<onnx::Converter> getConverters() const { return converters; }
  llvm::ArrayRef<SlotEntry> getSlots() const { return slots; }

private:
  std::string vendor, version;
  std::vector<mlir::PassAllocatorFunction> passes;
  std::vector<DialectEntry> dialects;
  std::vector<onnx::Converter> converters;
  std::vector<SlotEntry> slots;
};

/// What a plugin exports under the name llmc_cxx_plugin.
using CxxPluginEntry = void (*)(PluginContent &plugin);

} // namespace llmc

/// Clang's AddressSanitizer puts bytes of its own behind variables, and the
/// section is read as one text. That of gcc leaves named sections alone.
#if defined(__clang__)
#define LLMC_WITHOUT_REDZONE no_sanitize("address"),
#else
#define LLMC_WITHOUT_REDZONE
#endif

/// Begins the body of a function that fills in `NAME`, a PluginContent; once in
/// a plugin. The fingerprint is read there, so that no linker drops it.
#define LLMC_CXX_PLUGIN(VENDOR, VERSION, NAME)                                 \
  __attribute__((LLMC_WITHOUT_REDZONE section(LLMC_FINGERPRINT_SECTION), used, \
                 visibility("hidden"))) extern const char llmcFingerprint[] =  \
      LLMC_FINGERPRINT;                                                        \
  static void llmcDescribePlugin(::llmc::PluginContent &(NAME));               \
  extern "C" __attribute__((visibility("default"))) void llmc_cxx_plugin(      \
      ::llmc::PluginContent &plugin) {                                         \
    (void)*static_cast<const volatile char *>(llmcFingerprint);                \
    plugin.setName(VENDOR, VERSION);                                           \
    llmcDescribePlugin(plugin);                                                \
  }                                                                            \
  static void llmcDescribePlugin(::llmc::PluginContent &(NAME))

#endif // LLMC_PLUGIN_CXXPLUGIN_H
