//===- OnnxTensors.cpp - The tensors that an export adds ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "OnnxTensors.h"
#include "LeaveOut.h"
#include "llmc/Codegen/CompressWeight.h"
#include "llmc/Recipes/Recipe.h"
#include "llmc/Weights/ReadMatrix.h"
#include "llmc/Weights/StoredFormat.h"

#include "llvm/Support/Path.h"
#include <cstring>
#include <optional>

using namespace mlir;
using namespace llmc;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;
using onnx::Place;
using Part = OnnxTensor::Part;

/// What ONNX Runtime maps without copying begins at a page.
constexpr uint64_t kAlignment = 4096;

int64_t OnnxEntry::countBytes() const {
  uint64_t bytes = 0;
  for (const OnnxTensor &tensor : tensors)
    bytes += tensor.place.size;
  return static_cast<int64_t>(bytes);
}

const std::string &llmc::getCodes(const onnx::Node &node,
                                  KeptReader::Kind kind) {
  return node.inputs[kind == KeptReader::Kind::Linear ? 1 : 0];
}

OnnxTensors::OnnxTensors(const ExportRequest &request, onnx::OnnxFile &file,
                         OnnxStyle style)
    : request(request), file(file), graph(file.getGraph()),
      store(*request.model.weights), style(style),
      location((llvm::sys::path::filename(request.output) + ".data").str()),
      data(kAlignment, request), workers(request.threads) {}

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

Error OnnxTensors::placeCopies(
    ArrayRef<std::pair<std::string, Attribute>> scales) {
  for (auto [i, tensor] : llvm::enumerate(graph.initializers)) {
    if (tensor.place != onnx::Tensor::Place::External || file.isDropped(i))
      continue;
    auto bytes = store.getBytes(tensor.name);
    if (!bytes)
      return bytes.takeError();
    Copy &copy = copies.emplace_back();
    copy.entry = data.beginEntry({tensor.name});
    copy.place = data.place(bytes->size());
    copy.key = tensor.name;
    file.replaceInitializer(i, onnx::buildTensor(tensor.name, tensor.type,
                                                 tensor.dims, location,
                                                 copy.place));
  }
  for (const auto &[name, scale] : scales) {
    Attribute source = scale;
    auto type = nn::getSourceType(source, [&] {
      return emitError(UnknownLoc::get(source.getContext()));
    });
    if (!type)
      return createStringError("cannot tell the type of '" + name + "'");
    int64_t count = type.getNumElements();
    Copy &copy = copies.emplace_back();
    copy.entry = data.beginEntry({name});
    copy.place = data.place(count * sizeof(float));
    copy.scale = scale;
    file.addInitializer(
        onnx::buildTensor(name, onnx::kFloat, {count}, location, copy.place));
  }
  return Error::success();
}

Place OnnxTensors::add(OnnxEntry &entry, Part part, bool transposed,
                       const std::string &name, int32_t type,
                       ArrayRef<int64_t> dims, int64_t bytes) {
  Place place = data.place(bytes);
  entry.tensors.push_back({part, transposed, place});
  file.addInitializer(onnx::buildTensor(name, type, dims, location, place));
  return place;
}

/// The operands of a DequantizeLinear.
void OnnxTensors::addDequantized(OnnxEntry &entry,
                                 const DequantizedNames &names,
                                 const OnnxCoding &coding) {
  int64_t rows = coding.rows, columns = coding.columns, bits = coding.bits,
          groups = coding.countGroups();
  bool isSigned = coding.isSigned(), flip = names.transposed;
  int32_t type = bits == 8   ? onnx::kInt8
                 : bits == 4 ? (isSigned ? onnx::kInt4 : onnx::kUint4)
                             : (isSigned ? onnx::kInt2 : onnx::kUint2);
  auto dims = [&](int64_t count) {
    return flip ? SmallVector<int64_t>{count, rows}
                : SmallVector<int64_t>{rows, count};
  };
  SmallVector<int64_t> ofScales =
      coding.isRow() ? SmallVector<int64_t>{rows} : dims(groups);
  add(entry, Part::Codes, flip, names.codes, type, dims(columns),
      llvm::divideCeil(rows * columns * bits, 8));
  add(entry, Part::Scales, flip, names.scales, onnx::kFloat, ofScales,
      rows * groups * 4);
  if (coding.hasZeros)
    add(entry, Part::Zeros, flip, names.zeros, type, ofScales,
        llvm::divideCeil(rows * groups * bits, 8));
}

