//===- MethodRun.cpp - One run of a method, and what it may ask for -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The services of llmc_host (llmc/Plugin/plugin.h). A method has no pointer to
// the codes and scales that it makes: it hands rows over, they are checked and
// stored here, and at the end every row must be there.
//
//===----------------------------------------------------------------------===//
#include "MethodRun.h"
#include "Tasks.h"
#include "llmc/Formats/Hadamard.h"
#include "llmc/Methods/CatchAll.h"
#include "llmc/Support/SplitMix.h"
#include "llmc/Support/Vectorized.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <thread>

using namespace llvm;
using namespace llmc;

/// Numbers of a task: enough that starting it costs nothing, and few enough for
/// a second thread to get its share of small matrices.
static constexpr int64_t kTaskNumbers = 1 << 15;
static constexpr size_t kAlignment = 64;

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

bool llmc::isColumnScale(float scale) {
  return std::isnormal(scale) && scale > 0 && std::isnormal(1 / scale);
}

LLMC_VECTORIZED
static void multiplyBy(float *values, const float *factors, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    values[i] *= factors[i];
}

namespace {

class Heap final : public MethodMemory {
  void *allocate(size_t bytes) override {
    if (bytes > PTRDIFF_MAX - kAlignment)
      return nullptr;
    size_t padded = alignTo(bytes, kAlignment);
    void *memory = std::aligned_alloc(kAlignment, padded);
    if (memory)
      std::memset(memory, 0, padded);
    return memory;
  }
  void release(void *memory) override { std::free(memory); }
};

/// An array in the memory of a method.
template <typename T> class Array {
public:
  Array(MethodMemory &memory, int64_t count)
      : memory(memory), values(static_cast<T *>(memory.allocate(
                            sizeof(T) * std::max<int64_t>(count, 1)))) {}
  ~Array() {
    if (values)
      memory.release(values);
  }
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;

  T *get() const { return values; }

private:
  MethodMemory &memory;
  T *values;
};

} // namespace

/// What of a row is stored, as bits.
enum : uint8_t { kScales = 1, kMinimums = 2, kCodes = 4 };

static constexpr const char *kOutOfMemory = "out of memory";

/// A text of a plugin: cut where it is long, and without control characters.
static std::string cleanText(const char *text) {
  constexpr size_t longest = 1000;
  std::string clean(text ? StringRef(text, strnlen(text, longest)) : "");
  for (char &c : clean)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      c = ' ';
  return clean;
}

/// Where there are formats of numbers that hold larger and smaller ones, their
/// names.
static const char *getFurther(RealType type) {
  return type == RealType::F16    ? "; bf16 and f32 reach further"
         : type == RealType::BF16 ? "; f32 reaches further"
                                  : "";
}

/// The opaque struct of the interface.
struct llmc_run {
  llmc_run(const MethodRequest &request, QuantizedMatrix matrix)
      : request(request), format(*request.format), matrix(std::move(matrix)),
        memory(request.memory ? *request.memory : heap),
        columns(request.weight.columns), groups(this->matrix.getGroups()),
        terms(std::max<int64_t>(1, format.terms.size())),
        rowCodes(format.getCodesOfRow(columns)),
        width(format.isDense() ? 0 : format.getGroupColumns(columns)),
        largest(request.weight.rows), written(request.weight.rows) {
    if (!format.isDense())
      coder.emplace(format);
    if (!request.columnScale.empty())
      setScale(request.columnScale);
  }
  ~llmc_run() {
    for (void *each : allocated)
      memory.release(each);
  }

  void setScale(ArrayRef<float> scale) {
    matrix.columnScale = scale.vec();
    for (float each : scale)
      inverseScale.push_back(1 / each);
  }

  /// What is known of the inputs of what is stored. Before any row.
  void setSquares(ArrayRef<float> squares) { meanSquare = squares; }

  /// By how much squared errors of a vector count in each column; empty: the
  /// same in all.
  ArrayRef<float> getImportance() {
    if (meanSquare.empty() || !format.isVector())
      return {};
    std::call_once(weighing, [&] {
      for (int64_t k = 0; k < columns; ++k) {
        float scale = matrix.columnScale.empty() ? 1 : matrix.columnScale[k];
        importance.push_back(std::min(meanSquare[k] * scale * scale,
                                      std::numeric_limits<float>::max()));
      }
    });
    return importance;
  }

