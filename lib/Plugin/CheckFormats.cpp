//===- CheckFormats.cpp - Does a format keep what it must? ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a format says of itself is checked when it is loaded. Here it is used: to
// encode and decode, and in the kernels that come from it, compiled for this
// processor. Encoder and decoder have one table of levels, and each number, or
// vector, is rounded for itself, so what is seen to here are scales that a method
// can make, codes that survive the order of the bytes, and kernels that agree:
// where a text of levels is spliced into vectors, nobody has tried that text before.
//
//===----------------------------------------------------------------------===//
#include "CheckFormats.h"
#include "llmc/Codegen/Jit.h"
#include "llmc/Codegen/QuantizedEmitter.h"
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Formats/Hadamard.h"
#include "llmc/Formats/Layout.h"
#include "llmc/Methods/Method.h"
#include "llmc/Support/SplitMix.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

using namespace llvm;
using namespace llmc;
using kern::Activations;

static constexpr int64_t kTileRows = 16;

/// Numbers that add up to about normal ones.
static std::vector<float> makeNumbers(int64_t count, uint64_t seed) {
  SplitMix random{seed};
  std::vector<float> values(count);
  for (float &value : values)
    value = static_cast<float>(random.unit() + random.unit() - random.unit() -
                               random.unit());
  return values;
}

