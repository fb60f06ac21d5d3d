//===- SharedScale.cpp - One scale of columns for several matrices --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the method sinq does for one matrix (Builtin.cpp), for matrices with one
// input together.
//
//===----------------------------------------------------------------------===//
#include "Sinq.h"
#include "Tasks.h"
#include "llmc/Methods/Method.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llmc;

Expected<std::vector<float>> llmc::computeColumnScale(
    ArrayRef<MatrixView> weights, const SinkhornOptions &options,
    ParallelFor parallelFor, function_ref<bool(double)> progress) {
  int64_t rows = 0, columns = weights.empty() ? 0 : weights[0].columns;
  for (const MatrixView &weight : weights) {
    if (weight.columns != columns)
      return createStringError("expected " + Twine(columns) + " columns of '" +
                               weight.name + "' but got " +
                               Twine(weight.columns));
    rows += weight.rows;
  }
  std::vector<float> scale(columns);
  int64_t width = options.tileColumns;
  auto body = [&](int64_t index) -> Error {
    int64_t begin = index * width, end = std::min(columns, begin + width);
    std::string message;
    const MatrixView *weight = weights.begin();
    int64_t first = 0;
    auto read = [&](int64_t row, float *out) {
      while (row - first >= weight->rows)
        first += (weight++)->rows;
      weight->read(row - first, begin, end, out);
      int64_t wrong = findNotFinite(out, end - begin);
      if (wrong >= 0)
        message = ("'" + weight->name + "': " +
                   toString(makeNotFiniteError(row - first, begin + wrong,
                                               out[wrong])))
                      .str();
      return wrong < 0;
    };
    if (computeTileScale(rows, end - begin, read, options,
                         scale.data() + begin))
      return Error::success();
    return createStringError(message);
  };
  Tasks tasks(parallelFor, progress, 0, 1);
  if (Error error = tasks.run(divideCeil(columns, width), body))
    return std::move(error);
  return scale;
}

static double measureKurtosis(const MatrixView &weight,
                              ParallelFor parallelFor) {
  std::vector<Moments> moments(weight.rows);
  auto measure = [&](int64_t row) -> Error {
    std::vector<float> values(weight.columns);
    weight.read(row, 0, weight.columns, values.data());
    moments[row].add(values);
    return Error::success();
  };
  Tasks tasks(parallelFor, nullptr, 0, 0);
  // A task cannot fail.
  cantFail(tasks.run(weight.rows, measure));
  return getKurtosis(moments, weight.columns);
}

Expected<std::vector<float>>
llmc::computeSharedScale(ArrayRef<MatrixView> weights, StringRef formatName,
                         ArrayRef<std::pair<StringRef, StringRef>> settings,
                         ParallelFor parallelFor, std::string &note) {
  static const MethodSet builtin = MethodSet::makeBuiltin();
  auto options =
      Options::parse("sinq", builtin.find("sinq")->options, settings);
  if (!options)
    return options.takeError();
  auto format = parseFormat(formatName);
  if (!format)
    return format.takeError();
  int64_t columns = weights.front().columns;
  SinqOptions sinq(options->getIntegers().data(), options->getReals().data(),
                   format->getGroupColumns(columns), columns);
  if (sinq.kurtosis > 0)
    for (const MatrixView &weight : weights)
      if (double kurtosis = measureKurtosis(weight, parallelFor);
          kurtosis > sinq.kurtosis) {
        note = sinq.explainNoScale(kurtosis);
        return std::vector<float>();
      }
  return computeColumnScale(weights, sinq.sinkhorn, parallelFor);
}
