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

/// Columns [begin, end) of a matrix into tiles, where its rows begin at `first`,
/// by lines as they lie in memory. The text of an error where a number is not
/// finite.
static std::string fillTiles(const MatrixView &weight, int64_t begin,
                             int64_t end, int64_t first, TileWriter &tiles) {
  bool byColumn = weight.transposed;
  int64_t length = byColumn ? weight.rows : end - begin,
          together = byColumn ? 1 : TileWriter::kRows;
  std::vector<float> lines(length * together);
  for (int64_t line = byColumn ? begin : 0, last = byColumn ? end : weight.rows,
               next;
       line < last; line = next) {
    next = std::min(last, line + together);
    for (int64_t at = line; at < next; ++at) {
      float *piece = lines.data() + (at - line) * length;
      if (byColumn)
        weight.readColumn(at, 0, weight.rows, piece);
      else
        weight.read(at, begin, end, piece);
      int64_t wrong = findNotFinite(piece, length);
      if (wrong >= 0)
        return ("'" + weight.name + "': " +
                toString(makeNotFiniteError(byColumn ? wrong : at,
                                            byColumn ? at : begin + wrong,
                                            piece[wrong])))
            .str();
    }
    if (byColumn)
      tiles.setColumn(first, line - begin, lines);
    else
      tiles.setRows(first + line, next - line, lines.data());
  }
  return "";
}

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
  int64_t width = getTogetherColumns(rows, columns, options);
  auto body = [&](int64_t index) -> Error {
    int64_t begin = index * width, end = std::min(columns, begin + width);
    std::string message;
    auto fill = [&](TileWriter &tiles) {
      int64_t first = 0;
      for (const MatrixView &weight : weights) {
        message = fillTiles(weight, begin, end, first, tiles);
        if (!message.empty())
          return false;
        first += weight.rows;
      }
      return true;
    };
    if (computeTileScales(rows, end - begin, fill, options,
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
llmc::computeSharedScale(ArrayRef<MatrixView> weights,
                         const FormatDescription &format,
                         ArrayRef<std::pair<StringRef, StringRef>> settings,
                         ParallelFor parallelFor, std::string &note) {
  static const MethodSet builtin = MethodSet::makeBuiltin();
  auto options =
      Options::parse("sinq", builtin.find("sinq")->options, settings);
  if (!options)
    return options.takeError();
  int64_t columns = weights.front().columns;
  SinqOptions sinq(options->getIntegers().data(), options->getReals().data(),
                   format.getGroupColumns(columns), columns);
  if (sinq.kurtosis > 0)
    for (const MatrixView &weight : weights)
      if (double kurtosis = measureKurtosis(weight, parallelFor);
          kurtosis > sinq.kurtosis) {
        note = sinq.explainNoScale(kurtosis);
        return std::vector<float>();
      }
  return computeColumnScale(weights, sinq.sinkhorn, parallelFor);
}
