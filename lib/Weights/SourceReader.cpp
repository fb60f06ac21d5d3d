//===- SourceReader.cpp - Evaluates weight sources ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A source is a tree over stored tensors. Rows are pulled from the root: a
// node asks its operands only for the rows it needs, in chunks of a few MiB, so
// that reading a weight never holds a second copy of it. What is contiguous in
// a mapped file (keys, their rows and reshapes) is used where it lies.
//
//===----------------------------------------------------------------------===//
#include "SourceReader.h"

#include "llmc/Support/Vectorized.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;
using llvm::inconvertibleErrorCode;
using namespace llmc;
using namespace llmc::nn;

namespace {

/// Bytes of intermediate values that one node holds at a time.
constexpr int64_t kChunkBytes = int64_t(4) << 20;
/// Sources nest a few levels deep; a deeper one is not ours.
constexpr unsigned kMaxDepth = 64;

llvm::Error fault(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

template <typename T> void storeAs(char *at, T value) {
  std::memcpy(at, &value, sizeof(T));
}

/// Rounds to a narrow floating point type, to nearest even.
uint16_t roundTo(double value, const llvm::fltSemantics &semantics) {
  llvm::APFloat number(value);
  bool inexact;
  number.convert(semantics, llvm::APFloat::rmNearestTiesToEven, &inexact);
  return static_cast<uint16_t>(number.bitcastToAPInt().getZExtValue());
}

/// From floating point to an integer type, toward zero; what does not fit
/// saturates and NaN is zero, so that nothing is undefined.
template <typename To, typename From> To toInteger(From value) {
  if constexpr (std::is_floating_point_v<From>) {
    if (std::isnan(value))
      return 0;
    double low = static_cast<double>(std::numeric_limits<To>::min()),
           high = static_cast<double>(std::numeric_limits<To>::max());
    if (value <= low)
      return std::numeric_limits<To>::min();
    if (value >= high)
      return std::numeric_limits<To>::max();
  }
  return static_cast<To>(value);
}

/// Calls `use` with a writer of elements of `type` from any number.
template <typename Use> bool withStorer(Type type, Use use) {
  if (type.isF32())
    use([](char *p, auto v) { storeAs<float>(p, static_cast<float>(v)); });
  else if (type.isF64())
    use([](char *p, auto v) { storeAs<double>(p, static_cast<double>(v)); });
  else if (type.isF16())
    use([](char *p, auto v) {
      storeAs<uint16_t>(
          p, roundTo(static_cast<double>(v), llvm::APFloat::IEEEhalf()));
    });
  else if (type.isBF16())
    use([](char *p, auto v) {
      storeAs<uint16_t>(
          p, roundTo(static_cast<double>(v), llvm::APFloat::BFloat()));
    });
  else if (type.isInteger(1))
    use([](char *p, auto v) { *p = v != 0; });
  else if (type.isUnsignedInteger(8))
    use([](char *p, auto v) { storeAs(p, toInteger<uint8_t>(v)); });
  else if (type.isInteger(8))
    use([](char *p, auto v) { storeAs(p, toInteger<int8_t>(v)); });
  else if (type.isInteger(16))
    use([](char *p, auto v) { storeAs(p, toInteger<int16_t>(v)); });
  else if (type.isInteger(32))
    use([](char *p, auto v) { storeAs(p, toInteger<int32_t>(v)); });
  else if (type.isInteger(64))
    use([](char *p, auto v) { storeAs(p, toInteger<int64_t>(v)); });
  else
    return false;
  return true;
}

/// Calls `use` with loader and storer of elements of one floating-point type,
/// both in double precision; false for other types.
template <typename Use> bool withFloats(Type type, Use use) {
  auto narrow = [&](const llvm::fltSemantics &semantics, auto toFloat) {
    use([=](const char *p) { return double(toFloat(loadAs<uint16_t>(p))); },
        [&](char *p, double v) { storeAs(p, roundTo(v, semantics)); });
  };
  if (type.isF32())
    use([](const char *p) { return double(loadAs<float>(p)); },
        [](char *p, double v) { storeAs(p, static_cast<float>(v)); });
  else if (type.isF64())
    use([](const char *p) { return loadAs<double>(p); }, storeAs<double>);
  else if (type.isF16())
    narrow(llvm::APFloat::IEEEhalf(), f16ToFloat);
  else if (type.isBF16())
    narrow(llvm::APFloat::BFloat(), bf16ToFloat);
  else
    return false;
  return true;
}

std::string text(Type type) {
  std::string result;
  llvm::raw_string_ostream(result) << type;
  return result;
}

} // namespace

/// Multiplies or divides a row by a factor for each of its numbers, in f64.
LLMC_VECTORIZED
static void scaleRow(float *row, const double *factors, int64_t count,
                     bool inverse) {
  if (inverse)
    for (int64_t i = 0; i < count; ++i)
      row[i] = static_cast<float>(static_cast<double>(row[i]) / factors[i]);
  else
    for (int64_t i = 0; i < count; ++i)
      row[i] = static_cast<float>(static_cast<double>(row[i]) * factors[i]);
}

//===----------------------------------------------------------------------===//
// The tree
//===----------------------------------------------------------------------===//

Expected<SourceLayout> SourceReader::layout(Attribute source) {
  MLIRContext *context = source.getContext();
  std::string message;
  ScopedDiagnosticHandler quiet(context, [&](Diagnostic &diagnostic) {
    message = diagnostic.str();
    return success();
  });
  RankedTensorType type = getSourceType(
      source, [&] { return emitError(UnknownLoc::get(context)); });
  if (!type)
    return fault(message.empty() ? "unknown kind of weight source" : message);
  std::optional<int64_t> bytes = getTensorBytes(type),
                         element = getElementBytes(type.getElementType());
  if (!bytes || !element)
    return fault("weight source: expected a type of known size but got " +
                 text(type));
  int64_t rows = type.getRank() ? type.getDimSize(0) : 1;
  int64_t rowBytes = *element;
  for (int64_t extent : type.getShape().drop_front(type.getRank() ? 1 : 0))
    rowBytes = rows ? rowBytes * extent : 0;
  return SourceLayout{type, rows, rowBytes, *element};
}

Expected<std::optional<ArrayRef<char>>> SourceReader::direct(Attribute source) {
  using Result = std::optional<ArrayRef<char>>;
  if (auto key = dyn_cast<KeyAttr>(source)) {
    auto type = store.getType(key.getName());
    if (!type)
      return type.takeError();
    if (*type != key.getType())
      return fault("weight source: expected the stored type " + text(*type) +
                   " for '" + key.getName() + "' but got " +
                   text(key.getType()));
    auto bytes = store.getBytes(key.getName());
    if (!bytes)
      return bytes.takeError();
    return Result(*bytes);
  }
  if (auto reshape = dyn_cast<ReshapeSourceAttr>(source))
    return direct(reshape.getSource());
  if (auto rows = dyn_cast<RowsSourceAttr>(source)) {
    auto bytes = direct(rows.getSource());
    if (!bytes || !*bytes)
      return bytes;
    auto inner = layout(rows.getSource());
    if (!inner)
      return inner.takeError();
    return Result(
        (*bytes)->slice(rows.getBegin() * inner->rowBytes,
                        (rows.getEnd() - rows.getBegin()) * inner->rowBytes));
  }
  return Result();
}

Error SourceReader::forChunks(
    Attribute source, int64_t begin, int64_t end,
    function_ref<void(int64_t, int64_t, ArrayRef<char>)> use) {
  auto at = layout(source);
  if (!at)
    return at.takeError();
  auto bytes = direct(source);
  if (!bytes)
    return bytes.takeError();
  if (*bytes) {
    use(begin, end,
        (*bytes)->slice(begin * at->rowBytes, (end - begin) * at->rowBytes));
    return Error::success();
  }
  int64_t step =
      std::max<int64_t>(1, kChunkBytes / std::max<int64_t>(1, at->rowBytes));
  std::vector<char> buffer;
  for (int64_t row = begin; row < end; row += step) {
    int64_t stop = std::min(end, row + step);
    buffer.resize((stop - row) * at->rowBytes);
    if (Error error = read(source, row, stop, buffer))
      return error;
    use(row, stop, buffer);
  }
  return Error::success();
}

Error SourceReader::read(Attribute source, int64_t begin, int64_t end,
                         MutableArrayRef<char> out) {
  if (++depth > kMaxDepth)
    return fault("weight source: expected at most " + Twine(kMaxDepth) +
                 " levels");
  auto leave = llvm::scope_exit([&] { --depth; });
  auto at = layout(source);
  if (!at)
    return at.takeError();
  if (begin < 0 || end < begin || end > at->rows)
    return fault("weight source: expected rows inside 0 to " + Twine(at->rows) +
                 " but got " + Twine(begin) + " to " + Twine(end));
  if (static_cast<int64_t>(out.size()) != (end - begin) * at->rowBytes)
    return fault("weight source: expected a buffer of " +
                 Twine((end - begin) * at->rowBytes) + " bytes but got " +
                 Twine(out.size()));
  if (out.empty())
    return Error::success();
  auto bytes = direct(source);
  if (!bytes)
    return bytes.takeError();
  if (*bytes) {
    std::memcpy(out.data(), (*bytes)->data() + begin * at->rowBytes,
                out.size());
    return Error::success();
  }
  return llvm::TypeSwitch<Attribute, Error>(source)
      .Case([&](DenseSourceAttr attr) {
        return readDense(attr.getValues(), *at, begin, end, out);
      })
      .Case([&](TransposeSourceAttr attr) {
        return readTranspose(attr, *at, begin, end, out);
      })
      .Case([&](RowsSourceAttr attr) {
        return read(attr.getSource(), attr.getBegin() + begin,
                    attr.getBegin() + end, out);
      })
      .Case([&](ConcatSourceAttr attr) -> Error {
        int64_t first = 0;
        for (Attribute part : attr.getSources()) {
          auto inner = layout(part);
          if (!inner)
            return inner.takeError();
          int64_t from = std::max(begin, first),
                  to = std::min(end, first + inner->rows);
          if (from < to)
            if (Error error = read(part, from - first, to - first,
                                   out.slice((from - begin) * at->rowBytes,
                                             (to - from) * at->rowBytes)))
              return error;
          first += inner->rows;
        }
        return Error::success();
      })
      .Case([&](ReshapeSourceAttr attr) {
        return readReshape(attr, *at, begin, end, out);
      })
      .Case(
          [&](CastSourceAttr attr) { return readCast(attr, begin, end, out); })
      .Case([&](AffineSourceAttr attr) {
        return readAffine(attr, *at, begin, end, out);
      })
      .Case([&](ScaleSourceAttr attr) {
        return readScale(attr, *at, begin, end, out);
      })
      .Case([&](RotaryTableAttr attr) {
        return readRotary(attr, *at, begin, end, out);
      })
      .Case([&](UnpackSourceAttr attr) {
        return readUnpack(attr, *at, begin, end, out);
      })
      .Case([&](DequantSourceAttr attr) {
        return readDequant(attr, *at, begin, end, out);
      })
      .Case([&](BlocksSourceAttr attr) {
        return readBlocks(attr, *at, begin, end, out);
      })
      .Default(
          [](Attribute) { return fault("unknown kind of weight source"); });
}

Error SourceReader::readDense(ElementsAttr values, const SourceLayout &at,
                              int64_t begin, int64_t end,
                              MutableArrayRef<char> out) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(values)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob ||
        static_cast<int64_t>(blob->getData().size()) != at.rows * at.rowBytes)
      return fault("weight source: expected a resource of " +
                   Twine(at.rows * at.rowBytes) + " bytes");
    std::memcpy(out.data(), blob->getData().data() + begin * at.rowBytes,
                out.size());
    return Error::success();
  }
  auto dense = dyn_cast<DenseElementsAttr>(values);
  if (!dense)
    return fault("weight source: expected dense values");
  int64_t first = begin * at.rowBytes / at.elementBytes,
          count = static_cast<int64_t>(out.size()) / at.elementBytes;
  if (at.type.getElementType().isInteger(1)) {
    auto bits = dense.getValues<bool>();
    for (int64_t i = 0; i < count; ++i)
      out[i] = bits[first + i];
    return Error::success();
  }
  ArrayRef<char> raw = dense.getRawData();
  if (!dense.isSplat()) {
    std::memcpy(out.data(), raw.data() + begin * at.rowBytes, out.size());
    return Error::success();
  }
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(out.data() + i * at.elementBytes, raw.data(), at.elementBytes);
  return Error::success();
}

