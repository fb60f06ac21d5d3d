//===- Methods.cpp - Requests, and errors of results ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MethodRun.h"
#include "Tasks.h"
#include "llmc/Methods/ColumnOrder.h"
#include "llmc/Methods/LowRank.h"
#include "llmc/Methods/Outliers.h"
#include "llmc/Support/Vectorized.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

#include <chrono>
#include <cmath>

using namespace llvm;
using namespace llmc;

//===----------------------------------------------------------------------===//
// Requests
//===----------------------------------------------------------------------===//

static Error checkRequest(const Method &method, const MethodRequest &request) {
  const MatrixView &weight = request.weight;
  if (!request.format || !request.options)
    return createStringError("expected a format and options");
  if (Error error = verify(*request.format))
    return error;
  if (size_t terms = request.format->terms.size(); terms > 1) {
    std::string sum = ("'" + request.format->name + "' is a sum of " +
                       Twine(terms) + " products")
                          .str();
    if (request.format->isVector())
      return createStringError(sum + " of vectors, which no method makes; "
                                     "expected vectors or sums");
    if (!(method.uses & LLMC_TAKES_SUMS))
      return createStringError("method " + method.name +
                               " makes no sums, and " + sum +
                               "; expected a format of one, such as i4g32, or "
                               "another method, such as mse");
  }
  if (request.format->hasMinimum && request.format->minimum.ofScale)
    return createStringError("format '" + request.format->name +
                             "' has zero points: it is read from models but "
                             "not made; expected a format with minimums, such "
                             "as u4g32");
  if (request.format->isVector() && !(method.uses & LLMC_TAKES_VECTORS))
    return createStringError(
        "method " + method.name + " makes no format of vectors, and '" +
        request.format->name + "' has codes that stand for " +
        Twine(request.format->weightsPerIndex) +
        " weights; expected a format of single levels, such as i4g32, or "
        "another method, such as mse");
  if (weight.rows < 1 || weight.columns < 1)
    return createStringError("expected a matrix of at least one row and one "
                             "column but got " +
                             Twine(weight.rows) + "x" + Twine(weight.columns));
  if (!weight.data || weight.type == RealType::None ||
      weight.stride < (weight.transposed ? weight.rows : weight.columns) ||
      !checkedMul<int64_t>(weight.transposed ? weight.columns : weight.rows,
                           weight.stride))
    return createStringError(
        "expected numbers in " +
        Twine(weight.transposed ? "columns of at least " + Twine(weight.rows)
                                : "rows of at least " + Twine(weight.columns)));
  auto checkLength = [&](ArrayRef<float> values, StringRef what,
                         int64_t length) -> Error {
    if (values.empty() || values.size() == static_cast<uint64_t>(length))
      return Error::success();
    return createStringError("expected " + Twine(length) + " numbers of " +
                             what + " but got " + Twine(values.size()));
  };
  if (request.options->getIntegers().size() != method.options.size())
    return createStringError("expected " + Twine(method.options.size()) +
                             " options but got " +
                             Twine(request.options->getIntegers().size()));
  int64_t columns = weight.columns;
  const Statistics &statistics = request.statistics;
  if (Error error = checkLength(statistics.meanAbsolute, "mean |x|", columns))
    return error;
  if (Error error = checkLength(statistics.meanSquare, "mean x²", columns))
    return error;
  if (!statistics.gram.empty()) {
    auto square = checkedMul<int64_t>(columns, columns);
    if (Error error = checkLength(statistics.gram, "the Gram matrix",
                                  square.value_or(-1)))
      return error;
  }
  for (auto [values, what] : {std::pair(statistics.meanAbsolute, "mean |x|"),
                              std::pair(statistics.meanSquare, "mean x²")})
    for (auto [k, mean] : enumerate(values))
      if (!std::isfinite(mean) || mean < 0)
        return createStringError(
            formatv("expected {0} from 0 but got {1} in column {2}", what, mean,
                    k)
                .str());
  if (!all_of(statistics.gram, [](float x) { return std::isfinite(x); }))
    return createStringError("expected finite numbers in the Gram matrix");
  if (Error error =
          checkLength(request.columnScale, "the column scale", columns))
    return error;
  for (auto [k, scale] : enumerate(request.columnScale))
    if (!isColumnScale(scale))
      return createStringError(
          formatv("expected positive column scales but got {0} in column {1}",
                  scale, k)
              .str());
  return Error::success();
}

/// A request that has been checked, of a format with nothing beside the codes.
static Expected<MethodResult> runOnCodes(const Method &method,
                                         const MethodRequest &request,
                                         std::string prefix) {
  if (method.runner)
    return method.runner->run(method, request);
  auto result = runTable(method, request);
  if (result)
    return result;
  if (!method.plugin.empty())
    prefix += "method " + method.name + " of '" + method.plugin + "': ";
  return createStringError(prefix + toString(result.takeError()));
}

static void addNote(MethodResult &result, const std::string &note) {
  if (!result.note.empty())
    result.note += "; ";
  result.note += note;
}

/// Adds the product of low rank that `format` has beside the codes of `result`.
static void addLowRank(MethodResult &result, const MethodRequest &request,
                       const FormatDescription &format) {
  auto start = std::chrono::steady_clock::now();
  LowRankResult found =
      findLowRank(request.weight, result.matrix, format.rank,
                  request.statistics.meanSquare, request.parallelFor);
  std::chrono::duration<double> taken =
      std::chrono::steady_clock::now() - start;
  result.matrix.format = format;
  result.matrix.lowRank = std::move(found.matrices);
  addNote(result,
          formatv("error {0:F2} % before rank {1} was added in {2:F2} s",
                  100 * found.relativeError, format.rank, taken.count())
              .str());
  if (found.rank < format.rank)
    result.note +=
        formatv(", of which {0} are zeros", format.rank - found.rank).str();
}

