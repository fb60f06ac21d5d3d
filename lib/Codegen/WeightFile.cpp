//===- WeightFile.cpp - weights.safetensors of a bundle -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/WeightFile.h"
#include "llmc/Codegen/CompressWeight.h"
#include "llmc/Codegen/Conventions.h"
#include "llmc/Codegen/PassWatch.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Dialect/Pack/Measured.h"
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Formats/Layout.h"
#include "llmc/Runtime/Safetensors.h"
#include "llmc/Weights/WeightStore.h"

#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace llmc;

static llvm::Error fail(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

/// The name of an element type in safetensors; empty where it has none.
static StringRef getStoredName(Type type) {
  if (type.isF32())
    return "F32";
  if (type.isF64())
    return "F64";
  if (type.isF16())
    return "F16";
  if (type.isBF16())
    return "BF16";
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return "";
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 1:
    return "BOOL";
  case 8:
    return isUnsigned ? "U8" : "I8";
  case 16:
    return isUnsigned ? "U16" : "I16";
  case 32:
    return isUnsigned ? "U32" : "I32";
  case 64:
    return isUnsigned ? "U64" : "I64";
  default:
    return "";
  }
}

static llvm::Expected<PlacedWeight> describeWeight(nn::WeightOp op) {
  PlacedWeight weight;
  weight.name = op.getSymName().str();
  weight.type = op.getType();
  weight.source = op.getSource();
  weight.method = op->getAttr(pack::PackDialect::kMethod);
  if (auto inputs =
          op->getAttrOfType<TypeAttr>(pack::PackDialect::kActivations))
    llvm::raw_string_ostream(weight.activations) << inputs.getValue();
  weight.statistics = op->getAttr(pack::kStatistics);
  weight.measured = op->hasAttr(pack::kMeasured);
  if (auto rounding = op->getAttrOfType<FloatAttr>(pack::kRounding);
      rounding && weight.measured)
    weight.activations =
        llvm::formatv("{0}; i8 is {1:F2} % off",
                      weight.activations.empty() ? "i8" : weight.activations,
                      100 * rounding.getValueAsDouble());
  if (auto kept = op->getAttrOfType<StringAttr>(pack::PackDialect::kKept))
    weight.kept = kept.getValue().str();
  if (auto note = op->getAttrOfType<StringAttr>(pack::PackDialect::kNote))
    weight.outcome.note = note.getValue().str();
  if (auto tensor = dyn_cast<RankedTensorType>(weight.type)) {
    StringRef dtype = getStoredName(tensor.getElementType());
    auto bytes = getTensorBytes(tensor);
    if (dtype.empty() || !bytes)
      return fail("weight '" + weight.name +
                  "' has a type that cannot be stored");
    weight.dtype = dtype.str();
    weight.shape.assign(tensor.getShape().begin(), tensor.getShape().end());
    weight.layout = "row-major";
    weight.bytes = *bytes;
    return weight;
  }
  if (auto packed = dyn_cast<pack::TensorType>(weight.type)) {
    int64_t rows = packed.getLayout().getCount();
    if (auto quantized =
            dyn_cast<pack::QuantizedAttr>(Attribute(packed.getFormat()))) {
      FormatDescription format = pack::getFormat(quantized);
      auto layout = PackedLayout::create(format, packed.getRows(),
                                         packed.getColumns(), rows);
      if (!layout)
        return layout.takeError();
      weight.dtype = "U8";
      weight.shape = {layout->tiles, layout->tileBytes};
      weight.layout = (getCanonicalName(format) + " rows" + Twine(rows)).str();
      weight.bytes = layout->getUsedBytes();
      if (format.hasSides() || format.permuted)
        weight.shape = {layout->bytes};
      if (format.sparse)
        weight.indices = {layout->sparse,      layout->sparseTileBytes,
                          layout->tiles,       layout->sparseCount * rows,
                          layout->columnBytes, layout->columns,
                          /*once=*/false};
      if (format.permuted)
        weight.indices = {
            layout->order,       layout->columns * layout->columnBytes,
            /*tiles=*/1,         layout->columns,
            layout->columnBytes, layout->columns,
            /*once=*/true};
      return weight;
    }
    auto dense = dyn_cast<pack::DenseAttr>(Attribute(packed.getFormat()));
    if (!dense)
      return fail("weight '" + weight.name +
                  "' has a format that cannot be written");
    int64_t blocks = llvm::divideCeil(packed.getRows(), rows);
    weight.dtype = getStoredName(dense.getStorage()).str();
    weight.shape = {blocks, packed.getColumns(), rows};
    weight.layout =
        StringRef(weight.dtype).lower() + " rows" + std::to_string(rows);
    // Without what fills up to the alignment.
    weight.bytes = blocks * packed.getColumns() * rows *
                   (dense.getStorage().getIntOrFloatBitWidth() / 8);
    return weight;
  }
  return fail("weight '" + weight.name + "' has a type that cannot be stored");
}

