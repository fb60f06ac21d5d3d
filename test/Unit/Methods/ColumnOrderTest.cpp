//===- ColumnOrderTest.cpp - Columns in groups with their like ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Methods/ColumnOrder.h"
#include "MethodsTestUtils.h"

#include <algorithm>
#include <numeric>

using namespace llvm;
using namespace llmc;
using namespace llmc::test;

namespace {

/// Columns of three sizes in turn.
TestMatrix makeUneven(int64_t rows, int64_t columns) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  TestMatrix matrix(rows, columns);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t k = 0; k < columns; ++k)
      matrix.at(row, k) = normal(random) * (k % 3 == 0   ? 10.0f
                                            : k % 3 == 1 ? 1.0f
                                                         : 0.1f);
  return matrix;
}

TestMatrix inOrder(const TestMatrix &matrix, ArrayRef<uint32_t> order) {
  TestMatrix result(matrix.rows, matrix.columns);
  for (int64_t row = 0; row < matrix.rows; ++row)
    for (int64_t j = 0; j < matrix.columns; ++j)
      result.at(row, j) = matrix.values[row * matrix.columns + order[j]];
  return result;
}

/// For each method: what it does is done to the matrix in order, whose columns the
/// decoder puts back, to the bit.
TEST(ColumnOrder, IsThatOfSizesAndNothingElse) {
  TestMatrix matrix = makeUneven(70, 130);
  std::vector<double> sizes(130);
  for (int64_t row = 0; row < 70; ++row)
    for (int64_t k = 0; k < 130; ++k)
      sizes[k] += static_cast<double>(matrix.at(row, k)) * matrix.at(row, k);
  for (StringRef method : {"rtn", "mse", "sinq", "hqq"})
    for (StringRef format : {"i3g32", "u4g64", "nl3", "u4row"}) {
      if (method == "hqq" && !format.starts_with("u"))
        continue; // It wants a minimum.
      QuantizedMatrix permuted =
          run(method, (format + ".p").str(), matrix.view());
      EXPECT_TRUE(std::is_sorted(
          permuted.order.begin(), permuted.order.end(),
          [&](uint32_t a, uint32_t b) { return sizes[a] > sizes[b]; }));
      TestMatrix other = inOrder(matrix, permuted.order);
      QuantizedMatrix plain = run(method, format, other.view());
      EXPECT_EQ(permuted.codes, plain.codes);
      std::vector<double> got(70 * 130), expected(70 * 130);
      decodeRows(permuted, 0, 70, MutableArrayRef(got));
      decodeRows(plain, 0, 70, MutableArrayRef(expected));
      for (int64_t row = 0; row < 70; ++row)
        for (int64_t j = 0; j < 130; ++j)
          ASSERT_EQ(got[row * 130 + permuted.order[j]], expected[row * 130 + j])
              << method.str() << " " << format.str();
    }
}

/// In f64 the transform is exact: W x is the stored matrix times x in order, and a
/// column is what a unit vector gives.
TEST(ColumnOrder, ProductsAreTheSame) {
  TestMatrix matrix = makeUneven(20, 90);
  QuantizedMatrix permuted = run("rtn", "u4g32.p", matrix.view());
  QuantizedMatrix stored = permuted;
  stored.format = permuted.format.getStored();
  stored.order.clear();
  std::vector<double> whole(20 * 90), parts(20 * 90);
  decodeRows(permuted, 0, 20, MutableArrayRef(whole));
  decodeRows(stored, 0, 20, MutableArrayRef(parts));
  for (int64_t k = 0; k < 90; ++k) {
    std::vector<double> x(90), y(90);
    x[k] = 1;
    for (int64_t j = 0; j < 90; ++j)
      y[j] = x[permuted.order[j]];
    for (int64_t row = 0; row < 20; ++row)
      ASSERT_EQ(std::inner_product(y.begin(), y.end(), &parts[row * 90], 0.0),
                whole[row * 90 + k]);
  }
}

TEST(ColumnOrder, LowersTheErrorOfUnevenColumns) {
  TestMatrix matrix = makeUneven(64, 192);
  auto getError = [&](StringRef format) {
    // By column, relative to it: small columns count as much as large ones.
    QuantizedMatrix compressed = run("rtn", format, matrix.view());
    std::vector<double> values(64 * 192), errors(192), squares(192);
    decodeRows(compressed, 0, 64, MutableArrayRef(values));
    for (int64_t i = 0; i < 64 * 192; ++i) {
      double value = matrix.values[i], error = value - values[i];
      errors[i % 192] += error * error;
      squares[i % 192] += value * value;
    }
    double sum = 0;
    for (int64_t k = 0; k < 192; ++k)
      sum += errors[k] / squares[k];
    return sum / 192;
  };
  EXPECT_LT(getError("u4g32.p"), 0.1 * getError("u4g32"));
}

