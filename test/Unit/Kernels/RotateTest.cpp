//===- RotateTest.cpp - Kernels of formats with a transform ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows have the bits of the reference, whatever is beside them; products of
// transformed rows with a stored matrix are those of the rows with the matrix that
// is meant; rows of a table, transformed back, are what the reference decodes.
//
//===----------------------------------------------------------------------===//
#include "KernelTestUtils.h"
#include "llmc/Codegen/QuantizedEmitter.h"
#include "llmc/Formats/Hadamard.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <cstring>

using namespace llmc;
using namespace llmc::test;
using kern::Activations;

namespace {

class RotateTest : public KernelFixture {
protected:
  /// m rows of x under the transform of a format.
  void rotate(int64_t size, int64_t m, int64_t k, float *x, float *y) {
    auto jit = compile(getRotateModule(k, /*factors=*/false, size));
    ASSERT_TRUE(jit);
    reinterpret_cast<RotateFunction>(jit->lookup("run"))(x, nullptr, y, m, 0,
                                                         kAll);
  }
};

TEST_P(RotateTest, RowsHaveTheBitsOfTheReference) {
  for (int64_t size : {16, 32, 64, 128, 256})
    for (int64_t k : {15, 70, 250, 576})
      for (bool factors : {false, true}) {
        // Factors go with any size and any rest.
        if (factors && k != 70 && size != 32)
          continue;
        SCOPED_TRACE(llvm::formatv("size {0}, {1} columns, factors {2}", size,
                                   k, factors)
                         .str());
        auto jit = compile(getRotateModule(k, factors, size));
        ASSERT_TRUE(jit);
        auto run = reinterpret_cast<RotateFunction>(jit->lookup("run"));
        constexpr int64_t m = 19;
        Buffer x(m * k), t(k), y(m * k, -1), split(m * k, -1), alone(k, -1);
        fillRandom(x, 1);
        fillRandom(t, 2);
        run(x.data(), t.data(), y.data(), m, 0, kAll);
        run(x.data(), t.data(), split.data(), m, kPart, kAll);
        run(x.data(), t.data(), split.data(), m, 0, kPart);
        EXPECT_TRUE(x.guarded() && y.guarded() && split.guarded());
        for (int64_t row = 0; row < m; ++row) {
          std::vector<float> expected(x.data() + row * k,
                                      x.data() + (row + 1) * k);
          for (int64_t i = 0; factors && i < k; ++i)
            expected[i] *= t[i];
          rotateColumns(size, k, 0, llvm::MutableArrayRef(expected));
          size_t bytes = k * sizeof(float);
          ASSERT_EQ(0, std::memcmp(y.data() + row * k, expected.data(), bytes));
          ASSERT_EQ(
              0, std::memcmp(split.data() + row * k, expected.data(), bytes));
          run(x.data() + row * k, t.data(), alone.data(), 1, 0, kAll);
          ASSERT_EQ(0, std::memcmp(alone.data(), expected.data(), bytes));
        }
      }
}

TEST_P(RotateTest, ProductsAreThoseOfTheMatrixThatIsMeant) {
  struct Case {
    const char *format;
    int64_t n, k;
  };
  for (auto [format, n, k] :
       {Case{"u4g32.h64", 20, 261}, Case{"nl4.h128", 18, 200},
        Case{"u3row.h256", 17, 300}, Case{"text.sum", 19, 170}})
    for (Activations activations : kern::kActivations) {
      // One format with all inputs and on all processors; all with reals.
      if (llvm::StringRef(format) != "u4g32.h64" &&
          (activations != Activations::F32 ||
           GetParam() != processors().back()))
        continue;
      SCOPED_TRACE(llvm::formatv("{0} {1}x{2}, inputs{3}", format, n, k,
                                 getActivationsSuffix(activations))
                       .str());
      std::mt19937 random(7);
      QuantizedMatrix matrix = makeMatrix(format, n, k, random);
      // A plugin's, whose definition has it.
      if (!matrix.format.hadamard)
        matrix.format.hadamard = 64;
      Aligned<char> weight = packAligned(matrix);
      std::string type = pack::printTensorType(matrix.format, n, k, 16);

      constexpr int64_t m = 13;
      int64_t rowBytes = kern::getInputRowBytes(k, activations);
      Buffer x(m * k), turned(m * k), y(m * n, -1);
      Aligned<char> q(m * rowBytes);
      fillRandom(x, 3);
      rotate(matrix.format.hadamard, m, k, x.data(), turned.data());
      auto quantize = compile(getQuantizeModule(k, false, activations)),
           linear = compile(getProductModule(type, n, k, false, activations));
      ASSERT_TRUE(quantize && linear);
      reinterpret_cast<QuantizeFunction>(quantize->lookup("run"))(
          turned.data(), nullptr, q.data(), m, 0, kAll);
      reinterpret_cast<ProductFunction>(linear->lookup("run"))(
          q.data(), weight.data(), nullptr, y.data(), m, 0, kAll);

      // What inputs are rounded to: half a code of the largest of 32 columns,
      // which no transformed number exceeds; or half of the last of eight bits.
      double step = activations == Activations::F32    ? 0
                    : activations == Activations::BF16 ? 0x1p-9
                    : activations == Activations::I16  ? 0.51 / 32639
                                                       : 0.51 / 127;
      std::vector<double> decoded(n * k), stored(n * k);
      decodeRows(matrix, 0, n, llvm::MutableArrayRef(decoded));
      matrix.format = matrix.format.getStored();
      decodeRows(matrix, 0, n, llvm::MutableArrayRef(stored));
      for (int64_t row = 0; row < m; ++row) {
        double largest = 0;
        for (int64_t j = 0; j < k; ++j)
          largest = std::max<double>(largest, std::abs(turned[row * k + j]));
        for (int64_t i = 0; i < n; ++i) {
          double sum = 0, size = 0, room = 0;
          for (int64_t j = 0; j < k; ++j) {
            sum += x[row * k + j] * decoded[i * k + j];
            size += std::abs(turned[row * k + j] * stored[i * k + j]);
            room += step * largest * std::abs(stored[i * k + j]);
          }
          ASSERT_NEAR(y[row * n + i], sum, 6e-6 * size + room)
              << "row " << row << " column " << i;
        }
      }
    }
}

TEST_P(RotateTest, RowsOfTablesAreThoseOfTheReference) {
  std::mt19937 random(9);
  for (auto [format, n, k] :
       {std::tuple<const char *, int64_t, int64_t>{"i8g32.h64", 33, 261},
        {"u4g32.h32", 20, 96},
        {"u3row.h256", 17, 300}}) {
    QuantizedMatrix matrix = makeMatrix(format, n, k, random);
    Aligned<char> weight = packAligned(matrix);
    auto gather = compile(
        getGatherModule(pack::printTensorType(matrix.format, n, k, 16), n, k));
    ASSERT_TRUE(gather);
    std::vector<int64_t> ids(n);
    for (int64_t i = 0; i < n; ++i)
      ids[i] = n - 1 - i;
    Buffer stored(n * k), y(n * k);
    reinterpret_cast<GatherFunction>(gather->lookup("run"))(
        ids.data(), weight.data(), stored.data(), 0, kAll);
    rotate(matrix.format.hadamard, n, k, stored.data(), y.data());
    std::vector<float> decoded(k);
    for (int64_t i = 0; i < n; ++i) {
      decodeRows(matrix, ids[i], ids[i] + 1, llvm::MutableArrayRef(decoded));
      ASSERT_EQ(
          0, std::memcmp(y.data() + i * k, decoded.data(), k * sizeof(float)))
          << format << " row " << ids[i];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Processors, RotateTest,
                         ::testing::ValuesIn(processors()), nameOf);

} // namespace
