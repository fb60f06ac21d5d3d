//===- Matrix.cpp - What a method sees of a model -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Methods/Matrix.h"
#include "llmc/Formats/Floats.h"
#include "llmc/Support/Vectorized.h"
#include "llvm/Support/ThreadPool.h"

#include <atomic>
#include <cstring>

using namespace llvm;
using namespace llmc;

LLMC_VECTORIZED
static void readBf16(const uint16_t *from, int64_t count, float *out) {
  for (int64_t i = 0; i < count; ++i)
    out[i] = bf16ToFloat(from[i]);
}

LLMC_VECTORIZED
static void readF16(const uint16_t *from, int64_t count, float *out) {
  for (int64_t i = 0; i < count; ++i)
    out[i] = f16ToFloat(from[i]);
}

/// Neighboring numbers.
static void readRun(const MatrixView &matrix, int64_t at, int64_t count,
                    float *out) {
  const auto *halves = static_cast<const uint16_t *>(matrix.data) + at;
  if (matrix.type == RealType::F32)
    std::memcpy(out, static_cast<const float *>(matrix.data) + at,
                count * sizeof(float));
  else if (matrix.type == RealType::BF16)
    readBf16(halves, count, out);
  else
    readF16(halves, count, out);
}

/// Numbers [begin, end) of a line that lies in one piece, or across all lines.
static void readLine(const MatrixView &matrix, bool inOnePiece, int64_t line,
                     int64_t begin, int64_t end, float *out) {
  if (inOnePiece)
    return readRun(matrix, line * matrix.stride + begin, end - begin, out);
  for (int64_t i = begin; i < end; ++i)
    readRun(matrix, i * matrix.stride + line, 1, out++);
}

/// Has the same columns of a later row brought near: processors foresee reading
/// on, but not going down a matrix by pieces of rows.
static void prefetchBelow(const MatrixView &matrix, int64_t row, int64_t begin,
                          int64_t end) {
  constexpr int64_t rowsAhead = 16, lineBytes = 64, mostBytes = 2048;
  int64_t size = getRealBytes(matrix.type), bytes = (end - begin) * size;
  if (row + rowsAhead >= matrix.rows || bytes > mostBytes)
    return;
  const char *from = static_cast<const char *>(matrix.data) +
                     ((row + rowsAhead) * matrix.stride + begin) * size;
  for (int64_t at = 0; at < bytes; at += lineBytes)
    __builtin_prefetch(from + at);
}

void MatrixView::read(int64_t row, int64_t begin, int64_t end,
                      float *out) const {
  if (!transposed)
    prefetchBelow(*this, row, begin, end);
  readLine(*this, !transposed, row, begin, end, out);
}

void MatrixView::readColumn(int64_t column, int64_t begin, int64_t end,
                            float *out) const {
  readLine(*this, transposed, column, begin, end, out);
}

struct Workers::Impl {
  explicit Impl(ThreadPoolStrategy strategy) : pool(strategy) {}
  DefaultThreadPool pool;
};

Workers::Workers(unsigned threads)
    : impl(std::make_unique<Impl>(hardware_concurrency(threads))) {}

Workers::~Workers() = default;

void Workers::operator()(int64_t count, function_ref<void(int64_t)> body) {
  // The caller takes part, so one thread needs no other.
  std::atomic<int64_t> next{0};
  auto drain = [&] {
    for (int64_t i; (i = next.fetch_add(1)) < count;)
      body(i);
  };
  int64_t helpers =
      std::min<int64_t>(impl->pool.getMaxConcurrency() - 1, count - 1);
  for (int64_t i = 0; i < helpers; ++i)
    impl->pool.async(drain);
  drain();
  if (helpers > 0)
    impl->pool.wait();
}
