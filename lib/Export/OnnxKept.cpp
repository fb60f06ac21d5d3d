//===- OnnxKept.cpp - Codes that nodes of a file hold ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "OnnxKept.h"

#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Export/OnnxCodes.h"
#include "llmc/Recipes/Recipe.h"
#include "llmc/Weights/ReadMatrix.h"
#include "llmc/Weights/StoredFormat.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace llmc;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;

static std::optional<KeptReader::Kind> classify(const onnx::Node &node) {
  if (node.domain == "com.microsoft" && node.op == "MatMulNBits")
    return KeptReader::Kind::Linear;
  if (node.domain == "com.microsoft" && node.op == "GatherBlockQuantized")
    return KeptReader::Kind::Gather;
  if (node.domain == "ai.llmc" && node.op == "DequantizeBlocks")
    return KeptReader::Kind::Value;
  return std::nullopt;
}

static Error refuse(const onnx::Node &node, const Twine &why) {
  return createStringError(describe(node) + ": " + why +
                           "; without --style it stays as it is");
}

/// Refuses such nodes anywhere in a list, which is not the main graph.
static Error refuseInner(ArrayRef<onnx::Node> nodes, const Twine &where) {
  for (const onnx::Node &node : nodes) {
    if (classify(node))
      return refuse(node, "it stands in " + where +
                              ", and only nodes of the main graph become "
                              "DequantizeLinear");
    for (const onnx::Attribute &attribute : node.attributes)
      if (attribute.graph)
        if (Error error = refuseInner(attribute.graph->nodes, where))
          return error;
  }
  return Error::success();
}

/// Its matrix, of which the node is the one reader.
static Expected<KeptMatrix> findMatrix(const ImportedModel &model,
                                       const onnx::Node &node,
                                       const KeptReader &reader,
                                       Attribute source) {
  auto format = findStoredFormat(*model.weights, source);
  if (!format)
    return refuse(node, "its codes cannot be kept: " +
                            llvm::toString(format.takeError()));
  auto type = cast<RankedTensorType>(nn::getSourceType(
      source, [&] { return emitError(UnknownLoc::get(source.getContext())); }));
  KeptMatrix matrix{source,
                    llvm::cantFail(parseFormat(*format)),
                    type.getDimSize(0),
                    type.getDimSize(1),
                    {reader}};
  if (auto lack = findOnnxLack(matrix.format))
    return refuse(node, lack->why);
  return matrix;
}

/// Exporters write a table that is a head, too, twice.
static Error joinTwins(const ImportedModel &model,
                       std::vector<KeptMatrix> &matrices) {
  for (size_t i = 0; i < matrices.size(); ++i) {
    if (!matrices[i].isReadByRows())
      continue;
    for (size_t j = matrices.size(); j-- > 0;) {
      KeptMatrix &table = matrices[i], &other = matrices[j];
      if (i == j || other.rows != table.rows ||
          other.columns != table.columns || other.format != table.format)
        continue;
      auto type =
          RankedTensorType::get({table.rows, table.columns},
                                Float32Type::get(table.source.getContext()));
      auto equal =
          haveEqualBytes(*model.weights, table.source, other.source, type);
      if (!equal)
        return equal.takeError();
      if (!*equal)
        continue;
      llvm::append_range(table.readers, other.readers);
      matrices.erase(matrices.begin() + j);
      i -= j < i;
    }
  }
  return Error::success();
}

Expected<std::vector<KeptMatrix>> llmc::planKept(const ImportedModel &model,
                                                 const onnx::OnnxFile &file) {
  llvm::MapVector<Attribute, KeptMatrix> found;
  for (auto [i, node] : llvm::enumerate(file.getGraph().nodes)) {
    for (const onnx::Attribute &attribute : node.attributes)
      if (attribute.graph)
        if (Error error =
                refuseInner(attribute.graph->nodes, "a graph inside a node"))
          return std::move(error);
    auto kind = classify(node);
    if (!kind)
      continue;
    auto stored = node.outputs.empty() ? model.stored.end()
                                       : model.stored.find(node.outputs[0]);
    if (stored == model.stored.end())
      return refuse(node, "it has no result");
    const auto &[source, element] = stored->getValue();
    KeptReader reader{i, *kind, element};
    if (auto known = found.find(source); known != found.end()) {
      known->second.readers.push_back(reader);
      continue;
    }
    auto matrix = findMatrix(model, node, reader, source);
    if (!matrix)
      return matrix.takeError();
    found.insert({source, std::move(*matrix)});
  }
  for (const onnx::Function &function : file.getModel().functions)
    if (Error error =
            refuseInner(function.nodes, "the function '" + function.name + "'"))
      return std::move(error);
  std::vector<KeptMatrix> matrices;
  for (auto &[source, matrix] : found)
    matrices.push_back(std::move(matrix));
  if (Error error = joinTwins(model, matrices))
    return std::move(error);
  return matrices;
}

/// What tells apart the codes of matrices, which passes may turn.
static Attribute getCodes(Attribute matrix) {
  Attribute codes;
  if (auto dequant = dyn_cast<nn::DequantSourceAttr>(matrix))
    codes = dequant.getCodes();
  else if (auto blocks = dyn_cast<nn::BlocksSourceAttr>(matrix))
    codes = blocks.getSource();
  while (codes)
    if (auto turned = dyn_cast<nn::TransposeSourceAttr>(codes))
      codes = turned.getSource();
    else if (auto shaped = dyn_cast<nn::ReshapeSourceAttr>(codes))
      codes = shaped.getSource();
    else
      break;
  return codes;
}

Error llmc::refuseOtherNodes(const ImportedModel &model,
                             const onnx::OnnxFile &file) {
  llvm::DenseMap<Attribute, StringRef> kept;
  for (auto weight : ModuleOp(*model.module).getOps<nn::WeightOp>()) {
    auto method =
        weight->getAttrOfType<pack::MethodAttr>(pack::PackDialect::kMethod);
    if (method && method.getName() == kKeepMethod)
      weight.getSource().walk([&](Attribute part) {
        if (Attribute codes = getCodes(part))
          kept[codes] = weight.getSymName();
      });
  }
  for (const onnx::Node &node : file.getGraph().nodes) {
    auto kind = classify(node);
    if (node.outputs.empty() || (kind && *kind != KeptReader::Kind::Value))
      continue;
    auto stored = model.stored.find(node.outputs[0]);
    auto weight = stored == model.stored.end()
                      ? kept.end()
                      : kept.find(getCodes(stored->getValue().source));
    if (weight != kept.end())
      return createStringError(
          describe(node) + ": it holds the codes of weight '" + weight->second +
          "', and --style nbits makes MatMulNBits of numbers in f32 alone; "
          "without --style the node stays as it is");
  }
  return Error::success();
}
