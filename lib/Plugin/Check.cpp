//===- Check.cpp - Does a plugin keep what it must? -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Plugin/Check.h"
#include "CheckCxx.h"
#include "CheckFormats.h"
#include "CheckMetrics.h"
#include "Growth.h"
#include "GuardedMemory.h"
#include "Inspect.h"
#include "Sanitizers.h"
#include "llmc/Plugin/PluginSet.h"
#include "llmc/Support/SplitMix.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

using namespace llvm;
using namespace llmc;
using Clock = std::chrono::steady_clock;

bool CheckReport::passed() const {
  return count(CheckStatus::Failed) == 0 && count(CheckStatus::Passed) > 0;
}

size_t CheckReport::count(CheckStatus status) const {
  return count_if(results, [&](const CheckResult &result) {
    return result.status == status;
  });
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

namespace {

/// A matrix that owns its numbers.
struct Matrix {
  int64_t rows, columns;
  std::vector<float> values;

  Matrix(int64_t rows, int64_t columns, float value = 0)
      : rows(rows), columns(columns), values(rows * columns, value) {}

  /// About normal, with a scale for each column.
  static Matrix makeRandom(int64_t rows, int64_t columns) {
    Matrix matrix(rows, columns);
    SplitMix random{static_cast<uint64_t>(rows * 1000 + columns)};
    std::vector<float> scales(columns);
    for (float &scale : scales)
      scale = 0.01f + 0.04f * static_cast<float>(random.unit());
    for (int64_t i = 0; i < rows * columns; ++i) {
      double sum = -6;
      for (int part = 0; part < 12; ++part)
        sum += random.unit();
      matrix.values[i] = static_cast<float>(sum) * scales[i % columns];
    }
    return matrix;
  }

  MatrixView view() const {
    return {"matrix", values.data(), RealType::F32, rows, columns, columns};
  }
};

/// A method of the plugin and a format, loaded in this process.
class Subject {
public:
  Subject(const PluginSet &set, StringRef method, StringRef format)
      : set(set), method(method), format(format) {}

  using Change = function_ref<void(MethodRequest &)>;

  Expected<MethodResult> run(const Matrix &matrix, Change change = nullptr,
                             StringRef name = "") const {
    MethodRequest request;
    request.weight = matrix.view();
    if (change)
      change(request);
    auto result = runMethod(set.getMethods(), name.empty() ? method : name,
                            format, {}, request);
    if (!result) {
      // The report says already whose error it is.
      std::string text = toString(result.takeError());
      size_t at = text.find("': method " + method.str() + " of '");
      size_t end = at == std::string::npos ? at : text.find("': ", at + 3);
      return createStringError(end == std::string::npos ? text
                                                        : text.substr(end + 3));
    }
    if (Error error = verify(result->matrix))
      return std::move(error);
    return result;
  }

  /// The error of the method, and that of rtn.
  Expected<std::pair<double, double>> compare(const Matrix &matrix) const {
    auto result = run(matrix), plain = run(matrix, nullptr, "rtn");
    if (!result) {
      consumeError(plain.takeError());
      return result.takeError();
    }
    if (!plain)
      return plain.takeError();
    double error = measureError(matrix.view(), result->matrix).getRelative();
    if (!std::isfinite(error))
      return createStringError("decodes to numbers that are not finite");
    return std::pair(error,
                     measureError(matrix.view(), plain->matrix).getRelative());
  }

  StringRef getMethod() const { return method; }
  StringRef getFormat() const { return format; }

private:
  const PluginSet &set;
  StringRef method, format;
};

/// One check; returns what it measured.
struct Check {
  StringLiteral name;
  Expected<std::string> (*run)(const Subject &subject);
};

} // namespace

/// How much worse than rtn a method may be: those that make another measure
/// small than the squared error are a little.
static constexpr double kWorst = 1.5;

static std::string describeShape(const Matrix &matrix) {
  return formatv("{0}x{1}: ", matrix.rows, matrix.columns);
}

static Error explain(const Matrix &matrix, Error error) {
  return createStringError(describeShape(matrix) + toString(std::move(error)));
}

/// `errors` are that of the method and that of rtn; `usual` is an error of rtn
/// that is good enough, too.
static Error checkBound(std::pair<double, double> errors, double usual = 0) {
  double bound = std::max(errors.second, usual);
  if (errors.first <= bound * kWorst + 1e-6)
    return Error::success();
  return createStringError(
      formatv("expected at most {0:F1} times the error of rtn, {1:F4}, but got "
              "{2:F4}",
              kWorst, bound, errors.first)
          .str());
}

static Error checkErrors(const Subject &subject, const Matrix &matrix,
                         double usual, double *relative = nullptr) {
  auto errors = subject.compare(matrix);
  if (!errors)
    return explain(matrix, errors.takeError());
  if (relative)
    *relative = errors->first;
  Error error = checkBound(*errors, usual);
  return error ? explain(matrix, std::move(error)) : Error::success();
}

/// The error of rtn for random numbers: few numbers, or equal ones, it may store
/// exactly.
static Expected<double> getUsualError(const Subject &subject) {
  Matrix matrix = Matrix::makeRandom(96, 512);
  auto plain = subject.run(matrix, nullptr, "rtn");
  if (!plain)
    return plain.takeError();
  return measureError(matrix.view(), plain->matrix).getRelative();
}

static Expected<std::string> checkAccuracy(const Subject &subject) {
  auto errors = subject.compare(Matrix::makeRandom(96, 512));
  if (!errors)
    return errors.takeError();
  if (Error error = checkBound(*errors))
    return std::move(error);
  return formatv("relative error {0:F4}, rtn {1:F4}", errors->first,
                 errors->second)
      .str();
}

static Expected<std::string> checkShapes(const Subject &subject) {
  std::pair<int64_t, int64_t> shapes[] = {{1, 512}, {300, 1}, {3, 37},
                                          {5, 272}, {7, 16},  {1, 1}};
  auto usual = getUsualError(subject);
  if (!usual)
    return usual.takeError();
  for (auto [rows, columns] : shapes)
    if (Error error =
            checkErrors(subject, Matrix::makeRandom(rows, columns), *usual))
      return std::move(error);
  return formatv("{0} shapes from 1x1 to 300x1 and 1x512", std::size(shapes))
      .str();
}

static Expected<std::string> checkConstants(const Subject &subject) {
  auto usual = getUsualError(subject);
  if (!usual)
    return usual.takeError();
  for (float value : {0.0f, 0.5f, -0.25f}) {
    double relative = 0;
    if (Error error =
            checkErrors(subject, Matrix(4, 96, value), *usual, &relative))
      return createStringError(
          formatv("all {0}: {1}", value, toString(std::move(error))).str());
    if (value == 0 && relative != 0)
      return createStringError("expected zeros to stay zeros");
  }
  // A row of zeros between others.
  Matrix matrix = Matrix::makeRandom(4, 96);
  std::fill_n(matrix.values.begin() + 96, 96, 0.0f);
  if (Error error = checkErrors(subject, matrix, *usual))
    return std::move(error);
  return std::string("zeros stay zeros");
}

static bool isSame(const QuantizedMatrix &a, const QuantizedMatrix &b) {
  if (a.codes != b.codes || a.columnScale != b.columnScale ||
      a.chains.size() != b.chains.size())
    return false;
  for (auto [x, y] : zip_equal(a.chains, b.chains))
    if (x.reals != y.reals || x.codes != y.codes)
      return false;
  return true;
}

/// Calls `body` with 0 to `count` - 1. Every thread has its share, however soon
/// another is done: a race that no two threads ran into would not be seen.
static void runInShares(unsigned threads, int64_t count,
                        function_ref<void(int64_t)> body) {
  auto runShare = [&](unsigned first) {
    for (int64_t i = first; i < count; i += threads)
      body(i);
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i)
    others.emplace_back(runShare, i);
  runShare(0);
  for (std::thread &other : others)
    other.join();
}

static Expected<std::string> checkThreads(const Subject &subject) {
  Matrix matrix = Matrix::makeRandom(301, 512);
  auto first = subject.run(matrix);
  if (!first)
    return first.takeError();
  for (unsigned threads : {1, 2, 3, 3}) {
    auto share = [&](int64_t count, function_ref<void(int64_t)> body) {
      runInShares(threads, count, body);
    };
    auto again = subject.run(
        matrix, [&](MethodRequest &request) { request.parallelFor = share; });
    if (!again)
      return again.takeError();
    if (!isSame(first->matrix, again->matrix))
      return createStringError("expected the same codes and scales from every "
                               "run but got others with " +
                               Twine(threads) +
                               (threads == 1 ? " thread" : " threads"));
  }
  return std::string("the same bytes in 5 runs on 1 to 3 threads");
}

static Expected<std::string> checkNotFinite(const Subject &subject) {
  for (float value : {NAN, INFINITY, -INFINITY})
    for (int64_t place : {0, 333, 8 * 96 - 1}) {
      Matrix matrix = Matrix::makeRandom(8, 96);
      matrix.values[place] = value;
      auto result = subject.run(matrix);
      if (result)
        return createStringError(
            formatv("expected an error for {0} in row {1}, but the matrix was "
                    "taken",
                    value, place / 96)
                .str());
      consumeError(result.takeError());
    }
  return std::string("nan and infinities are refused");
}

static Expected<std::string> checkStop(const Subject &subject) {
  Matrix matrix = Matrix::makeRandom(301, 512);
  int asked = 0;
  auto refuse = [&](double) {
    ++asked;
    return false;
  };
  auto result = subject.run(
      matrix, [&](MethodRequest &request) { request.progress = refuse; });
  if (!asked)
    return createStringError("expected a call of progress, or loops with "
                             "progress, but nobody was asked to go on");
  if (result)
    return createStringError("expected it to stop when asked, but it went on");
  std::string text = toString(result.takeError());
  if (!StringRef(text).ends_with("stopped on request"))
    return createStringError("expected LLMC_METHOD_STOPPED but got an error: " +
                             text);
  if (asked > 1)
    return createStringError("expected one question, but " + Twine(asked) +
                             " were asked");
  return std::string("stops when asked");
}

static Expected<std::string> checkBounds(const Subject &subject) {
  for (auto [rows, columns] :
       {std::pair<int64_t, int64_t>(64, 1024), {5, 37}}) {
    Matrix matrix = Matrix::makeRandom(rows, columns);
    GuardedMemory memory;
    std::vector<float> numbers(columns), gram(columns * columns);
    SplitMix random{1};
    for (float &number : numbers)
      number = static_cast<float>(random.unit());
    for (int64_t k = 0; k < columns; ++k)
      gram[k * columns + k] = numbers[k];
    ArrayRef<float> mean = memory.keep(numbers), square = memory.keep(numbers),
                    products = memory.keep(gram);
    for (float &number : numbers)
      number += 0.5f;
    ArrayRef<float> scale = memory.keep(numbers);
    for (bool scaled : {false, true}) {
      auto result = subject.run(matrix, [&](MethodRequest &request) {
        request.memory = &memory;
        request.statistics = {mean, square, products};
        if (scaled)
          request.columnScale = scale;
      });
      if (!result)
        return explain(matrix, result.takeError());
    }
    if (memory.isDamaged())
      return createStringError(describeShape(matrix) +
                               "it wrote behind the end of an array");
  }
  return std::string("nothing beyond its arrays, with all statistics");
}

/// Runs that end well, that fail in the last row, and that are stopped.
static Expected<std::string> checkLeaks(const Subject &subject) {
  Matrix matrix = Matrix::makeRandom(16, 128), wrong = matrix;
  wrong.values.back() = NAN;
  auto refuse = [](double) { return false; };
  Error error = findGrowth([&]() -> Error {
    if (Error error = subject.run(matrix).takeError())
      return error;
    consumeError(subject.run(wrong).takeError());
    consumeError(
        subject
            .run(matrix,
                 [&](MethodRequest &request) { request.progress = refuse; })
            .takeError());
    return Error::success();
  });
  if (error)
    return std::move(error);
  return std::string("leaves no memory, files or threads behind");
}

static Expected<std::string> checkSpeed(const Subject &subject) {
  Matrix matrix = Matrix::makeRandom(256, 1024);
  double seconds[2] = {INFINITY, INFINITY};
  for (int turn = 0; turn < 3; ++turn)
    for (int which : {0, 1}) {
      auto start = Clock::now();
      auto result = subject.run(matrix, nullptr, which ? "rtn" : "");
      if (!result)
        return result.takeError();
      std::chrono::duration<double> time = Clock::now() - start;
      seconds[which] = std::min(seconds[which], time.count());
    }
  return formatv("{0:F1} million weights a second on one thread, {1:F1} times "
                 "the time of rtn",
                 0x1p18 / 1e6 / seconds[0], seconds[0] / seconds[1])
      .str();
}

/// The first tells whether a format is taken.
static constexpr Check kChecks[] = {
    {"accuracy", checkAccuracy}, {"threads", checkThreads},
    {"shapes", checkShapes},     {"constants", checkConstants},
    {"numbers", checkNotFinite}, {"stop", checkStop},
    {"bounds", checkBounds},     {"leaks", checkLeaks},
    {"speed", checkSpeed}};

/// Codes with and without minimums, a table, scales of two steps, no codes.
static constexpr StringLiteral kFormats[] = {"u4g32", "i4g64", "t2g32",
                                             "nl4",   "q4_k",  "bf16"};
/// For methods that have LLMC_TAKES_VECTORS, too.
static constexpr StringLiteral kVectors = "v4b8";

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

using AddResult =
    function_ref<void(StringRef subject, StringRef format, StringRef check,
                      CheckStatus status, std::string text)>;

namespace {

/// Runs checks of a plugin, each in a process of its own.
class Trials {
public:
  Trials(StringRef file, int64_t seconds, mlir::DialectRegistry &dialects)
      : dialects(dialects), file(file), seconds(seconds) {
    PluginEntries entries;
    auto bytes = readPlugin(file);
    Error error = bytes ? probePlugin((*bytes)->getBuffer(), &entries)
                        : bytes.takeError();
    // Loading it tells what is wrong.
    consumeError(std::move(error));
    sanitizers = nameSanitizers(entries.sanitizers);
    if (sys::fs::real_path(file, path))
      path = file;
  }

  /// `body` gets a set with the plugin.
  Outcome run(function_ref<Expected<std::string>(const PluginSet &)> body) {
    auto load = [&]() -> Expected<std::string> {
      PluginSet set;
      // Those of the plugin are added in the process of the check alone.
      set.setDialects(dialects);
      if (Error error = set.load(file))
        return std::move(error);
      return body(set);
    };
    return sanitizers.empty() ? runApart(seconds, load)
                              : runWatched(seconds, path, load);
  }

  /// The same for a check with a name, of something whose reports are told by
  /// `tellReports` at the end.
  Outcome run(StringRef check,
              function_ref<Expected<std::string>(const PluginSet &)> body) {
    Outcome outcome = run(body);
    ++checks;
    if (reports.empty() && !outcome.report.empty())
      reports = ("in '" + check + "': " + outcome.report).str();
    return outcome;
  }

  /// A result of its own, if the plugin was built with sanitizers. Something that
  /// was not `taken` was hardly run.
  void tellReports(StringRef subject, StringRef format, bool taken,
                   AddResult add) {
    if (!reports.empty())
      add(subject, format, "sanitizer", CheckStatus::Failed, reports);
    else if (!sanitizers.empty() && taken)
      add(subject, format, "sanitizer", CheckStatus::Passed,
          "no report of " + sanitizers + " in " + std::to_string(checks) +
              " checks");
    reports.clear();
    checks = 0;
  }

  mlir::DialectRegistry &dialects;

private:
  StringRef file;
  int64_t seconds;
  SmallString<256> path;
  /// Those that the plugin was built with; empty if none.
  std::string sanitizers, reports;
  size_t checks = 0;
};

} // namespace

/// All checks of a format: as its table has it, and with other groups. No code of
/// the plugin runs in them.
static void checkFormat(Trials &trials, StringRef family, AddResult add) {
  for (StringRef group : {"", "g64", "row"})
    for (const FormatCheck &check : getFormatChecks()) {
      Outcome outcome =
          trials.run([&](const PluginSet &set) -> Expected<std::string> {
            auto format = set.getFormats().parse((family + group).str());
            if (!format)
              return format.takeError();
            return check.run(*format);
          });
      // Chains of the table may forbid other groups, and say so.
      bool refused =
          outcome.whole && !group.empty() &&
          StringRef(outcome.text)
              .starts_with(
                  ("format '" + family + group + "': expected a group").str());
      add(family, group.empty() ? "as it is" : group, check.name,
          outcome.good ? CheckStatus::Passed
          : refused    ? CheckStatus::Refused
                       : CheckStatus::Failed,
          outcome.text);
      if (refused)
        break;
    }
}

static void checkMetric(Trials &trials, StringRef name, AddResult add) {
  for (const MetricCheck &check : getMetricChecks()) {
    Outcome outcome = trials.run(check.name, [&](const PluginSet &set) {
      return check.run(*set.getMetrics().find(name));
    });
    add(name, "metric", check.name,
        outcome.good ? CheckStatus::Passed : CheckStatus::Failed, outcome.text);
  }
  trials.tellReports(name, "metric", /*taken=*/true, add);
}

/// All checks of something that a C++ plugin brings.
static void checkCxx(Trials &trials, StringRef kind, StringRef name,
                     AddResult add) {
  for (const CxxCheck &check : getCxxChecks(kind)) {
    Outcome outcome = trials.run(check.name, [&](const PluginSet &set) {
      return check.run({set, trials.dialects, name});
    });
    add(name, kind, check.name,
        outcome.good ? CheckStatus::Passed : CheckStatus::Failed, outcome.text);
  }
  trials.tellReports(name, kind, /*taken=*/true, add);
}

/// A line of each thing that can be checked: its kind, "vectors" for a method that
/// takes formats of vectors, too, and its name.
static std::string listSubjects(const PluginSet &set,
                                const LoadedPlugin &plugin) {
  std::string text;
  auto list = [&](StringRef kind, StringRef name) {
    std::string line = ("\n" + kind + " " + name).str();
    // Several pipelines of a slot, or versions of an operator, are checked as one.
    if (!StringRef(text + "\n").contains(line + "\n"))
      text += line;
  };
  for (const std::string &method : plugin.methods)
    list(set.getMethods().find(method)->uses & LLMC_TAKES_VECTORS ? "vectors"
                                                                  : "method",
         method);
  for (const std::string &format : plugin.formats)
    list("format", format);
  for (const std::string &metric : plugin.metrics)
    list("metric", metric);
  for (const std::string &dialect : plugin.dialects)
    list("dialect", dialect);
  for (const PluginPass &pass : plugin.passes)
    list("pass", pass.name);
  for (const PluginSlot &slot : plugin.slots)
    list("slot", slot.slot);
  for (const PluginConverter &converter : plugin.converters)
    list("operator", (converter.domain.empty() ? "ai.onnx" : converter.domain) +
                         "." + converter.op);
  return text;
}

/// All checks of a method in a format. Returns whether the method takes the
/// format; `late` becomes true where nothing came of it in time.
static bool checkMethod(Trials &trials, StringRef method, StringRef format,
                        bool &late, AddResult add) {
  bool taken = true;
  for (const Check &check : kChecks) {
    Outcome outcome = trials.run(check.name, [&](const PluginSet &set) {
      return check.run(Subject(set, method, format));
    });
    if (outcome.good) {
      add(method, format, check.name, CheckStatus::Passed, outcome.text);
      continue;
    }
    bool first = &check == kChecks;
    // Who refuses a format names it.
    bool refused = first && outcome.whole &&
                   StringRef(outcome.text).contains("'" + format.str());
    add(method, format, check.name,
        refused ? CheckStatus::Refused : CheckStatus::Failed, outcome.text);
    taken = !refused;
    late = first && outcome.late;
    // Where nothing comes out, nothing else can be measured.
    if (first)
      break;
  }
  trials.tellReports(method, format, taken, add);
  return taken;
}

Expected<CheckReport>
llmc::checkPlugin(StringRef file, int64_t seconds,
                  mlir::DialectRegistry &dialects,
                  function_ref<void(const CheckResult &)> done) {
  Trials trials(file, seconds, dialects);
  Outcome loaded = trials.run([&](const PluginSet &set) {
    const LoadedPlugin &plugin = set.getPlugins().front();
    return Expected<std::string>(plugin.vendor + "\n" + plugin.version +
                                 listSubjects(set, plugin));
  });
  if (!loaded.good || !loaded.report.empty())
    return createStringError(
        loaded.whole && loaded.report.empty()
            ? loaded.text
            : ("plugin '" + file + "': while it was loaded, " +
               (loaded.report.empty() ? loaded.text : loaded.report))
                  .str());
  SmallVector<StringRef> lines;
  StringRef(loaded.text).split(lines, '\n');
  CheckReport report;
  report.vendor = lines[0].str();
  report.version = lines[1].str();
  auto add = [&](StringRef method, StringRef format, StringRef check,
                 CheckStatus status, std::string text) {
    report.results.push_back(
        {method.str(), format.str(), check.str(), status, std::move(text)});
    done(report.results.back());
  };
  for (StringRef line : drop_begin(lines, 2)) {
    auto [kind, name] = line.split(' ');
    if (kind == "format") {
      checkFormat(trials, name, add);
      continue;
    }
    if (kind == "metric") {
      checkMetric(trials, name, add);
      continue;
    }
    if (kind != "method" && kind != "vectors") {
      checkCxx(trials, kind, name, add);
      continue;
    }
    SmallVector<StringRef> formats(std::begin(kFormats), std::end(kFormats));
    if (kind == "vectors")
      formats.push_back(kVectors);
    bool taken = false, late = false;
    for (StringRef format : formats) {
      taken |= checkMethod(trials, name, format, late, add);
      // Others would take as long.
      if (late)
        break;
    }
    if (!taken)
      add(name, "", "formats", CheckStatus::Failed,
          "expected it to take one format at least; the error of a format that "
          "it does not take must name it, as in 'u4g32'");
  }
  return report;
}
