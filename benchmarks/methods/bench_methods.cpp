//===- bench_methods.cpp - How fast methods are, and how good -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   bench-methods [--threads N] [--weights MILLIONS] [--quick]
//     speed: synthetic matrices of many shapes, one after the other
//   bench-methods --model FILE
//     quality: the linears of a model in llama2.c's version 0 format
//
// Speed is that of methods and packing alone: matrices are in memory. How long it
// takes to read them from there stands beside it: the rows, and before them the
// pieces of columns that sinq evens out. Numbers are normal, with a scale for each
// row and column, as those of language models are.
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/Layout.h"
#include "llmc/Methods/Method.h"
#include "llmc/Methods/Sinkhorn.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <random>

using namespace llvm;
using namespace llmc;

static double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

namespace {

struct Weight {
  std::string name;
  int64_t rows, columns;
  ArrayRef<float> values;

  MatrixView view() const {
    return {name, values.data(), RealType::F32, rows, columns, columns};
  }
};

/// A method with settings, as one names it on a command line.
struct Setting {
  StringLiteral method;
  std::vector<std::pair<StringRef, StringRef>> options;

  std::string getName() const {
    std::string name = method.str();
    for (auto [key, value] : options)
      name += " " + value.str();
    return name;
  }
};

} // namespace

static Expected<MethodResult> compress(const Setting &setting, StringRef format,
                                       const MatrixView &view,
                                       Workers &workers) {
  MethodRequest request;
  request.weight = view;
  request.parallelFor = workers;
  static const MethodSet methods = MethodSet::makeBuiltin();
  return runMethod(methods, setting.method, format, setting.options, request);
}

//===----------------------------------------------------------------------===//
// Speed
//===----------------------------------------------------------------------===//

static std::vector<float> makeMatrix(int64_t rows, int64_t columns) {
  std::mt19937 random(static_cast<uint32_t>(rows + columns));
  std::normal_distribution<float> normal;
  std::vector<float> scale(columns), values(rows * columns), base(1 << 16);
  for (float &value : scale)
    value = 0.02f * std::exp(0.4f * normal(random));
  // Normal numbers take long to make; these repeat at a distance that is no
  // multiple of any row.
  base.resize(65521);
  for (float &value : base)
    value = normal(random);
  for (int64_t row = 0, i = 0; row < rows; ++row) {
    float factor = std::exp(0.3f * normal(random));
    for (int64_t k = 0; k < columns; ++k, ++i)
      values[i] = base[i % 65521] * scale[k] * factor;
  }
  return values;
}

/// Seconds for reading what a method reads, and doing nothing with it.
static double readAll(const MatrixView &view, bool pieces, Workers &workers) {
  double start = now();
  if (pieces) {
    int64_t width = getTogetherColumns(view.rows, view.columns, {});
    workers(divideCeil(view.columns, width), [&](int64_t index) {
      int64_t begin = index * width,
              end = std::min(view.columns, begin + width);
      std::vector<float> piece((end - begin) * TileWriter::kRows);
      for (int64_t row = 0; row < view.rows; ++row)
        view.read(row, begin, end,
                  piece.data() + row % TileWriter::kRows * (end - begin));
    });
  }
  constexpr int64_t kTaskRows = 16;
  workers(divideCeil(view.rows, kTaskRows), [&](int64_t index) {
    std::vector<float> values(view.columns);
    int64_t begin = index * kTaskRows,
            end = std::min(view.rows, begin + kTaskRows);
    for (int64_t row = begin; row < end; ++row)
      view.read(row, 0, view.columns, values.data());
  });
  return now() - start;
}

