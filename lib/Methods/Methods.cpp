//===- Methods.cpp - The table of methods ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "RowQuantizer.h"
#include "Tasks.h"
#include "llmc/Methods/Sinkhorn.h"
#include "llmc/Support/Vectorized.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace llvm;
using namespace llmc;

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

static constexpr OptionSpec kZero{
    "zero",
    OptionType::Choice,
    "integer",
    0,
    0,
    "integer|free",
    "where an asymmetric format has its zero: on a code, so that 0 stays "
    "0, or anywhere, so that both extremes are kept"},
    kCandidates{"candidates",
                OptionType::Integer,
                "20",
                2,
                1000,
                "",
                "scales that mse tries for each group"},
    kRefinements{"refinements",
                 OptionType::Integer,
                 "3",
                 0,
                 100,
                 "",
                 "turns of mse from the best scale: nearest codes, best scale"},
    kNorm{"norm",
          OptionType::Real,
          "0.7",
          0.1,
          1,
          "",
          "p of the l_p norm of the error that hqq makes small"},
    kBeta{"beta",
          OptionType::Real,
          "10",
          0.01,
          1e6,
          "",
          "weight of the quadratic term of hqq; errors are in steps of the "
          "scale"},
    kTurns{"turns", OptionType::Integer,          "20", 1, 1000,
           "",      "half-quadratic steps of hqq"};

static constexpr OptionSpec kRtnOptions[] = {kZero};
static constexpr OptionSpec kMseOptions[] = {kCandidates, kRefinements};
static constexpr OptionSpec kHqqOptions[] = {kTurns, kNorm, kBeta};
static constexpr OptionSpec kSinqOptions[] = {
    {"tile", OptionType::Integer, "0", 0, 65536, "",
     "columns that are evened out together; 0 is the group, at most 256"},
    {"steps", OptionType::Integer, "16", 2, 1000, "",
     "steps of the normalization at most"},
    {"robust", OptionType::Flag, "true", 0, 0, "",
     "measure in units of the median row and leave out constant rows and "
     "columns; false is the published procedure"},
    {"share", OptionType::Flag, "false", 0, 0, "",
     "matrices with one input get one column scale, which a norm before them "
     "can take up; false is more exact and multiplies the input of each"},
    {"kurtosis", OptionType::Real, "0", 0, 1e6, "",
     "a matrix whose kurtosis is above this gets no column scale (a normal "
     "distribution has 3); 0 is no limit"},
    {"quantizer", OptionType::Choice, "rtn", 0, 0, "rtn|mse|hqq",
     "what finds scales and codes of the evened matrix"},
    kZero,
    kCandidates,
    kRefinements,
    kTurns,
    kNorm,
    kBeta};

//===----------------------------------------------------------------------===//
// Methods
//===----------------------------------------------------------------------===//

/// Runs the quantizer of that name with its options.
static Expected<QuantizedMatrix> quantize(StringRef name,
                                          const MethodRequest &request,
                                          ArrayRef<float> columnScale,
                                          double from) {
  const FormatDescription &format = *request.format;
  if (format.isDense())
    return convertRows(request, columnScale, from);
  const Options &options = *request.options;
  if (name == "rtn")
    return quantizeRows(request, columnScale,
                        RoundToNearest(options.getChoice("zero") == "integer"
                                           ? ZeroPoint::Integer
                                           : ZeroPoint::Free),
                        from);
  if (name == "mse")
    return quantizeRows(request, columnScale,
                        LeastSquares(options.getInteger("candidates"),
                                     options.getInteger("refinements")),
                        from);
  if (!format.hasMinimum || !format.terms[0].levels.table.empty())
    return createStringError(
        "method hqq expects a format of even levels with a minimum, such as "
        "u4g64, but got '" +
        format.name + "'");
  return quantizeRows(request, columnScale,
                      HalfQuadratic(options.getInteger("turns"),
                                    options.getReal("norm"),
                                    options.getReal("beta")),
                      from);
}

template <typename Name>
static Expected<MethodResult> runPlain(const MethodRequest &request) {
  auto matrix = quantize(Name::name, request, request.columnScale, 0);
  if (!matrix)
    return matrix.takeError();
  return MethodResult{std::move(*matrix), ""};
}

