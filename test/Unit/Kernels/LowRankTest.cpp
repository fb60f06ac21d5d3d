//===- LowRankTest.cpp - What a rank adds to products and rows ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random codes with two random matrices beside them: products in three steps as
// llmc-lower-to-kern has them, against the components in double precision, and
// gathered rows against the reference decoder, to the last bit.
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

QuantizedMatrix makeLowRank(const std::string &name, int64_t rows,
                            int64_t columns, std::mt19937 &random) {
  QuantizedMatrix matrix = makeMatrix(name, rows, columns, random);
  std::normal_distribution<float> normal;
  for (auto *numbers : {&matrix.lowRank.left, &matrix.lowRank.right})
    for (uint16_t &number : *numbers)
      number = floatToBf16(normal(random));
  return matrix;
}

/// A product with one of the two matrices of a weight: x [m][k] to y [m][n].
std::string getSideModule(const std::string &weight, const std::string &side,
                          bool left, int64_t n, int64_t k) {
  return llvm::formatv(
      R"(func.func @run(%rx: {0}, %rw: {0}, %ry: {0}, %m: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %x = memref.view %rx[%c0][%m] : {0} to memref<?x{1}xf32>
  %y = memref.view %ry[%c0][%m] : {0} to memref<?x{2}xf32>
  %w = builtin.unrealized_conversion_cast %rw : {0} to {3}
  %s = kern.side %w {5} : ({3}) -> {4}
  kern.linear ins(%x, %s : memref<?x{1}xf32>, {4}) outs(%y : memref<?x{2}xf32>) {6}
  return
})",
      kRaw, k, n, weight, side, left ? "{left}" : "", left ? "{adds}" : "");
}
using SideFunction = void (*)(float *x, char *weight, float *y, int64_t m,
                              int64_t begin, int64_t end);

class LowRankTest : public KernelFixture {};

TEST_P(LowRankTest, ProductsAndRowsAgreeWithTheReference) {
  struct Case {
    const char *format;
    int64_t n, k;
  };
  for (auto [format, n, k] : {Case{"u4g32.lr8", 70, 261},
                              {"nl4.lr20", 33, 600},
                              {"i4row.lr1", 20, 130},
                              {"q6_k.lr32", 35, 512},
                              {"u8g64.f32.zi8.lr5", 20, 300}}) {
    // Every format on one processor, and with the usual inputs.
    bool common = llvm::StringRef(format) == "u4g32.lr8";
    if (GetParam() != processors().back() && !common)
      continue;
    SCOPED_TRACE(llvm::formatv("{0} {1}x{2}", format, n, k).str());
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    QuantizedMatrix matrix = makeLowRank(format, n, k, random);
    int64_t rank = matrix.format.rank;
    Aligned<char> weight = packAligned(matrix);
    std::string type = pack::printTensorType(matrix.format, n, k, 16);

    // Of the codes alone, and of what is added.
    QuantizedMatrix codes = matrix;
    codes.format = matrix.format.withoutSides();
    std::vector<double> decoded(n * k), whole(n * k);
    decodeRows(codes, 0, n, llvm::MutableArrayRef<double>(decoded));
    decodeRows(matrix, 0, n, llvm::MutableArrayRef<double>(whole));
    auto left = [&](int64_t i, int64_t j) {
      return double(bf16ToFloat(matrix.lowRank.left[i * rank + j]));
    };
    auto right = [&](int64_t j, int64_t i) {
      return double(bf16ToFloat(matrix.lowRank.right[j * k + i]));
    };
    for (int64_t i = 0; i < n; ++i)
      for (int64_t c = 0; c < k; ++c) {
        double sum = decoded[i * k + c], size = std::abs(sum);
        for (int64_t j = 0; j < rank; ++j) {
          sum += left(i, j) * right(j, c);
          size += std::abs(left(i, j) * right(j, c));
        }
        ASSERT_NEAR(whole[i * k + c], sum, 1e-14 * size);
      }

    auto first = compile(getSideModule(
        type, getSideType(rank, k, rank > 8 ? 16 : 8), false, rank, k));
    auto second =
        compile(getSideModule(type, getSideType(n, rank, 16), true, n, rank));
    ASSERT_TRUE(first && second);
    auto toInner = reinterpret_cast<SideFunction>(first->lookup("run"));
    auto toOutput = reinterpret_cast<SideFunction>(second->lookup("run"));
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
      constexpr int64_t most = 37;
      int64_t rowBytes = kern::getInputRowBytes(k, activations);
      Aligned<float> x(most * k), all(most * n, -1), plain(most * n);
      Aligned<char> q(most * rowBytes);
      for (int64_t i = 0; i < most * k; ++i)
        x[i] = normal(random);
      toBytes(x.data(), nullptr, q.data(), most, 0, kAll);
      // All steps for m rows, each in parts of `part` of its items.
      auto run = [&](float *y, int64_t m, int64_t part) {
        Aligned<float> inner(m * rank, NAN);
        for (auto [begin, end] :
             {std::pair(part, kAll), std::pair(int64_t(0), part)}) {
          product(q.data(), weight.data(), nullptr, y, m, begin, end);
          toInner(x.data(), weight.data(), inner.data(), m, begin, end);
        }
        EXPECT_TRUE(inner.guarded());
        toOutput(inner.data(), weight.data(), y, m, part, kAll);
        toOutput(inner.data(), weight.data(), y, m, 0, part);
      };
      run(all.data(), most, 0);
      EXPECT_TRUE(all.guarded());
      product(q.data(), weight.data(), nullptr, plain.data(), most, 0, kAll);
      for (int64_t m = 0; m < most; ++m) {
        std::vector<double> inner(rank), sizes(rank);
        for (int64_t j = 0; j < rank; ++j)
          for (int64_t c = 0; c < k; ++c) {
            inner[j] += x[m * k + c] * right(j, c);
            sizes[j] += std::abs(x[m * k + c] * right(j, c));
          }
        for (int64_t i = 0; i < n; ++i) {
          // Of the codes, another test has shown that it is right.
          double sum = plain[m * n + i], size = std::abs(sum);
          for (int64_t j = 0; j < rank; ++j) {
            sum += left(i, j) * inner[j];
            size += std::abs(left(i, j)) * sizes[j];
          }
          ASSERT_NEAR(all[m * n + i], sum, 1e-6 * size)
              << "row " << m << " column " << i;
        }
      }
      expectSameRows(all.data(), n, {1, 2, 5, 12, 13, 36}, run);
    }

    expectGather(matrix, type, weight.data());
  }
}

INSTANTIATE_TEST_SUITE_P(Processors, LowRankTest,
                         ::testing::ValuesIn(processors()), nameOf);

} // namespace
