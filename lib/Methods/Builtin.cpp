//===- Builtin.cpp - The methods that llmc brings -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// They know llmc by its plugin interface alone. With LLMC_METHODS_VENDOR, a text,
// this file and those of the quantizers make a plugin of that vendor.
//
//===----------------------------------------------------------------------===//
#include "AlternatingSums.h"
#include "RowQuantizer.h"
#include "Sinq.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

using namespace llvm;
using namespace llmc;

#ifdef LLMC_METHODS_VENDOR
#define LLMC_METHODS_PREFIX LLMC_METHODS_VENDOR "."
#else
#define LLMC_METHODS_VENDOR "llmc"
#define LLMC_METHODS_PREFIX ""
#endif

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

static constexpr llmc_option makeOption(llmc_option_type type, const char *name,
                                        const char *fallback, const char *help,
                                        double lowest, double highest,
                                        const char *choices) {
  return {sizeof(llmc_option),
          name,
          help,
          static_cast<uint32_t>(type),
          0,
          fallback,
          lowest,
          highest,
          choices};
}

static constexpr llmc_option makeInteger(const char *name, const char *fallback,
                                         double lowest, double highest,
                                         const char *help) {
  return makeOption(LLMC_OPTION_INTEGER, name, fallback, help, lowest, highest,
                    nullptr);
}

static constexpr llmc_option makeReal(const char *name, const char *fallback,
                                      double lowest, double highest,
                                      const char *help) {
  return makeOption(LLMC_OPTION_REAL, name, fallback, help, lowest, highest,
                    nullptr);
}

static constexpr llmc_option makeChoice(const char *name, const char *choices,
                                        const char *fallback,
                                        const char *help) {
  return makeOption(LLMC_OPTION_CHOICE, name, fallback, help, 0, 0, choices);
}

static constexpr llmc_option makeFlag(const char *name, const char *fallback,
                                      const char *help) {
  return makeOption(LLMC_OPTION_FLAG, name, fallback, help, 0, 0, nullptr);
}

static constexpr llmc_option kZero = makeChoice(
    "zero", "integer|free", "integer",
    "where an asymmetric format has its zero: on a code, so that 0 stays 0, or "
    "anywhere, so that both extremes are kept");
static constexpr llmc_option kCandidates = makeInteger(
    "candidates", "20", 2, 1000, "scales that mse tries for each group");
static constexpr llmc_option kRefinements =
    makeInteger("refinements", "3", 0, 100,
                "turns of mse from the best scale: nearest codes, best scale");
static constexpr llmc_option kTurns =
    makeInteger("turns", "20", 1, 1000, "half-quadratic steps of hqq");
static constexpr llmc_option kNorm =
    makeReal("norm", "0.7", 0.1, 1,
             "p of the l_p norm of the error that hqq makes small");
static constexpr llmc_option kBeta =
    makeReal("beta", "10", 0.01, 1e6,
             "weight of the quadratic term of hqq; errors are in steps of the "
             "scale");

static constexpr llmc_option kRtnOptions[] = {kZero};
static constexpr llmc_option kMseOptions[] = {kCandidates, kRefinements};
static constexpr llmc_option kHqqOptions[] = {kTurns, kNorm, kBeta};
static constexpr llmc_option kSinqOptions[] = {
    makeInteger("tile", "0", 0, 65536,
                "columns that are evened out together; 0 is the group, at most "
                "256"),
    makeInteger("steps", "16", 2, 1000, "steps of the normalization at most"),
    makeFlag("robust", "true",
             "measure in units of the median row and leave out constant rows "
             "and columns; false is the published procedure"),
    makeFlag("share", "false",
             "matrices with one input get one column scale, which a norm "
             "before them can take up; false is more exact and multiplies the "
             "input of each"),
    makeReal("kurtosis", "0", 0, 1e6,
             "a matrix whose kurtosis is above this gets no column scale (a "
             "normal distribution has 3); 0 is no limit"),
    makeChoice("quantizer", "rtn|mse|hqq", "rtn",
               "what finds scales and codes of the evened matrix"),
    kZero,
    kCandidates,
    kRefinements,
    kTurns,
    kNorm,
    kBeta};

/// The place of an option of that name; it must be in the table.
static constexpr size_t findOption(ArrayRef<llmc_option> table,
                                   StringRef name) {
  size_t index = 0;
  while (name != table[index].name)
    ++index;
  return index;
}

namespace {

/// Values of options by name.
struct Settings {
  ArrayRef<llmc_option> table;
  const int64_t *integers;
  const double *reals;

