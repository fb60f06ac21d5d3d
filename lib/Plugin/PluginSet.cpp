//===- PluginSet.cpp - Loads plugins --------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Plugin/PluginSet.h"
#include "Apart.h"
#include "CxxContent.h"
#include "Inspect.h"
#include "Sanitizers.h"
#include "llmc/Codegen/LevelsFunction.h"
#include "llmc/Methods/CatchAll.h"
#include "llmc/Support/Hash.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <cstdlib>
#include <dlfcn.h>
#include <unistd.h>

using namespace llvm;
using namespace llmc;
namespace fs = llvm::sys::fs;

/// No plugin is larger; what is, is something else.
static constexpr uint64_t kLargestFile = 1 << 30;

namespace {

/// Watches over code of a plugin that runs while it is loaded. Where that ends
/// the program, its exit code must not say that all went well; and what LLVM
/// finds beyond repair, such as two passes of one name, must name the plugin.
class ExitWatch {
public:
  explicit ExitWatch(StringRef file)
      : state(new State{file.str()}), fatal(endByLlvm, state) {
    // Called at the end of the process, long after this object; so the state is
    // never freed, which costs a few bytes for each plugin.
    ::on_exit(
        [](int, void *context) {
          auto *state = static_cast<State *>(context);
          if (!state->loading)
            return;
          state->end("it ended the program while it was loaded");
        },
        state);
  }
  ~ExitWatch() { state->loading = false; }
  ExitWatch(const ExitWatch &) = delete;
  ExitWatch &operator=(const ExitWatch &) = delete;

private:
  struct State {
    std::string file;
    bool loading = true;

    void end(StringRef reason) const {
      std::string text =
          "llmc: error: plugin '" + file + "': " + reason.str() + "\n";
      (void)!write(STDERR_FILENO, text.data(), text.size());
      _exit(2);
    }
  };
  static void endByLlvm(void *context, const char *reason, bool) {
    static_cast<State *>(context)->end(reason);
  }

  State *state;
  ScopedFatalErrorHandler fatal;
};

} // namespace

/// What dlerror says, without what llmc says already.
static std::string takeDlError() {
  const char *text = dlerror();
  return text ? text : "unknown error";
}

Expected<std::unique_ptr<MemoryBuffer>> llmc::readPlugin(StringRef path) {
  fs::file_status status;
  if (std::error_code code = fs::status(path, status))
    return createStringError("cannot read it: " + code.message());
  if (status.type() != fs::file_type::regular_file)
    return createStringError("expected a file but got " +
                             Twine(fs::is_directory(status)
                                       ? "a folder; LLMC_PLUGIN_PATH is for "
                                         "folders of plugins"
                                       : "something else"));
  if (status.getSize() > kLargestFile)
    return createStringError("expected at most " + Twine(kLargestFile) +
                             " bytes but got " + Twine(status.getSize()));
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError("cannot read it: " + buffer.getError().message());
  return std::move(*buffer);
}

/// What loading the library, and asking it for its table, does to a process.
static Error tryApart(const std::string &path, int64_t seconds) {
  Outcome outcome = runApart(seconds, [&]() -> Expected<std::string> {
    auto thrown = catchAll([&] {
      void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (void *entry = library ? dlsym(library, "llmc_plugin_v1") : nullptr)
        reinterpret_cast<llmc_plugin_entry>(entry)();
    });
    if (thrown)
      return createStringError("it " + *thrown);
    return "";
  });
  if (outcome.good)
    return Error::success();
  return createStringError("while it was loaded, " + outcome.text);
}

namespace {
struct OpenedPlugin {
  void *library = nullptr;
  const llmc_plugin *table = nullptr;
  std::shared_ptr<const PluginContent> content;
};
} // namespace

/// Loads the library and asks it what it brings.
static Expected<OpenedPlugin> openPlugin(const std::string &path,
                                         PluginEntries entries) {
  OpenedPlugin opened;
  if (auto thrown = catchAll([&] {
        opened.library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
      }))
    return createStringError("while it was loaded, it " + *thrown);
  if (!opened.library)
    return createStringError("cannot be loaded: " + takeDlError() +
                             "; build it again on this machine, with all "
                             "that it needs beside it");
  auto find = [&](const char *name) -> Expected<void *> {
    if (void *entry = dlsym(opened.library, name))
      return entry;
    return createStringError("cannot be loaded: " + takeDlError());
  };
  if (entries.table) {
    auto entry = find("llmc_plugin_v1");
    if (!entry)
      return entry.takeError();
    if (auto thrown = catchAll([&] {
          opened.table = reinterpret_cast<llmc_plugin_entry>(*entry)();
        }))
      return createStringError("llmc_plugin_v1 " + *thrown);
    if (!opened.table)
      return createStringError("llmc_plugin_v1 returned a null pointer");
  }
  if (entries.cxx) {
    auto entry = find("llmc_cxx_plugin");
    if (!entry)
      return entry.takeError();
    opened.content = readContent(*entry);
  }
  return opened;
}

