//===- ExportOnnx.cpp - Compressed ONNX files -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// First all nodes are settled and all tensors placed, so that what cannot be
// written is known before anything is compressed, and how much space both files
// take; then tensors go to the data file one by one; then the model is written.
//
//===----------------------------------------------------------------------===//
#include "LeaveOut.h"
#include "OnnxTensors.h"
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Export/Export.h"
#include "llmc/Export/OnnxCodes.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace llmc;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;
namespace fs = llvm::sys::fs;

/// Block sizes that the kernels of MatMulNBits have.
constexpr int64_t kMinBlock = 16, kMaxBlock = 256;
/// The first versions of the operator set with blocks and four bits, and with
/// two; with conversions from f16 and bf16 by number.
constexpr int64_t kBlockedOpset = 21, kTwoBitOpset = 25, kHalfOpset = 6,
                  kBrainOpset = 13;

namespace {

class Writer {
public:
  Writer(const ExportRequest &request, onnx::OnnxFile &file)
      : request(request), file(file), graph(file.getGraph()),
        style(request.style.value_or(OnnxStyle::NBits)),
        tensors(request, file, style) {}

  Expected<ExportResult> run(std::vector<PlannedMatrix> matrices,
                             std::vector<KeptMatrix> keptMatrices);

private:
  Error settle(ExportedMatrix &item);
  Error settleBlocks(ExportedMatrix &item);
  Error settleDequantized(ExportedMatrix &item);
  Error settleNumbers(ExportedMatrix &item, const FormatDescription &format);
  Error settleKept(MovedMatrix &item);
  Error replaceKept(const MovedMatrix &item, const KeptReader &reader);
  void dropOld(ArrayRef<MovedMatrix> items);
  std::string lackOfOpset(int64_t bits) const;
  DequantizedNames dequantize(const OnnxCoding &coding, const Twine &codes,
                              const Twine &base, const std::string &value,
                              bool transposed);
  std::string identify(const Twine &name);
  Error replaceLinear(ExportedMatrix &item, const Reader &reader);
  void replaceGather(ExportedMatrix &item, const Reader &reader,
                     const std::string &identity);
  std::string scaleInput(const ExportedMatrix &item, const std::string &input,
                         std::vector<std::string> &nodes);
  Error reserve(OutputFile &model);
  Error writeModel(const OutputFile &model);

  const ExportRequest &request;
  onnx::OnnxFile &file;
  const onnx::Graph &graph;
  OnnxStyle style;
  OnnxTensors tensors;
  /// The model with its changes.
  std::vector<StringRef> pieces;
  /// Scaled inputs, by input and scale; tensors of scales, by scale.
  std::map<std::pair<std::string, const void *>, std::string> scaled;
  llvm::DenseMap<Attribute, std::string> scaleNames;
  std::vector<std::pair<std::string, Attribute>> scaleTensors;
};

} // namespace

static const std::string &nameOf(const ExportedMatrix &item) {
  return item.matrix.parts.front().name;
}

/// What the names of new tensors begin with: the weight, or the old tensor where
/// it holds several.
static std::string getBase(const ExportedMatrix &item,
                           const onnx::Graph &graph) {
  const PlannedMatrix &matrix = item.matrix;
  std::string name =
      matrix.parts.size() == 1
          ? matrix.parts.front().name
          : graph.initializers[matrix.holders.front().initializer].name;
  return name + "_Q" + std::to_string(item.bits);
}

static Error refuse(const ExportedMatrix &item, const Twine &why) {
  return createStringError("weight '" + nameOf(item) + "': " + why +
                           leaveOut(nameOf(item)));
}

//===----------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------===//

Error Writer::settle(ExportedMatrix &item) {
  FormatDescription format = pack::getFormat(item.matrix.parts.front().method);
  if (format.isDense())
    return settleNumbers(item, format);
  auto hasZeros = hasOnnxZeros(format);
  if (!hasZeros)
    return refuse(item, llvm::toString(hasZeros.takeError()));
  item.rows = item.matrix.rows;
  item.columns = item.matrix.columns;
  item.hasZeros = *hasZeros;
  item.bits = format.indexBits;
  item.block = format.getGroupColumns(item.matrix.columns);
  if (item.matrix.getColumnScale() &&
      (item.matrix.escapes ||
       llvm::any_of(item.matrix.readers, [](const Reader &reader) {
         return reader.kind != Reader::Kind::Linear &&
                reader.kind != Reader::Kind::Carrier;
       })))
    return refuse(item, "expected only products to read a matrix whose columns "
                        "are scaled");
  return style == OnnxStyle::NBits ? settleBlocks(item)
                                   : settleDequantized(item);
}