namespace {

/// One axis of a copy: how often, and the strides in elements.
struct Axis {
  int64_t extent, from, to;
};

/// Copies elements of N bytes along `axes`. The two innermost loops run in
/// tiles by way of a buffer, so that both sides are touched by whole cache
/// lines: rows a power of two apart compete for the same few places of a cache.
template <typename Element>
void copyStrided(ArrayRef<Axis> axes, const char *from, char *to) {
  if (axes.size() > 2) {
    for (int64_t i = 0; i < axes[0].extent; ++i)
      copyStrided<Element>(axes.drop_front(),
                           from + i * axes[0].from * sizeof(Element),
                           to + i * axes[0].to * sizeof(Element));
    return;
  }
  Axis outer = axes.size() == 2 ? axes[0] : Axis{1, 0, 0}, inner = axes.back();
  constexpr int64_t tile = 64;
  // Elements between lines of the tile: no power of two here either.
  constexpr int64_t pitch = tile + 64 / sizeof(Element) + 1;
  Element lines[tile * pitch];
  for (int64_t i0 = 0; i0 < outer.extent; i0 += tile)
    for (int64_t j0 = 0; j0 < inner.extent; j0 += tile) {
      int64_t height = std::min(outer.extent - i0, tile),
              width = std::min(inner.extent - j0, tile);
      const char *source =
          from + (i0 * outer.from + j0 * inner.from) * sizeof(Element);
      char *target = to + (i0 * outer.to + j0 * inner.to) * sizeof(Element);
      for (int64_t j = 0; j < width; ++j) {
        const char *line = source + j * inner.from * sizeof(Element);
        if (outer.from == 1)
          std::memcpy(lines + j * pitch, line, height * sizeof(Element));
        else
          for (int64_t i = 0; i < height; ++i)
            lines[j * pitch + i] =
                loadAs<Element>(line + i * outer.from * sizeof(Element));
      }
      for (int64_t i = 0; i < height; ++i)
        for (int64_t j = 0; j < width; ++j)
          storeAs(target + (i * outer.to + j * inner.to) * sizeof(Element),
                  lines[j * pitch + i]);
    }
}

} // namespace

