//===- RowQuantizer.cpp - Rows into codes, whatever the method ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "RowQuantizer.h"
#include "Tasks.h"
#include "llmc/Formats/Floats.h"
#include "llmc/Support/Vectorized.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <cstring>

using namespace llvm;
using namespace llmc;

/// Numbers of a task: enough that starting it costs nothing, and few enough for
/// a second thread to get its share of small matrices.
static constexpr int64_t kTaskNumbers = 1 << 15;

LLMC_VECTORIZED
static bool allFinite(const float *values, int64_t count) {
  uint32_t wrong = 0;
  for (int64_t i = 0; i < count; ++i)
    wrong |= (bit_cast<uint32_t>(values[i]) & 0x7f800000u) == 0x7f800000u;
  return wrong == 0;
}

int64_t llmc::findNotFinite(const float *values, int64_t count) {
  if (allFinite(values, count))
    return -1;
  int64_t at = 0;
  while (std::isfinite(values[at]))
    ++at;
  return at;
}

Error llmc::makeNotFiniteError(int64_t row, int64_t column, float value) {
  return createStringError(
      formatv("expected finite numbers but got {0} in row {1}, column {2}",
              std::isnan(value) ? "nan"
              : value < 0       ? "-inf"
                                : "inf",
              row, column)
          .str());
}

LLMC_VECTORIZED
static void multiplyBy(float *values, const float *factors, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    values[i] *= factors[i];
}

namespace {

/// What threads need of a request, prepared once.
struct Job {
  const MethodRequest &request;
  std::vector<float> inverseScale, importance;
  std::vector<float> scale;

  /// Reads a row and divides the column scale out.
  Error read(int64_t index, MutableArrayRef<float> row) const {
    const MatrixView &weight = request.weight;
    weight.read(index, 0, weight.columns, row.data());
    int64_t wrong = findNotFinite(row.data(), weight.columns);
    if (wrong >= 0)
      return makeNotFiniteError(index, wrong, row[wrong]);
    if (inverseScale.empty())
      return Error::success();
    multiplyBy(row.data(), inverseScale.data(), weight.columns);
    wrong = findNotFinite(row.data(), weight.columns);
    if (wrong >= 0)
      return createStringError(
          formatv("row {0}, column {1} divided by the column scale {2} is "
                  "beyond f32",
                  index, wrong, scale[wrong])
              .str());
    return Error::success();
  }
};

} // namespace

static Job makeJob(const MethodRequest &request, ArrayRef<float> columnScale) {
  Job job{request, {}, {}, columnScale.vec()};
  for (float scale : columnScale)
    job.inverseScale.push_back(1 / scale);
  // An error counts as it is felt behind the product: scaled and squared.
  for (auto [k, square] : enumerate(request.statistics.meanSquare)) {
    float scale = columnScale.empty() ? 1 : columnScale[k];
    job.importance.push_back(square * scale * scale);
  }
  return job;
}

static Error runTasks(const MethodRequest &request, double from,
                      function_ref<Error(int64_t, int64_t)> body) {
  int64_t rows = request.weight.rows;
  int64_t each = std::max<int64_t>(1, kTaskNumbers / request.weight.columns);
  Tasks tasks(request.parallelFor, request.progress, from, 1);
  return tasks.run(divideCeil(rows, each), [&](int64_t task) {
    return body(task * each, std::min(rows, (task + 1) * each));
  });
}

/// Where every scale rounds to a few steps above 0, or to 0, nothing is left of
/// the matrix.
static Error checkRange(const QuantizedMatrix &matrix, float wanted) {
  const ScaleChain &chain = matrix.format.terms[0].scale;
  if (chain.real == RealType::None || wanted == 0)
    return Error::success();
  float largest = 0;
  for (float real : matrix.chains[0].reals)
    largest = std::max(largest, std::abs(real));
  // Codes make up for a real that is not precise.
  float part = chain.code == ScaleCode::None ? 16 : 128;
  if (largest >= getSmallestReal(chain.real) / part)
    return Error::success();
  return createStringError(
      formatv("scales up to {0:E} are below what format '{1}' can store "
              "precisely; scales in {2}",
              wanted, matrix.format.name,
              chain.real == RealType::F16
                  ? "bf16 or f32 reach further"
                  : "f32 reach down to 1e-38, numbers below need a factor")
          .str());
}

