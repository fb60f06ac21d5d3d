//===- WeightFile.cpp - weights.safetensors of a bundle -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/WeightFile.h"
#include "WriteQuantized.h"
#include "llmc/Codegen/Conventions.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Formats/Layout.h"
#include "llmc/Runtime/Safetensors.h"
#include "llmc/Support/Hash.h"
#include "llmc/Weights/WeightStore.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/ThreadPool.h"
#include <fcntl.h>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

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
      auto format = parseFormat(quantized.getName());
      if (!format)
        return format.takeError();
      auto layout = PackedLayout::create(*format, packed.getRows(),
                                         packed.getColumns(), rows);
      if (!layout)
        return layout.takeError();
      weight.dtype = "U8";
      weight.shape = {layout->tiles, layout->tileBytes};
      weight.layout = (getCanonicalName(*format) + " rows" + Twine(rows)).str();
      weight.bytes = layout->tiles * layout->tileBytes;
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
    if (llvm::any_of(get->getUsers(), llvm::IsaPred<pack::GatherOp>))
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
    if (isa<pack::TensorType>(weight->type))
      weight->role =
          tables.contains(name) ? TensorRole::Table : TensorRole::Linear;
    weight->offset = file.dataBytes;
    op->setAttr(kOffset,
                IntegerAttr::get(IntegerType::get(module.getContext(), 64),
                                 weight->offset));
    file.dataBytes += llvm::alignTo(weight->bytes, kAlignment);
    file.weights.push_back(std::move(*weight));
  }
  return file;
}

/// The header: its length in 8 bytes, JSON, and spaces up to a multiple of the
/// page size, so that the data section is aligned in a map.
static std::string buildHeader(const WeightFile &file) {
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

/// Rows of a source in f32 or the element type of `storage`, `count` of them
/// padded with zeros, column by column: [columns][count].
static llvm::Error packBlock(const PlacedWeight &weight, pack::TensorType type,
                             const WeightStore &store, int64_t block,
                             std::vector<char> &rows, char *out) {
  int64_t count = type.getLayout().getCount(), columns = type.getColumns();
  int64_t begin = block * count;
  int64_t end = std::min(begin + count, type.getRows());
  auto storage =
      cast<pack::DenseAttr>(Attribute(type.getFormat())).getStorage();
  auto source = weight.source;
  auto sourceType = nn::getSourceType(
      source, [&] { return emitError(UnknownLoc::get(type.getContext())); });
  if (sourceType && sourceType.getElementType() != storage)
    source = nn::CastSourceAttr::get(type.getContext(), source, storage);
  size_t width = storage.getIntOrFloatBitWidth() / 8;
  rows.resize((end - begin) * columns * width);
  if (llvm::Error error = store.readRows(source, begin, end, rows))
    return error;
  auto interleave = [&](auto zero) {
    using Element = decltype(zero);
    auto *from = reinterpret_cast<const Element *>(rows.data());
    auto *to = reinterpret_cast<Element *>(out);
    int64_t valid = end - begin;
    // Tiles of 16 columns keep the lines of all rows in the first-level cache.
    for (int64_t c0 = 0; c0 < columns; c0 += 16) {
      int64_t c1 = std::min(c0 + 16, columns);
      for (int64_t r = 0; r < valid; ++r)
        for (int64_t c = c0; c < c1; ++c)
          to[c * count + r] = from[r * columns + c];
      for (int64_t r = valid; r < count; ++r)
        for (int64_t c = c0; c < c1; ++c)
          to[c * count + r] = zero;
    }
  };
  if (width == 4)
    interleave(uint32_t(0));
  else
    interleave(uint16_t(0));
  return llvm::Error::success();
}

namespace {

/// A file of known size, mapped for writing.
class OutputMap {
public:
  ~OutputMap() {
    if (base != MAP_FAILED)
      ::munmap(base, size);
    if (descriptor >= 0)
      ::close(descriptor);
  }

  llvm::Error open(StringRef path, size_t bytes) {
    size = bytes;
    descriptor = ::open(path.str().c_str(),
                        O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor < 0)
      return error("cannot create", path);
    // Space is reserved now: a full disk is an error here, not a signal later.
    if (int code = ::posix_fallocate(descriptor, 0, bytes)) {
      errno = code;
      return error("no space for", path);
    }
    base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                  descriptor, 0);
    if (base == MAP_FAILED)
      return error("cannot map", path);
    return llvm::Error::success();
  }

  char *data() { return static_cast<char *>(base); }

private:
  static llvm::Error error(const Twine &what, StringRef path) {
    std::error_code code(errno, std::generic_category());
    return llvm::createStringError(code,
                                   what + " '" + path + "': " + code.message());
  }
  int descriptor = -1;
  void *base = MAP_FAILED;
  size_t size = 0;
};

} // namespace