  /// Keeps the text of an error, one for each thread.
  int fail(const Twine &text) {
    std::lock_guard guard(mutex);
    errors[std::this_thread::get_id()] = text.str();
    return LLMC_METHOD_FAILED;
  }
  int fail(Error error) { return fail(toString(std::move(error))); }

  /// The error of this thread, or else, if `any`, of another; empty if there is
  /// none.
  std::string takeError(bool any) {
    std::lock_guard guard(mutex);
    auto found = errors.find(std::this_thread::get_id());
    if (found == errors.end() && any)
      found = errors.begin();
    if (found == errors.end())
      return "";
    std::string text = std::move(found->second);
    errors.erase(found);
    return text;
  }

  /// Whether to go on; tells how far it is.
  bool tell(double part) {
    if (!request.progress)
      return true;
    std::lock_guard guard(telling);
    if (!cancelled && !request.progress(part >= 0 ? std::min(part, 1.0) : 0))
      cancelled = true;
    return !cancelled;
  }

  int loop(int64_t count, double from, double to,
           function_ref<int(int64_t)> body) {
    if (looping.exchange(true))
      return fail("expected a loop to begin outside of the bodies of others");
    auto ask = [&](double part) { return tell(part); };
    Tasks tasks(request.parallelFor,
                request.progress && from < to ? function_ref<bool(double)>(ask)
                                              : nullptr,
                from, to);
    Error error = tasks.run(count, [&](int64_t index) -> Error {
      int status = LLMC_METHOD_FAILED;
      if (auto thrown = catchAll([&] { status = body(index); }))
        return createStringError(cleanText(thrown->c_str()));
      if (status == LLMC_METHOD_OK)
        return Error::success();
      return createStringError(takeError(/*any=*/false));
    });
    looping = false;
    if (!error)
      return LLMC_METHOD_OK;
    std::string text = toString(std::move(error));
    if (cancelled)
      return LLMC_METHOD_STOPPED;
    return fail(text);
  }

  bool hasRow(int64_t row) const { return row >= 0 && row < matrix.rows; }
  int failRow(int64_t row) {
    return fail("expected a row from 0 to " + Twine(matrix.rows - 1) +
                " but got " + Twine(row));
  }

  int store(unsigned chain, int64_t row, float *numbers) {
    if (!hasRow(row))
      return failRow(row);
    if (chain >= matrix.chains.size() || !numbers)
      return fail("format '" + format.name + "' stores no such numbers");
    ChainValues &stored = matrix.chains[chain];
    int64_t reals = stored.reals.size() / matrix.rows,
            codes = stored.codes.size() / matrix.rows;
    Error error =
        encodeChain(format, chain, columns, MutableArrayRef(numbers, groups),
                    MutableArrayRef(stored.reals).slice(row * reals, reals),
                    MutableArrayRef(stored.codes).slice(row * codes, codes));
    if (error)
      return fail("row " + Twine(row) + ": " + toString(std::move(error)));
    written[row] |= chain == format.terms.size() ? kMinimums : kScales;
    return LLMC_METHOD_OK;
  }

  /// Where every scale rounds to a few steps above 0, or to 0, nothing is left
  /// of the matrix.
  Error checkRange() const {
    const ScaleChain &chain = format.terms[0].scale;
    float wanted = *std::max_element(largest.begin(), largest.end());
    if (chain.real == RealType::None || wanted == 0)
      return Error::success();
    float stored = 0;
    for (float real : matrix.chains[0].reals)
      stored = std::max(stored, std::abs(real));
    // Codes make up for a real that is not precise.
    float part = chain.code == ScaleCode::None ? 16 : 128;
    if (stored >= getSmallestReal(chain.real) / part)
      return Error::success();
    return createStringError(
        formatv("scales up to {0:E} are below what format '{1}' can store "
                "precisely; scales in {2}",
                wanted, format.name,
                chain.real == RealType::F16
                    ? "bf16 or f32 reach further"
                    : "f32 reach down to 1e-38, numbers below need a factor")
            .str());
  }