Expected<MethodResult> llmc::runMethod(const Method &method,
                                       const MethodRequest &request) {
  std::string prefix = ("'" + request.weight.name + "': ").str();
  if (Error error = checkRequest(method, request))
    return createStringError(prefix + toString(std::move(error)));
  const FormatDescription &format = *request.format;
  FormatDescription codes = format.withoutSides();
  MethodRequest onCodes = request;
  onCodes.format = &codes;
  if (format.permuted) {
    OrderedRequest ordered(request);
    FormatDescription stored = format.getStored();
    MethodRequest inOrder = ordered.getRequest();
    inOrder.format = &stored;
    auto result = runOnCodes(method, inOrder, std::move(prefix));
    if (result)
      ordered.finish(*result, format);
    return result;
  }
  Outliers outliers;
  if (format.sparse) {
    outliers = takeOutliers(request.weight, format, request.columnScale,
                            request.statistics.meanSquare, request.parallelFor);
    onCodes.weight.data = outliers.rest.data();
    onCodes.weight.type = RealType::F32;
    onCodes.weight.stride = request.weight.columns;
    onCodes.weight.transposed = false;
  }
  auto result = runOnCodes(method, onCodes, std::move(prefix));
  if (!result)
    return result;
  if (format.rank)
    addLowRank(*result, request, format);
  if (format.sparse)
    addNote(*result,
            formatv("error {0:F2} % before {1} of 1,000 weights got "
                    "numbers of their own",
                    100 * addOutliers(result->matrix, request.weight, format,
                                      std::move(outliers), request.parallelFor),
                    format.sparse)
                .str());
  return result;
}

Expected<MethodResult> llmc::runMethod(
    const MethodSet &methods, StringRef name, const FormatDescription &format,
    ArrayRef<std::pair<StringRef, StringRef>> settings, MethodRequest request) {
  const Method *method = methods.find(name);
  if (!method)
    return createStringError(methods.describeUnknown(name, {}));
  auto options = Options::parse(name, method->options, settings);
  if (!options)
    return options.takeError();
  request.options = &*options;
  request.format = &format;
  return runMethod(*method, request);
}

Expected<MethodResult>
llmc::runMethod(const MethodSet &methods, StringRef name, StringRef formatName,
                ArrayRef<std::pair<StringRef, StringRef>> settings,
                MethodRequest request) {
  auto format = parseFormat(formatName);
  if (!format)
    return format.takeError();
  return runMethod(methods, name, *format, settings, request);
}

//===----------------------------------------------------------------------===//
// Errors of results
//===----------------------------------------------------------------------===//

double ReconstructionError::getRelative() const {
  return squaredError > 0 ? std::sqrt(squaredError / squaredNorm) : 0;
}

/// Adds what up to sixteen numbers are off, each in its lane.
static inline void addLanes(const float *original, const float *decoded,
                            int64_t count, double *errors, double *squares,
                            double *largest) {
  for (int64_t i = 0; i < count; ++i) {
    double value = original[i], error = value - decoded[i];
    double size = error < 0 ? -error : error;
    errors[i] += error * error;
    squares[i] += value * value;
    largest[i] = size > largest[i] ? size : largest[i];
  }
}

/// Adds what a row is off.
LLMC_VECTORIZED
static void addErrors(const float *original, const float *decoded,
                      int64_t count, ReconstructionError &sum) {
  double errors[16] = {}, squares[16] = {}, largest[16] = {};
  int64_t at = 0;
  for (; at + 16 <= count; at += 16)
    addLanes(original + at, decoded + at, 16, errors, squares, largest);
  addLanes(original + at, decoded + at, count - at, errors, squares, largest);
  for (int i = 0; i < 16; ++i) {
    sum.squaredError += errors[i];
    sum.squaredNorm += squares[i];
    sum.largest = largest[i] > sum.largest ? largest[i] : sum.largest;
  }
}

ReconstructionError llmc::measureError(const MatrixView &weight,
                                       const QuantizedMatrix &matrix,
                                       ParallelFor parallelFor) {
  constexpr int64_t kRows = 16;
  int64_t columns = weight.columns, count = divideCeil(weight.rows, kRows);
  std::vector<ReconstructionError> parts(count);
  auto measure = [&](int64_t index) -> Error {
    ReconstructionError &part = parts[index];
    std::vector<float> original(columns), decoded(columns);
    for (int64_t row = index * kRows;
         row < std::min(weight.rows, (index + 1) * kRows); ++row) {
      weight.read(row, 0, columns, original.data());
      decodeRows(matrix, row, row + 1, decoded);
      addErrors(original.data(), decoded.data(), columns, part);
    }
    return Error::success();
  };
  Tasks tasks(parallelFor, nullptr, 0, 0);
  // A task cannot fail.
  cantFail(tasks.run(count, measure));
  ReconstructionError sum;
  for (const ReconstructionError &part : parts) {
    sum.squaredError += part.squaredError;
    sum.squaredNorm += part.squaredNorm;
    sum.largest = std::max(sum.largest, part.largest);
  }
  return sum;
}
