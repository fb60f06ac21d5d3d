//===- WriteWeights.cpp - Writes weights.safetensors ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/WriteWeights.h"
#include "WriteQuantized.h"
#include "llmc/Codegen/Conventions.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Methods/Matrix.h"
#include "llmc/Weights/WeightStore.h"

#include "llvm/Support/ThreadPool.h"
#include <chrono>
#include <map>

using namespace mlir;
using namespace llmc;

/// Bytes that one task copies, about, so that one large matrix does not hold up
/// the rest.
static constexpr int64_t kTaskBytes = 4 << 20;
/// Numbers of the largest matrix that is compressed beside others.
static constexpr int64_t kSmallNumbers = 1 << 20;

/// Rows of a source in f32 or the element type of `storage`, `count` of them
/// padded with zeros, column by column: [columns][count].
static llvm::Error packBlock(const PlacedWeight &weight, pack::TensorType type,
                             const WeightStore &store, int64_t block,
                             std::vector<char> &rows, char *out) {
  int64_t count = type.getLayout().getCount(), columns = type.getColumns();
  int64_t begin = block * count;
  int64_t end = std::min(begin + count, type.getRows());
  auto storage =
      cast<pack::DenseAttr>(Attribute(type.getFormat())).getStorage();
  auto source = weight.source;
  auto sourceType = nn::getSourceType(
      source, [&] { return emitError(UnknownLoc::get(type.getContext())); });
  if (sourceType && sourceType.getElementType() != storage)
    source = nn::CastSourceAttr::get(type.getContext(), source, storage);
  size_t width = storage.getIntOrFloatBitWidth() / 8;
  rows.resize((end - begin) * columns * width);
  if (llvm::Error error = store.readRows(source, begin, end, rows))
    return error;
  auto interleave = [&](auto zero) {
    using Element = decltype(zero);
    auto *from = reinterpret_cast<const Element *>(rows.data());
    auto *to = reinterpret_cast<Element *>(out);
    int64_t valid = end - begin;
    // Tiles of 16 columns keep the lines of all rows in the first-level cache.
    for (int64_t c0 = 0; c0 < columns; c0 += 16) {
      int64_t c1 = std::min(c0 + 16, columns);
      for (int64_t r = 0; r < valid; ++r)
        for (int64_t c = c0; c < c1; ++c)
          to[c * count + r] = from[r * columns + c];
      for (int64_t r = valid; r < count; ++r)
        for (int64_t c = c0; c < c1; ++c)
          to[c * count + r] = zero;
    }
  };
  if (width == 4)
    interleave(uint32_t(0));
  else
    interleave(uint16_t(0));
  return llvm::Error::success();
}

namespace {

/// One writing of a file.
class Writer {
public:
  Writer(WeightFile &file, const MethodSet &methods, const WeightStore &store,
         unsigned threads, Journal &journal, const std::atomic<bool> &stopped,
         llvm::function_ref<void(int64_t)> written)
      : file(file), methods(methods), store(store), threads(threads),
        stopped(stopped), written(written), output(journal, store),
        finished(file.weights.size()) {}

  llvm::Error run(StringRef path) {
    std::string header = buildWeightHeader(file);
    file.fileBytes = static_cast<int64_t>(header.size()) + file.dataBytes;
    if (llvm::Error error = output.open(path, header, file.dataBytes))
      return error;
    {
      llvm::DefaultThreadPool pool(llvm::hardware_concurrency(threads));
      findFinished(pool);
      auto begin = std::chrono::steady_clock::now();
      for (auto [i, weight] : llvm::enumerate(file.weights))
        if (!finished[i] && !isCompressed(weight))
          copy(pool, weight);
      pool.wait();
      std::chrono::duration<double> wall =
          std::chrono::steady_clock::now() - begin;
      file.seconds.copying = wall.count();
    }
    compress();
    if (!file.weights.empty())
      report(file.weights.front(), output.wait());
    llvm::Error error = llvm::Error::success();
    for (auto &[offset, what] : failures)
      error = llvm::joinErrors(
          std::move(error),
          llvm::createStringError(what.second, Twine(what.first)));
    return error;
  }

private:
  /// Whether a method makes its bytes.
  static bool isCompressed(const PlacedWeight &weight) {
    auto packed = dyn_cast<pack::TensorType>(weight.type);
    return packed && (weight.method || packed.isQuantized());
  }
  static int64_t getSpace(const PlacedWeight &weight) {
    return llvm::alignTo(weight.bytes, kAlignment);
  }

  bool goesOn() const { return !machineFailed && !stopped; }

  /// Keeps the first error of a weight.
  void report(const PlacedWeight &weight, llvm::Error error) {
    llvm::handleAllErrors(
        std::move(error), [&](const llvm::ErrorInfoBase &info) {
          std::error_code code = info.convertToErrorCode();
          std::lock_guard<std::mutex> guard(mutex);
          failures.try_emplace(weight.offset,
                               std::make_pair(info.message(), code));
          if (code != llvm::inconvertibleErrorCode())
            machineFailed = true;
        });
  }

