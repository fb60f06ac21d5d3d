//===- Bundle.cpp - Describe and write a bundle ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Bundle.h"
#include "llmc/Codegen/Conventions.h"
#include "llmc/Codegen/Emit.h"
#include "llmc/Codegen/Packaging.h"
#include "llmc/Dialect/NN/CacheFormat.h"
#include "llmc/Dialect/NN/NNDialect.h"
#include "llmc/Driver/Version.h"
#include "llmc/Support/ElementName.h"
#include "llmc/Support/Hash.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace llmc;
namespace fs = llvm::sys::fs;
namespace json = llvm::json;

/// The manifest's name of an element type.
static std::string getDtype(Type type) {
  if (type.isF32())
    return "f32";
  if (type.isF64())
    return "f64";
  if (type.isF16())
    return "f16";
  if (type.isBF16())
    return "bf16";
  auto integer = cast<IntegerType>(type);
  if (integer.getWidth() == 1)
    return "bool";
  return (integer.isUnsigned() ? "u" : "i") +
         std::to_string(integer.getWidth());
}

static json::Object describeTensor(StringAttr name, RankedTensorType type,
                                   ArrayAttr dims, const Twine &fallback) {
  json::Array shape;
  for (auto [i, extent] : llvm::enumerate(type.getShape())) {
    if (!ShapedType::isDynamic(extent)) {
      shape.push_back(extent);
      continue;
    }
    Attribute dim = dims && i < dims.size() ? dims[i] : Attribute();
    if (auto text = dyn_cast_or_null<StringAttr>(dim))
      shape.push_back(text.getValue().str());
    else if (auto number = dyn_cast_or_null<IntegerAttr>(dim))
      shape.push_back(number.getInt());
    else
      // No formula is known before the code runs.
      shape.push_back("?");
  }
  return json::Object{{"name", name ? name.getValue().str() : fallback.str()},
                      {"dtype", getDtype(type.getElementType())},
                      {"shape", std::move(shape)}};
}

json::Object llmc::describeEntry(func::FuncOp function,
                                 const SymbolBounds &bounds) {
  using nn::NNDialect;
  json::Array symbols, inputs, outputs, states;
  llvm::SmallDenseSet<int64_t> tied;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    if (auto symbol =
            function.getArgAttrOfType<StringAttr>(i, NNDialect::kSymbol)) {
      StringRef name = symbol.getValue();
      json::Object entry{{"name", name.str()}};
      bool counts = name == "seq" || name == "context";
      // An element of an input may be anything; where it becomes an extent a
      // condition says what it must be.
      entry["min"] = isElementName(name) ? std::numeric_limits<int64_t>::min()
                     : counts            ? 1
                                         : 0;
      if (name == "seq" && bounds.chunk >= 0)
        entry["max"] = bounds.chunk;
      if (name == "context" && bounds.context >= 0)
        entry["max"] = bounds.context;
      symbols.push_back(std::move(entry));
      continue;
    }
    auto type = dyn_cast<RankedTensorType>(function.getArgumentTypes()[i]);
    if (!type)
      continue;
    auto state = function.getArgAttrOfType<IntegerAttr>(i, NNDialect::kState);
    json::Object tensor = describeTensor(
        function.getArgAttrOfType<StringAttr>(i, NNDialect::kName), type,
        function.getArgAttrOfType<ArrayAttr>(i, NNDialect::kDims),
        "input" + Twine(i));
    if (state) {
      tied.insert(state.getInt());
      // States are caches.
      if (!type.getElementType().isF32())
        tensor["format"] = nn::getCacheFormatName(type);
      states.push_back(std::move(tensor));
    } else {
      inputs.push_back(std::move(tensor));
    }
  }
  for (unsigned i = 0; i < function.getNumResults(); ++i) {
    if (tied.contains(i))
      continue;
    auto attr = [&](StringRef name) { return function.getResultAttr(i, name); };
    outputs.push_back(
        describeTensor(dyn_cast_or_null<StringAttr>(attr(NNDialect::kName)),
                       cast<RankedTensorType>(function.getResultTypes()[i]),
                       dyn_cast_or_null<ArrayAttr>(attr(NNDialect::kDims)),
                       "output" + Twine(i)));
  }
  json::Array conditions;
  if (auto list = function->getAttrOfType<ArrayAttr>(kConditions))
    for (Attribute entry : list)
      conditions.push_back(
          cast<StringAttr>(cast<ArrayAttr>(entry)[2]).getValue().str());
  return json::Object{
      {"name", function.getName().str()},    {"symbols", std::move(symbols)},
      {"conditions", std::move(conditions)}, {"inputs", std::move(inputs)},
      {"outputs", std::move(outputs)},       {"states", std::move(states)}};
}