Error SourceReader::readTranspose(TransposeSourceAttr source,
                                  const SourceLayout &at, int64_t begin,
                                  int64_t end, MutableArrayRef<char> out) {
  auto inner = layout(source.getSource());
  if (!inner)
    return inner.takeError();
  ArrayRef<int64_t> perm = source.getPerm();
  int64_t rank = perm.size();
  if (rank == 0)
    return read(source.getSource(), begin, end, out);
  SmallVector<int64_t> from = computeStrides(inner->type.getShape()),
                       to = computeStrides(at.type.getShape());
  if (isa<UnpackSourceAttr>(source.getSource()) &&
      perm == ArrayRef<int64_t>{1, 0}) {
    // Only the columns that become these rows are unpacked.
    std::vector<char> columns(inner->rows * (end - begin));
    if (Error error = readColumns(source.getSource(), begin, end, columns))
      return error;
    copyStrided<uint8_t>(
        {{end - begin, 1, inner->rows}, {inner->rows, end - begin, 1}},
        columns.data(), out.data());
    return Error::success();
  }
  // Where axis 0 of the source went, and the axis of the result it became.
  int64_t split = llvm::find(perm, 0) - perm.begin();
  int64_t first = split == 0 ? begin : 0, last = split == 0 ? end : inner->rows;
  return forChunks(
      source.getSource(), first, last,
      [&](int64_t row, int64_t stop, ArrayRef<char> bytes) {
        SmallVector<Axis> axes;
        int64_t fromStart = 0, toStart = 0;
        for (int64_t i = 0; i < rank; ++i) {
          int64_t extent = at.type.getDimSize(i);
          if (i == split) {
            extent = stop - row;
            toStart += (row - (i == 0 ? begin : 0)) * to[i];
          } else if (i == 0) {
            extent = end - begin;
            fromStart += begin * from[perm[i]];
          }
          axes.push_back({extent, from[perm[i]], to[i]});
        }
        // The axis that is contiguous in the source comes next to the one that
        // is contiguous in the result.
        for (int64_t i = 0; i + 2 < rank; ++i)
          if (perm[i] == rank - 1) {
            std::rotate(axes.begin() + i, axes.begin() + i + 1, axes.end() - 1);
            break;
          }
        const char *source = bytes.data() + fromStart * at.elementBytes;
        char *target = out.data() + toStart * at.elementBytes;
        switch (at.elementBytes) {
        case 1:
          return copyStrided<uint8_t>(axes, source, target);
        case 2:
          return copyStrided<uint16_t>(axes, source, target);
        case 4:
          return copyStrided<uint32_t>(axes, source, target);
        default:
          return copyStrided<uint64_t>(axes, source, target);
        }
      });
}