  /// Takes over what an earlier run wrote.
  void findFinished(llvm::DefaultThreadPool &pool) {
    std::atomic<int64_t> tensors = 0, bytes = 0;
    for (auto [i, weight] : llvm::enumerate(file.weights)) {
      const Journal::Tensor *known =
          output.findClaim(weight.name, weight.offset, weight.bytes);
      if (!known)
        continue;
      pool.async([this, known, &weight = weight, &done = finished[i], &tensors,
                  &bytes] {
        auto fits = output.check(*known);
        if (!fits)
          return report(weight, fits.takeError());
        if (!*fits)
          return;
        weight.hash = known->hash;
        weight.outcome = known->outcome;
        done = 1;
        ++tensors;
        bytes += weight.bytes;
        written(getSpace(weight));
      });
    }
    pool.wait();
    file.reusedTensors = tensors;
    file.reusedBytes = bytes;
  }

  /// Of a tensor whose bytes and hash are there.
  void finish(const PlacedWeight &weight) {
    report(weight, output.finish(weight.name,
                                 {weight.offset, weight.bytes, weight.hash,
                                  weight.outcome},
                                 bool(weight.method)));
  }

  /// Writes what is stored as it is, in tasks; the last one finishes it.
  void copy(llvm::DefaultThreadPool &pool, PlacedWeight &weight) {
    auto packed = dyn_cast<pack::TensorType>(weight.type);
    int64_t rows = weight.shape.empty() ? 1 : weight.shape[0],
            rowBytes = weight.bytes / std::max<int64_t>(1, rows);
    int64_t perTask =
        std::max<int64_t>(1, kTaskBytes / std::max<int64_t>(1, rowBytes));
    int64_t tasks = std::max<int64_t>(1, llvm::divideCeil(rows, perTask));
    auto left = std::make_shared<std::atomic<int64_t>>(tasks);
    for (int64_t task = 0; task < tasks; ++task) {
      int64_t begin = task * perTask, end = std::min(begin + perTask, rows);
      pool.async([this, &weight, packed, rowBytes, begin, end, left] {
        bool fine = false;
        if (goesOn()) {
          llvm::Error error = copyRows(weight, packed, begin, end, rowBytes);
          fine = !error;
          report(weight, std::move(error));
        }
        // What is not all there stays unfinished.
        if (!fine || --*left)
          return;
        auto hash = output.hash(weight.offset, weight.bytes);
        if (!hash)
          return report(weight, hash.takeError());
        weight.hash = *hash;
        finish(weight);
      });
    }
  }

  /// Rows, or blocks of rows where the tensor is packed.
  llvm::Error copyRows(const PlacedWeight &weight, pack::TensorType packed,
                       int64_t begin, int64_t end, int64_t rowBytes) {
    std::vector<char> bytes((end - begin) * rowBytes), rows;
    if (!packed) {
      if (llvm::Error error = store.readRows(weight.source, begin, end, bytes))
        return error;
    } else {
      for (int64_t block = begin; block < end; ++block)
        if (llvm::Error error =
                packBlock(weight, packed, store, block, rows,
                          bytes.data() + (block - begin) * rowBytes))
          return error;
    }
    written(static_cast<int64_t>(bytes.size()));
    return output.write(bytes, weight.offset + begin * rowBytes);
  }

  /// Every matrix is tried, so that all that is wrong is said at once; where the
  /// machine fails, no other is.
  void compress() {
    Workers workers(threads);
    SmallVector<PlacedWeight *> small;
    for (auto [i, weight] : llvm::enumerate(file.weights)) {
      if (finished[i] || !isCompressed(weight))
        continue;
      if (weight.countNumbers() <= kSmallNumbers)
        small.push_back(&weight);
      else
        file.seconds.add(compressOne(weight, workers));
    }
    auto begin = std::chrono::steady_clock::now();
    WorkSeconds all;
    workers(static_cast<int64_t>(small.size()), [&](int64_t i) {
      WorkSeconds one = compressOne(*small[i], runSerially);
      std::lock_guard<std::mutex> guard(mutex);
      all.add(one);
    });
    std::chrono::duration<double> wall =
        std::chrono::steady_clock::now() - begin;
    double sum = all.reading + all.compressing + all.checking + all.writing;
    if (sum > 0)
      file.seconds.add(all, wall.count() / sum);
  }

  WorkSeconds compressOne(PlacedWeight &weight, ParallelFor parallel) {
    WorkSeconds seconds;
    if (!goesOn())
      return seconds;
    llvm::Error error =
        writeQuantized(weight, methods, store, parallel, output, seconds);
    if (error) {
      report(weight, std::move(error));
      return seconds;
    }
    finish(weight);
    written(getSpace(weight));
    return seconds;
  }

  WeightFile &file;
  const MethodSet &methods;
  const WeightStore &store;
  unsigned threads;
  const std::atomic<bool> &stopped;
  llvm::function_ref<void(int64_t)> written;
  TensorFile output;
  /// By weight; bytes and not bits, since threads set them.
  std::vector<char> finished;
  std::mutex mutex;
  std::atomic<bool> machineFailed = false;
  /// By offset of the weight.
  std::map<int64_t, std::pair<std::string, std::error_code>> failures;
};

} // namespace

llvm::Error llmc::writeWeightFile(WeightFile &file, const MethodSet &methods,
                                  const WeightStore &store, StringRef path,
                                  unsigned threads, Journal &journal,
                                  const std::atomic<bool> &stopped,
                                  llvm::function_ref<void(int64_t)> written) {
  return Writer(file, methods, store, threads, journal, stopped, written)
      .run(path);
}