/// The name of a new node.
std::string Writer::identify(const Twine &name) {
  return onnx::Message().text(3, file.makeName(name)).bytes;
}

/// The operand times the scale of columns: computed once for all matrices of
/// that input.
std::string Writer::scaleInput(const ExportedMatrix &item,
                               const std::string &input,
                               std::vector<std::string> &nodes) {
  Attribute scale = item.matrix.getColumnScale();
  if (!scale)
    return input;
  std::string &tensor = scaleNames[scale];
  if (tensor.empty()) {
    tensor = file.makeName(nameOf(item) + ".columns");
    scaleTensors.emplace_back(tensor, scale);
  }
  std::string &value = scaled[{input, scale.getAsOpaquePointer()}];
  if (value.empty()) {
    value = file.makeName(input + "_scaled");
    nodes.push_back(onnx::buildNode("Mul", "", {input, tensor}, {value}, {},
                                    identify(value + "/Mul")));
  }
  return value;
}

Error Writer::replaceLinear(ExportedMatrix &item, const Reader &reader) {
  const onnx::Node &node = graph.nodes[reader.node];
  auto identity = file.getIdentity(reader.node);
  if (!identity)
    return identity.takeError();
  // A table gives its name to the codes that Gather reads.
  bool isTable = item.matrix.parts.front().role == TensorRole::Table;
  if (item.linear.empty())
    item.linear =
        file.makeName(getBase(item, graph) + (isTable ? "_blocks" : ""));
  std::vector<std::string> nodes;
  std::vector<std::string> inputs{scaleInput(item, node.inputs[0], nodes),
                                  item.linear, item.scales};
  if (item.hasZeros)
    inputs.push_back(item.zeros);
  std::vector<std::string> outputs{node.outputs[0]};
  bool hasBias = node.inputs.size() > 2 && !node.inputs[2].empty();
  if (hasBias)
    outputs[0] = file.makeName(node.outputs[0] + "_product");
  nodes.push_back(onnx::buildNode("MatMulNBits", "com.microsoft", inputs,
                                  outputs,
                                  {{"K", item.matrix.columns},
                                   {"N", item.matrix.rows},
                                   {"bits", item.bits},
                                   {"block_size", item.block}},
                                  *identity));
  if (hasBias)
    nodes.push_back(onnx::buildNode("Add", "", {outputs[0], node.inputs[2]},
                                    {node.outputs[0]}, {},
                                    identify(outputs[0] + "/Add")));
  file.replaceNode(reader.node, std::move(nodes));
  return Error::success();
}

void Writer::replaceGather(ExportedMatrix &item, const Reader &reader,
                           const std::string &identity) {
  const onnx::Node &node = graph.nodes[reader.node];
  if (item.gather.empty())
    item.gather = file.makeName(getBase(item, graph));
  std::vector<std::string> inputs{item.gather, node.inputs[1], item.scales};
  if (item.hasZeros)
    inputs.push_back(item.zeros);
  file.replaceNode(reader.node,
                   {onnx::buildNode("GatherBlockQuantized", "com.microsoft",
                                    inputs, node.outputs,
                                    {{"bits", item.bits},
                                     {"block_size", item.block},
                                     {"gather_axis", 0},
                                     {"quantize_axis", 1}},
                                    identity)});
}

