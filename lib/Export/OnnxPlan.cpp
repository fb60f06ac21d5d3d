//===- OnnxPlan.cpp - Which tensors of a file are compressed --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "OnnxPlan.h"

#include "LeaveOut.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Dialect/Pack/Measured.h"
#include "llmc/Recipes/Recipe.h"
#include "llmc/Weights/ReadMatrix.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace llmc;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;

namespace {

/// Where the numbers of a weight come from.
struct Origin {
  std::string key;
  RankedTensorType type;
  bool transposed = false;
  int64_t firstRow = 0;
  /// Rows of the whole matrix.
  int64_t getRows() const { return type.getDimSize(transposed ? 1 : 0); }
};

class Planner {
public:
  Planner(const ImportedModel &model, const onnx::Graph &graph)
      : model(model), graph(graph) {}

  Expected<std::vector<PlannedMatrix>> run();

private:
  Error collect();
  Error join();
  Error findTwins();
  void findReaders();
  Reader::Kind classify(const onnx::Node &node, size_t input, bool transposed);

  const ImportedModel &model;
  const onnx::Graph &graph;
  std::vector<PlannedMatrix> matrices;
  /// By the name of the tensor, in the order of the module.
  llvm::MapVector<StringRef, PlannedMatrix> found;
  llvm::StringMap<size_t> initializers;
  llvm::StringMap<size_t> holders;
};

} // namespace

/// An integer attribute of a node.
static int64_t getInt(const onnx::Node &node, StringRef name,
                      int64_t otherwise) {
  for (const onnx::Attribute &attribute : node.attributes)
    if (attribute.name == name)
      return attribute.i;
  return otherwise;
}

static bool isStandard(const onnx::Node &node, StringRef op) {
  return node.op == op && (node.domain.empty() || node.domain == "ai.onnx");
}

static Expected<Origin> findOrigin(Attribute source) {
  Origin origin;
  while (true) {
    if (auto key = dyn_cast<nn::KeyAttr>(source)) {
      origin.key = key.getName().str();
      origin.type = key.getType();
      if (!origin.type.getElementType().isF32())
        return createStringError("its numbers in the file are not f32, and "
                                 "only those are replaced");
      return origin;
    }
    if (auto rows = dyn_cast<nn::RowsSourceAttr>(source);
        rows && !origin.transposed) {
      origin.firstRow += rows.getBegin();
      source = rows.getSource();
    } else if (auto moved = dyn_cast<nn::TransposeSourceAttr>(source)) {
      if (moved.getPerm() == ArrayRef<int64_t>{1, 0})
        origin.transposed = !origin.transposed;
      source = moved.getSource();
    } else if (isa<nn::DequantSourceAttr, nn::BlocksSourceAttr>(source)) {
      return createStringError("it comes compressed already, and only numbers "
                               "in f32 are replaced");
    } else {
      return createStringError("its numbers are computed from those in the "
                               "file, so there is no tensor to replace");
    }
  }
}

Expected<std::vector<PlannedMatrix>> Planner::run() {
  for (auto [i, tensor] : llvm::enumerate(graph.initializers))
    initializers[tensor.name] = i;
  if (Error error = collect())
    return std::move(error);
  if (Error error = join())
    return std::move(error);
  if (Error error = findTwins())
    return std::move(error);
  findReaders();
  return std::move(matrices);
}