  int64_t getInteger(StringRef name) const {
    return integers[findOption(table, name)];
  }
  double getReal(StringRef name) const {
    return reals[findOption(table, name)];
  }
};

/// What finds scales and codes; the numbers are the choices of `quantizer`.
enum class Quantizer : int64_t { Rtn, Mse, Hqq };

} // namespace

//===----------------------------------------------------------------------===//
// Quantizers
//===----------------------------------------------------------------------===//

static int quantize(Quantizer quantizer, const Work &work,
                    const Settings &settings, const float *columnScale,
                    double from) {
  const llmc_format &format = *work.job.format;
  if (format.dense)
    return convertRows(work, from);
  if (isSum(format) && quantizer != Quantizer::Hqq) {
    bool searches = quantizer == Quantizer::Mse;
    return quantizeRows(
        work, columnScale,
        AlternatingSums(format,
                        searches ? settings.getInteger("candidates") : 1,
                        searches ? settings.getInteger("refinements") : 0),
        from);
  }
  switch (quantizer) {
  case Quantizer::Rtn:
    return quantizeRows(work, columnScale,
                        RoundToNearest(settings.getInteger("zero") == 0
                                           ? ZeroPoint::Integer
                                           : ZeroPoint::Free),
                        from);
  case Quantizer::Mse:
    return quantizeRows(work, columnScale,
                        LeastSquares(settings.getInteger("candidates"),
                                     settings.getInteger("refinements")),
                        from);
  case Quantizer::Hqq:
    break;
  }
  if (!format.minimum || !format.even) {
    std::string text = std::string("method hqq expects a format of even levels "
                                   "with a minimum, such as u4g64, but got '") +
                       format.name + "'";
    return work.host.fail(work.run, text.c_str());
  }
  return quantizeRows(work, columnScale,
                      HalfQuadratic(settings.getInteger("turns"),
                                    settings.getReal("norm"),
                                    settings.getReal("beta")),
                      from);
}

static int runQuantizer(Quantizer quantizer, ArrayRef<llmc_option> table,
                        const llmc_host *host, llmc_run *run,
                        const llmc_job *job) {
  return quantize(quantizer, {*host, run, *job},
                  {table, job->integers, job->reals}, job->column_scale, 0);
}

static int runRtn(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  return runQuantizer(Quantizer::Rtn, kRtnOptions, host, run, job);
}

static int runHqq(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  return runQuantizer(Quantizer::Hqq, kHqqOptions, host, run, job);
}

static int runMse(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  return runQuantizer(Quantizer::Mse, kMseOptions, host, run, job);
}

//===----------------------------------------------------------------------===//
// sinq
//===----------------------------------------------------------------------===//

SinqOptions::SinqOptions(const int64_t *integers, const double *reals,
                         int64_t groupColumns, int64_t columns) {
  Settings settings{kSinqOptions, integers, reals};
  int64_t tile = settings.getInteger("tile");
  if (tile == 0)
    tile = std::min<int64_t>(groupColumns, 256);
  sinkhorn.tileColumns = std::min(tile, columns);
  sinkhorn.steps = settings.getInteger("steps");
  sinkhorn.robust = settings.getInteger("robust");
  kurtosis = settings.getReal("kurtosis");
}

std::string SinqOptions::explainNoScale(double measured) const {
  char text[128];
  std::snprintf(text, sizeof(text),
                "no column scale: kurtosis %.2f is above %.2f", measured,
                kurtosis);
  return text;
}

void Moments::add(ArrayRef<float> values) {
  for (double value : values)
    for (double power = value, *sum = sums; sum < sums + 4;
         ++sum, power *= value)
      *sum += power;
}

double llmc::getKurtosis(ArrayRef<Moments> rows, int64_t columns) {
  double n = static_cast<double>(rows.size()) * static_cast<double>(columns);
  double m[4] = {};
  for (const Moments &row : rows)
    for (int i = 0; i < 4; ++i)
      m[i] += row.sums[i] / n;
  double second = m[1] - m[0] * m[0];
  double fourth = m[3] - 4 * m[0] * m[2] + 6 * m[0] * m[0] * m[1] -
                  3 * m[0] * m[0] * m[0] * m[0];
  return second > 0 ? fourth / (second * second) : 0;
}

namespace {

/// sinq at work on the scale of columns.
struct Evening {
  Evening(const Work &work)
      : work(work), options(work.job.integers, work.job.reals,
                            work.job.group_columns, work.job.columns),
        scale(work.job.columns) {}