/// Holders of one orientation have one copy.
void OnnxTensors::addNumbers(ExportedMatrix &item) {
  int64_t width = item.getNumberBytes();
  std::optional<Place> places[2];
  for (auto [holder, name] :
       llvm::zip_equal(item.matrix.holders, item.numbers)) {
    SmallVector<int64_t> dims{item.rows, item.columns};
    if (holder.transposed)
      std::swap(dims[0], dims[1]);
    std::optional<Place> &place = places[holder.transposed];
    if (place)
      file.addInitializer(
          onnx::buildTensor(name, item.element, dims, location, *place));
    else
      place = add(item.data, Part::Numbers, holder.transposed, name,
                  item.element, dims, item.rows * item.columns * width);
  }
}

/// The operands of MatMulNBits and GatherBlockQuantized.
void OnnxTensors::addBlocks(ExportedMatrix &item) {
  int64_t rows = item.rows, columns = item.columns, bits = item.bits,
          groups = item.countGroups(), width = item.block * bits / 8;
  Place place;
  if (!item.linear.empty())
    place = add(item.data, Part::Blocks, false, item.linear, onnx::kUint8,
                {rows, groups, width}, rows * groups * width);
  if (!item.gather.empty()) {
    SmallVector<int64_t> dims{rows, columns * bits / 8};
    // Without padding both are the same bytes, which the file has once.
    if (!item.linear.empty() && columns % item.block == 0)
      file.addInitializer(
          onnx::buildTensor(item.gather, onnx::kUint8, dims, location, place));
    else
      add(item.data, Part::Rows, false, item.gather, onnx::kUint8, dims,
          dims[0] * dims[1]);
  }
  add(item.data, Part::Scales, false, item.scales, onnx::kFloat, {rows, groups},
      rows * groups * 4);
  if (item.hasZeros) {
    int64_t bytes = llvm::divideCeil(groups * bits, 8);
    add(item.data, Part::PackedZeros, false, item.zeros, onnx::kUint8,
        {rows, bytes}, rows * bytes);
  }
}

void OnnxTensors::place(ExportedMatrix &item) {
  std::vector<std::string> names;
  names.reserve(item.matrix.parts.size());
  for (const CompressedWeight &part : item.matrix.parts)
    names.push_back(part.name);
  item.data.entry = data.beginEntry(std::move(names));
  if (item.element)
    addNumbers(item);
  else if (style == OnnxStyle::NBits)
    addBlocks(item);
  else
    for (const DequantizedNames &names : item.dequantized)
      addDequantized(item.data, names, item);
}

void OnnxTensors::place(MovedMatrix &item) {
  item.data.entry = data.beginEntry({item.dequantized.codes});
  addDequantized(item.data, item.dequantized, item);
}

//===----------------------------------------------------------------------===//
// Content
//===----------------------------------------------------------------------===//

Error OnnxTensors::write(const Copy &copy) {
  if (copy.scale) {
    auto values = readMatrix(store, copy.scale, workers);
    if (!values)
      return values.takeError();
    return data.write(copy.place,
                      packScales(*values, 1, values->size(), false));
  }
  auto stored = store.getBytes(copy.key);
  if (!stored)
    return stored.takeError();
  return data.write(copy.place, *stored);
}

Error OnnxTensors::writeCopies() {
  std::vector<CompressionOutcome> outcomes;
  for (const Copy &copy : copies)
    if (Error error =
            data.complete(copy.entry, outcomes, [&] { return write(copy); }))
      return error;
  return Error::success();
}

Error OnnxTensors::writeCodes(const OnnxEntry &entry, const OnnxCoding &coding,
                              const OnnxCodes &matrix) {
  int64_t rows = coding.rows, columns = coding.columns, bits = coding.bits,
          groups = matrix.getGroups();
  bool isSigned = coding.isSigned();
  for (const OnnxTensor &tensor : entry.tensors) {
    bool flip = tensor.transposed;
    std::vector<char> bytes;
    switch (tensor.part) {
    case Part::Blocks:
      bytes = packMatMulNBits(matrix);
      break;
    case Part::Rows:
      bytes = packGather(matrix);
      break;
    case Part::PackedZeros:
      bytes = packZeros(matrix);
      break;
    case Part::Codes:
      bytes = packTensor(matrix.codes, rows, columns, bits, isSigned, flip);
      break;
    case Part::Zeros:
      bytes = packTensor(matrix.zeros, rows, groups, bits, isSigned, flip);
      break;
    case Part::Scales:
      bytes = packScales(matrix.scales, rows, groups, flip);
      break;
    case Part::Numbers:
      llvm_unreachable("codes are no numbers");
    }
    if (Error error = data.write(tensor.place, bytes))
      return error;
  }
  return Error::success();
}