Error Planner::collect() {
  llvm::DenseMap<StringRef, TensorRole> roles;
  ModuleOp module = *model.module;
  module.walk([&](nn::GetOp get) {
    TensorRole &role = roles[get.getWeight()];
    if (llvm::any_of(get->getUsers(), llvm::IsaPred<nn::GatherOp>))
      role = TensorRole::Table;
    else if (role != TensorRole::Table)
      role = TensorRole::Linear;
  });
  for (auto op : module.getOps<nn::WeightOp>()) {
    auto method =
        op->getAttrOfType<pack::MethodAttr>(pack::PackDialect::kMethod);
    auto role = roles.find(op.getSymName());
    // What comes compressed and is kept stays in the file as it is.
    if (!method || method.getName() == kKeepMethod || role == roles.end())
      continue;
    auto type = cast<RankedTensorType>(op.getType());
    CompressedWeight weight{op.getSymName().str(), method,
                            op.getSource(),        Attribute(),
                            type.getDimSize(0),    type.getDimSize(1),
                            role->second};
    weight.statistics = op->getAttr(pack::kStatistics);
    Attribute source = weight.source;
    if (auto scale = dyn_cast<nn::ScaleSourceAttr>(source);
        scale && scale.getAxis() == 1 && scale.getInverse()) {
      weight.columnScale = scale.getFactors();
      source = scale.getSource();
    }
    auto refuse = [&](const Twine &why) {
      return createStringError("weight '" + weight.name +
                               "' cannot be written "
                               "to an ONNX file: " +
                               why + leaveOut(weight.name));
    };
    auto origin = findOrigin(source);
    if (!origin)
      return refuse(llvm::toString(origin.takeError()));
    auto tensor = initializers.find(origin->key);
    if (tensor == initializers.end())
      return refuse("its tensor '" + origin->key +
                    "' is no initializer of the main graph");
    weight.firstRow = origin->firstRow;
    PlannedMatrix &matrix = found[tensor->getKey()];
    Holder holder{tensor->second, origin->transposed};
    if (matrix.holders.empty()) {
      matrix.holders.push_back(holder);
      matrix.rows = origin->getRows();
      matrix.columns = weight.columns;
    } else if (matrix.holders.front().transposed != holder.transposed) {
      return refuse("weight '" + matrix.parts.front().name +
                    "' is the same tensor, transposed");
    }
    // Two entries may read one tensor under two names.
    bool known = llvm::any_of(matrix.parts, [&](const CompressedWeight &part) {
      return part.firstRow == weight.firstRow && part.rows == weight.rows &&
             part.method == weight.method && part.source == weight.source;
    });
    if (!known)
      matrix.parts.push_back(std::move(weight));
  }
  return Error::success();
}

/// Parts must be the whole, in one format.
Error Planner::join() {
  for (auto &[name, matrix] : found) {
    llvm::stable_sort(matrix.parts, [](const auto &a, const auto &b) {
      return a.firstRow < b.firstRow;
    });
    int64_t row = 0;
    const CompressedWeight &first = matrix.parts.front();
    for (const CompressedWeight &part : matrix.parts) {
      auto refuse = [&](const Twine &why) {
        return createStringError("weight '" + part.name +
                                 "' is part of tensor "
                                 "'" +
                                 name + "', and " + why + leaveOut(part.name));
      };
      if (part.firstRow != row)
        return refuse("the other parts are not compressed; a node takes the "
                      "whole tensor in one format");
      if (part.method.getFormat() != first.method.getFormat() ||
          part.columnScale != first.columnScale)
        return refuse("part '" + first.name +
                      "' has another format or another "
                      "scale of columns; a node takes the whole in one");
      row += part.rows;
    }
    if (row != matrix.rows)
      return createStringError("weight '" + first.name +
                               "' is part of tensor "
                               "'" +
                               name +
                               "', whose other parts are not "
                               "compressed" +
                               leaveOut(first.name));
    for (const Holder &holder : matrix.holders)
      holders[graph.initializers[holder.initializer].name] = matrices.size();
    matrices.push_back(std::move(matrix));
  }
  return Error::success();
}