  /// The same of numbers that are stored by themselves.
  Error checkDenseRange() const {
    float wanted = *std::max_element(largest.begin(), largest.end());
    if (wanted == 0 || format.dense == RealType::F32 ||
        wanted >= getSmallestReal(format.dense) / 16)
      return Error::success();
    return createStringError(
        formatv("numbers up to {0:E} are below what format '{1}' can store "
                "precisely{2}",
                wanted, format.name, getFurther(format.dense))
            .str());
  }

  /// What came of the run.
  Error finish(int status) {
    if (status != LLMC_METHOD_OK && cancelled)
      return createStringError("stopped on request");
    if (status != LLMC_METHOD_OK) {
      std::string text = takeError(/*any=*/true);
      return createStringError(text.empty() ? "returned " + Twine(status) +
                                                  " without saying why"
                                            : Twine(text));
    }
    uint8_t whole = format.isDense()    ? kCodes
                    : format.hasMinimum ? kScales | kMinimums | kCodes
                                        : kScales | kCodes;
    for (auto [row, parts] : enumerate(written))
      if (parts != whole) {
        std::string text = takeError(/*any=*/true);
        const char *missing = whole == kCodes              ? "values"
                              : !(parts & kScales)         ? "scales"
                              : whole & ~parts & kMinimums ? "minimums"
                                                           : "codes";
        return createStringError("returned without an error, but wrote no " +
                                 Twine(missing) + " of row " + Twine(row) +
                                 (text.empty() ? "" : "; before: " + text));
      }
    return format.isDense() ? checkDenseRange() : checkRange();
  }

  const MethodRequest &request;
  const FormatDescription &format;
  QuantizedMatrix matrix;
  std::optional<LevelCoder> coder;
  Heap heap;
  MethodMemory &memory;
  const int64_t columns, groups, terms, rowCodes, width;
  std::vector<float> inverseScale, importance;
  ArrayRef<float> meanSquare;
  std::once_flag weighing;
  /// By row: the largest scale that was wanted, and what is stored.
  std::vector<float> largest;
  std::vector<uint8_t> written;
  std::string note;

  std::mutex mutex, telling;
  std::map<std::thread::id, std::string> errors;
  std::vector<void *> allocated;
  std::atomic<bool> looping = false;
  bool cancelled = false;
};

//===----------------------------------------------------------------------===//
// Services
//===----------------------------------------------------------------------===//

static void *allocate(llmc_run *run, size_t bytes) {
  void *memory = run->memory.allocate(std::max<size_t>(bytes, 1));
  if (!memory) {
    run->fail(kOutOfMemory);
    return nullptr;
  }
  std::lock_guard guard(run->mutex);
  run->allocated.push_back(memory);
  return memory;
}

static void release(llmc_run *run, void *memory) {
  if (!memory)
    return;
  {
    std::lock_guard guard(run->mutex);
    auto found = find(run->allocated, memory);
    // Memory of others is left alone.
    if (found == run->allocated.end())
      return;
    *found = run->allocated.back();
    run->allocated.pop_back();
  }
  run->memory.release(memory);
}

static int fail(llmc_run *run, const char *text) {
  return run->fail(cleanText(text));
}

static void note(llmc_run *run, const char *text) {
  std::lock_guard guard(run->mutex);
  run->note = cleanText(text);
}

static int parallelFor(llmc_run *run, int64_t count, llmc_body body,
                       void *context, double from, double to) {
  if (count < 0 || !body)
    return run->fail("expected a body and a count of at least 0 but got " +
                     Twine(count));
  return run->loop(count, from, to,
                   [&](int64_t index) { return body(context, index); });
}

