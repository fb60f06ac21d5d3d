//===- ModelInfo.cpp - What an ONNX model contains ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `llmc info MODEL`: signature, parameters, bytes and operators of a model, as
// the importer sees it. Nothing is compiled.
//
//===----------------------------------------------------------------------===//
#include "ExitCode.h"
#include "PluginHost.h"
#include "llmc/Codegen/Bundle.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Driver/CompileRequest.h"
#include "llmc/Import/Import.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace llmc;
namespace json = llvm::json;

namespace {
/// What is counted over the weights.
struct Counts {
  uint64_t tensors = 0, numbers = 0, bytes = 0;
  /// Tensors and bytes by element type.
  std::map<std::string, std::pair<uint64_t, uint64_t>> types;
  /// Operators after import.
  std::map<std::string, uint64_t> operators;
};
} // namespace

static Counts count(ModuleOp module) {
  Counts counts;
  module.walk([&](Operation *op) {
    if (auto weight = dyn_cast<nn::WeightOp>(op)) {
      auto type = dyn_cast<RankedTensorType>(weight.getType());
      if (!type || !type.hasStaticShape())
        return;
      uint64_t bits = type.getElementType().isIntOrFloat()
                          ? type.getElementTypeBitWidth()
                          : 8;
      uint64_t bytes =
          (type.getNumElements() * std::max<uint64_t>(bits, 1) + 7) / 8;
      std::string name;
      llvm::raw_string_ostream(name) << type.getElementType();
      ++counts.tensors;
      counts.numbers += type.getNumElements();
      counts.bytes += bytes;
      counts.types[name].first += 1;
      counts.types[name].second += bytes;
    } else if (!isa<ModuleOp, func::FuncOp, func::ReturnOp, nn::GetOp>(op)) {
      ++counts.operators[op->getName().getStringRef().str()];
    }
  });
  return counts;
}

static json::Object describe(const ImportedModel &model, const Counts &counts) {
  json::Object opsets, types, operators;
  for (auto &[domain, version] : model.opsets)
    opsets[domain] = version;
  for (auto &[name, entry] : counts.types)
    types[name] =
        json::Object{{"tensors", entry.first}, {"bytes", entry.second}};
  for (auto &[name, number] : counts.operators)
    operators[name] = number;
  ModuleOp module = *model.module;
  json::Object entry;
  if (auto main = module.lookupSymbol<func::FuncOp>("main"))
    entry = describeEntry(main, {-1, -1});
  return json::Object{{"model", model.file},
                      {"file_bytes", model.fileBytes()},
                      {"producer", model.producer},
                      {"producer_version", model.producerVersion},
                      {"ir_version", model.irVersion},
                      {"opsets", std::move(opsets)},
                      {"parameters", counts.numbers},
                      {"weight_tensors", counts.tensors},
                      {"weight_bytes", counts.bytes},
                      {"weight_types", std::move(types)},
                      {"operators", std::move(operators)},
                      {"entry", std::move(entry)}};
}

static void printTensors(llvm::raw_ostream &os, StringRef title,
                         const json::Array *tensors) {
  if (!tensors)
    return;
  for (const json::Value &value : *tensors) {
    const json::Object &tensor = *value.getAsObject();
    std::string shape;
    for (const json::Value &extent : *tensor.getArray("shape")) {
      shape += shape.empty() ? "" : ", ";
      if (auto text = extent.getAsString())
        shape += *text;
      else
        llvm::raw_string_ostream(shape) << extent;
    }
    os << llvm::formatv("  {0,-8}{1,-28} {2,-5} [{3}]\n", title,
                        *tensor.getString("name"), *tensor.getString("dtype"),
                        shape);
  }
}

static void print(llvm::raw_ostream &os, const ImportedModel &model,
                  const Counts &counts, const json::Object &description) {
  os << model.file << "\n  written by "
     << (model.producer.empty() ? "an unnamed program" : model.producer) << " "
     << model.producerVersion << "\n  IR version " << model.irVersion
     << ", operators of";
  for (auto &[domain, version] : model.opsets)
    os << " " << domain << " " << version;
  os << llvm::formatv("\n\nWeights\n  {0:N} parameters in {1} tensors, {2:N} "
                      "bytes\n",
                      counts.numbers, counts.tensors, counts.bytes);
  for (auto &[name, entry] : counts.types)
    os << llvm::formatv("  {0,6} {1,-8} {2:N} bytes\n", entry.first, name,
                        entry.second);
  const json::Object &entry = *description.getObject("entry");
  os << "\nEntry main\n";
  printTensors(os, "input", entry.getArray("inputs"));
  printTensors(os, "output", entry.getArray("outputs"));
  os << "\nOperators\n";
  for (auto &[name, number] : counts.operators)
    os << llvm::formatv("  {0,6} {1}\n", number, name);
}

extern "C" int llmc_compiler_info(const InfoRequest *request) {
  PluginHost host;
  if (llvm::Error error = host.load(request->pluginFolders, request->plugins)) {
    llvm::errs() << "llmc: error: " << llvm::toString(std::move(error)) << "\n";
    return UsageAtFault;
  }
  MLIRContext context(host.dialects, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  ImportOptions options;
  options.converters = host.set.listConverters();
  auto model = importOnnx(context, request->model, options);
  if (!model) {
    llvm::errs() << "llmc: error: " << llvm::toString(model.takeError())
                 << "\n";
    return ModelAtFault;
  }
  Counts counts = count(*model->module);
  json::Object description = describe(*model, counts);
  if (request->json)
    llvm::outs() << json::Value(std::move(description)) << "\n";
  else
    print(llvm::outs(), *model, counts, description);
  llvm::outs().flush();
  return Done;
}
