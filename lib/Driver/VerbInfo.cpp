//===- VerbInfo.cpp - llmc info -------------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a bundle contains, from its manifest and the header of its weights; its
// code is never loaded. A model that is no bundle goes to the compiler library.
//
//===----------------------------------------------------------------------===//
#include "Verbs.h"
#include "llmc/Driver/CompileRequest.h"
#include "llmc/Runtime/Bundle.h"
#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <sys/stat.h>
#include <unistd.h>

using namespace llmc;

namespace {
/// What is counted over the stored tensors.
struct Totals {
  uint64_t elements = 0, bytes = 0;
  /// By layout, else by dtype: how many and how many bytes.
  std::map<std::string, std::pair<uint64_t, uint64_t>> kinds;
};
} // namespace

static Totals countTensors(const Manifest &manifest, const Weights &weights) {
  std::map<std::string, std::string> layouts;
  std::map<std::string, int64_t> numbers;
  for (const WeightSpec &spec : manifest.tensors) {
    layouts[spec.name] = spec.layout;
    numbers[spec.name] = spec.numbers;
  }
  Totals totals;
  for (const StoredTensor &tensor : weights.tensors) {
    uint64_t elements = numbers[tensor.name];
    if (!elements) {
      elements = 1;
      for (int64_t extent : tensor.shape)
        elements *= extent;
    }
    totals.elements += elements;
    totals.bytes += tensor.end - tensor.begin;
    std::string kind = layouts[tensor.name];
    auto &entry = totals.kinds[kind.empty() ? tensor.dtype : kind];
    entry.first += 1;
    entry.second += tensor.end - tensor.begin;
  }
  return totals;
}

static std::string shapeText(const TensorSpec &tensor) {
  std::string text = "[";
  for (size_t i = 0; i != tensor.shape.size(); ++i)
    text += (i ? ", " : "") + tensor.shape[i].text;
  return text + "]";
}

/// 1234567 as "1,234,567".
static std::string grouped(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3;)
    text.insert(at -= 3, ",");
  return text;
}

static std::string tensorsText(const char *title,
                               const std::vector<TensorSpec> &tensors) {
  std::string text;
  for (const TensorSpec &tensor : tensors)
    text += fmt::format("  {:<8}{:<28} {:<5} {}\n", title, tensor.name,
                        dtypeName(tensor.dtype), shapeText(tensor));
  return text;
}

/// Bytes of all states of a session of `context` tokens as the runtime lays them
/// out; -1 where an extent, or the context, is not known.
static int64_t stateBytes(const EntrySpec &entry, int64_t context) {
  int contextSymbol = entry.symbol("context");
  uint64_t all = 0;
  for (const TensorSpec &state : entry.states) {
    std::vector<int64_t> extents;
    for (const DimSpec &dim : state.shape) {
      bool known = dim.symbol >= 0 && dim.symbol == contextSymbol;
      if (dim.extent < 0 && (!known || context < 0))
        return -1;
      extents.push_back(dim.extent < 0 ? context : dim.extent);
    }
    uint64_t bytes = 0;
    if (!tensorBytes(state.dtype, extents, bytes) || bytes > INT64_MAX - all)
      return -1;
    all += bytes;
  }
  return all;
}

/// Tokens that a session of the entry holds if nobody says; -1 where the manifest
/// does not, either.
static int64_t defaultContext(const Manifest &manifest,
                              const EntrySpec &entry) {
  return manifest.hasLanguageModel && manifest.languageModel.entry == entry.name
             ? manifest.languageModel.context
             : -1;
}

/// Many states of one type are one line: "60 states f32 [3, context, 64]"; the
/// last line tells their bytes.
static std::string statesText(const Manifest &manifest,
                              const EntrySpec &entry) {
  std::map<std::string, uint64_t> kinds;
  for (const TensorSpec &state : entry.states) {
    bool encoded =
        !state.format.empty() && state.format != dtypeName(state.dtype);
    ++kinds[fmt::format("{:<5} {}{}{}", dtypeName(state.dtype),
                        shapeText(state), encoded ? " as " : "",
                        encoded ? state.format : "")];
  }
  std::string text;
  for (auto &[kind, count] : kinds)
    text += fmt::format("  {:<8}{:<28} {}\n", "state",
                        fmt::format("{} of", count), kind);
  int64_t context = defaultContext(manifest, entry);
  int64_t bytes = stateBytes(entry, context);
  if (!entry.states.empty() && bytes >= 0)
    text += fmt::format("  {:<8}{} for context {}, {} B a token\n", "states",
                        bytesText(bytes), context, stateBytes(entry, 1));
  return text;
}