  /// Leaves `scale` empty where the options forbid one.
  int run() {
    const llmc_job &job = work.job;
    if (options.kurtosis > 0) {
      moments.resize(job.rows);
      if (int status = work.host.parallel_for(work.run, job.rows, measureRow,
                                              this, 0, 0))
        return status;
      double kurtosis = getKurtosis(moments, job.columns);
      if (kurtosis > options.kurtosis) {
        work.host.note(work.run, options.explainNoScale(kurtosis).c_str());
        scale.clear();
        return LLMC_METHOD_OK;
      }
    }
    width = getTogetherColumns(job.rows, job.columns, options.sinkhorn);
    if (int status =
            work.host.parallel_for(work.run, (job.columns + width - 1) / width,
                                   evenTiles, this, 0, 0.5))
      return status;
    return work.host.set_column_scale(work.run, scale.data());
  }

  /// The scale is that of the columns as they come, whatever the format's
  /// transform makes of them.
  int read(int64_t row, int64_t begin, int64_t end, float *out) const {
    const llmc_host &host = work.host;
    return LLMC_PLUGIN_HAS(&host, read_plain)
               ? host.read_plain(work.run, row, begin, end, out)
               : host.read(work.run, row, begin, end, out);
  }

  static int measureRow(void *context, int64_t index) {
    auto &self = *static_cast<Evening *>(context);
    std::vector<float> values(self.work.job.columns);
    if (int status = self.read(index, 0, self.work.job.columns, values.data()))
      return status;
    self.moments[index].add(values);
    return LLMC_METHOD_OK;
  }

  static int evenTiles(void *context, int64_t index) {
    auto &self = *static_cast<Evening *>(context);
    int64_t begin = index * self.width;
    int64_t end = std::min(self.work.job.columns, begin + self.width);
    int status = LLMC_METHOD_OK;
    auto fill = [&](TileWriter &tiles) {
      std::vector<float> lines((end - begin) * TileWriter::kRows);
      int64_t rows = self.work.job.rows;
      for (int64_t row = 0, next; row < rows; row = next) {
        next = std::min(rows, row + TileWriter::kRows);
        for (int64_t at = row; at < next; ++at) {
          status = self.read(at, begin, end,
                             lines.data() + (at - row) * (end - begin));
          if (status)
            return false;
        }
        tiles.setRows(row, next - row, lines.data());
      }
      return true;
    };
    computeTileScales(self.work.job.rows, end - begin, fill,
                      self.options.sinkhorn, self.scale.data() + begin);
    return status;
  }

  const Work &work;
  SinqOptions options;
  int64_t width = 0; ///< Columns that a thread takes at a time.
  std::vector<float> scale;
  std::vector<Moments> moments;
};

} // namespace

static int runSinq(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  Work work{*host, run, *job};
  Settings settings{kSinqOptions, job->integers, job->reals};
  auto quantizer = static_cast<Quantizer>(settings.getInteger("quantizer"));
  if (job->format->dense || job->column_scale)
    return quantize(quantizer, work, settings, job->column_scale, 0.5);
  Evening evening(work);
  if (int status = evening.run())
    return status;
  return quantize(quantizer, work, settings,
                  evening.scale.empty() ? nullptr : evening.scale.data(), 0.5);
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

template <size_t N>
static constexpr llmc_method makeMethod(const char *name, const char *summary,
                                        const llmc_option (&options)[N],
                                        uint64_t uses,
                                        decltype(llmc_method::run) run) {
  return {sizeof(llmc_method),
          name,
          summary,
          options,
          N,
          uses | LLMC_TAKES_VECTORS | LLMC_TAKES_SUMS,
          run};
}

static constexpr llmc_method kMethods[] = {
    makeMethod(LLMC_METHODS_PREFIX "rtn",
               "smallest to largest number of each group, codes to the nearest",
               kRtnOptions, 0, runRtn),
    makeMethod(LLMC_METHODS_PREFIX "sinq",
               "even out the deviations of rows and columns by a scale for "
               "each column, then quantize",
               kSinqOptions, LLMC_USES_MEAN_SQUARE, runSinq),
    makeMethod(LLMC_METHODS_PREFIX "hqq",
               "minimums by half-quadratic steps that forget outliers",
               kHqqOptions, 0, runHqq),
    makeMethod(LLMC_METHODS_PREFIX "mse",
               "search the scale and the minimum of the smallest squared "
               "error, weighted where inputs are known",
               kMseOptions, LLMC_USES_MEAN_SQUARE, runMse)};

static constexpr llmc_plugin kPlugin = {sizeof(llmc_plugin),
                                        LLMC_PLUGIN_ABI,
                                        1,
                                        LLMC_METHODS_VENDOR,
                                        "1",
                                        kMethods,
                                        std::size(kMethods),
                                        nullptr,
                                        0,
                                        nullptr,
                                        0};

const llmc_plugin &llmc::getBuiltinMethods() { return kPlugin; }
