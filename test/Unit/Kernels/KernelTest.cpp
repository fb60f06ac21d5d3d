//===- KernelTest.cpp - Generated kernels against double precision --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every kernel is compiled for several vector widths and compared with a plain
// loop in double precision, at shapes that leave tails everywhere. Rows must be
// the same to the last bit for any number of rows and any division of items.
//
//===----------------------------------------------------------------------===//
#include "KernelTestUtils.h"
#include "llmc/Codegen/PackDense.h"
#include "llmc/Codegen/Target.h"
#include "llmc/Driver/Registration.h"
#include "llmc/Formats/Floats.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

using namespace llmc;
using namespace llmc::test;

namespace {

struct Packed {
  Packed(const std::string &format, int64_t rows, int64_t columns,
         int64_t blockRows, Buffer &values)
      : text(llvm::formatv("!pack.tensor<{0}x{1}, #pack.dense<{2}>, "
                           "#pack.rows<{3}>>",
                           rows, columns, format, blockRows)) {
    mlir::DialectRegistry registry;
    registerAllDialects(registry);
    mlir::MLIRContext context(registry);
    context.loadAllAvailableDialects();
    mlir::Type storage =
        format == "f32"   ? mlir::Type(mlir::Float32Type::get(&context))
        : format == "f16" ? mlir::Type(mlir::Float16Type::get(&context))
                          : mlir::Type(mlir::BFloat16Type::get(&context));
    auto type = pack::TensorType::get(&context, rows, columns,
                                      pack::DenseAttr::get(&context, storage),
                                      pack::RowsAttr::get(&context, blockRows));
    bytes.resize(type.getBytes() + 64, char(0x7f));
    offset = (64 - reinterpret_cast<uintptr_t>(bytes.data()) % 64) % 64;
    auto read = [&](int64_t begin, int64_t end, float *out) {
      std::memcpy(out, values.data() + begin * columns,
                  (end - begin) * columns * sizeof(float));
      return llvm::Error::success();
    };
    llvm::MutableArrayRef<char> out(data(), type.getBytes());
    llvm::cantFail(packDense(type, 0, getPackedBlocks(type), read, out));
    decoded = llvm::cantFail(unpackDense(type, out));
  }
  char *data() { return bytes.data() + offset; }

  std::string text;
  std::vector<char> bytes;
  int64_t offset;
  std::vector<float> decoded;
};

class KernelTest : public KernelFixture {
protected:
  int64_t blockRows() {
    return llvm::cantFail(Target::resolve(GetParam())).blockRows();
  }
  /// Rows `ids` of a matrix of that many columns.
  void gather(Packed &weight, std::vector<int64_t> ids, int64_t columns,
              Buffer &y);
};

std::string linearModule(const Packed &weight, int64_t n, int64_t k,
                         bool bias) {
  std::string raw = kRaw;
  return llvm::formatv(
      R"(func.func @run(%rx: {0}, %rw: {0}, %b: memref<{1}xf32>, %ry: {0}, %m: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %x = memref.view %rx[%c0][%m] : {0} to memref<?x{2}xf32>
  %y = memref.view %ry[%c0][%m] : {0} to memref<?x{1}xf32>
  %w = builtin.unrealized_conversion_cast %rw : {0} to {3}
  kern.linear ins(%x, %w{4} : memref<?x{2}xf32>, {3}{5}) outs(%y : memref<?x{1}xf32>)
  return
})",
      raw, n, k, weight.text, bias ? ", %b" : "",
      bias ? llvm::formatv(", memref<{0}xf32>", n).str() : "");
}

using LinearFn = void (*)(float *x, char *w, float *b, float *y, int64_t m,
                          int64_t begin, int64_t end);

TEST_P(KernelTest, LinearAgreesAtOddShapes) {
  for (auto [n, k] : {std::pair<int64_t, int64_t>{1, 1},
                      {5, 3},
                      {70, 261},
                      {64, 600},
                      {40, 3201},
                      {300, 37}})
    for (std::string format : {"f32", "bf16", "f16"})
      for (bool bias : {false, true}) {
        SCOPED_TRACE(
            llvm::formatv("{0} {1} {2} {3}", n, k, format, bias).str());
        Buffer values(n * k), b(n);
        fillRandom(values, 1);
        fillRandom(b, 2);
        Packed weight(format, n, k, blockRows(), values);
        auto jit = compile(linearModule(weight, n, k, bias));
        ASSERT_TRUE(jit);
        auto run = reinterpret_cast<LinearFn>(jit->lookup("run"));
        ASSERT_TRUE(run);
        // Every tail of the row tiles, and more than one chunk of rows.
        std::vector<int64_t> rows;
        for (int64_t m = 1; m <= 25; ++m)
          rows.push_back(m);
        rows.push_back(257);
        Buffer x(257 * k), whole(257 * n);
        fillRandom(x, 3);
        run(x.data(), weight.data(), b.data(), whole.data(), 257, 0, kAll);
        for (int64_t m = 0; m < 257; ++m)
          for (int64_t i = 0; i < n; ++i) {
            double sum = bias ? b[i] : 0, size = std::abs(sum);
            for (int64_t j = 0; j < k; ++j) {
              double term = double(x[m * k + j]) * weight.decoded[i * k + j];
              sum += term;
              size += std::abs(term);
            }
            ASSERT_NEAR(whole[m * n + i], sum, 1e-6 * size + 1e-30)
                << "row " << m << " column " << i;
          }
        for (int64_t m : rows) {
          Buffer y(m * n, -1);
          run(x.data(), weight.data(), b.data(), y.data(), m, 0, kAll);
          EXPECT_TRUE(y.guarded());
          EXPECT_EQ(0,
                    std::memcmp(y.data(), whole.data(), m * n * sizeof(float)))
              << m << " rows";
          // The same in two parts, the second one first.
          Buffer split(m * n, -1);
          run(x.data(), weight.data(), b.data(), split.data(), m, kPart, kAll);
          run(x.data(), weight.data(), b.data(), split.data(), m, 0, kPart);
          EXPECT_EQ(0,
                    std::memcmp(split.data(), y.data(), m * n * sizeof(float)))
              << m << " rows in two parts";
        }
      }
}