namespace {
struct Rtn {
  static constexpr StringLiteral name = "rtn";
};
struct Hqq {
  static constexpr StringLiteral name = "hqq";
};
struct Mse {
  static constexpr StringLiteral name = "mse";
};
} // namespace

/// Fourth moment about the mean over the square of the second. Sums by row, so
/// that threads do not change it.
static double measureKurtosis(const MatrixView &weight,
                              ParallelFor parallelFor) {
  std::vector<double> moments(weight.rows * 4);
  auto measure = [&](int64_t row) -> Error {
    std::vector<float> values(weight.columns);
    weight.read(row, 0, weight.columns, values.data());
    for (double value : values)
      for (double power = value, *sum = &moments[row * 4];
           sum < &moments[row * 4] + 4; ++sum, power *= value)
        *sum += power;
    return Error::success();
  };
  Tasks tasks(parallelFor, nullptr, 0, 0);
  // A task cannot fail.
  cantFail(tasks.run(weight.rows, measure));
  double n =
      static_cast<double>(weight.rows) * static_cast<double>(weight.columns);
  double m[4] = {};
  for (int64_t row = 0; row < weight.rows; ++row)
    for (int i = 0; i < 4; ++i)
      m[i] += moments[row * 4 + i] / n;
  double second = m[1] - m[0] * m[0];
  double fourth = m[3] - 4 * m[0] * m[2] + 6 * m[0] * m[0] * m[1] -
                  3 * m[0] * m[0] * m[0] * m[0];
  return second > 0 ? fourth / (second * second) : 0;
}

/// The scale that sinq gives the columns of matrices with one input; empty, with
/// the reason in `note`, where its options forbid one.
static Expected<std::vector<float>>
findScale(ArrayRef<MatrixView> weights, const FormatDescription &format,
          const Options &options, ParallelFor parallelFor,
          function_ref<bool(double)> progress, std::string &note) {
  if (double limit = options.getReal("kurtosis"); limit > 0) {
    for (const MatrixView &weight : weights) {
      double kurtosis = measureKurtosis(weight, parallelFor);
      if (kurtosis > limit) {
        note = formatv("no column scale: kurtosis {0:F2} is above {1:F2}",
                       kurtosis, limit)
                   .str();
        return std::vector<float>();
      }
    }
  }
  int64_t columns = weights.front().columns;
  SinkhornOptions sinkhorn;
  int64_t tile = options.getInteger("tile");
  if (tile == 0)
    tile = std::min<int64_t>(format.getGroupColumns(columns), 256);
  sinkhorn.tileColumns = std::min(tile, columns);
  sinkhorn.steps = options.getInteger("steps");
  sinkhorn.robust = options.getFlag("robust");
  return computeColumnScale(weights, sinkhorn, parallelFor, progress);
}

static Expected<MethodResult> runSinq(const MethodRequest &request) {
  const Options &options = *request.options;
  StringRef quantizer = options.getChoice("quantizer");
  std::vector<float> scale = request.columnScale.vec();
  std::string note;
  if (!request.format->isDense() && scale.empty()) {
    auto half = [&](double part) { return request.progress(part / 2); };
    auto found = findScale(
        request.weight, *request.format, options, request.parallelFor,
        request.progress ? function_ref<bool(double)>(half) : nullptr, note);
    if (!found)
      return found.takeError();
    scale = std::move(*found);
  }
  auto matrix = quantize(quantizer, request, scale, 0.5);
  if (!matrix)
    return matrix.takeError();
  return MethodResult{std::move(*matrix), std::move(note)};
}

static constexpr Method kMethods[] = {
    {"rtn", "smallest to largest number of each group, codes to the nearest",
     kRtnOptions, 0, runPlain<Rtn>},
    {"sinq",
     "even out the deviations of rows and columns by a scale for each column, "
     "then quantize",
     kSinqOptions, kMeanSquare, runSinq},
    {"hqq", "minimums by half-quadratic steps that forget outliers",
     kHqqOptions, 0, runPlain<Hqq>},
    {"mse",
     "search the scale and the minimum of the smallest squared error, weighted "
     "where inputs are known",
     kMseOptions, kMeanSquare, runPlain<Mse>}};