static int readPlain(llmc_run *run, int64_t row, int64_t begin, int64_t end,
                     float *out) {
  if (!run->hasRow(row))
    return run->failRow(row);
  if (begin < 0 || end > run->columns || begin >= end || !out)
    return run->fail("expected columns inside 0 to " + Twine(run->columns) +
                     " but got " + Twine(begin) + " to " + Twine(end));
  run->request.weight.read(row, begin, end, out);
  int64_t count = end - begin, wrong = findNotFinite(out, count);
  if (wrong >= 0)
    return run->fail(makeNotFiniteError(row, begin + wrong, out[wrong]));
  if (run->inverseScale.empty())
    return LLMC_METHOD_OK;
  multiplyBy(out, run->inverseScale.data() + begin, count);
  wrong = findNotFinite(out, count);
  if (wrong < 0)
    return LLMC_METHOD_OK;
  int64_t column = begin + wrong;
  return run->fail(
      formatv("row {0}, column {1} divided by the column scale {2} is beyond "
              "f32",
              row, column, run->matrix.columnScale[column])
          .str());
}

static int readNumbers(llmc_run *run, int64_t row, int64_t begin, int64_t end,
                       float *out) {
  int64_t hadamard = run->format.hadamard, columns = run->columns;
  if (!hadamard || begin < 0 || end > columns || begin >= end)
    return readPlain(run, row, begin, end, out);
  // Whole blocks.
  auto last = getHadamardBlock(hadamard, columns, end - 1);
  int64_t from = getHadamardBlock(hadamard, columns, begin).begin,
          to = last.begin + last.size;
  std::vector<float> wider;
  float *values = out;
  if (out && (from != begin || to != end)) {
    wider.resize(to - from);
    values = wider.data();
  }
  if (int status = readPlain(run, row, from, to, values))
    return status;
  rotateColumns(hadamard, columns, from, MutableArrayRef(values, to - from));
  int64_t wrong = findNotFinite(values, to - from);
  if (wrong >= 0)
    return run->fail(formatv("row {0}, column {1} after the Hadamard transform "
                             "is beyond f32",
                             row, from + wrong)
                         .str());
  if (values != out)
    std::copy_n(values + (begin - from), end - begin, out);
  return LLMC_METHOD_OK;
}

static int eachRow(llmc_run *run, llmc_row_body body, void *context,
                   double from, double to) {
  if (!body)
    return run->fail("expected a body but got a null pointer");
  int64_t rows = run->matrix.rows;
  int64_t each = std::max<int64_t>(1, kTaskNumbers / run->columns);
  return run->loop(divideCeil(rows, each), from, to, [&](int64_t task) {
    Array<float> values(run->memory, run->columns),
        scales(run->memory, run->terms * run->groups),
        minimums(run->memory, run->groups);
    Array<uint8_t> codes(run->memory, run->columns);
    if (!values.get() || !scales.get() || !minimums.get() || !codes.get())
      return run->fail(kOutOfMemory);
    int64_t end = std::min(rows, (task + 1) * each);
    for (int64_t index = task * each; index < end; ++index) {
      llmc_row row{sizeof(llmc_row), index,          values.get(),
                   scales.get(),     minimums.get(), codes.get()};
      if (int status = readNumbers(run, index, 0, run->columns, values.get()))
        return status;
      std::fill_n(minimums.get(), run->groups, 0.0f);
      if (int status = body(context, &row))
        return status;
    }
    return static_cast<int>(LLMC_METHOD_OK);
  });
}

static int progress(llmc_run *run, double part) {
  return run->tell(part) ? LLMC_METHOD_OK : LLMC_METHOD_STOPPED;
}

static uint64_t drawRandom(uint64_t *state) {
  SplitMix mix{*state};
  uint64_t bits = mix.next();
  *state = mix.state;
  return bits;
}

static int setColumnScale(llmc_run *run, const float *scale) {
  if (!run->matrix.columnScale.empty())
    return run->fail("expected no scale of columns, but there is one");
  if (run->looping || any_of(run->written, [](uint8_t parts) { return parts; }))
    return run->fail("expected the scale of columns before any row");
  if (!scale)
    return run->fail("expected a scale of columns but got a null pointer");
  for (int64_t k = 0; k < run->columns; ++k)
    if (!isColumnScale(scale[k]))
      return run->fail(formatv("expected positive column scales but got {0} in "
                               "column {1}",
                               scale[k], k)
                           .str());
  run->setScale(ArrayRef(scale, run->columns));
  return LLMC_METHOD_OK;
}

