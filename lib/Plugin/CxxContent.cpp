//===- CxxContent.cpp - Checks and registers what C++ plugins bring -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CxxContent.h"
#include "llmc/Plugin/CxxPlugin.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringSet.h"

#include <map>
#include <mutex>

using namespace mlir;
using namespace llmc;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;

static constexpr size_t kLongestWord = 32, kLongestName = 64,
                        kLongestText = 400;

StringRef llmc::getName(Slot slot) {
  static constexpr llvm::StringLiteral kNames[kSlotCount] = {
      "after-import", "after-fuse", "compress", "before-lower",
      "before-codegen"};
  return kNames[static_cast<unsigned>(slot)];
}

//===----------------------------------------------------------------------===//
// What a plugin says
//===----------------------------------------------------------------------===//

void PluginContent::setName(StringRef newVendor, StringRef newVersion) {
  vendor = newVendor.str();
  version = newVersion.str();
}

void PluginContent::addPass(PassAllocatorFunction make) {
  passes.push_back(std::move(make));
}

void PluginContent::addConverter(StringRef domain, StringRef op, int64_t since,
                                 onnx::Handler handler) {
  if (domain == "ai.onnx")
    domain = "";
  converters.push_back({domain.str(), op.str(), since, handler});
}

void PluginContent::join(Slot slot, StringRef pipeline) {
  slots.push_back({slot, pipeline.str()});
}

