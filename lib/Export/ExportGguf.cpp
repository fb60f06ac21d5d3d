//===- ExportGguf.cpp - Compressed GGUF files -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names and metadata are those that llama.cpp expects of the architecture
// `llama`. It turns neighboring channels of a head, so the rows of queries and
// keys of a model that turns halves change places.
//
//===----------------------------------------------------------------------===//
#include "DataFile.h"
#include "GgufTokenizer.h"
#include "LeaveOut.h"
#include "LlamaModel.h"
#include "llmc/Codegen/CompressWeight.h"
#include "llmc/Dialect/Pack/Measured.h"
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Export/Export.h"
#include "llmc/Formats/Ggml.h"
#include "llmc/Weights/ReadMatrix.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cstring>

using namespace mlir;
using namespace llmc;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;

namespace {

/// A tensor to write, and its place.
struct Item {
  GgufTensor tensor;
  nn::WeightOp weight;
  /// Null for numbers.
  const GgmlType *blocks = nullptr;
  /// Heads whose halves become neighbors; 0: rows stay.
  int64_t heads = 0;
  TensorRole role = TensorRole::Other;
  size_t entry = 0;
  onnx::Place place = {};
};

class Writer {
public:
  Writer(const ExportRequest &request, const LlamaModel &model)
      : request(request), model(model), workers(request.threads),
        data(kGgufAlignment, request) {}

  Expected<ExportResult> run();

private:
  Error list();
  Error add(const Twine &name, nn::WeightOp weight, TensorRole role,
            int64_t heads = 0);
  Error addLinear(const Twine &name, const LlamaLinear &linear,
                  int64_t heads = 0);
  Error addMetadata(GgufHead &head);
  Error write(const Item &item);
  Error writeNumbers(const Item &item);
  Error writeCompressed(const Item &item, pack::MethodAttr method,
                        CompressionOutcome &outcome);

  const ExportRequest &request;
  const LlamaModel &model;
  Workers workers;
  DataFile data;
  std::vector<Item> items;
  std::vector<LedgerLine> lines;
};

} // namespace

static pack::MethodAttr getMethod(nn::WeightOp weight) {
  return weight->getAttrOfType<pack::MethodAttr>(pack::PackDialect::kMethod);
}

/// The block type that is exactly this format.
static const GgmlType *findBlocks(const FormatDescription &format) {
  for (const GgmlType &type : getGgmlTypes())
    if (auto known = llvm::cantFail(parseFormat(type.name)); known == format)
      return &type;
  return nullptr;
}

Error Writer::add(const Twine &name, nn::WeightOp weight, TensorRole role,
                  int64_t heads) {
  auto type = cast<RankedTensorType>(weight.getType());
  Item item{{name.str(), type.getShape().vec()}, weight, nullptr, heads, role};
  auto refuse = [&](const Twine &why) {
    return createStringError("weight '" + weight.getSymName() + "': " + why +
                             leaveOut(weight.getSymName()));
  };
  if (pack::MethodAttr method = getMethod(weight)) {
    FormatDescription format = pack::getFormat(method);
    if (format.hadamard || format.permuted)
      return refuse("format '" + format.name + "' " +
                    (format.hadamard ? "transforms" : "orders") +
                    " columns, which blocks of GGUF do not say; use '" +
                    format.getStored().name + "'");
    item.blocks = findBlocks(format);
    if (!item.blocks && !format.isDense()) {
      std::string names;
      for (const GgmlType &each : getGgmlTypes())
        names += each.name.str() + ", ";
      names += "bf16, f16";
      return refuse("GGUF has no blocks of format '" + format.name +
                    "'; use one of " + names);
    }
    if (format.isDense()) {
      item.tensor.type = format.dense == RealType::F32   ? kGgufF32
                         : format.dense == RealType::F16 ? kGgufF16
                                                         : kGgufBF16;
      item.tensor.bytes = type.getNumElements() * getRealBytes(format.dense);
      items.push_back(std::move(item));
      return Error::success();
    }
    if (type.getDimSize(1) % item.blocks->blockColumns)
      return refuse("expected a multiple of " +
                    Twine(item.blocks->blockColumns) +
                    " columns, as blocks of "
                    "'" +
                    item.blocks->name + "' have them, but got " +
                    Twine(type.getDimSize(1)));
    item.tensor.type = item.blocks->number;
    item.tensor.bytes = type.getNumElements() / item.blocks->blockColumns *
                        item.blocks->blockBytes;
  } else {
    if (!type.getElementType().isF32())
      return refuse("expected f32");
    item.tensor.bytes = type.getNumElements() * sizeof(float);
  }
  items.push_back(std::move(item));
  return Error::success();
}