Expected<QuantizedMatrix> llmc::quantizeRows(const MethodRequest &request,
                                             ArrayRef<float> columnScale,
                                             const GroupSolver &solver,
                                             double from) {
  const FormatDescription &format = *request.format;
  const int64_t columns = request.weight.columns;
  auto created = QuantizedMatrix::create(format, request.weight.rows, columns);
  if (!created)
    return created.takeError();
  QuantizedMatrix &matrix = *created;
  matrix.columnScale = columnScale.vec();
  const LevelCoder coder(format);
  const Job job = makeJob(request, columnScale);
  const int64_t groups = matrix.getGroups(),
                width = format.getGroupColumns(columns);
  std::vector<float> largest(request.weight.rows);

  auto compress = [&](int64_t begin, int64_t end) -> Error {
    std::vector<float> values(columns), scales(groups), wanted(groups),
        minimums(groups);
    auto store = [&](unsigned chain, int64_t row,
                     MutableArrayRef<float> numbers) {
      ChainValues &stored = matrix.chains[chain];
      int64_t reals = stored.reals.size() / matrix.rows,
              codes = stored.codes.size() / matrix.rows;
      return encodeChain(
          format, chain, columns, numbers,
          MutableArrayRef(stored.reals).slice(row * reals, reals),
          MutableArrayRef(stored.codes).slice(row * codes, codes));
    };
    for (int64_t index = begin; index < end; ++index) {
      if (Error error = job.read(index, values))
        return error;
      Row row{format, coder, width, values, job.importance, scales, minimums};
      std::fill(minimums.begin(), minimums.end(), 0.0f);
      solver.propose(row);
      wanted = scales;
      for (float scale : wanted)
        largest[index] = std::max(largest[index], std::abs(scale));
      Error error = store(0, index, scales);
      if (!error && format.hasMinimum) {
        solver.settle(row, wanted);
        error = store(1, index, minimums);
      }
      if (error)
        return createStringError("row " + Twine(index) + ": " +
                                 toString(std::move(error)));
      coder.encodeRow(values, width, scales,
                      format.hasMinimum ? ArrayRef<float>(minimums)
                                        : ArrayRef<float>(),
                      matrix.codes.data() + index * columns);
    }
    return Error::success();
  };
  if (Error error = runTasks(request, from, compress))
    return std::move(error);
  if (Error error =
          checkRange(matrix, *std::max_element(largest.begin(), largest.end())))
    return std::move(error);
  return created;
}

Expected<QuantizedMatrix> llmc::convertRows(const MethodRequest &request,
                                            ArrayRef<float> columnScale,
                                            double from) {
  const FormatDescription &format = *request.format;
  const int64_t columns = request.weight.columns;
  auto created = QuantizedMatrix::create(format, request.weight.rows, columns);
  if (!created)
    return created.takeError();
  created->columnScale = columnScale.vec();
  const Job job = makeJob(request, columnScale);
  auto convert = [&](int64_t begin, int64_t end) -> Error {
    std::vector<float> values(columns);
    for (int64_t index = begin; index < end; ++index) {
      if (Error error = job.read(index, values))
        return error;
      uint8_t *out =
          created->codes.data() + index * columns * created->getCodeBytes();
      if (format.dense == RealType::F32) {
        std::memcpy(out, values.data(), columns * sizeof(float));
        continue;
      }
      for (int64_t k = 0; k < columns; ++k) {
        uint16_t bits = format.dense == RealType::F16 ? floatToF16(values[k])
                                                      : floatToBf16(values[k]);
        if (!std::isfinite(roundReal(format.dense, values[k])))
          return createStringError(
              formatv("{0} in row {1}, column {2} is beyond the largest {3}",
                      values[k], index, k, format.name)
                  .str());
        std::memcpy(out + 2 * k, &bits, 2);
      }
    }
    return Error::success();
  };
  if (Error error = runTasks(request, from, convert))
    return std::move(error);
  return created;
}