std::shared_ptr<const PluginContent> llmc::readContent(void *entry) {
  auto content = std::make_shared<PluginContent>();
  reinterpret_cast<CxxPluginEntry>(entry)(*content);
  return content;
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

namespace {

/// The register of passes of MLIR is one for the process and forgets nothing, so
/// this is the same: which library has registered a pass. A library that a
/// second set loads brings the passes that are there.
struct RegisteredPass {
  std::string file;
  void *library;
  TypeID id;
};
struct RegisteredPasses {
  std::mutex mutex;
  std::map<std::string, RegisteredPass, std::less<>> byName;
};

} // namespace

static RegisteredPasses &getRegisteredPasses() {
  static RegisteredPasses passes;
  return passes;
}

/// Foreign text for messages.
static std::string show(StringRef text) {
  std::string result;
  llvm::raw_string_ostream out(result);
  llvm::printEscapedString(text.take_front(kLongestName), out);
  out << (text.size() > kLongestName ? "..." : "");
  return result;
}

static bool consists(StringRef text, size_t longest, StringRef others) {
  return !text.empty() && text.size() <= longest && llvm::isLower(text[0]) &&
         llvm::all_of(text, [&](char c) {
           return llvm::isLower(c) || llvm::isDigit(c) || others.contains(c);
         });
}

static Error checkText(const Twine &what, StringRef text) {
  if (!text.empty() && text.size() <= kLongestText &&
      llvm::all_of(text, llvm::isPrint))
    return Error::success();
  return createStringError(what + ": expected a text of 1 to " +
                           Twine(kLongestText) + " letters of ASCII but got '" +
                           show(text) + "'");
}

static Error checkVendor(const PluginContent &content) {
  StringRef vendor = content.getVendor();
  if (!consists(vendor, kLongestWord, "_"))
    return createStringError("vendor: expected 1 to " + Twine(kLongestWord) +
                             " of a-z, 0-9 and _, a letter first, but got '" +
                             show(vendor) + "'");
  if (vendor == "llmc")
    return createStringError("vendor: 'llmc' is not for plugins");
  return checkText("version", content.getVersion());
}

namespace {
struct MadePass {
  PluginPass entry;
  TypeID id;
};
} // namespace

static Expected<MadePass> makePass(const Twine &what, StringRef vendor,
                                   const PassAllocatorFunction &make) {
  std::unique_ptr<Pass> pass = make ? make() : nullptr;
  if (!pass)
    return createStringError(what + ": expected a pass but none was made");
  StringRef name = pass->getArgument(), own = name;
  if (!own.consume_front(vendor) || !own.consume_front("-") ||
      !consists(own, kLongestName, "-"))
    return createStringError(
        what + ": expected an argument '" + vendor + "-' with 1 to " +
        Twine(kLongestName) + " of a-z, 0-9 and - behind it, as '" + vendor +
        "-fold-scales', but getArgument() is '" + show(name) + "'");
  if (Error error =
          checkText("pass '" + name + "': description", pass->getDescription()))
    return std::move(error);
  MadePass made{{name.str(), pass->getDescription().str(), ""},
                pass->getTypeID()};
  llvm::raw_string_ostream out(made.entry.pipeline);
  pass->printAsTextualPipeline(out);
  return made;
}

/// Whether MLIR may be told of a pass; false where this library has done so.
static Expected<bool> isNewPass(const MadePass &made, StringRef file,
                                void *library,
                                const RegisteredPasses &registered) {
  const std::string &name = made.entry.name;
  for (const auto &[other, pass] : registered.byName) {
    if (pass.library == library) {
      if (other == name)
        return false;
      continue;
    }
    if (other == name)
      return createStringError("pass '" + name + "': plugin '" + pass.file +
                               "' has brought a pass of that name");
    if (pass.id == made.id)
      return createStringError(
          "pass '" + name + "': its class has the name of that of '" + other +
          "' of plugin '" + pass.file +
          "', and MLIR takes both for one; put "
          "MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Class) into the class");
  }
  if (PassInfo::lookup(name) || PassPipelineInfo::lookup(name))
    return createStringError("pass '" + name +
                             "': MLIR or llmc has a pass of that name");
  return true;
}

static Error checkDialects(const PluginContent &content,
                           ArrayRef<LoadedPlugin> others,
                           const DialectRegistry *dialects,
                           LoadedPlugin &plugin) {
  for (const PluginContent::DialectEntry &entry : content.getDialects()) {
    StringRef own = entry.name;
    if (!own.consume_front(content.getVendor()) ||
        (!own.empty() &&
         (!own.consume_front("_") || !consists(own, kLongestWord, "_"))))
      return createStringError(
          "dialect '" + show(entry.name) + "': expected the namespace '" +
          content.getVendor() + "' or '" + content.getVendor() + "_name'");
    bool taken = llvm::is_contained(plugin.dialects, entry.name) ||
                 (dialects && dialects->getDialectAllocator(entry.name));
    for (const LoadedPlugin &other : others)
      taken |= llvm::is_contained(other.dialects, entry.name);
    if (taken)
      return createStringError("dialect '" + entry.name +
                               "': there is one of that name");
    plugin.dialects.push_back(entry.name);
  }
  return Error::success();
}

static Error checkConverters(const PluginContent &content,
                             ArrayRef<LoadedPlugin> others,
                             LoadedPlugin &plugin) {
  if (content.getConverters().empty())
    return Error::success();
  const onnx::HandlerTable builtin;
  for (const onnx::Converter &entry : content.getConverters()) {
    std::string name = (entry.domain.empty() ? "ai.onnx" : show(entry.domain)) +
                       "." + show(entry.op);
    std::string what = "converter of '" + name + "': ";
    if (entry.op.empty() || !llvm::all_of(entry.op, [](char c) {
          return llvm::isAlnum(c) || c == '_';
        }))
      return createStringError(what + "expected an operator of letters, "
                                      "digits and _");
    if (entry.since < 1)
      return createStringError(what +
                               "expected a version of 1 or more but "
                               "got " +
                               Twine(entry.since));
    if (!entry.handler)
      return createStringError(what +
                               "expected a handler but got a null pointer");
    if (builtin.find(entry.domain, entry.op,
                     std::numeric_limits<int64_t>::max()))
      return createStringError(what + "llmc has one");
    PluginConverter added{entry.domain, entry.op, entry.since};
    auto clashes = [&](const PluginConverter &other) {
      return other.domain == added.domain && other.op == added.op;
    };
    for (const LoadedPlugin &other : others)
      if (llvm::any_of(other.converters, clashes))
        return createStringError(what + "plugin '" + other.file + "' has one");
    if (llvm::any_of(plugin.converters, [&](const PluginConverter &other) {
          return clashes(other) && other.since == added.since;
        }))
      return createStringError(what + "there are two since version " +
                               Twine(entry.since));
    plugin.converters.push_back(std::move(added));
  }
  return Error::success();
}

static Error checkSlots(const PluginContent &content, LoadedPlugin &plugin) {
  for (const PluginContent::SlotEntry &entry : content.getSlots()) {
    if (static_cast<unsigned>(entry.slot) >= kSlotCount)
      return createStringError("slot number " +
                               Twine(static_cast<unsigned>(entry.slot)) +
                               ": expected less than " + Twine(kSlotCount));
    std::string what = ("slot " + getName(entry.slot)).str();
    if (Error error = checkText(what, entry.pipeline))
      return error;
    std::string reason;
    llvm::raw_string_ostream stream(reason);
    OpPassManager pipeline("builtin.module", OpPassManager::Nesting::Implicit);
    if (failed(parsePassPipeline(entry.pipeline, pipeline, stream)) ||
        pipeline.size() == 0)
      return createStringError(
          what + ": expected a pipeline but got '" + entry.pipeline + "'" +
          (reason.empty() ? "" : ":\n" + StringRef(reason).rtrim().str()));
    plugin.slots.push_back({getName(entry.slot).str(), entry.pipeline});
  }
  return Error::success();
}

Error llmc::registerContent(const PluginContent &content,
                            ArrayRef<LoadedPlugin> others, void *library,
                            const DialectRegistry *dialects,
                            LoadedPlugin &plugin) {
  if (Error error = checkVendor(content))
    return error;
  plugin.vendor = content.getVendor();
  plugin.version = content.getVersion();
  RegisteredPasses &registered = getRegisteredPasses();
  std::lock_guard<std::mutex> guard(registered.mutex);
  SmallVector<std::pair<MadePass, PassAllocatorFunction>> fresh;
  llvm::StringSet<> names;
  for (auto [i, make] : llvm::enumerate(content.getPasses())) {
    auto made = makePass("pass " + Twine(i), content.getVendor(), make);
    if (!made)
      return made.takeError();
    if (!names.insert(made->entry.name).second)
      return createStringError("pass '" + made->entry.name +
                               "': there are two of that name");
    auto isNew = isNewPass(*made, plugin.file, library, registered);
    if (!isNew)
      return isNew.takeError();
    plugin.passes.push_back(made->entry);
    if (*isNew)
      fresh.emplace_back(std::move(*made), make);
  }
  if (Error error = checkDialects(content, others, dialects, plugin))
    return error;
  if (Error error = checkConverters(content, others, plugin))
    return error;
  if (plugin.passes.empty() && plugin.dialects.empty() &&
      plugin.converters.empty() && content.getSlots().empty())
    return createStringError("llmc_cxx_plugin brings nothing");
  for (auto &[made, make] : fresh) {
    registerPass(make);
    registered.byName[made.entry.name] = {plugin.file, library, made.id};
  }
  // Pipelines may name the plugin's own passes.
  return checkSlots(content, plugin);
}

void llmc::addDialects(const PluginContent &content,
                       DialectRegistry &dialects) {
  for (const PluginContent::DialectEntry &entry : content.getDialects())
    entry.insert(dialects);
}

std::vector<onnx::Converter> PluginSet::listConverters() const {
  std::vector<onnx::Converter> converters;
  for (const LoadedPlugin &plugin : plugins)
    if (plugin.content)
      llvm::append_range(converters, plugin.content->getConverters());
  return converters;
}