/// Random codes, under scales that the chains can hold.
static Expected<QuantizedMatrix> makeMatrix(const FormatDescription &format,
                                            int64_t rows, int64_t columns) {
  auto matrix = QuantizedMatrix::create(format, rows, columns);
  if (!matrix)
    return matrix;
  SplitMix random{static_cast<uint64_t>(rows * 1000 + columns)};
  for (uint8_t &code : matrix->codes)
    code = static_cast<uint8_t>(random.below(format.getCodeCount()));
  int64_t groups = matrix->getGroups();
  for (auto [index, chain] : enumerate(format.getChains())) {
    ChainValues &values = matrix->chains[index];
    int64_t reals = format.getReals(chain, columns);
    for (int64_t row = 0; row < rows; ++row) {
      std::vector<float> wanted(groups);
      for (float &value : wanted)
        value =
            static_cast<float>(0.01 + random.unit()) * (chain.negated ? -1 : 1);
      if (Error error =
              encodeChain(format, index, columns, wanted,
                          MutableArrayRef(values.reals)
                              .slice(values.reals.empty() ? 0 : row * reals,
                                     values.reals.empty() ? 0 : reals),
                          MutableArrayRef(values.codes)
                              .slice(values.codes.empty() ? 0 : row * groups,
                                     values.codes.empty() ? 0 : groups)))
        return std::move(error);
    }
  }
  return matrix;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Every number to be stored is as near as the format has it, given the scales; in
/// formats of vectors, all of a code together.
static Error checkNearest(ArrayRef<float> values, QuantizedMatrix matrix) {
  int64_t hadamard = matrix.format.hadamard;
  matrix.format = matrix.format.getStored();
  const FormatDescription &format = matrix.format;
  int64_t columns = matrix.columns, width = format.getGroupColumns(columns);
  std::vector<float> decoded(columns);
  for (int64_t row = 0; row < matrix.rows; ++row) {
    std::vector<float> stored(values.slice(row * columns, columns));
    rotateColumns(hadamard, columns, 0, MutableArrayRef(stored));
    decodeRows(matrix, row, row + 1, MutableArrayRef(decoded));
    int64_t weights = format.weightsPerIndex;
    for (int64_t k = 0; k < columns; k += weights) {
      int64_t used = std::min(weights, columns - k);
      auto number = [&](unsigned chain) {
        return matrix.getChainValue(chain, row, k / width);
      };
      double minimum = format.hasMinimum ? number(format.terms.size()) : 0,
             steps = 0, best = INFINITY;
      SmallVector<double, kMaxTerms> scales;
      for (unsigned t = 0; t < format.terms.size(); ++t) {
        scales.push_back(number(t));
        steps += std::abs(scales.back());
      }
      for (unsigned code = 0; code < format.getCodeCount(); ++code) {
        double distance = 0;
        for (int64_t i = 0; i < used; ++i) {
          double value = minimum;
          for (auto [scale, term] : zip_equal(scales, format.terms))
            value += scale * term.levels.get(code * weights + i);
          distance = std::hypot(distance, value - stored[k + i]);
        }
        best = std::min(best, distance);
      }
      double error = 0, size = 0;
      for (int64_t i = 0; i < used; ++i) {
        error = std::hypot(error, decoded[k + i] - stored[k + i]);
        size = std::hypot(size, stored[k + i]);
      }
      // Sums of squares are compared in f32 where levels are vectors.
      double rounding = weights > 1 ? 1e-3 : 1e-5;
      if (error > best + rounding * (size + steps))
        return createStringError(
            formatv("row {0}, column {1}: expected {2} to be stored within "
                    "{3:E2} but got {4}",
                    row, k, stored[k], best, decoded[k])
                .str());
    }
  }
  return Error::success();
}

static Expected<std::string> checkRoundTrip(const FormatDescription &format) {
  if (format.terms.size() > 1 && format.isVector())
    return std::string("no method makes sums of products of vectors");
  static const MethodSet methods = MethodSet::makeBuiltin();
  double relative = 0;
  std::pair<int64_t, int64_t> shapes[] = {{1, 1},   {3, 37}, {33, 300},
                                          {5, 272}, {7, 16}, {96, 512}};
  for (auto [rows, columns] : shapes) {
    std::vector<float> values = makeNumbers(rows * columns, rows + columns);
    MethodRequest request;
    request.weight = {"matrix", values.data(), RealType::F32,
                      rows,     columns,       columns};
    for (unsigned threads : {1, 3}) {
      Workers workers(threads);
      request.parallelFor = workers;
      auto result = runMethod(methods, "rtn", format, {}, request);
      if (!result)
        return result.takeError();
      if (Error error = checkNearest(values, result->matrix))
        return std::move(error);
      auto bytes = packMatrix(result->matrix, kTileRows);
      if (!bytes)
        return bytes.takeError();
      auto layout = PackedLayout::create(format, rows, columns, kTileRows);
      if (!layout)
        return layout.takeError();
      auto back = unpackMatrix(format, *layout, *bytes);
      if (!back)
        return back.takeError();
      if (back->codes != result->matrix.codes)
        return createStringError("expected the same codes after packing");
      relative = measureError(request.weight, result->matrix).getRelative();
    }
  }
  if (format.terms.size() > 1)
    return formatv("{0} shapes, each number at its nearest of sums of {1} "
                   "products; relative error of rtn {2:F4}",
                   std::size(shapes), format.terms.size(), relative)
        .str();
  return formatv("{0} shapes, each {1} at its nearest of levels from {2} to "
                 "{3}; relative error of rtn {4:F4}",
                 std::size(shapes), format.isVector() ? "vector" : "number",
                 format.getLowestLevel(), format.getHighestLevel(), relative)
      .str();
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

namespace {

/// Memory at a multiple of 64 bytes.
template <typename T> class AlignedArray {
public:
  explicit AlignedArray(int64_t count) : memory(count * sizeof(T) + 64) {
    void *place = memory.data();
    size_t room = memory.size();
    first = static_cast<T *>(std::align(64, count * sizeof(T), place, room));
  }
  T *data() { return first; }
  T &operator[](int64_t i) { return first[i]; }

private:
  std::vector<char> memory;
  T *first;
};

/// A matrix of the format, packed, and its kernels on this processor.
class Kernels {
public:
  static Expected<Kernels> create(const FormatDescription &format, int64_t rows,
                                  int64_t columns) {
    auto matrix = makeMatrix(format, rows, columns);
    if (!matrix)
      return matrix.takeError();
    auto bytes = packMatrix(*matrix, kTileRows);
    if (!bytes)
      return bytes.takeError();
    Kernels result(std::move(*matrix), bytes->size());
    std::copy(bytes->begin(), bytes->end(), result.weight.data());
    result.type = pack::printTensorType(format, rows, columns, kTileRows);
    return result;
  }

  /// Products of `count` rows of numbers with the stored matrix against the
  /// reference decoder in f64, with the input as kernels round it; and the bits of
  /// one row alone.
  Error checkProducts(int64_t count, Activations activations) {
    int64_t n = matrix.rows, k = matrix.columns;
    auto quantize = compile(getQuantizeModule(k, false, activations)),
         product = compile(getProductModule(type, n, k, false, activations));
    if (!quantize || !product)
      return joinErrors(quantize.takeError(), product.takeError());
    int64_t rowBytes = kern::getInputRowBytes(k, activations);
    std::vector<float> numbers = makeNumbers(count * k, 3);
    AlignedArray<float> x(count * k), y(count * n), alone(n);
    AlignedArray<char> q(count * rowBytes);
    std::copy(numbers.begin(), numbers.end(), x.data());
    reinterpret_cast<QuantizeFunction>((*quantize)->lookup("run"))(
        x.data(), nullptr, q.data(), count, 0, kAllItems);
    auto run = reinterpret_cast<ProductFunction>((*product)->lookup("run"));
    run(q.data(), weight.data(), nullptr, y.data(), count, 0, kAllItems);
    QuantizedMatrix stored = matrix;
    stored.format = matrix.format.getStored();
    std::vector<double> decoded(n * k);
    decodeRows(stored, 0, n, MutableArrayRef(decoded));
    for (int64_t m = 0; m < count; ++m) {
      std::vector<double> input =
          decodeInput(q.data() + m * rowBytes, activations);
      for (int64_t i = 0; i < n; ++i) {
        double sum = 0, size = 0;
        for (int64_t j = 0; j < k; ++j) {
          sum += input[j] * decoded[i * k + j];
          size += std::abs(input[j] * decoded[i * k + j]);
        }
        if (!(std::abs(y[m * n + i] - sum) <= 4e-6 * size))
          return createStringError(
              formatv("row {0}, output {1}: expected {2} but got {3}", m, i,
                      sum, y[m * n + i])
                  .str());
      }
      run(q.data() + m * rowBytes, weight.data(), nullptr, alone.data(), 1, 0,
          kAllItems);
      if (std::memcmp(alone.data(), y.data() + m * n, n * sizeof(float)) != 0)
        return createStringError("expected the same bits of row " + Twine(m) +
                                 " alone and beside others");
    }
    return Error::success();
  }

  /// Rows by index are those of the reference decoder, to the last bit.
  Error checkGather() {
    int64_t n = matrix.rows, k = matrix.columns;
    auto gather = compile(getGatherModule(type, n, k));
    if (!gather)
      return gather.takeError();
    std::vector<int64_t> ids(n);
    for (int64_t i = 0; i < n; ++i)
      ids[i] = n - 1 - i;
    AlignedArray<float> y(n * k);
    reinterpret_cast<GatherFunction>((*gather)->lookup("run"))(
        ids.data(), weight.data(), y.data(), 0, kAllItems);
    if (int64_t hadamard = matrix.format.hadamard) {
      auto rotate = compile(getRotateModule(k, /*factors=*/false, hadamard));
      if (!rotate)
        return rotate.takeError();
      AlignedArray<float> stored(n * k);
      std::copy_n(y.data(), n * k, stored.data());
      reinterpret_cast<RotateFunction>((*rotate)->lookup("run"))(
          stored.data(), nullptr, y.data(), n, 0, kAllItems);
    }
    std::vector<float> decoded(k);
    for (int64_t i = 0; i < n; ++i) {
      decodeRows(matrix, ids[i], ids[i] + 1, MutableArrayRef(decoded));
      for (int64_t c = 0; c < k; ++c)
        if (!(y[i * k + c] == decoded[c]))
          return createStringError(
              formatv("row {0}, column {1}: expected {2} but got {3}", ids[i],
                      c, decoded[c], y[i * k + c])
                  .str());
    }
    return Error::success();
  }

private:
  Kernels(QuantizedMatrix matrix, int64_t bytes)
      : matrix(std::move(matrix)), weight(bytes) {}

  static Expected<std::unique_ptr<Jit>> compile(const std::string &text) {
    return Jit::compile(text, "host");
  }

  /// A row as kernels read it.
  std::vector<double> decodeInput(const char *row, Activations activations) {
    std::vector<double> values(matrix.columns);
    for (int64_t i = 0; i < matrix.columns; ++i) {
      const char *group =
          row + i / kern::kInputGroup * kern::getInputGroupBytes(activations);
      int64_t column = i % kern::kInputGroup;
      float scale, number;
      std::memcpy(&scale, group + InputPlaces(activations).scale, 4);
      std::memcpy(&number, group + 4 * column,
                  activations == Activations::F32 ? 4 : 0);
      double code =
          activations == Activations::F32
              ? number
              : static_cast<double>(static_cast<int8_t>(group[column]));
      if (activations == Activations::I16)
        code =
            256 * code + static_cast<int8_t>(group[kern::kInputGroup + column]);
      values[i] = scale * code;
    }
    return values;
  }

  QuantizedMatrix matrix;
  AlignedArray<char> weight;
  std::string type;
};

} // namespace

/// A group that is cut short and a last tile that is, in a matrix that has others.
static constexpr int64_t kRows = 21, kColumns = 300;

template <Activations activations>
static Expected<std::string> checkProducts(const FormatDescription &format) {
  auto kernels = Kernels::create(format, kRows, kColumns);
  if (!kernels)
    return kernels.takeError();
  if (Error error = kernels->checkProducts(/*count=*/13, activations))
    return std::move(error);
  return std::string("products are those of the decoder, whatever is beside a "
                     "row");
}

static Expected<std::string> checkGather(const FormatDescription &format) {
  auto kernels = Kernels::create(format, kRows, kColumns);
  if (!kernels)
    return kernels.takeError();
  if (Error error = kernels->checkGather())
    return std::move(error);
  return std::string("rows by index are those of the decoder, bit by bit");
}

ArrayRef<FormatCheck> llmc::getFormatChecks() {
  static constexpr FormatCheck checks[] = {
      {"values", checkRoundTrip},
      {"int8", checkProducts<Activations::I8>},
      {"int16", checkProducts<Activations::I16>},
      {"float", checkProducts<Activations::F32>},
      {"rows", checkGather}};
  return checks;
}