llvm::Expected<WeightFile> llmc::placeWeights(ModuleOp module) {
  llvm::SetVector<StringRef> used;
  llvm::DenseSet<StringRef> tables;
  module.walk([&](nn::GetOp get) {
    used.insert(get.getWeight());
    if (findRole(get.getResult()) == TensorRole::Table)
      tables.insert(get.getWeight());
  });
  for (auto op : llvm::make_early_inc_range(module.getOps<nn::WeightOp>()))
    if (!used.contains(op.getSymName()))
      op.erase();
  WeightFile file;
  SymbolTable symbols(module);
  for (StringRef name : used) {
    auto op = symbols.lookup<nn::WeightOp>(name);
    auto weight = describeWeight(op);
    if (!weight)
      return weight.takeError();
    // Linear layers may stand in functions of their own; what is packed and no
    // table belongs to one.
    if (tables.contains(name))
      weight->role = TensorRole::Table;
    else if (isa<pack::TensorType>(weight->type))
      weight->role = TensorRole::Linear;
    weight->offset = file.dataBytes;
    op->setAttr(kOffset,
                IntegerAttr::get(IntegerType::get(module.getContext(), 64),
                                 weight->offset));
    file.dataBytes += llvm::alignTo(weight->bytes, kAlignment);
    file.weights.push_back(std::move(*weight));
  }
  return file;
}

std::string llmc::buildWeightHeader(const WeightFile &file) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  llvm::json::OStream json(stream);
  auto entry = [&](StringRef name, StringRef dtype, ArrayRef<int64_t> shape,
                   int64_t begin, int64_t end) {
    json.attributeObject(name, [&] {
      json.attribute("dtype", dtype);
      json.attributeArray("shape", [&] {
        for (int64_t extent : shape)
          json.value(extent);
      });
      json.attributeArray("data_offsets", [&] {
        json.value(begin);
        json.value(end);
      });
    });
  };
  json.object([&] {
    json.attributeObject("__metadata__",
                         [&] { json.attribute("format", "llmc"); });
    unsigned padding = 0;
    for (const PlacedWeight &weight : file.weights) {
      int64_t end = weight.offset + weight.bytes;
      entry(weight.name, weight.dtype, weight.shape, weight.offset, end);
      if (int64_t rest = llvm::alignTo(end, kAlignment) - end)
        entry(kPaddingPrefix + std::to_string(padding++), "U8", {rest}, end,
              end + rest);
    }
  });
  stream.flush();
  text.append(llvm::alignTo(text.size() + 8, 4096) - 8 - text.size(), ' ');
  std::string header;
  uint64_t length = text.size();
  for (unsigned i = 0; i != 8; ++i)
    header += static_cast<char>(length >> (8 * i));
  return header + text;
}

int64_t PlacedWeight::countNumbers() const {
  if (auto packed = dyn_cast<pack::TensorType>(type))
    return packed.getRows() * packed.getColumns();
  return cast<RankedTensorType>(type).getNumElements();
}

/// Bytes of each number in the model.
static int64_t getOriginalBytes(const PlacedWeight &weight) {
  if (auto tensor = dyn_cast<RankedTensorType>(weight.type))
    return getElementBytes(tensor.getElementType()).value_or(0);
  return sizeof(float);
}

std::vector<LedgerLine> llmc::buildLedger(const WeightFile &file) {
  std::vector<LedgerLine> lines;
  for (const PlacedWeight &weight : file.weights) {
    LedgerLine line;
    line.name = weight.name;
    line.role = weight.role;
    line.weights = weight.countNumbers();
    line.bytesBefore = line.weights * getOriginalBytes(weight);
    line.bytesAfter = weight.bytes;
    line.format = StringRef(weight.dtype).lower();
    line.note = weight.kept;
    if (auto method = dyn_cast_or_null<pack::MethodAttr>(weight.method)) {
      describe(line, method, weight.outcome);
      if (!weight.activations.empty())
        line.note = "inputs in " + weight.activations +
                    (line.note.empty() ? "" : "; " + line.note);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

void WorkSeconds::add(const WorkSeconds &other, double part) {
  reading += part * other.reading;
  compressing += part * other.compressing;
  checking += part * other.checking;
  writing += part * other.writing;
  copying += part * other.copying;
}