Error SourceReader::readReshape(ReshapeSourceAttr source,
                                const SourceLayout &at, int64_t begin,
                                int64_t end, MutableArrayRef<char> out) {
  auto inner = layout(source.getSource());
  if (!inner)
    return inner.takeError();
  // The rows of the source that hold the wanted bytes, cut at both ends.
  int64_t from = begin * at.rowBytes, to = end * at.rowBytes;
  int64_t first = from / inner->rowBytes,
          last = llvm::divideCeil(to, inner->rowBytes);
  return forChunks(source.getSource(), first, last,
                   [&](int64_t row, int64_t stop, ArrayRef<char> bytes) {
                     int64_t start = row * inner->rowBytes,
                             low = std::max(from, start),
                             high = std::min(to, stop * inner->rowBytes);
                     std::memcpy(out.data() + (low - from),
                                 bytes.data() + (low - start), high - low);
                   });
}

Error SourceReader::readCast(CastSourceAttr source, int64_t begin, int64_t end,
                             MutableArrayRef<char> out) {
  auto inner = layout(source.getSource());
  if (!inner)
    return inner.takeError();
  Type fromType = inner->type.getElementType(), toType = source.getType();
  int64_t toBytes = *getElementBytes(toType);
  bool known = true;
  Error error =
      forChunks(source.getSource(), begin, end,
                [&](int64_t row, int64_t, ArrayRef<char> bytes) {
                  int64_t count =
                      static_cast<int64_t>(bytes.size()) / inner->elementBytes;
                  char *target = out.data() + (row - begin) * inner->rowBytes /
                                                  inner->elementBytes * toBytes;
                  bool stored = false;
                  bool loaded = withLoader(fromType, [&](auto loader) {
                    stored = withStorer(toType, [&](auto storer) {
                      for (int64_t i = 0; i < count; ++i)
                        storer(target + i * toBytes,
                               loader(bytes.data() + i * inner->elementBytes));
                    });
                  });
                  known = known && loaded && stored;
                });
  if (error)
    return error;
  if (!known)
    return fault("weight source: no conversion from " + text(fromType) +
                 " to " + text(toType));
  return Error::success();
}