Error Writer::addLinear(const Twine &name, const LlamaLinear &linear,
                        int64_t heads) {
  if (Error error =
          add(name + ".weight", linear.weight, TensorRole::Linear, heads))
    return error;
  return linear.bias
             ? add(name + ".bias", linear.bias, TensorRole::Other, heads)
             : Error::success();
}

Error Writer::list() {
  if (Error error =
          add("token_embd.weight", model.embedding, TensorRole::Table))
    return error;
  int64_t heads = model.interleaved ? 0 : model.heads,
          kvHeads = model.interleaved ? 0 : model.kvHeads;
  for (auto [i, layer] : llvm::enumerate(model.layers)) {
    std::string path = "blk." + std::to_string(i) + ".";
    for (auto [name, weight] :
         {std::pair("attn_norm.weight", layer.attentionNorm),
          std::pair("ffn_norm.weight", layer.feedForwardNorm)})
      if (Error error = add(path + name, weight, TensorRole::Other))
        return error;
    for (auto [name, linear, turned] :
         {std::tuple("attn_q", layer.q, heads),
          std::tuple("attn_k", layer.k, kvHeads),
          std::tuple("attn_v", layer.v, int64_t(0)),
          std::tuple("attn_output", layer.o, int64_t(0)),
          std::tuple("ffn_gate", layer.gate, int64_t(0)),
          std::tuple("ffn_up", layer.up, int64_t(0)),
          std::tuple("ffn_down", layer.down, int64_t(0))})
      if (Error error = addLinear(path + name, linear, turned))
        return error;
  }
  if (Error error = add("output_norm.weight", model.norm, TensorRole::Other))
    return error;
  if (model.head.bias)
    return createStringError("the model is no Llama: its head has a bias");
  return model.head.weight ? addLinear("output", model.head) : Error::success();
}

Error Writer::addMetadata(GgufHead &head) {
  head.addText("general.architecture", "llama");
  head.addText("general.type", "model");
  head.addText("general.name", llvm::sys::path::stem(request.output));
  head.addNumber("general.quantization_version", 2);
  auto number = [&](StringRef key, int64_t value) {
    head.addNumber(("llama." + key).str(), static_cast<uint32_t>(value));
  };
  number("block_count", static_cast<int64_t>(model.layers.size()));
  number("context_length", request.context);
  number("embedding_length", model.hidden);
  number("feed_forward_length", model.inner);
  number("attention.head_count", model.heads);
  number("attention.head_count_kv", model.kvHeads);
  number("attention.key_length", model.headSize);
  number("attention.value_length", model.headSize);
  number("rope.dimension_count", model.headSize);
  number("vocab_size", model.vocabulary);
  head.addReal("llama.attention.layer_norm_rms_epsilon",
               static_cast<float>(model.epsilon));
  head.addReal("llama.rope.freq_base", static_cast<float>(model.ropeBase));
  auto text = readTextAssets(request.model.folder);
  if (!text)
    return text.takeError();
  return addTokenizer(head, *text, model.vocabulary);
}

/// For each row of the file, the row of the model: of each head first and second
/// half by turns.
static std::vector<int64_t> orderRows(int64_t rows, int64_t heads) {
  std::vector<int64_t> order(rows);
  int64_t size = rows / heads;
  for (int64_t row = 0; row < rows; ++row)
    order[row] = row / size * size + row % size / 2 + row % 2 * (size / 2);
  return order;
}

/// Without heads rows stay as they are.
template <typename Values>
static void reorder(Values &values, int64_t rows, int64_t heads) {
  if (!heads)
    return;
  std::vector<int64_t> order = orderRows(rows, heads);
  int64_t width = values.size() / order.size();
  Values old = values;
  for (auto [to, from] : llvm::enumerate(order))
    std::copy_n(old.begin() + from * width, width, values.begin() + to * width);
}