TEST_P(KernelTest, LinearTakesSlicesOfRows) {
  std::string raw = kRaw;
  int64_t n = 40, k = 20;
  Buffer values(n * k);
  fillRandom(values, 1);
  Packed weight("f32", n, k, blockRows(), values);
  // Columns 3 to 22 of x, and of y columns 8 to 47.
  auto jit = compile(llvm::formatv(
      R"(func.func @run(%rx: {0}, %rw: {0}, %ry: {0}, %m: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %x = memref.view %rx[%c0][%m] : {0} to memref<?x30xf32>
  %y = memref.view %ry[%c0][%m] : {0} to memref<?x50xf32>
  %xs = memref.subview %x[0, 3] [%m, 20] [1, 1] : memref<?x30xf32> to memref<?x20xf32, strided<[30, 1], offset: 3>>
  %ys = memref.subview %y[0, 8] [%m, 40] [1, 1] : memref<?x50xf32> to memref<?x40xf32, strided<[50, 1], offset: 8>>
  %w = builtin.unrealized_conversion_cast %rw : {0} to {1}
  kern.linear ins(%xs, %w : memref<?x20xf32, strided<[30, 1], offset: 3>>, {1}) outs(%ys : memref<?x40xf32, strided<[50, 1], offset: 8>>)
  return
})",
      raw, weight.text));
  ASSERT_TRUE(jit);
  auto run = reinterpret_cast<void (*)(float *, char *, float *, int64_t,
                                       int64_t, int64_t)>(jit->lookup("run"));
  Buffer x(7 * 30), y(7 * 50, -1);
  fillRandom(x, 2);
  run(x.data(), weight.data(), y.data(), 7, 0, kAll);
  for (int64_t m = 0; m < 7; ++m)
    for (int64_t i = 0; i < 50; ++i) {
      double sum = -1;
      if (i >= 8 && i < 48) {
        sum = 0;
        for (int64_t j = 0; j < k; ++j)
          sum += double(x[m * 30 + 3 + j]) * values[(i - 8) * k + j];
      }
      EXPECT_NEAR(y[m * 50 + i], sum, 1e-4);
    }
}

void KernelTest::gather(Packed &weight, std::vector<int64_t> ids,
                        int64_t columns, Buffer &y) {
  std::string raw = kRaw;
  auto jit = compile(llvm::formatv(
      R"(func.func @run(%i: memref<{2}xi64>, %rw: {0}, %y: memref<{2}x{3}xf32>, %begin: index, %end: index) {{
  %w = builtin.unrealized_conversion_cast %rw : {0} to {1}
  kern.gather ins(%w, %i : {1}, memref<{2}xi64>) outs(%y : memref<{2}x{3}xf32>)
  return
})",
      raw, weight.text, ids.size(), columns));
  ASSERT_TRUE(jit);
  auto run =
      reinterpret_cast<void (*)(int64_t *, char *, float *, int64_t, int64_t)>(
          jit->lookup("run"));
  run(ids.data(), weight.data(), y.data(), 0, kAll);
}

TEST_P(KernelTest, GatherReadsRowsAndClamps) {
  for (std::string format : {"f32", "bf16", "f16"}) {
    int64_t n = 70, k = 13;
    Buffer values(n * k);
    fillRandom(values, 1);
    Packed weight(format, n, k, blockRows(), values);
    int64_t ids[] = {0, 69, 31, 32, -1, 70, -71, INT64_MAX, INT64_MIN};
    int64_t rows[] = {0, 69, 31, 32, 69, 69, 0, 69, 0};
    Buffer y(9 * k, -1);
    ASSERT_NO_FATAL_FAILURE(
        gather(weight, {std::begin(ids), std::end(ids)}, k, y));
    for (int64_t i = 0; i < 9; ++i)
      for (int64_t c = 0; c < k; ++c)
        EXPECT_EQ(y[i * k + c], weight.decoded[rows[i] * k + c])
            << "index " << ids[i];
    EXPECT_TRUE(y.guarded());
  }
}

/// With an instruction for it, and without one.
TEST_P(KernelTest, EveryNumberOfHalfPrecisionIsRead) {
  constexpr int64_t n = 512, k = 128;
  Buffer values(n * k);
  for (int64_t i = 0; i < n * k; ++i)
    values[i] = f16ToFloat(static_cast<uint16_t>(i));
  Packed weight("f16", n, k, blockRows(), values);
  std::vector<int64_t> ids(n);
  std::iota(ids.begin(), ids.end(), 0);
  Buffer y(n * k, -1);
  ASSERT_NO_FATAL_FAILURE(gather(weight, ids, k, y));
  for (int64_t i = 0; i < n * k; ++i) {
    int64_t exponent = i >> 10 & 31, fraction = i & 1023;
    double sign = i >> 15 ? -1 : 1;
    if (exponent == 31 && fraction) {
      ASSERT_TRUE(std::isnan(y[i])) << "bits " << i;
      continue;
    }
    double expected =
        exponent == 31 ? HUGE_VAL
        : exponent     ? std::ldexp(1024 + double(fraction), int(exponent) - 25)
                       : std::ldexp(double(fraction), -24);
    ASSERT_EQ(y[i], sign * expected) << "bits " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Processors, KernelTest,
                         ::testing::ValuesIn(processors()), nameOf);

} // namespace