llvm::Error llmc::writeFile(StringRef path, StringRef bytes) {
  std::error_code code;
  llvm::raw_fd_ostream stream(path, code);
  if (code)
    return fileError("cannot create", path, code);
  stream << bytes;
  stream.close();
  if (stream.has_error()) {
    code = stream.error();
    stream.clear_error();
    return fileError("cannot write", path, code);
  }
  return llvm::Error::success();
}

/// What the manifest says of a file.
static llvm::Expected<json::Object> describeFile(StringRef path) {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                          /*RequiresNullTerminator=*/false);
  if (!file)
    return fileError("cannot read", path, file.getError());
  StringRef bytes = (*file)->getBuffer();
  return json::Object{{"file", llvm::sys::path::filename(path).str()},
                      {"bytes", static_cast<int64_t>(bytes.size())},
                      {"xxh3", hashText(bytes.data(), bytes.size())}};
}

llvm::Error llmc::writeBundle(const BundleFolder &folder,
                              BundleContents &contents,
                              const WeightFile &weights) {
  std::string code = folder.path("model.so");
  std::vector<std::string> objects;
  for (const std::string &object : contents.objects) {
    objects.push_back(
        folder.path("model" + std::to_string(objects.size()) + ".o"));
    if (llvm::Error error = writeFile(objects.back(), object))
      return error;
  }
  if (llvm::Error error = linkShared(objects, code))
    return error;
  // The folder may keep them; they would only be in the way.
  for (const std::string &object : objects)
    std::ignore = fs::remove(object);
  auto codeFile = describeFile(code);
  if (!codeFile)
    return codeFile.takeError();

  json::Object tensors;
  for (const PlacedWeight &weight : weights.weights) {
    json::Object tensor{{"xxh3", weight.hash}, {"layout", weight.layout}};
    if (weight.method)
      tensor["numbers"] = weight.countNumbers();
    if (weight.indices) {
      json::Object indices{{"begin", weight.offset + weight.indices->begin},
                           {"blocks", weight.indices->tiles},
                           {"distance", weight.indices->distance},
                           {"count", weight.indices->count},
                           {"bytes", weight.indices->bytes},
                           {"limit", weight.indices->columns}};
      if (weight.indices->once)
        indices["once"] = true;
      tensor["indices"] = std::move(indices);
    }
    tensors[weight.name] = std::move(tensor);
  }
  json::Array features(contents.features);
  json::Object manifest{
      {"format", 1},
      {"llmc", LLMC_VERSION},
      {"target", json::Object{{"triple", contents.triple},
                              {"cpu", contents.cpu},
                              {"features", std::move(features)}}},
      {"code", std::move(*codeFile)},
      {"weights", json::Object{{"file", kWeightsFile},
                               {"bytes", weights.fileBytes},
                               {"tensors", std::move(tensors)}}},
      {"recipe", contents.recipe},
      {"source", json::Object{{"file", contents.sourceFile},
                              {"bytes", contents.sourceBytes},
                              {"xxh3", contents.sourceHash},
                              {"producer", contents.producer}}}};
  if (llvm::Error error = writeFile(
          folder.path("model.h"), buildModelHeader(contents.entries, weights)))
    return error;
  manifest["entries"] = std::move(contents.entries);
  if (contents.languageModel) {
    const LanguageModelInfo &info = *contents.languageModel;
    json::Object model{{"entry", info.entry},
                       {"vocabulary", info.vocabulary},
                       {"context", info.context},
                       {"chunk", info.chunk},
                       {"eos", json::Array(info.eos)},
                       {"bytes_per_token", info.bytesPerToken},
                       {"policy", json::Object{{"attention_mask", "ones"},
                                               {"position_ids", "past + iota"},
                                               {"past_key_values", "state"}}}};
    if (info.bos)
      model["bos"] = *info.bos;
    manifest["language_model"] = std::move(model);
  }
  std::string report;
  llvm::raw_string_ostream(report)
      << llvm::formatv("{0:2}\n", toJson(contents.ledger));
  if (llvm::Error error = writeFile(folder.path("report.json"), report))
    return error;
  if (llvm::Error error =
          writeFile(folder.path("report.html"), toHtml(contents.ledger)))
    return error;
  json::Array files;
  for (const std::string &file : contents.files) {
    std::string copy = folder.path(llvm::sys::path::filename(file));
    if (std::error_code error = fs::copy_file(file, copy))
      return fileError("cannot copy", file, error);
    auto described = describeFile(copy);
    if (!described)
      return described.takeError();
    files.push_back(std::move(*described));
  }
  if (!files.empty())
    manifest["files"] = std::move(files);
  manifest["xxh3"] = std::string(32, '0');
  std::string text;
  llvm::raw_string_ostream(text)
      << llvm::formatv("{0:2}\n", json::Value(std::move(manifest)));
  // Keys are printed in alphabetic order: the last one is that of the file.
  size_t digits = text.rfind(std::string(32, '0'));
  text.replace(digits, 32, sealText(text, digits));
  return writeFile(folder.path("manifest.json"), text);
}