/// Exporters write a matrix that is a table, too, twice; the importer makes one
/// of the two.
Error Planner::findTwins() {
  MLIRContext *context = ModuleOp(*model.module).getContext();
  llvm::StringSet<> operands;
  for (const onnx::Node &node : graph.nodes)
    if (node.inputs.size() > 1 &&
        (isStandard(node, "MatMul") || isStandard(node, "Gemm")))
      operands.insert(node.inputs[1]);
  for (auto [index, matrix] : llvm::enumerate(matrices)) {
    const CompressedWeight &table = matrix.parts.front();
    if (table.role != TensorRole::Table || matrix.parts.size() != 1)
      continue;
    auto type = RankedTensorType::get({matrix.rows, matrix.columns},
                                      Float32Type::get(context));
    for (auto [i, tensor] : llvm::enumerate(graph.initializers)) {
      if (tensor.type != onnx::kFloat || holders.contains(tensor.name) ||
          !operands.contains(tensor.name))
        continue;
      auto stored = model.weights->getType(tensor.name);
      if (!stored)
        return stored.takeError();
      Attribute key = nn::KeyAttr::get(context, tensor.name, *stored);
      for (bool transposed : {false, true}) {
        Attribute other =
            transposed ? nn::TransposeSourceAttr::get(context, key,
                                                      ArrayRef<int64_t>{1, 0})
                       : key;
        SmallVector<int64_t> shape(stored->getShape());
        if (transposed)
          std::reverse(shape.begin(), shape.end());
        if (shape != type.getShape())
          continue;
        auto equal = haveEqualBytes(*model.weights, table.source, other, type);
        if (!equal)
          return equal.takeError();
        if (!*equal)
          continue;
        matrix.holders.push_back({i, transposed});
        holders[tensor.name] = index;
        break;
      }
    }
  }
  return Error::success();
}

void llmc::addInnerUses(const onnx::Node &node, llvm::StringSet<> &names) {
  for (const onnx::Attribute &attribute : node.attributes) {
    if (!attribute.graph)
      continue;
    for (const onnx::Node &inner : attribute.graph->nodes) {
      names.insert_range(inner.inputs);
      addInnerUses(inner, names);
    }
    for (const onnx::ValueInfo &output : attribute.graph->outputs)
      names.insert(output.name);
  }
}

Reader::Kind Planner::classify(const onnx::Node &node, size_t input,
                               bool transposed) {
  if (isStandard(node, "Identity"))
    return Reader::Kind::Carrier;
  if (isStandard(node, "Transpose")) {
    for (const onnx::Attribute &attribute : node.attributes)
      if (attribute.name == "perm" &&
          attribute.ints != std::vector<int64_t>{1, 0})
        return Reader::Kind::Other;
    return Reader::Kind::Carrier;
  }
  if (isStandard(node, "MatMul") && input == 1 && transposed)
    return Reader::Kind::Linear;
  if (isStandard(node, "Gemm") && input == 1 &&
      transposed == !getInt(node, "transB", 0) && !getInt(node, "transA", 0) &&
      llvm::all_of(node.attributes, [](const onnx::Attribute &attribute) {
        return (attribute.name != "alpha" && attribute.name != "beta") ||
               attribute.f == 1;
      }))
    return Reader::Kind::Linear;
  if (isStandard(node, "Gather") && input == 0 && !transposed &&
      getInt(node, "axis", 0) == 0)
    return Reader::Kind::Gather;
  return Reader::Kind::Other;
}

void Planner::findReaders() {
  /// Values that are a matrix: which, and whether transposed.
  llvm::StringMap<std::pair<size_t, bool>> carried;
  for (auto [index, matrix] : llvm::enumerate(matrices))
    for (const Holder &holder : matrix.holders)
      carried[graph.initializers[holder.initializer].name] = {
          index, holder.transposed};
  for (auto [n, node] : llvm::enumerate(graph.nodes)) {
    for (auto [i, input] : llvm::enumerate(node.inputs)) {
      auto value = carried.find(input);
      if (value == carried.end())
        continue;
      auto [index, transposed] = value->second;
      Reader reader{n, classify(node, i, transposed)};
      matrices[index].readers.push_back(reader);
      if (reader.kind == Reader::Kind::Carrier)
        carried[node.outputs[0]] = {index, transposed !=
                                               isStandard(node, "Transpose")};
    }
  }
  llvm::StringSet<> escaping;
  for (const onnx::Node &node : graph.nodes)
    addInnerUses(node, escaping);
  for (const onnx::ValueInfo &output : graph.outputs)
    escaping.insert(output.name);
  for (const auto &value : carried)
    if (escaping.contains(value.getKey()))
      matrices[value.second.first].escapes = true;
}

Expected<std::vector<PlannedMatrix>>
llmc::planOnnx(const ImportedModel &model, const onnx::OnnxFile &file) {
  return Planner(model, file.getGraph()).run();
}