static int storeScales(llmc_run *run, int64_t row, float *scales) {
  if (run->hasRow(row) && scales) {
    float largest = 0;
    for (int64_t g = 0; g < run->groups; ++g)
      largest = std::max(largest, std::abs(scales[g]));
    run->largest[row] = largest;
  }
  for (int64_t term = 0; term < run->terms; ++term)
    if (int status = run->store(term, row,
                                scales ? scales + term * run->groups : scales))
      return status;
  return LLMC_METHOD_OK;
}

static int storeMinimums(llmc_run *run, int64_t row, float *minimums) {
  return run->store(run->terms, row, minimums);
}

static int encodeRow(llmc_run *run, int64_t row, const float *values,
                     const float *scales, const float *minimums) {
  if (!run->hasRow(row))
    return run->failRow(row);
  if (!run->coder)
    return run->fail("a dense format has no codes; expected write_values");
  bool hasMinimum = run->format.hasMinimum;
  if (!values || !scales || (hasMinimum && !minimums))
    return run->fail("expected values, scales and, where the format has them, "
                     "minimums, but got a null pointer");
  run->coder->encodeRow(
      ArrayRef(values, run->columns), run->width,
      ArrayRef(scales, run->terms * run->groups),
      hasMinimum ? ArrayRef(minimums, run->groups) : ArrayRef<float>(),
      run->matrix.codes.data() + row * run->rowCodes, run->getImportance());
  run->written[row] |= kCodes;
  return LLMC_METHOD_OK;
}

static int writeCodes(llmc_run *run, int64_t row, const uint8_t *codes) {
  if (!run->hasRow(row))
    return run->failRow(row);
  if (!run->coder)
    return run->fail("a dense format has no codes; expected write_values");
  if (!codes)
    return run->fail("expected codes but got a null pointer");
  for (int64_t k = 0; k < run->rowCodes; ++k)
    if (codes[k] >= run->format.getCodeCount())
      return run->fail("row " + Twine(row) + ", column " +
                       Twine(k * run->format.weightsPerIndex) +
                       ": expected a code below " +
                       Twine(run->format.getCodeCount()) + " but got " +
                       Twine(static_cast<unsigned>(codes[k])));
  std::memcpy(run->matrix.codes.data() + row * run->rowCodes, codes,
              run->rowCodes);
  run->written[row] |= kCodes;
  return LLMC_METHOD_OK;
}

static int writeValues(llmc_run *run, int64_t row, const float *values) {
  if (!run->hasRow(row))
    return run->failRow(row);
  RealType type = run->format.dense;
  if (type == RealType::None)
    return run->fail("format '" + run->format.name +
                     "' has codes; expected encode_row or write_codes");
  if (!values)
    return run->fail("expected values but got a null pointer");
  int64_t bytes = run->matrix.getCodeBytes();
  uint8_t *out = run->matrix.codes.data() + row * run->columns * bytes;
  for (int64_t k = 0; k < run->columns; ++k) {
    if (!std::isfinite(values[k]))
      return run->fail(
          formatv("{0} in row {1}, column {2} is beyond the largest {3}",
                  values[k], row, k, run->format.name)
              .str());
    if (!std::isfinite(roundReal(type, values[k])))
      return run->fail(
          formatv("{0:E} in row {1}, column {2} is beyond {3:E}, the largest "
                  "{4}{5}",
                  values[k], row, k, getLargestReal(type), run->format.name,
                  getFurther(type))
              .str());
    run->largest[row] = std::max(run->largest[row], std::abs(values[k]));
    storeReal(type, values[k], out + k * bytes);
  }
  run->written[row] |= kCodes;
  return LLMC_METHOD_OK;
}

static constexpr llmc_host kHost = {sizeof(llmc_host),
                                    LLMC_PLUGIN_ABI,
                                    0,
                                    allocate,
                                    release,
                                    fail,
                                    note,
                                    parallelFor,
                                    eachRow,
                                    progress,
                                    drawRandom,
                                    readNumbers,
                                    setColumnScale,
                                    storeScales,
                                    storeMinimums,
                                    encodeRow,
                                    writeCodes,
                                    writeValues,
                                    readPlain};

//===----------------------------------------------------------------------===//
// Jobs
//===----------------------------------------------------------------------===//

