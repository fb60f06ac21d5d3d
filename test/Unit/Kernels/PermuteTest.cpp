//===- PermuteTest.cpp - Rows in the order of columns of a matrix ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random codes in a random order of columns: inputs are in that order to the bit,
// products of them agree with the reference decoder, which puts columns back, and
// gathered rows have its bits.
//
//===----------------------------------------------------------------------===//
#include "KernelTestUtils.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <cstring>
#include <numeric>

using namespace llmc;
using namespace llmc::test;
using kern::Activations;

namespace {

QuantizedMatrix makePermuted(const std::string &name, int64_t rows,
                             int64_t columns, std::mt19937 &random) {
  QuantizedMatrix matrix = makeMatrix(name, rows, columns, random);
  std::shuffle(matrix.order.begin(), matrix.order.end(), random);
  llvm::cantFail(verify(matrix));
  return matrix;
}

std::string getPermuteModule(const std::string &weight, int64_t k,
                             bool factors) {
  return llvm::formatv(
      R"(func.func @run(%rx: {0}, %rw: {0}, %t: memref<{1}xf32>, %ry: {0}, %m: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %x = memref.view %rx[%c0][%m] : {0} to memref<?x{1}xf32>
  %y = memref.view %ry[%c0][%m] : {0} to memref<?x{1}xf32>
  %w = builtin.unrealized_conversion_cast %rw : {0} to {2}
  kern.permute ins(%x, %w{3} : memref<?x{1}xf32>, {2}{4}) outs(%y : memref<?x{1}xf32>)
  return
})",
      kRaw, k, weight, factors ? ", %t" : "",
      factors ? llvm::formatv(", memref<{0}xf32>", k).str() : "");
}
using PermuteFunction = void (*)(float *x, char *weight, float *factors,
                                 float *y, int64_t m, int64_t begin,
                                 int64_t end);

class PermuteTest : public KernelFixture {};

TEST_P(PermuteTest, ProductsAndRowsAgreeWithTheReference) {
  struct Case {
    const char *format;
    int64_t n, k;
  };
  for (auto [format, n, k] : {Case{"u4g32.p", 70, 261},
                              {"nl4.p", 33, 600},
                              {"i4row.p", 20, 130},
                              {"q6_k.p", 35, 512},
                              {"u2g32.p", 5, 1},
                              {"i4g128.p", 3, 65700}}) {
    // Every format on one processor.
    bool common = llvm::StringRef(format) == "u4g32.p";
    if (GetParam() != processors().back() && !common)
      continue;
    SCOPED_TRACE(llvm::formatv("{0} {1}x{2}", format, n, k).str());
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    QuantizedMatrix matrix = makePermuted(format, n, k, random);
    Aligned<char> weight = packAligned(matrix);
    std::string type = pack::printTensorType(matrix.format, n, k, 16);
    const int64_t most = k > 1000 ? 3 : 25;
    Aligned<float> x(most * k), t(k);
    for (int64_t i = 0; i < most * k; ++i)
      x[i] = normal(random);
    for (int64_t i = 0; i < k; ++i)
      t[i] = 0.5f + static_cast<float>(i % 7);

    for (bool factors : {false, true}) {
      auto jit = compile(getPermuteModule(type, k, factors));
      ASSERT_TRUE(jit);
      auto run = reinterpret_cast<PermuteFunction>(jit->lookup("run"));
      Aligned<float> y(most * k, -1), split(most * k, -1);
      run(x.data(), weight.data(), t.data(), y.data(), most, 0, kAll);
      EXPECT_TRUE(y.guarded());
      for (int64_t i = 0; i < most; ++i)
        for (int64_t j = 0; j < k; ++j) {
          int64_t column = matrix.order[j];
          float expected = x[i * k + column];
          if (factors)
            expected *= t[column];
          ASSERT_EQ(y[i * k + j], expected) << "row " << i << " place " << j;
        }
      run(x.data(), weight.data(), t.data(), split.data(), most, kPart, kAll);
      run(x.data(), weight.data(), t.data(), split.data(), most, 0, kPart);
      EXPECT_EQ(0,
                std::memcmp(split.data(), y.data(), most * k * sizeof(float)));
    }

    // With inputs that are not rounded, whose products are those of the matrix.
    auto permute = compile(getPermuteModule(type, k, false));
    auto quantize = compile(getQuantizeModule(k, false, Activations::F32));
    auto linear =
        compile(getProductModule(type, n, k, false, Activations::F32));
    ASSERT_TRUE(permute && quantize && linear);
    Aligned<float> inOrder(most * k), y(most * n, -1);
    Aligned<char> q(most * kern::getInputRowBytes(k, Activations::F32));
    reinterpret_cast<PermuteFunction>(permute->lookup("run"))(
        x.data(), weight.data(), nullptr, inOrder.data(), most, 0, kAll);
    reinterpret_cast<QuantizeFunction>(quantize->lookup("run"))(
        inOrder.data(), nullptr, q.data(), most, 0, kAll);
    reinterpret_cast<ProductFunction>(linear->lookup("run"))(
        q.data(), weight.data(), nullptr, y.data(), most, 0, kAll);
    std::vector<double> decoded(n * k);
    decodeRows(matrix, 0, n, llvm::MutableArrayRef<double>(decoded));
    for (int64_t m = 0; m < most; ++m)
      for (int64_t i = 0; i < n; ++i) {
        double sum = 0, size = 0;
        for (int64_t j = 0; j < k; ++j) {
          double term = x[m * k + j] * decoded[i * k + j];
          sum += term;
          size += std::abs(term);
        }
        ASSERT_NEAR(y[m * n + i], sum, 4e-6 * size)
            << "row " << m << " column " << i;
      }
    expectGather(matrix, type, weight.data());
  }
}

INSTANTIATE_TEST_SUITE_P(Processors, PermuteTest,
                         ::testing::ValuesIn(processors()), nameOf);

} // namespace