Error OnnxTensors::writeNumbers(const ExportedMatrix &item,
                                ArrayRef<char> numbers) {
  int64_t rows = item.rows, columns = item.columns,
          width = item.getNumberBytes();
  for (const OnnxTensor &tensor : item.data.tensors) {
    std::vector<char> turned(tensor.transposed ? numbers.size() : 0);
    if (tensor.transposed)
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t k = 0; k < columns; ++k)
          std::memcpy(turned.data() + (k * rows + r) * width,
                      numbers.data() + (r * columns + k) * width, width);
    if (Error error = data.write(
            tensor.place, tensor.transposed ? ArrayRef<char>(turned) : numbers))
      return error;
  }
  return Error::success();
}

Expected<QuantizedMatrix> OnnxTensors::compress(const CompressedWeight &part,
                                                CompressionOutcome &outcome) {
  return compressWeight(part.name, part.source, part.rows, part.columns,
                        part.method, request.methods, store, workers, outcome,
                        /*seconds=*/nullptr, part.statistics);
}

/// Makes and writes all tensors of a matrix.
Error OnnxTensors::compress(
    const ExportedMatrix &item,
    llvm::MutableArrayRef<CompressionOutcome> outcomes) {
  std::vector<char> numbers;
  OnnxCodes whole;
  for (auto [part, outcome] : llvm::zip_equal(item.matrix.parts, outcomes)) {
    auto matrix = compress(part, outcome);
    if (!matrix)
      return matrix.takeError();
    if (item.element) {
      numbers.insert(numbers.end(), matrix->codes.begin(), matrix->codes.end());
      continue;
    }
    auto codes = toOnnxCodes(*matrix);
    if (!codes)
      return createStringError("weight '" + part.name +
                               "': " + llvm::toString(codes.takeError()) +
                               leaveOut(part.name));
    if (whole.rows)
      appendRows(whole, *codes);
    else
      whole = std::move(*codes);
  }
  if (item.element)
    return writeNumbers(item, numbers);
  whole.block = item.block;
  return writeCodes(item.data, item, whole);
}

void OnnxTensors::tell(LedgerLine line) {
  line.bytesBefore = line.weights * sizeof(float);
  if (request.done)
    request.done(line.bytesBefore);
  lines.push_back(std::move(line));
}

Error OnnxTensors::write(const ExportedMatrix &item) {
  std::vector<CompressionOutcome> outcomes;
  auto make = [&] {
    outcomes.assign(item.matrix.parts.size(), {});
    return compress(item, outcomes);
  };
  if (Error error = data.complete(item.data.entry, outcomes, make))
    return error;
  int64_t bytes = item.data.countBytes();
  for (auto [part, outcome] : llvm::zip_equal(item.matrix.parts, outcomes)) {
    LedgerLine line;
    line.name = part.name;
    line.role = part.role;
    line.weights = part.rows * part.columns;
    // Parts share the bytes by their rows.
    line.bytesAfter = bytes / item.rows * part.rows;
    describe(line, part.method, outcome);
    tell(std::move(line));
  }
  return Error::success();
}

Error OnnxTensors::write(const MovedMatrix &item) {
  const KeptReader &first = item.matrix.readers.front();
  const onnx::Node &node = graph.nodes[first.node];
  auto make = [&]() -> Error {
    auto matrix = readStored(store, item.matrix.source);
    if (!matrix)
      return matrix.takeError();
    auto codes = toOnnxCodes(*matrix);
    if (!codes)
      return createStringError(describe(node) + ": " +
                               llvm::toString(codes.takeError()));
    return writeCodes(item.data, item, *codes);
  };
  std::vector<CompressionOutcome> outcomes;
  if (Error error = data.complete(item.data.entry, outcomes, make))
    return error;
  LedgerLine line;
  line.name = getCodes(node, first.kind);
  bool isTable =
      llvm::any_of(item.matrix.readers, [](const KeptReader &reader) {
        return reader.kind == KeptReader::Kind::Gather;
      });
  line.role = isTable ? TensorRole::Table : TensorRole::Linear;
  line.weights = item.rows * item.columns;
  line.bytesAfter = item.data.countBytes();
  line.format = item.matrix.format.name;
  line.method = kKeepMethod.str();
  line.note = "kept as it comes";
  tell(std::move(line));
  return Error::success();
}

Expected<ExportResult> OnnxTensors::close() {
  if (Error error = data.close())
    return std::move(error);
  return ExportResult{std::move(lines), data.count()};
}