Error Writer::writeNumbers(const Item &item) {
  auto values = readMatrix(*request.model.weights,
                           nn::WeightOp(item.weight).getSource(), workers);
  if (!values)
    return values.takeError();
  reorder(*values, item.tensor.shape[0], item.heads);
  return data.write(item.place, {reinterpret_cast<const char *>(values->data()),
                                 values->size() * sizeof(float)});
}

Error Writer::writeCompressed(const Item &item, pack::MethodAttr method,
                              CompressionOutcome &outcome) {
  ArrayRef<int64_t> shape = item.tensor.shape;
  nn::WeightOp weight = item.weight;
  auto matrix = compressWeight(
      weight.getSymName(), weight.getSource(), shape[0], shape[1], method,
      request.methods, *request.model.weights, workers, outcome,
      /*seconds=*/nullptr, weight->getAttr(pack::kStatistics));
  if (!matrix)
    return matrix.takeError();
  reorder(matrix->codes, shape[0], item.heads);
  for (ChainValues &chain : matrix->chains) {
    if (!chain.reals.empty())
      reorder(chain.reals, shape[0], item.heads);
    if (!chain.codes.empty())
      reorder(chain.codes, shape[0], item.heads);
  }
  if (!item.blocks)
    return data.write(item.place,
                      {reinterpret_cast<const char *>(matrix->codes.data()),
                       matrix->codes.size()});
  auto blocks = writeGgml(*item.blocks, *matrix);
  if (!blocks)
    return createStringError("weight '" + weight.getSymName() +
                             "': " + llvm::toString(blocks.takeError()));
  return data.write(item.place, *blocks);
}

/// With a line of the ledger.
Error Writer::write(const Item &item) {
  nn::WeightOp weight = item.weight;
  LedgerLine line;
  line.name = weight.getSymName().str();
  line.role = item.role;
  line.weights = llvm::product_of(item.tensor.shape);
  line.bytesBefore = line.weights * sizeof(float);
  line.bytesAfter = static_cast<int64_t>(item.tensor.bytes);
  line.format = "f32";
  pack::MethodAttr method = getMethod(weight);
  std::vector<CompressionOutcome> outcomes;
  auto make = [&] {
    if (!method)
      return writeNumbers(item);
    outcomes.emplace_back();
    return writeCompressed(item, method, outcomes.front());
  };
  if (Error error = data.complete(item.entry, outcomes, make))
    return error;
  if (method) {
    describe(line, method, outcomes.front());
    if (item.blocks)
      line.format = item.blocks->name.str();
  }
  if (request.done)
    request.done(line.bytesBefore);
  lines.push_back(std::move(line));
  return Error::success();
}

Expected<ExportResult> Writer::run() {
  if (Error error = list())
    return std::move(error);
  GgufHead head;
  if (Error error = addMetadata(head))
    return std::move(error);
  std::vector<GgufTensor> tensors;
  int64_t total = 0;
  for (Item &item : items) {
    item.entry = data.beginEntry({item.tensor.name});
    item.place = data.place(item.tensor.bytes);
    tensors.push_back(item.tensor);
    total += llvm::product_of(item.tensor.shape) * sizeof(float);
  }
  // What reads the file may expect the last tensor to be padded, too.
  if (Error error = data.open(head.build(tensors), /*isPadded=*/true))
    return std::move(error);
  if (request.expect)
    request.expect(total);
  for (const Item &item : items)
    if (Error error = write(item))
      return std::move(error);
  if (Error error = data.close())
    return std::move(error);
  if (Error error =
          request.place.publish({{kExportedData, request.output.str()}}))
    return std::move(error);
  return ExportResult{std::move(lines), data.count()};
}

Expected<ExportResult> llmc::exportGguf(const ExportRequest &request) {
  auto llama = findLlama(*request.model.module, *request.model.weights);
  if (!llama)
    return createStringError("a GGUF file is written for models of the "
                             "architecture llama alone, and " +
                             llvm::toString(llama.takeError()));
  return Writer(request, *llama).run();
}
