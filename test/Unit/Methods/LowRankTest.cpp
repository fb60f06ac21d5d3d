//===- LowRankTest.cpp - What a rank adds to codes ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Errors are compared with the least that any matrix of the rank leaves: the root
// of the sum of the squares of all other singular values (Eckart, Young). These are
// known where a matrix is made of them, or found by rotations in f64.
//
//===----------------------------------------------------------------------===//
#include "llmc/Methods/LowRank.h"
#include "MethodsTestUtils.h"
#include "llmc/Formats/Floats.h"

#include <numeric>

using namespace llvm;
using namespace llmc;
using namespace llmc::test;

namespace {

/// Row j of the cosine transform of n numbers: an orthonormal basis.
double cosine(int64_t j, int64_t i, int64_t n) {
  double size = std::sqrt((j ? 2.0 : 1.0) / static_cast<double>(n));
  return size * std::cos(M_PI * static_cast<double>(j * (2 * i + 1)) /
                         static_cast<double>(2 * n));
}

/// A matrix with these singular values.
TestMatrix makeFrom(ArrayRef<double> singular, int64_t rows, int64_t columns) {
  TestMatrix matrix(rows, columns);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t k = 0; k < columns; ++k) {
      double sum = 0;
      for (size_t j = 0; j < singular.size(); ++j)
        sum += singular[j] * cosine(j, row, rows) * cosine(j, k, columns);
      matrix.at(row, k) = static_cast<float>(sum);
    }
  return matrix;
}

/// Singular values, largest first, by one-sided Jacobi rotations of rows.
std::vector<double> findSingularValues(std::vector<double> a, int64_t rows,
                                       int64_t columns) {
  for (bool turned = true; turned;) {
    turned = false;
    for (int64_t p = 0; p < rows; ++p)
      for (int64_t q = p + 1; q < rows; ++q) {
        double *x = &a[p * columns], *y = &a[q * columns];
        double xx = std::inner_product(x, x + columns, x, 0.0),
               yy = std::inner_product(y, y + columns, y, 0.0),
               xy = std::inner_product(x, x + columns, y, 0.0);
        if (std::abs(xy) <= 1e-13 * std::sqrt(xx * yy))
          continue;
        turned = true;
        double angle = 0.5 * std::atan2(2 * xy, xx - yy);
        for (int64_t k = 0; k < columns; ++k) {
          double first = std::cos(angle) * x[k] + std::sin(angle) * y[k];
          y[k] = std::cos(angle) * y[k] - std::sin(angle) * x[k];
          x[k] = first;
        }
      }
  }
  std::vector<double> values;
  values.reserve(rows);
  for (int64_t p = 0; p < rows; ++p)
    values.push_back(std::sqrt(std::inner_product(
        &a[p * columns], &a[p * columns] + columns, &a[p * columns], 0.0)));
  std::sort(values.rbegin(), values.rend());
  return values;
}

/// The least error of rank `rank`, and the size of what that rank takes.
std::pair<double, double> split(ArrayRef<double> singular, int64_t rank) {
  double rest = 0, taken = 0;
  for (size_t j = 0; j < singular.size(); ++j)
    (j < static_cast<size_t>(rank) ? taken : rest) += singular[j] * singular[j];
  return {std::sqrt(rest), std::sqrt(taken)};
}

/// Codes that decode to zeros, so that the error is the matrix itself.
QuantizedMatrix makeZeros(int64_t rows, int64_t columns) {
  return cantFail(
      QuantizedMatrix::create(cantFail(parseFormat("i4g32")), rows, columns));
}