Error SourceReader::readAffine(AffineSourceAttr source, const SourceLayout &at,
                               int64_t begin, int64_t end,
                               MutableArrayRef<char> out) {
  Type type = at.type.getElementType();
  if (!isa<FloatType>(type))
    return fault("weight source: expected floating point values in 'affine' "
                 "but got " +
                 text(type));
  double scale = source.getScale().getValueAsDouble(),
         offset = source.getOffset().getValueAsDouble();
  if (Error error = read(source.getSource(), begin, end, out))
    return error;
  bool known = withFloats(type, [&](auto loader, auto storer) {
    for (size_t i = 0; i < out.size(); i += at.elementBytes)
      storer(out.data() + i, scale * loader(out.data() + i) + offset);
  });
  if (!known)
    return fault("weight source: no arithmetic on " + text(type));
  return Error::success();
}

Error SourceReader::readScale(ScaleSourceAttr source, const SourceLayout &at,
                              int64_t begin, int64_t end,
                              MutableArrayRef<char> out) {
  Type type = at.type.getElementType();
  int64_t axis = source.getAxis(), extent = at.type.getDimSize(axis);
  auto factors = readNumbers(source.getFactors(), 0, extent);
  if (!factors)
    return factors.takeError();
  if (Error error = read(source.getSource(), begin, end, out))
    return error;
  // Elements that have one factor lie together.
  int64_t run = 1;
  for (int64_t size : at.type.getShape().drop_front(axis + 1))
    run *= size;
  int64_t place = axis == 0 ? begin : 0;
  bool inverse = source.getInverse();
  // The columns of a matrix in f32 are what compressing reads.
  if (type.isF32() && run == 1 && axis > 0 &&
      reinterpret_cast<uintptr_t>(out.data()) % alignof(float) == 0) {
    auto *numbers = reinterpret_cast<float *>(out.data());
    for (size_t at = 0, count = out.size() / sizeof(float); at < count;
         at += extent)
      scaleRow(numbers + at, factors->data(), extent, inverse);
    return Error::success();
  }
  bool known = withFloats(type, [&](auto loader, auto storer) {
    char *element = out.data(), *last = element + out.size();
    for (; element != last; place = place + 1 == extent ? 0 : place + 1) {
      double factor = (*factors)[place];
      for (int64_t i = 0; i < run; ++i, element += at.elementBytes) {
        double value = loader(element);
        storer(element, inverse ? value / factor : value * factor);
      }
    }
  });
  if (!known)
    return fault("weight source: no arithmetic on " + text(type));
  return Error::success();
}