/// "seq 512, past 7680".
static std::string
valuesText(const std::vector<std::pair<std::string, int64_t>> &values) {
  std::string text;
  for (auto &[name, value] : values)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, value);
  return text;
}

/// What an entry is made of, the most frequent first, and what a run takes.
static std::string contentText(const EntrySpec &entry) {
  std::string text;
  if (entry.arenaBytes >= 0) {
    std::string at = valuesText(entry.arenaAt);
    text += fmt::format("  {:<8}{}{}\n", "scratch", bytesText(entry.arenaBytes),
                        at.empty() ? "" : " for " + at);
  }
  auto operators = entry.operators;
  std::stable_sort(operators.begin(), operators.end(),
                   [](auto &a, auto &b) { return a.second > b.second; });
  for (auto &[name, count] : operators)
    text += fmt::format("  {:>7} {}\n", count, name);
  return text;
}

static std::string plainText(const std::string &folder,
                             const Manifest &manifest, const Totals &totals,
                             const Fault &processor, const Terminal &terminal) {
  std::string text =
      fmt::format("{}\n  made by llmc {} for {} ({})\n  runs here: {}\n",
                  terminal.bold(folder), manifest.compiler, manifest.cpu,
                  manifest.triple, processor ? "no, " + processor.text : "yes");
  if (!manifest.source.file.empty())
    text += fmt::format(
        "  source {}{}{}\n", manifest.source.file,
        manifest.source.bytes ? ", " + bytesText(manifest.source.bytes) : "",
        manifest.producer.empty() ? "" : ", written by " + manifest.producer);
  text += fmt::format("  recipe {}, code {}\n", manifest.recipe,
                      bytesText(manifest.code.bytes));
  text += fmt::format(
      "\n{}\n  {} in {} tensor{}, {} numbers, {:.2f} bits each\n",
      terminal.bold("Weights"), bytesText(totals.bytes),
      manifest.tensors.size(), manifest.tensors.size() == 1 ? "" : "s",
      grouped(totals.elements),
      totals.elements ? 8.0 * static_cast<double>(totals.bytes) /
                            static_cast<double>(totals.elements)
                      : 0.0);
  for (auto &[kind, count] : totals.kinds)
    text += fmt::format("  {:>5} {:<29} {}\n", count.first, kind,
                        bytesText(count.second));
  for (const EntrySpec &entry : manifest.entries) {
    text += fmt::format("\n{} {}\n", terminal.bold("Entry"), entry.name);
    for (const SymbolSpec &symbol : entry.symbols)
      text += fmt::format(
          "  {:<8}{:<28} {}{}\n", "symbol", symbol.name, symbol.min,
          symbol.max == INT64_MAX ? " or more"
                                  : fmt::format(" to {}", symbol.max));
    text += tensorsText("input", entry.inputs);
    text += tensorsText("output", entry.outputs);
    text += statesText(manifest, entry);
    text += contentText(entry);
  }
  if (manifest.hasLanguageModel) {
    const LanguageModelSpec &model = manifest.languageModel;
    text += fmt::format(
        "\n{}\n  entry {}, vocabulary {}, context {}, prompt in pieces of "
        "{}\n  begin token {}, end tokens {}\n",
        terminal.bold("Language model"), model.entry, grouped(model.vocabulary),
        grouped(model.context), model.chunk,
        model.bos < 0 ? "none" : std::to_string(model.bos),
        model.eos.empty() ? "none"
                          : fmt::format("{}", fmt::join(model.eos, " ")));
    for (auto &[key, value] : model.policy)
      text += fmt::format("  {}: {}\n", key, value);
    bool tokenizer = access((folder + "/tokenizer.json").c_str(), R_OK) == 0;
    text +=
        fmt::format("  tokenizer: {}\n", tokenizer ? "yes" : "no, ids only");
  }
  return text;
}

static std::string tensorsJson(const std::vector<TensorSpec> &tensors) {
  std::string text = "[";
  for (const TensorSpec &tensor : tensors) {
    text += fmt::format("{}{{\"name\": {}, \"dtype\": \"{}\", \"shape\": [",
                        text.size() > 1 ? ", " : "", jsonText(tensor.name),
                        dtypeName(tensor.dtype));
    for (size_t i = 0; i != tensor.shape.size(); ++i)
      text += fmt::format("{}{}", i ? ", " : "",
                          tensor.shape[i].extent >= 0
                              ? tensor.shape[i].text
                              : jsonText(tensor.shape[i].text));
    text += tensor.format.empty()
                ? "]}"
                : fmt::format("], \"format\": {}}}", jsonText(tensor.format));
  }
  return text + "]";
}