double norm(ArrayRef<double> values) {
  return std::sqrt(
      std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

/// W - decode(matrix), in f64.
std::vector<double> getErrors(const TestMatrix &weight,
                              const QuantizedMatrix &matrix) {
  std::vector<double> errors(weight.rows * weight.columns);
  decodeRows(matrix, 0, weight.rows, MutableArrayRef(errors));
  for (size_t i = 0; i < errors.size(); ++i)
    errors[i] = weight.values[i] - errors[i];
  return errors;
}

/// What the product of the two matrices leaves of `weight`.
double getRest(const TestMatrix &weight, LowRankResult found, int64_t rank) {
  QuantizedMatrix matrix = makeZeros(weight.rows, weight.columns);
  matrix.format.rank = rank;
  matrix.lowRank = std::move(found.matrices);
  cantFail(verify(matrix));
  return norm(getErrors(weight, matrix));
}

constexpr std::pair<int64_t, int64_t> kShapes[] = {
    {40, 300}, {300, 40}, {65, 33}, {128, 128}};

TEST(LowRank, IsNearTheBestOfKnownSpectra) {
  for (auto [rows, columns] : kShapes) {
    int64_t count = std::min(rows, columns);
    std::vector<double> slow, steep, flat(count, 1.0), step(count, 0.01);
    for (int64_t j = 0; j < count; ++j) {
      slow.push_back(1.0 / static_cast<double>(j + 1));
      steep.push_back(std::exp2(-0.5 * static_cast<double>(j)));
      if (j < 8)
        step[j] = 1;
    }
    for (const auto &singular : {slow, steep, flat, step})
      for (int64_t rank : {1, 8, 16}) {
        TestMatrix matrix = makeFrom(singular, rows, columns);
        LowRankResult found = findLowRank(
            matrix.view(), makeZeros(rows, columns), rank, {}, nullptr);
        EXPECT_EQ(found.rank, rank);
        EXPECT_NEAR(found.relativeError, 1, 1e-6);
        auto [best, taken] = split(singular, rank);
        // The numbers of both matrices have eight bits.
        double bound = std::hypot(1.02 * best, 0.003 * taken);
        double rest = getRest(matrix, found, rank);
        EXPECT_LE(rest, bound) << rows << "x" << columns << " rank " << rank;
        EXPECT_GE(rest, best * 0.999);
      }
  }
}

/// Nothing stands out in the error of rounding, which is the hard case.
TEST(LowRank, IsNearTheBestOfRoundingErrors) {
  for (StringRef format : {"i4g32", "u3g64", "nl3"}) {
    TestMatrix matrix = makeMatrix(96, 160, 3);
    QuantizedMatrix plain = run("rtn", format, matrix.view());
    std::vector<double> singular =
        findSingularValues(getErrors(matrix, plain), 96, 160);
    for (int64_t rank : {4, 16}) {
      QuantizedMatrix added =
          run("rtn", (format + ".lr" + Twine(rank)).str(), matrix.view());
      EXPECT_EQ(added.codes, plain.codes);
      EXPECT_EQ(added.format.rank, rank);
      auto [best, taken] = split(singular, rank);
      double rest = norm(getErrors(matrix, added)),
             all = norm(getErrors(matrix, plain));
      EXPECT_LE(rest, 1.01 * best) << format.str();
      // Of what can be taken off, most is.
      EXPECT_GE(std::sqrt(all * all - rest * rest), 0.97 * taken)
          << format.str();
    }
  }
}

TEST(LowRank, HasTheSameBitsForAnyNumberOfThreads) {
  TestMatrix matrix = makeMatrix(150, 210, 5);
  QuantizedMatrix one = run("sinq", "u4g32.lr12", matrix.view());
  for (unsigned threads : {2, 5}) {
    Workers workers(threads);
    QuantizedMatrix many =
        run("sinq", "u4g32.lr12", matrix.view(), {},
            [&](MethodRequest &request) { request.parallelFor = workers; });
    EXPECT_TRUE(one.lowRank == many.lowRank) << threads;
  }
}

TEST(LowRank, OfLittleOrNothing) {
  auto getResult = [](const TestMatrix &matrix, StringRef format) {
    return cantFail(tryMethod("rtn", format, matrix.view()));
  };
  TestMatrix zeros(20, 40);
  MethodResult result = getResult(zeros, "i4g32.lr4");
  EXPECT_EQ(norm(getErrors(zeros, result.matrix)), 0);
  EXPECT_EQ(result.note.find("error 0.00 % before rank 4 was added"), size_t(0))
      << result.note;

  // A rank beyond the extents takes what there is, and says so.
  TestMatrix small = makeMatrix(3, 50);
  result = getResult(small, "i3g32.lr8");
  EXPECT_LE(norm(getErrors(small, result.matrix)),
            2e-3 * norm(std::vector<double>(small.values.begin(),
                                            small.values.end())));
  EXPECT_NE(result.note.find(", of which 5 are zeros"), std::string::npos)
      << result.note;
  TestMatrix single(1, 1);
  single.values[0] = 0.3f;
  getResult(single, "i4g32.lr256");
}

TEST(LowRank, KeepsRangesOfNumbersApart) {
  TestMatrix matrix = makeMatrix(40, 90, 7);
  double expected = 0;
  for (int exponent : {0, -80, 80}) {
    TestMatrix scaled = matrix;
    for (float &value : scaled.values)
      value = std::ldexp(value, exponent);
    double error =
        measureError(scaled.view(), run("rtn", "i3g32.f32.lr8", scaled.view()))
            .getRelative();
    if (exponent == 0)
      expected = error;
    EXPECT_NEAR(error, expected, 1e-6 * expected);
  }
}

/// Errors count where inputs are large.
TEST(LowRank, TakesStatisticsAndColumnScalesIntoAccount) {
  TestMatrix matrix = makeMatrix(64, 96, 9);
  std::vector<float> squares(96), scale(96);
  for (int64_t k = 0; k < 96; ++k) {
    squares[k] = k % 8 ? 0.01f : 4.0f;
    scale[k] = 0.5f + static_cast<float>(k % 5);
  }
  auto getWeighted = [&](const QuantizedMatrix &matrixOfRank) {
    std::vector<double> errors = getErrors(matrix, matrixOfRank);
    for (int64_t i = 0; i < 64 * 96; ++i)
      errors[i] *= std::sqrt(squares[i % 96]);
    return norm(errors);
  };
  for (bool scaled : {false, true}) {
    auto runWith = [&](StringRef format, bool counted) {
      return run("rtn", format, matrix.view(), {}, [&](MethodRequest &request) {
        if (scaled)
          request.columnScale = scale;
        if (counted)
          request.statistics.meanSquare = squares;
      });
    };
    QuantizedMatrix plain = runWith("i3g32", true);
    std::vector<double> errors = getErrors(matrix, plain);
    for (int64_t i = 0; i < 64 * 96; ++i)
      errors[i] *= std::sqrt(squares[i % 96]);
    auto [best, taken] = split(findSingularValues(errors, 64, 96), 8);
    double counted = getWeighted(runWith("i3g32.lr8", true));
    EXPECT_LE(counted, 1.01 * best);
    EXPECT_LT(counted, 0.9 * getWeighted(runWith("i3g32.lr8", false)));
  }
}

TEST(LowRank, RefusesWhatIsNotFinite) {
  TestMatrix matrix = makeMatrix(4, 40);
  matrix.at(2, 5) = NAN;
  expectError(tryMethod("rtn", "i4g32.lr4", matrix.view()),
              "expected finite numbers but got nan in row 2, column 5");
}

} // namespace