Error SourceReader::readRotary(RotaryTableAttr source, const SourceLayout &at,
                               int64_t begin, int64_t end,
                               MutableArrayRef<char> out) {
  auto inner = layout(source.getFrequencies());
  if (!inner)
    return inner.takeError();
  Type type = at.type.getElementType();
  if (!isa<FloatType>(type))
    return fault("weight source: expected floating point frequencies but got " +
                 text(type));
  std::vector<char> raw(inner->rows * inner->rowBytes);
  if (Error error = read(source.getFrequencies(), 0, inner->rows, raw))
    return error;
  std::vector<float> frequencies(inner->rows);
  float scale = static_cast<float>(source.getScale().getValueAsDouble());
  bool known = withFloats(type, [&](auto loader, auto storer) {
    for (int64_t j = 0; j < inner->rows; ++j)
      frequencies[j] =
          static_cast<float>(loader(raw.data() + j * at.elementBytes));
    char *target = out.data();
    for (int64_t row = begin; row < end; ++row)
      for (float frequency : frequencies) {
        double angle = static_cast<float>(row) * frequency;
        double value = source.getSine() ? std::sin(angle) : std::cos(angle);
        storer(target, static_cast<float>(value) * scale);
        target += at.elementBytes;
      }
  });
  if (!known)
    return fault("weight source: no arithmetic on " + text(type));
  return Error::success();
}

Error WeightStore::readRows(Attribute source, int64_t begin, int64_t end,
                            MutableArrayRef<char> out) const {
  return SourceReader(*this).read(source, begin, end, out);
}

Error WeightStore::readSource(Attribute source,
                              MutableArrayRef<char> out) const {
  SourceReader reader(*this);
  auto at = reader.layout(source);
  if (!at)
    return at.takeError();
  return reader.read(source, 0, at->rows, out);
}