static std::string
numbersJson(const std::vector<std::pair<std::string, int64_t>> &numbers) {
  std::string text = "{";
  for (auto &[name, number] : numbers)
    text += fmt::format("{}{}: {}", text.size() > 1 ? ", " : "", jsonText(name),
                        number);
  return text + "}";
}

static std::string stateBytesJson(const Manifest &manifest,
                                  const EntrySpec &entry) {
  int64_t bytes = stateBytes(entry, defaultContext(manifest, entry));
  return bytes < 0 ? "null" : std::to_string(bytes);
}

static std::string jsonObject(const std::string &folder,
                              const Manifest &manifest, const Totals &totals,
                              const Fault &processor) {
  std::string text = fmt::format(
      "{{\"bundle\": {}, \"llmc\": {}, \"triple\": {}, \"cpu\": {}, "
      "\"runs_here\": {}, \"reason\": {}, \"recipe\": {}, \"source\": {}, "
      "\"source_bytes\": {}, \"producer\": {}, \"code_bytes\": {}, "
      "\"weight_bytes\": {}, \"tensors\": {}, \"numbers\": {}, "
      "\"layouts\": {{",
      jsonText(folder), jsonText(manifest.compiler), jsonText(manifest.triple),
      jsonText(manifest.cpu), !processor,
      processor ? jsonText(processor.text) : "null", jsonText(manifest.recipe),
      jsonText(manifest.source.file), manifest.source.bytes,
      jsonText(manifest.producer), manifest.code.bytes, totals.bytes,
      manifest.tensors.size(), totals.elements);
  bool first = true;
  for (auto &[kind, count] : totals.kinds) {
    text += fmt::format("{}{}: {{\"tensors\": {}, \"bytes\": {}}}",
                        first ? "" : ", ", jsonText(kind), count.first,
                        count.second);
    first = false;
  }
  text += "}, \"entries\": [";
  for (const EntrySpec &entry : manifest.entries)
    text += fmt::format(
        "{}{{\"name\": {}, \"inputs\": {}, \"outputs\": {}, \"states\": {}, "
        "\"state_bytes\": {}, \"operators\": {}, \"arena_bytes\": {}, "
        "\"arena_at\": {}}}",
        &entry == manifest.entries.data() ? "" : ", ", jsonText(entry.name),
        tensorsJson(entry.inputs), tensorsJson(entry.outputs),
        tensorsJson(entry.states), stateBytesJson(manifest, entry),
        numbersJson(entry.operators),
        entry.arenaBytes < 0 ? "null" : std::to_string(entry.arenaBytes),
        numbersJson(entry.arenaAt));
  text += "], \"language_model\": ";
  if (manifest.hasLanguageModel) {
    const LanguageModelSpec &model = manifest.languageModel;
    text += fmt::format("{{\"entry\": {}, \"vocabulary\": {}, \"context\": {}, "
                        "\"chunk\": {}, \"bos\": {}, \"eos\": [{}]}}",
                        jsonText(model.entry), model.vocabulary, model.context,
                        model.chunk,
                        model.bos < 0 ? "null" : std::to_string(model.bos),
                        fmt::join(model.eos, ", "));
  } else {
    text += "null";
  }
  return text + "}\n";
}

int llmc::runInfo(const Arguments &arguments, Terminal &terminal) {
  const std::string &path = arguments.positional[0];
  bool json = arguments.has("json");
  if (access((path + "/manifest.json").c_str(), F_OK)) {
    if (access(path.c_str(), F_OK))
      return terminal.fail(
          Fault::input("there is no bundle and no model at '" + path + "'"));
    struct stat status;
    if (!stat(path.c_str(), &status) && S_ISDIR(status.st_mode) &&
        access((path + "/model.onnx").c_str(), F_OK))
      return terminal.fail(Fault::input("the folder '" + path +
                                        "' holds neither a bundle "
                                        "(manifest.json) nor model.onnx"));
    InfoRequest request;
    request.model = path;
    request.json = json;
    request.color = terminal.colorsStderr();
    request.plugins = arguments.all("plugin");
    request.pluginFolders = pluginFolders();
    void *address;
    if (Fault fault = findCompiler("llmc_compiler_info", address))
      return terminal.fail(fault);
    return reinterpret_cast<decltype(&llmc_compiler_info)>(address)(&request);
  }
  Manifest manifest;
  if (Fault fault = readManifest(path, manifest))
    return terminal.fail(fault);
  Weights weights;
  if (Fault fault = openWeights(path, manifest, weights))
    return terminal.fail(fault);
  Totals totals = countTensors(manifest, weights);
  Fault processor = checkProcessor(manifest);
  terminal.out(json ? jsonObject(path, manifest, totals, processor)
                    : plainText(path, manifest, totals, processor, terminal));
  return 0;
}