TEST(ColumnOrder, IsThatOfInputsWhereTheyAreKnown) {
  TestMatrix matrix = makeUneven(30, 64);
  std::vector<float> squares(64), gram(64 * 64);
  for (int64_t k = 0; k < 64; ++k)
    squares[k] = static_cast<float>((k * 37) % 64);
  for (int64_t i = 0; i < 64; ++i)
    for (int64_t j = 0; j < 64; ++j)
      gram[i * 64 + j] = i == j ? squares[i] + 1 : 0.01f * (i + j);
  QuantizedMatrix permuted =
      run("mse", "i3g32.p", matrix.view(), {}, [&](MethodRequest &request) {
        request.statistics.meanSquare = squares;
        request.statistics.gram = gram;
      });
  for (int64_t j = 0; j < 64; ++j)
    EXPECT_EQ(squares[permuted.order[j]], 63 - j);
  // What is known of columns goes with them.
  TestMatrix other = inOrder(matrix, permuted.order);
  std::vector<float> otherSquares(64), otherGram(64 * 64);
  for (int64_t i = 0; i < 64; ++i) {
    otherSquares[i] = squares[permuted.order[i]];
    for (int64_t j = 0; j < 64; ++j)
      otherGram[i * 64 + j] = gram[permuted.order[i] * 64 + permuted.order[j]];
  }
  QuantizedMatrix plain =
      run("mse", "i3g32", other.view(), {}, [&](MethodRequest &request) {
        request.statistics.meanSquare = otherSquares;
        request.statistics.gram = otherGram;
      });
  EXPECT_EQ(permuted.codes, plain.codes);
}

TEST(ColumnOrder, KeepsScalesOfColumnsWithThem) {
  TestMatrix matrix = makeUneven(40, 96), divided = matrix;
  std::vector<float> scale = divideColumns(divided);
  QuantizedMatrix scaled = run("rtn", "u4g32.p", matrix.view(), {},
                               [&](MethodRequest &request) {
                                 request.columnScale = scale;
                               }),
                  plain = run("rtn", "u4g32.p", divided.view());
  EXPECT_EQ(scaled.order, plain.order);
  EXPECT_EQ(scaled.codes, plain.codes);
  EXPECT_EQ(scaled.columnScale, scale);
  std::vector<double> got(40 * 96), expected(40 * 96);
  decodeRows(scaled, 0, 40, MutableArrayRef(got));
  decodeRows(plain, 0, 40, MutableArrayRef(expected));
  for (int64_t i = 0; i < 40 * 96; ++i)
    ASSERT_EQ(got[i], expected[i] * scale[i % 96]);
}

TEST(ColumnOrder, IsTheSameForAnyNumberOfThreadsAndOrderOfMemory) {
  TestMatrix matrix = makeMatrix(150, 210, 5), turned(210, 150);
  for (int64_t row = 0; row < 150; ++row)
    for (int64_t k = 0; k < 210; ++k)
      turned.at(k, row) = matrix.at(row, k);
  QuantizedMatrix one = run("sinq", "u4g32.p", matrix.view());
  for (unsigned threads : {2, 5}) {
    Workers workers(threads);
    QuantizedMatrix many =
        run("sinq", "u4g32.p", matrix.view(), {},
            [&](MethodRequest &request) { request.parallelFor = workers; });
    EXPECT_EQ(one.order, many.order);
    EXPECT_EQ(one.codes, many.codes);
  }
  MatrixView view = matrix.view();
  view.data = turned.values.data();
  view.stride = 150;
  view.transposed = true;
  QuantizedMatrix other = run("rtn", "u4g32.p", view),
                  plain = run("rtn", "u4g32.p", matrix.view());
  EXPECT_EQ(other.order, plain.order);
  EXPECT_EQ(other.codes, plain.codes);
}

TEST(ColumnOrder, OfLittleOrNothing) {
  TestMatrix zeros(20, 40);
  QuantizedMatrix nothing = run("rtn", "u4g32.p", zeros.view());
  EXPECT_TRUE(std::is_sorted(nothing.order.begin(), nothing.order.end()));
  TestMatrix single(3, 1);
  single.values = {0.3f, -7, 1e30f};
  EXPECT_LE(
      measureError(single.view(), run("rtn", "i8row.f32.p", single.view()))
          .getRelative(),
      0.01);
  for (float bad : {NAN, INFINITY}) {
    TestMatrix matrix = makeMatrix(4, 40);
    matrix.at(2, 5) = bad;
    expectError(tryMethod("rtn", "i4g32.p", matrix.view()),
                "in row 2, column 5");
  }
}

} // namespace