Error PluginSet::load(StringRef file) {
  auto wrong = [&](Error error) {
    return createStringError("plugin '" + file +
                             "': " + toString(std::move(error)));
  };
  LoadedPlugin plugin;
  plugin.file = file.str();
  SmallString<256> path;
  std::error_code code = fs::real_path(file, path);
  if (!code)
    code = fs::getUniqueID(path, plugin.id);
  if (code)
    return wrong(createStringError("cannot read it: " + code.message()));
  if (any_of(plugins,
             [&](const LoadedPlugin &other) { return other.id == plugin.id; }))
    return Error::success();
  plugin.path = path.str().str();
  auto bytes = readPlugin(path);
  if (!bytes)
    return wrong(bytes.takeError());
  PluginEntries entries;
  if (Error error = probePlugin((*bytes)->getBuffer(), &entries))
    return wrong(std::move(error));
  if (Error error = expectRuntime(entries.sanitizers))
    return wrong(std::move(error));
  plugin.hash = hashText((*bytes)->getBufferStart(), (*bytes)->getBufferSize());
  if (trialSeconds)
    if (Error error = tryApart(plugin.path, trialSeconds))
      return wrong(std::move(error));
  ExitWatch watch(file);
  auto opened = openPlugin(plugin.path, entries);
  if (!opened)
    return wrong(opened.takeError());
  if (opened->content)
    if (Error error = registerContent(*opened->content, plugins,
                                      opened->library, dialects, plugin))
      return wrong(std::move(error));
  if (const llmc_plugin *table = opened->table) {
    FormatSet all = formats;
    if (Error error = all.add(*table, file, runLevels))
      return wrong(std::move(error));
    // The vendor of the table was checked with its formats.
    if (opened->content && plugin.vendor != table->vendor)
      return wrong(createStringError(
          "llmc_plugin_v1 and llmc_cxx_plugin name two vendors, '" +
          StringRef(table->vendor) + "' and '" + plugin.vendor + "'"));
    size_t known = methods.getMethods().size(),
           measured = metrics.getMetrics().size();
    MetricSet figures = metrics;
    if (Error error = figures.add(*table, file))
      return wrong(std::move(error));
    if (Error error = methods.add(*table, file))
      return wrong(std::move(error));
    plugin.vendor = table->vendor;
    plugin.version = table->version;
    plugin.abi = table->abi;
    for (const Method &method : drop_begin(methods.getMethods(), known))
      plugin.methods.push_back(method.name);
    for (const FormatFamily &family :
         all.getFamilies().drop_front(formats.getFamilies().size()))
      plugin.formats.push_back(family.name);
    for (const Metric &metric : figures.getMetrics().drop_front(measured))
      plugin.metrics.push_back(metric.name);
    if (plugin.methods.empty() && plugin.formats.empty() &&
        plugin.metrics.empty())
      return wrong(createStringError(
          "llmc_plugin: expected a method, a format or a metric but got none"));
    formats = std::move(all);
    metrics = std::move(figures);
  }
  if (opened->content && dialects)
    addDialects(*opened->content, *dialects);
  plugin.content = std::move(opened->content);
  plugins.push_back(std::move(plugin));
  return Error::success();
}

Error PluginSet::loadAll(StringRef folders, ArrayRef<std::string> files) {
  SmallVector<StringRef> names;
  folders.split(names, ':', -1, /*KeepEmpty=*/false);
  for (StringRef folder : names) {
    std::vector<std::string> found;
    std::error_code code;
    for (fs::directory_iterator entry(folder, code), end; !code && entry != end;
         entry.increment(code))
      if (sys::path::extension(entry->path()) == ".so")
        found.push_back(entry->path());
    if (code)
      return createStringError("LLMC_PLUGIN_PATH names '" + folder +
                               "', which cannot be read: " + code.message());
    llvm::sort(found);
    for (const std::string &file : found)
      if (Error error = load(file))
        return error;
  }
  for (const std::string &file : files)
    if (Error error = load(file))
      return error;
  return Error::success();
}

std::string PluginSet::describe() const {
  std::string text;
  for (const LoadedPlugin &plugin : plugins) {
    std::vector<std::string> names = plugin.methods;
    append_range(names, plugin.formats);
    append_range(names, plugin.metrics);
    for (const PluginPass &pass : plugin.passes)
      names.push_back(pass.name);
    append_range(names, plugin.dialects);
    for (const PluginConverter &converter : plugin.converters)
      names.push_back(converter.op);
    text += "llmc: plugin '" + plugin.file + "', " + plugin.vendor + " " +
            plugin.version + ": " + join(names, ", ") + "\n";
  }
  return text;
}

std::vector<std::string> PluginSet::listForReport() const {
  std::vector<std::string> lines;
  lines.reserve(plugins.size());
  for (const LoadedPlugin &plugin : plugins)
    lines.push_back(plugin.vendor + " " + plugin.version + ", " + plugin.hash);
  return lines;
}

std::string PluginSet::describeFiles() const {
  std::string text;
  // Whatever a plugin brings is in its bytes.
  for (const LoadedPlugin &plugin : plugins)
    text += plugin.hash + "\n";
  return text;
}
