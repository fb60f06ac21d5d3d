//===- SparseTest.cpp - What a sparse part adds to products and rows ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random codes with random numbers in random columns, some of them twice in a row:
// products in the two steps of llmc-lower-to-kern, against the components in double
// precision, and gathered rows against the reference decoder, to the last bit.
//
//===----------------------------------------------------------------------===//
#include "KernelTestUtils.h"
#include "llmc/Codegen/QuantizedEmitter.h"
#include "llmc/Formats/Floats.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace llmc;
using namespace llmc::test;
using kern::Activations;

namespace {

QuantizedMatrix makeSparse(const std::string &name, int64_t rows,
                           int64_t columns, std::mt19937 &random) {
  QuantizedMatrix matrix = makeMatrix(name, rows, columns, random);
  std::normal_distribution<float> normal(0, 20);
  for (uint16_t &number : matrix.sparse.values)
    number = floatToBf16(normal(random));
  for (uint32_t &column : matrix.sparse.columns)
    column = random() % columns;
  // The last column, and one column more than once.
  matrix.sparse.columns.back() = columns - 1;
  for (int64_t i = 0; i < matrix.format.getSparseCount(columns); ++i)
    if (i % 2)
      matrix.sparse.columns[i] = matrix.sparse.columns[0];
  return matrix;
}

/// Adds the product of x [m][k] with the sparse part to y [m][n].
std::string getSparseModule(const std::string &weight, int64_t n, int64_t k) {
  return llvm::formatv(
      R"(func.func @run(%rx: {0}, %rw: {0}, %ry: {0}, %m: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %x = memref.view %rx[%c0][%m] : {0} to memref<?x{1}xf32>
  %y = memref.view %ry[%c0][%m] : {0} to memref<?x{2}xf32>
  %w = builtin.unrealized_conversion_cast %rw : {0} to {3}
  kern.sparse_linear ins(%x, %w : memref<?x{1}xf32>, {3}) outs(%y : memref<?x{2}xf32>)
  return
})",
      kRaw, k, n, weight);
}
using SparseFunction = void (*)(float *x, char *weight, float *y, int64_t m,
                                int64_t begin, int64_t end);

class SparseTest : public KernelFixture {};

TEST_P(SparseTest, ProductsAndRowsAgreeWithTheReference) {
  struct Case {
    const char *format;
    int64_t n, k, tileRows;
  };
  for (auto [format, n, k, tileRows] : {Case{"u4g32.sp20", 70, 261, 16},
                                        {"nl4.sp5", 33, 600, 16},
                                        {"i4row.sp1", 20, 130, 16},
                                        {"q6_k.sp100", 35, 512, 32},
                                        {"u8g64.f32.zi8.sp12", 21, 300, 4},
                                        {"u2g32.sp3", 5, 1, 16},
                                        {"i4g128.sp2", 5, 65700, 16}}) {
    // Every format on one processor, and with the usual inputs.
    bool common = llvm::StringRef(format) == "u4g32.sp20";
    if (GetParam() != processors().back() && !common)
      continue;
    SCOPED_TRACE(llvm::formatv("{0} {1}x{2}", format, n, k).str());
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    QuantizedMatrix matrix = makeSparse(format, n, k, random);
    int64_t count = matrix.format.getSparseCount(k);
    Aligned<char> weight = packAligned(matrix, tileRows);
    std::string type = pack::printTensorType(matrix.format, n, k, tileRows);

    // Of the codes alone, and of all.
    QuantizedMatrix codes = matrix;
    codes.format = matrix.format.withoutSides();
    std::vector<double> decoded(n * k), whole(n * k);
    decodeRows(codes, 0, n, llvm::MutableArrayRef<double>(decoded));
    decodeRows(matrix, 0, n, llvm::MutableArrayRef<double>(whole));
    std::vector<double> added(n * k), sizes(n * k);
    for (int64_t i = 0; i < n * count; ++i) {
      double number = bf16ToFloat(matrix.sparse.values[i]);
      int64_t place = i / count * k + matrix.sparse.columns[i];
      added[place] += number;
      sizes[place] += std::abs(number);
    }
    for (int64_t i = 0; i < n * k; ++i)
      ASSERT_NEAR(whole[i], decoded[i] + added[i], 1e-6 * sizes[i]);

    auto sparse = compile(getSparseModule(type, n, k));
    ASSERT_TRUE(sparse);
    auto toOutput = reinterpret_cast<SparseFunction>(sparse->lookup("run"));
    for (Activations activations : kern::kActivations) {
      if (activations != Activations::I8 && !common)
        continue;
      SCOPED_TRACE("inputs" + getActivationsSuffix(activations).str());
      auto quantize = compile(getQuantizeModule(k, false, activations));
      auto linear = compile(getProductModule(type, n, k, false, activations));
      ASSERT_TRUE(quantize && linear);
      auto toBytes =
          reinterpret_cast<QuantizeFunction>(quantize->lookup("run"));
      auto product = reinterpret_cast<ProductFunction>(linear->lookup("run"));
      const int64_t most = k > 1000 ? 6 : 37;
      int64_t rowBytes = kern::getInputRowBytes(k, activations);
      Aligned<float> x(most * k), all(most * n, -1), plain(most * n);
      Aligned<char> q(most * rowBytes);
      for (int64_t i = 0; i < most * k; ++i)
        x[i] = normal(random);
      toBytes(x.data(), nullptr, q.data(), most, 0, kAll);
      // Both steps for m rows, each in parts of `part` of its items.
      auto run = [&](float *y, int64_t m, int64_t part) {
        product(q.data(), weight.data(), nullptr, y, m, part, kAll);
        product(q.data(), weight.data(), nullptr, y, m, 0, part);
        toOutput(x.data(), weight.data(), y, m, part, kAll);
        toOutput(x.data(), weight.data(), y, m, 0, part);
      };
      run(all.data(), most, 0);
      EXPECT_TRUE(all.guarded());
      product(q.data(), weight.data(), nullptr, plain.data(), most, 0, kAll);
      for (int64_t m = 0; m < most; ++m)
        for (int64_t i = 0; i < n; ++i) {
          // Of the codes, another test has shown that it is right.
          double sum = plain[m * n + i], size = std::abs(sum);
          for (int64_t j = i * count; j < (i + 1) * count; ++j) {
            double term = x[m * k + matrix.sparse.columns[j]] *
                          double(bf16ToFloat(matrix.sparse.values[j]));
            sum += term;
            size += std::abs(term);
          }
          ASSERT_NEAR(all[m * n + i], sum, 1e-6 * size)
              << "row " << m << " column " << i;
        }
      constexpr int64_t kCounts[] = {1, 2, 5, 12, 13, 36};
      expectSameRows(all.data(), n,
                     llvm::ArrayRef(kCounts).take_while(
                         [&](int64_t m) { return m <= most; }),
                     run);
    }
    // Of a unit vector, a column: codes of zeros say nothing, so all is the number.
    Aligned<float> unit(k), column(n);
    int64_t chosen = matrix.sparse.columns[0];
    unit[chosen] = 1;
    toOutput(unit.data(), weight.data(), column.data(), 1, 0, kAll);
    for (int64_t i = 0; i < n; ++i)
      ASSERT_NEAR(column[i], added[i * k + chosen],
                  1e-6 * sizes[i * k + chosen]);

    expectGather(matrix, type, weight.data());
  }
}

INSTANTIATE_TEST_SUITE_P(Processors, SparseTest,
                         ::testing::ValuesIn(processors()), nameOf);

} // namespace