static Error measureSpeed(Workers &workers, double millions, bool quick) {
  // Shapes of models from 0.1 to 8 billion weights.
  std::pair<int64_t, int64_t> shapes[] = {
      {576, 1536}, {1536, 576}, {2048, 2048}, {4096, 4096}, {4096, 11008}};
  Setting sinq{"sinq", {}}, rtn{"rtn", {}}, mse{"mse", {}}, hqq{"hqq", {}},
      both{"sinq", {{"quantizer", "mse"}}};
  std::vector<std::pair<Setting, StringRef>> cases = {
      {sinq, "u4g64"}, {sinq, "u4g32"}, {rtn, "u4g64"}, {rtn, "nl4"},
      {both, "u4g64"}, {mse, "q4_k"},   {mse, "nl4"},   {hqq, "u4g64"}};
  if (quick)
    cases.erase(cases.begin() + 2, cases.end());
  std::vector<std::vector<float>> matrices;
  for (auto [rows, columns] : shapes)
    matrices.push_back(makeMatrix(rows, columns));
  outs() << "cpu: " << sys::getHostCPUName() << "\n\n";
  outs() << formatv("{0,-12} {1,-10} {2,10} {3,12} {4,12} {5,12}\n", "method",
                    "format", "weights", "M weights/s", "reading", "packing");
  for (auto &[setting, format] : cases) {
    double wanted = millions * 1e6, spent = 0, reading = 0, packing = 0,
           done = 0;
    // Slow methods need no billion to be measured.
    while (done < wanted && spent < 20)
      for (auto [index, shape] : enumerate(shapes)) {
        auto [rows, columns] = shape;
        Weight weight{"synthetic", rows, columns, matrices[index]};
        reading += readAll(weight.view(), setting.method == "sinq", workers);
        double start = now();
        auto result = compress(setting, format, weight.view(), workers);
        if (!result)
          return result.takeError();
        double middle = now();
        auto layout =
            PackedLayout::create(result->matrix.format, rows, columns);
        if (!layout)
          return layout.takeError();
        std::vector<char> bytes(layout->bytes);
        double before = now();
        workers(layout->tiles, [&](int64_t tile) {
          cantFail(packTiles(result->matrix, *layout, tile, tile + 1, bytes));
        });
        packing += now() - before;
        spent += middle - start;
        done += static_cast<double>(rows) * static_cast<double>(columns);
      }
    outs() << formatv("{0,-12} {1,-10} {2,8:F0} M {3,12:F0} {4,12:F0} "
                      "{5,12:F0}\n",
                      setting.getName(), format, done / 1e6, done / spent / 1e6,
                      done / reading / 1e6, done / packing / 1e6);
    outs().flush();
  }
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Quality
//===----------------------------------------------------------------------===//

/// The linears of a model of llama2.c, version 0: seven numbers, then all
/// tensors in f32, layers of one kind together.
static Expected<std::vector<Weight>> readLinears(StringRef bytes) {
  int32_t header[7];
  if (bytes.size() < sizeof(header))
    return createStringError("expected a header of 28 bytes");
  std::memcpy(header, bytes.data(), sizeof(header));
  int64_t dim = header[0], hidden = header[1], layers = header[2],
          heads = header[3], keyHeads = header[4],
          vocabulary = std::abs(header[5]);
  constexpr int64_t kLargest = 1 << 20;
  for (int64_t value : {dim, hidden, layers, heads, keyHeads, vocabulary})
    if (value < 1 || value > kLargest)
      return createStringError("expected a header of llama2.c, version 0");
  int64_t keys = dim / heads * keyHeads;
  std::vector<Weight> weights;
  uint64_t at = sizeof(header);
  bool fits = true;
  auto skip = [&](int64_t count) {
    at += static_cast<uint64_t>(count) * sizeof(float);
    fits &= at <= bytes.size();
  };
  auto take = [&](StringRef name, int64_t rows, int64_t columns) {
    for (int64_t layer = 0; layer < layers && fits; ++layer) {
      const char *from = bytes.data() + at;
      skip(rows * columns);
      if (fits)
        weights.push_back(
            {(name + Twine(layer)).str(), rows, columns,
             ArrayRef(reinterpret_cast<const float *>(from), rows * columns)});
    }
  };
  skip(vocabulary * dim);
  skip(layers * dim);
  take("q", dim, dim);
  take("k", keys, dim);
  take("v", keys, dim);
  take("o", dim, dim);
  skip(layers * dim);
  take("gate", hidden, dim);
  take("down", dim, hidden);
  take("up", hidden, dim);
  if (!fits)
    return createStringError("expected a file of llama2.c that is whole");
  return weights;
}

static Error measureQuality(Workers &workers, StringRef path) {
  auto file = MemoryBuffer::getFile(path, false, false);
  if (!file)
    return errorCodeToError(file.getError());
  auto weights = readLinears((*file)->getBuffer());
  if (!weights)
    return weights.takeError();
  Setting rtn{"rtn", {}}, sinq{"sinq", {}}, hqq{"hqq", {}}, mse{"mse", {}},
      both{"sinq", {{"quantizer", "mse"}}};
  outs() << formatv("{0} linears. Relative error sqrt(sum (w - w')² / sum "
                    "w²), in percent\n\n{1,-12}",
                    weights->size(), "format");
  std::vector<Setting> settings = {rtn, sinq, hqq, mse, both};
  for (const Setting &setting : settings)
    outs() << formatv("{0,10}", setting.getName());
  outs() << formatv("{0,10}\n", "bits");
  for (StringRef format :
       {"u2g32", "u3g32", "u4g32", "u4g64", "i4g32", "q4_k", "nl4", "iq4_nl",
        "nf4g32", "nf3g32", "ternary", "u5g32", "q6_k", "u8g32", "bf16"}) {
    outs() << formatv("{0,-12}", format);
    auto description = parseFormat(format);
    if (!description)
      return description.takeError();
    for (const Setting &setting : settings) {
      ReconstructionError sum;
      bool none = setting.method == "hqq" &&
                  (!description->hasMinimum || format.starts_with("nf"));
      for (const Weight &weight : *weights) {
        if (none)
          break;
        auto result = compress(setting, format, weight.view(), workers);
        if (!result)
          return result.takeError();
        ReconstructionError error =
            measureError(weight.view(), result->matrix, workers);
        sum.squaredError += error.squaredError;
        sum.squaredNorm += error.squaredNorm;
      }
      if (none)
        outs() << formatv("{0,10}", "-");
      else
        outs() << formatv("{0,10:F3}", 100 * sum.getRelative());
    }
    double bytes = 0, count = 0;
    for (const Weight &weight : *weights) {
      auto layout =
          PackedLayout::create(*description, weight.rows, weight.columns);
      if (!layout)
        return layout.takeError();
      bytes += static_cast<double>(layout->bytes);
      count += static_cast<double>(weight.values.size());
    }
    outs() << formatv("{0,10:F3}\n", bytes * 8 / count);
    outs().flush();
  }
  return Error::success();
}

static Error runAll(ArrayRef<const char *> arguments) {
  unsigned threads = 0;
  double millions = 1000;
  bool quick = false;
  StringRef model;
  for (size_t i = 1; i < arguments.size(); ++i) {
    StringRef name = arguments[i];
    StringRef value = i + 1 < arguments.size() ? arguments[i + 1] : "";
    if (name == "--quick")
      quick = true;
    else if (name == "--threads" && !value.getAsInteger(10, threads))
      ++i;
    else if (name == "--weights" && !value.getAsDouble(millions))
      ++i;
    else if (name == "--model" && !value.empty())
      model = arguments[++i];
    else
      return createStringError("expected [--threads N] [--weights MILLIONS] "
                               "[--quick] or --model FILE");
  }
  Workers workers(threads);
  return model.empty() ? measureSpeed(workers, millions, quick)
                       : measureQuality(workers, model);
}

int main(int count, const char **arguments) {
  if (Error error = runAll(ArrayRef(arguments, count))) {
    errs() << "bench-methods: " << toString(std::move(error)) << '\n';
    return 1;
  }
  return 0;
}