Error Writer::settleBlocks(ExportedMatrix &item) {
  int64_t columns = item.matrix.columns;
  // A row of one scale is a block of the next power of two.
  if (item.block >= columns)
    item.block = std::max<int64_t>(kMinBlock, llvm::PowerOf2Ceil(columns));
  if (!llvm::isPowerOf2_64(item.block) || item.block > kMaxBlock)
    return refuse(item, "expected groups of 16, 32, 64, 128 or 256 columns, as "
                        "MatMulNBits has them, but got " +
                            Twine(std::min(item.block, columns)) +
                            "; use another group, or --style qdq");
  std::string base = getBase(item, graph);
  item.scales = file.makeName(base + "_scales");
  if (item.hasZeros)
    item.zeros = file.makeName(base + "_zero_points");
  if (item.matrix.escapes)
    return refuse(item, "a graph inside a node or an output of the model reads "
                        "it, which takes --style qdq");
  for (const Reader &reader : item.matrix.readers) {
    const onnx::Node &node = graph.nodes[reader.node];
    auto identity = file.getIdentity(reader.node);
    if (!identity)
      return identity.takeError();
    switch (reader.kind) {
    case Reader::Kind::Linear:
      if (Error error = replaceLinear(item, reader))
        return error;
      break;
    case Reader::Kind::Gather:
      if (columns * item.bits % 8)
        return refuse(item, "expected whole bytes in a row, as "
                            "GatherBlockQuantized has them");
      replaceGather(item, reader, *identity);
      break;
    case Reader::Kind::Carrier:
      file.replaceNode(reader.node, {});
      file.forgetValue(node.outputs[0]);
      break;
    case Reader::Kind::Other:
      return refuse(item, describe(node) +
                              " reads it, for which com.microsoft "
                              "has no operator; --style qdq can write it");
    }
  }
  for (const Holder &holder : item.matrix.holders) {
    file.dropInitializer(holder.initializer);
    file.forgetValue(graph.initializers[holder.initializer].name);
  }
  file.requireDomain("com.microsoft", 1);
  return Error::success();
}

/// Why the model cannot have such codes, up to another remedy than the first; or
/// nothing.
std::string Writer::lackOfOpset(int64_t bits) const {
  int64_t needed = bits == 2 ? kTwoBitOpset : kBlockedOpset;
  if (file.getOpset("") >= needed)
    return "";
  return ("DequantizeLinear has " + Twine(bits) +
          " bits and blocks since version " + Twine(needed) +
          " of the operator set, and the model has version " +
          Twine(file.getOpset("")) + "; export it with that, or ")
      .str();
}

/// Adds the node that makes `value` of tensors with these names.
DequantizedNames Writer::dequantize(const OnnxCoding &coding,
                                    const Twine &codes, const Twine &base,
                                    const std::string &value, bool transposed) {
  DequantizedNames names{file.makeName(codes), file.makeName(base + "_scales"),
                         "", transposed};
  std::vector<std::string> inputs{names.codes, names.scales};
  if (coding.hasZeros) {
    names.zeros = file.makeName(base + "_zero_points");
    inputs.push_back(names.zeros);
  }
  // A scale for each row, or for blocks of columns.
  int64_t axis = (coding.isRow() ? 0 : 1) ^ (transposed ? 1 : 0);
  SmallVector<std::pair<StringRef, int64_t>> attributes{{"axis", axis}};
  if (!coding.isRow())
    attributes.push_back({"block_size", coding.block});
  file.addFirst(onnx::buildNode("DequantizeLinear", "", inputs, {value},
                                attributes,
                                identify(value + "/DequantizeLinear")));
  return names;
}

Error Writer::settleDequantized(ExportedMatrix &item) {
  if (std::string lack = lackOfOpset(item.bits); !lack.empty())
    return refuse(item, lack + "use --style nbits");
  std::string base = getBase(item, graph);
  for (const Holder &holder : item.matrix.holders) {
    const std::string &name = graph.initializers[holder.initializer].name;
    item.dequantized.push_back(
        dequantize(item, base, base, name, holder.transposed));
    file.dropInitializer(holder.initializer);
    file.forgetValue(name);
  }
  if (!item.matrix.getColumnScale())
    return Error::success();
  for (const Reader &reader : item.matrix.readers) {
    if (reader.kind != Reader::Kind::Linear)
      continue;
    std::vector<std::string> nodes;
    std::string input =
        scaleInput(item, graph.nodes[reader.node].inputs[0], nodes);
    auto changed = file.getWithInput(reader.node, 0, input);
    if (!changed)
      return changed.takeError();
    nodes.push_back(std::move(*changed));
    file.replaceNode(reader.node, std::move(nodes));
  }
  return Error::success();
}