/// The numbers of the interface are those of the enumerations here.
static llmc_chain describeChain(const ScaleChain &chain) {
  static_assert(static_cast<int>(RealType::F32) == LLMC_REAL_F32 &&
                static_cast<int>(RealType::F16) == LLMC_REAL_F16 &&
                static_cast<int>(RealType::BF16) == LLMC_REAL_BF16 &&
                static_cast<int>(RealSpan::Block) == LLMC_SPAN_BLOCK &&
                static_cast<int>(RealSpan::Row) == LLMC_SPAN_ROW &&
                static_cast<int>(ScaleCode::U4) == LLMC_SCALE_U4 &&
                static_cast<int>(ScaleCode::U6) == LLMC_SCALE_U6 &&
                static_cast<int>(ScaleCode::U8) == LLMC_SCALE_U8 &&
                static_cast<int>(ScaleCode::I8) == LLMC_SCALE_I8 &&
                static_cast<int>(ScaleCode::E8M0) == LLMC_SCALE_E8M0 &&
                static_cast<int>(ScaleCode::UE4M3) == LLMC_SCALE_UE4M3);
  return {sizeof(llmc_chain), static_cast<uint32_t>(chain.real),
          static_cast<uint32_t>(chain.span), static_cast<uint32_t>(chain.code),
          chain.negated};
}

Expected<MethodResult> llmc::runTable(const Method &method,
                                      const MethodRequest &request) {
  const FormatDescription &format = *request.format;
  auto matrix = QuantizedMatrix::create(format, request.weight.rows,
                                        request.weight.columns);
  if (!matrix)
    return matrix.takeError();
  llmc_run run(request, std::move(*matrix));

  llmc_format described{};
  described.size = sizeof(llmc_format);
  described.name = format.name.c_str();
  described.dense = static_cast<uint32_t>(format.dense);
  std::vector<int8_t> levels;
  SmallVector<const int8_t *, kMaxTerms> termLevels;
  SmallVector<llmc_chain, kMaxTerms> scales;
  SmallVector<const llmc_chain *, kMaxTerms> termScales;
  llmc_chain minimum;
  if (!format.isDense()) {
    described.bits = format.indexBits;
    described.level_count = format.getCodeCount();
    described.weights = format.weightsPerIndex;
    for (const Term &term : format.terms) {
      for (unsigned code = 0; code < format.getLevelCount(); ++code)
        levels.push_back(static_cast<int8_t>(term.levels.get(code)));
      scales.push_back(describeChain(term.scale));
    }
    for (size_t t = 0; t < format.terms.size(); ++t) {
      termLevels.push_back(levels.data() + t * format.getLevelCount());
      termScales.push_back(&scales[t]);
    }
    described.even =
        format.terms.size() == 1 && format.terms[0].levels.table.empty();
    described.levels = levels.data();
    described.lowest = format.getLowestLevel();
    described.highest = format.getHighestLevel();
    described.scale = scales.data();
    described.term_count = format.terms.size();
    described.term_levels = termLevels.data();
    described.term_scales = termScales.data();
    if (format.hasMinimum) {
      minimum = describeChain(format.minimum);
      described.minimum = &minimum;
    }
  }

  StoredStatistics known(request);
  run.setSquares(known.meanSquare);
  auto orNull = [](ArrayRef<float> values) {
    return values.empty() ? nullptr : values.data();
  };
  llmc_statistics statistics{sizeof(llmc_statistics),
                             orNull(known.meanAbsolute),
                             orNull(known.meanSquare), orNull(known.gram)};
  std::string name = request.weight.name.str();
  llmc_job job{sizeof(llmc_job),
               name.c_str(),
               request.weight.rows,
               request.weight.columns,
               run.groups,
               run.width,
               &described,
               &statistics,
               orNull(request.columnScale),
               request.options->getIntegers().data(),
               request.options->getReals().data(),
               xxh3_64bits(name)};
  int status = LLMC_METHOD_FAILED;
  if (auto thrown = catchAll([&] { status = method.run(&kHost, &run, &job); }))
    return createStringError(cleanText(thrown->c_str()));
  if (Error error = run.finish(status))
    return std::move(error);
  return MethodResult{std::move(run.matrix), std::move(run.note), ""};
}