llvm::Error llmc::writeWeightFile(WeightFile &file, const WeightStore &store,
                                  StringRef path, unsigned threads,
                                  llvm::function_ref<void(int64_t)> written) {
  std::string header = buildHeader(file);
  file.fileBytes = header.size() + file.dataBytes;
  OutputMap output;
  if (llvm::Error error = output.open(path, file.fileBytes))
    return error;
  std::copy(header.begin(), header.end(), output.data());
  char *data = output.data() + header.size();

  std::mutex mutex;
  llvm::Error failure = llvm::Error::success();
  auto report = [&](llvm::Error error) {
    if (!error)
      return;
    std::lock_guard<std::mutex> lock(mutex);
    failure = llvm::joinErrors(std::move(failure), std::move(error));
  };
  // Tasks of about 4 MB, so that one large matrix does not hold up the rest.
  llvm::DefaultThreadPool pool(llvm::hardware_concurrency(threads));
  for (PlacedWeight &weight : file.weights) {
    char *out = data + weight.offset;
    auto packed = dyn_cast<pack::TensorType>(weight.type);
    if (packed && packed.isQuantized())
      continue;
    if (!packed) {
      pool.async([&, out] {
        report(store.readSource(weight.source,
                                llvm::MutableArrayRef(out, weight.bytes)));
        written(llvm::alignTo(weight.bytes, kAlignment));
      });
      continue;
    }
    int64_t blocks = weight.shape[0];
    int64_t blockBytes = weight.bytes / std::max<int64_t>(1, blocks);
    int64_t perTask =
        std::max<int64_t>(1, (4 << 20) / std::max<int64_t>(1, blockBytes));
    for (int64_t begin = 0; begin < blocks; begin += perTask) {
      int64_t end = std::min(begin + perTask, blocks);
      pool.async([&, out, packed, blockBytes, begin, end] {
        std::vector<char> rows;
        for (int64_t block = begin; block < end; ++block)
          report(packBlock(weight, packed, store, block, rows,
                           out + block * blockBytes));
        written((end - begin) * blockBytes);
      });
    }
  }
  pool.wait();
  Workers workers(threads);
  for (PlacedWeight &weight : file.weights) {
    auto packed = dyn_cast<pack::TensorType>(weight.type);
    if (!packed || !packed.isQuantized())
      continue;
    size_t size = llvm::alignTo(weight.bytes, kAlignment);
    llvm::MutableArrayRef<char> out(data + weight.offset, size);
    report(writeQuantized(weight, store, workers, out));
    written(size);
  }
  if (failure)
    return failure;
  for (PlacedWeight &weight : file.weights)
    pool.async(
        [&] { weight.hash = hashText(data + weight.offset, weight.bytes); });
  pool.wait();
  return llvm::Error::success();
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
      line.format = method.getFormat().str();
      line.method = method.getName().str();
      line.note = weight.outcome.note;
      if (!weight.activations.empty())
        line.note = "inputs in " + weight.activations +
                    (line.note.empty() ? "" : "; " + line.note);
      line.relativeError = weight.outcome.relativeError;
      line.seconds = weight.outcome.seconds;
    }
    lines.push_back(std::move(line));
  }
  return lines;
}