/// Readers stay: a node makes f32 of the numbers before them.
Error Writer::settleNumbers(ExportedMatrix &item,
                            const FormatDescription &format) {
  item.rows = item.matrix.rows;
  item.columns = item.matrix.columns;
  item.element = format.dense == RealType::F32   ? onnx::kFloat
                 : format.dense == RealType::F16 ? onnx::kFloat16
                                                 : onnx::kBfloat16;
  int64_t needed = format.dense == RealType::BF16 ? kBrainOpset : kHalfOpset;
  if (file.getOpset("") < needed)
    return refuse(item, "Cast takes " + format.name + " since version " +
                            Twine(needed) +
                            " of the operator set, and the model has version " +
                            Twine(file.getOpset("")) + "; export it with that");
  for (const Holder &holder : item.matrix.holders) {
    const std::string &name = graph.initializers[holder.initializer].name;
    item.numbers.push_back(file.makeName(name + "_" + format.name));
    file.addFirst(onnx::buildNode("Cast", "", {item.numbers.back()}, {name},
                                  {{"to", onnx::kFloat}},
                                  identify(name + "/Cast")));
    file.dropInitializer(holder.initializer);
    file.forgetValue(name);
  }
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Nodes that hold codes
//===----------------------------------------------------------------------===//

Error Writer::settleKept(MovedMatrix &item) {
  const KeptMatrix &matrix = item.matrix;
  item.rows = matrix.rows;
  item.columns = matrix.columns;
  item.bits = matrix.format.indexBits;
  item.block = matrix.format.getGroupColumns(matrix.columns);
  item.hasZeros = matrix.format.hasMinimum;
  const KeptReader &first = matrix.readers.front();
  const onnx::Node &node = graph.nodes[first.node];
  if (std::string lack = lackOfOpset(item.bits); !lack.empty())
    return createStringError(describe(node) + ": " + lack +
                             "leave --style out, and it stays as it is");
  const std::string &old = getCodes(node, first.kind);
  // The result of a node that only decodes stays.
  for (const KeptReader &reader : matrix.readers)
    if (reader.kind == KeptReader::Kind::Value && item.value.empty())
      item.value = graph.nodes[reader.node].outputs[0];
  if (item.value.empty())
    item.value = file.makeName(old + "_f32");
  // Products want [columns][rows]; that is how a matrix without other readers
  // is stored.
  bool byRows = matrix.isReadByRows();
  item.dequantized = dequantize(item, old + "_codes", old, item.value, !byRows);
  item.turned = item.value;
  if (byRows && llvm::any_of(matrix.readers, [](const KeptReader &reader) {
        return reader.kind == KeptReader::Kind::Linear;
      })) {
    item.turned = file.makeName(item.value + "_turned");
    file.addFirst(onnx::buildNode("Transpose", "", {item.value}, {item.turned},
                                  {}, identify(item.turned + "/Transpose")));
  }
  for (const KeptReader &reader : matrix.readers)
    if (Error error = replaceKept(item, reader))
      return error;
  return Error::success();
}

/// Puts nodes of the standard into the place of one. They compute in f32, as the
/// matrix is, and round once.
Error Writer::replaceKept(const MovedMatrix &item, const KeptReader &reader) {
  const onnx::Node &node = graph.nodes[reader.node];
  const std::string &output = node.outputs[0];
  auto identity = file.getIdentity(reader.node);
  if (!identity)
    return identity.takeError();
  std::vector<std::string> nodes;
  auto append = [&](StringRef op, const std::vector<std::string> &inputs,
                    const std::string &result, StringRef kept,
                    ArrayRef<std::pair<StringRef, int64_t>> attributes = {}) {
    nodes.push_back(
        onnx::buildNode(op, "", inputs, {result}, attributes, kept));
    return result;
  };
  bool isWide = reader.element.isF32();
  auto widen = [&](const std::string &value) {
    if (isWide)
      return value;
    std::string wide = file.makeName(output + "_wide");
    return append("Cast", {value}, wide, identify(wide + "/Cast"),
                  {{"to", onnx::kFloat}});
  };
  // Only the last result has the old name.
  auto name = [&](const Twine &ending, bool isLast) {
    return isLast ? output : file.makeName(output + ending);
  };
  std::string result;
  switch (reader.kind) {
  case KeptReader::Kind::Linear: {
    bool hasBias = node.inputs.size() > 5 && !node.inputs[5].empty();
    std::string input = widen(node.inputs[0]);
    result = append("MatMul", {input, item.turned},
                    name("_product", isWide && !hasBias), *identity);
    if (hasBias) {
      std::string bias = widen(node.inputs[5]), sum = name("_sum", isWide);
      result = append("Add", {result, bias}, sum, identify(sum + "/Add"));
    }
    break;
  }
  case KeptReader::Kind::Gather:
    result = append("Gather", {item.value, node.inputs[1]},
                    name("_rows", isWide), *identity, {{"axis", 0}});
    break;
  case KeptReader::Kind::Value:
    if (item.value != output)
      append("Identity", {item.value}, output, *identity);
    break;
  }
  if (!isWide)
    append("Cast", {result}, output, identify(output + "/Cast"),
           {{"to", reader.element.isF16() ? onnx::kFloat16 : onnx::kBfloat16}});
  file.replaceNode(reader.node, std::move(nodes));
  return Error::success();
}

/// Whether the nodes in place of one read its operand `place`, too.
static bool isStillRead(KeptReader::Kind kind, size_t place) {
  switch (kind) {
  case KeptReader::Kind::Linear:
    return place == 0 || place == 5;
  case KeptReader::Kind::Gather:
    return place == 1;
  case KeptReader::Kind::Value:
    return false;
  }
  llvm_unreachable("unknown kind");
}

/// Drops what only replaced nodes read: tensors, and nodes that shape them.
void Writer::dropOld(ArrayRef<MovedMatrix> items) {
  llvm::DenseMap<size_t, KeptReader::Kind> replaced;
  for (const MovedMatrix &item : items)
    for (const KeptReader &reader : item.matrix.readers)
      replaced[reader.node] = reader.kind;
  llvm::DenseSet<size_t> gone;
  llvm::StringSet<> old, used;
  for (bool changed = true; changed;) {
    changed = false;
    used.clear();
    for (const onnx::ValueInfo &output : graph.outputs)
      used.insert(output.name);
    for (auto [i, node] : llvm::enumerate(graph.nodes)) {
      if (gone.contains(i))
        continue;
      addInnerUses(node, used);
      auto found = replaced.find(i);
      for (auto [place, input] : llvm::enumerate(node.inputs)) {
        bool isUsed =
            found == replaced.end() || isStillRead(found->second, place);
        (isUsed ? used : old).insert(input);
      }
    }
    for (auto [i, node] : llvm::enumerate(graph.nodes)) {
      bool isOld = llvm::all_of(node.outputs, [&](const std::string &output) {
        return old.contains(output) && !used.contains(output);
      });
      if (!isOld || node.outputs.empty() || gone.contains(i) ||
          replaced.contains(i))
        continue;
      for (const std::string &output : node.outputs)
        file.forgetValue(output);
      file.replaceNode(i, {});
      old.insert_range(node.inputs);
      gone.insert(i);
      changed = true;
    }
  }
  for (auto [i, tensor] : llvm::enumerate(graph.initializers))
    if (old.contains(tensor.name) && !used.contains(tensor.name)) {
      file.dropInitializer(i);
      file.forgetValue(tensor.name);
    }
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

/// Bytes that are written at once where pieces of the model are small.
constexpr size_t kBufferBytes = 1 << 20;
/// The file of the model in the folder of the request.
constexpr StringRef kModel = "model";

/// Reserves the space of both files.
Error Writer::reserve(OutputFile &model) {
  pieces = file.build();
  int64_t bytes = 0;
  for (StringRef piece : pieces)
    bytes += static_cast<int64_t>(piece.size());
  if (Error error = model.open(request.place.path(kModel), bytes))
    return error;
  return tensors.isEmpty() ? Error::success() : tensors.open();
}

Error Writer::writeModel(const OutputFile &model) {
  std::vector<char> buffer;
  int64_t at = 0;
  auto write = [&](ArrayRef<char> bytes) {
    Error error = model.write(bytes, at);
    at += static_cast<int64_t>(bytes.size());
    return error;
  };
  auto flush = [&] {
    Error error = write(buffer);
    buffer.clear();
    return error;
  };
  for (StringRef piece : pieces) {
    if (buffer.size() + piece.size() > kBufferBytes)
      if (Error error = flush())
        return error;
    if (piece.size() > kBufferBytes) {
      if (Error error = write({piece.data(), piece.size()}))
        return error;
    } else {
      buffer.insert(buffer.end(), piece.begin(), piece.end());
    }
  }
  return flush();
}

Expected<ExportResult> Writer::run(std::vector<PlannedMatrix> matrices,
                                   std::vector<KeptMatrix> keptMatrices) {
  std::vector<ExportedMatrix> items;
  std::vector<MovedMatrix> moved;
  for (KeptMatrix &matrix : keptMatrices)
    moved.emplace_back().matrix = std::move(matrix);
  for (PlannedMatrix &matrix : matrices)
    items.emplace_back().matrix = std::move(matrix);
  for (ExportedMatrix &item : items)
    if (Error error = settle(item))
      return std::move(error);
  for (MovedMatrix &item : moved)
    if (Error error = settleKept(item))
      return std::move(error);
  dropOld(moved);
  if (Error error = tensors.placeCopies(scaleTensors))
    return std::move(error);
  int64_t total = 0;
  auto place = [&](auto &item) {
    tensors.place(item);
    total += item.rows * item.columns * sizeof(float);
  };
  llvm::for_each(items, place);
  llvm::for_each(moved, place);
  OutputFile model;
  if (Error error = reserve(model))
    return std::move(error);
  if (request.expect)
    request.expect(total);
  if (Error error = tensors.writeCopies())
    return std::move(error);
  for (const ExportedMatrix &item : items)
    if (Error error = tensors.write(item))
      return std::move(error);
  for (const MovedMatrix &item : moved)
    if (Error error = tensors.write(item))
      return std::move(error);
  if (Error error = writeModel(model))
    return std::move(error);
  auto result = tensors.close();
  if (!result)
    return result.takeError();
  SmallVector<BundleFolder::Publication> files;
  if (!tensors.isEmpty())
    files.push_back({kExportedData, (request.output + ".data").str()});
  files.push_back({kModel, request.output.str()});
  if (Error error = request.place.publish(files))
    return std::move(error);
  return result;
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

Error llmc::checkOutput(const ImportedModel &model, StringRef output,
                        bool replace) {
  std::vector<std::string> names{output.str()};
  if (output.ends_with(".onnx"))
    names.push_back(names.front() + ".data");
  for (const std::string &name : names) {
    if (!fs::exists(name))
      continue;
    for (const auto &file : model.weights->getFiles())
      if (fs::equivalent(name, file->path()))
        return createStringError("'" + name +
                                 "' is a file of the model itself; "
                                 "give another place with -o");
    if (fs::is_directory(name))
      return createStringError("'" + name +
                               "' is a folder; give a file with "
                               "-o");
    if (!replace && !BundleFolder::isPublished(BundleFolder::getPlace(output),
                                               kExportedData, name))
      return createStringError("'" + name + "' exists; --force replaces it");
  }
  return Error::success();
}

Expected<ExportResult> llmc::exportOnnx(const ExportRequest &request) {
  auto file = onnx::OnnxFile::read(
      request.model.weights->getFile(request.model.fileNumber).bytes());
  if (!file)
    return file.takeError();
  auto matrices = planOnnx(request.model, *file);
  if (!matrices)
    return matrices.takeError();
  std::vector<KeptMatrix> kept;
  if (request.style == OnnxStyle::QDQ) {
    auto found = planKept(request.model, *file);
    if (!found)
      return found.takeError();
    kept = std::move(*found);
  } else if (request.style == OnnxStyle::NBits) {
    if (Error error = refuseOtherNodes(request.model, *file))
      return std::move(error);
  }
  return Writer(request, *file).run(std::move(*matrices), std::move(kept));
}