ArrayRef<Method> llmc::getMethods() { return kMethods; }

const Method *llmc::findMethod(StringRef name) {
  const auto *found = find_if(
      kMethods, [&](const Method &method) { return method.name == name; });
  return found == std::end(kMethods) ? nullptr : found;
}

//===----------------------------------------------------------------------===//
// Requests
//===----------------------------------------------------------------------===//

static Error checkRequest(const MethodRequest &request) {
  const MatrixView &weight = request.weight;
  if (!request.format || !request.options)
    return createStringError("expected a format and options");
  if (Error error = verify(*request.format))
    return error;
  if (!request.format->isDense() && request.format->terms.size() != 1)
    return createStringError("expected a format of one term but '" +
                             request.format->name + "' has " +
                             Twine(request.format->terms.size()));
  if (request.format->hasMinimum && request.format->minimum.ofScale)
    return createStringError("format '" + request.format->name +
                             "' has zero points: it is read from models but "
                             "not made; expected a format with minimums, such "
                             "as u4g32");
  if (weight.rows < 1 || weight.columns < 1)
    return createStringError("expected a matrix of at least one row and one "
                             "column but got " +
                             Twine(weight.rows) + "x" + Twine(weight.columns));
  if (!weight.data || weight.type == RealType::None ||
      weight.stride < weight.columns ||
      !checkedMul<int64_t>(weight.rows, weight.stride))
    return createStringError("expected numbers in rows of at least " +
                             Twine(weight.columns));
  auto checkLength = [&](ArrayRef<float> values, StringRef what,
                         int64_t length) -> Error {
    if (values.empty() || values.size() == static_cast<uint64_t>(length))
      return Error::success();
    return createStringError("expected " + Twine(length) + " numbers of " +
                             what + " but got " + Twine(values.size()));
  };
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
  for (auto [k, square] : enumerate(statistics.meanSquare))
    if (!std::isfinite(square) || square < 0)
      return createStringError(
          formatv("expected mean x² from 0 but got {0} in column {1}", square,
                  k)
              .str());
  if (Error error =
          checkLength(request.columnScale, "the column scale", columns))
    return error;
  for (auto [k, scale] : enumerate(request.columnScale))
    if (!std::isnormal(scale) || scale < 0 || !std::isnormal(1 / scale))
      return createStringError(
          formatv("expected positive column scales but got {0} in column {1}",
                  scale, k)
              .str());
  return Error::success();
}

Expected<MethodResult> llmc::runMethod(const Method &method,
                                       const MethodRequest &request) {
  std::string prefix = ("'" + request.weight.name + "': ").str();
  auto named = [&](Error error) {
    std::string text = toString(std::move(error));
    return createStringError(
        StringRef(text).starts_with(prefix) ? text : prefix + text);
  };
  if (Error error = checkRequest(request))
    return named(std::move(error));
  auto result = method.run(request);
  if (!result)
    return named(result.takeError());
  return result;
}

Expected<MethodResult>
llmc::runMethod(StringRef name, StringRef formatName,
                ArrayRef<std::pair<StringRef, StringRef>> settings,
                MethodRequest request) {
  const Method *method = findMethod(name);
  if (!method)
    return createStringError("unknown method '" + name + "'");
  auto options = Options::parse(name, method->options, settings);
  if (!options)
    return options.takeError();
  auto format = parseFormat(formatName);
  if (!format)
    return format.takeError();
  request.options = &*options;
  request.format = &*format;
  return runMethod(*method, request);
}

Expected<std::vector<float>>
llmc::computeSharedScale(ArrayRef<MatrixView> weights, StringRef formatName,
                         ArrayRef<std::pair<StringRef, StringRef>> settings,
                         ParallelFor parallelFor, std::string &note) {
  auto options = Options::parse("sinq", kSinqOptions, settings);
  if (!options)
    return options.takeError();
  auto format = parseFormat(formatName);
  if (!format)
    return format.takeError();
  return findScale(weights, *format, *options, parallelFor, nullptr, note);
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
