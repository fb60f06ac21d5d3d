//===- OutliersTest.cpp - Weights that are left out of codes --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Methods/Outliers.h"
#include "MethodsTestUtils.h"
#include "llmc/Formats/Floats.h"

#include <numeric>
#include <set>

using namespace llvm;
using namespace llmc;
using namespace llmc::test;

namespace {

Outliers take(const TestMatrix &matrix, StringRef format,
              ArrayRef<float> columnScale = {},
              ArrayRef<float> meanSquare = {}) {
  return takeOutliers(matrix.view(), cantFail(parseFormat(format)), columnScale,
                      meanSquare, nullptr);
}

/// Numbers with a few that are far from the others.
TestMatrix makeHeavy(int64_t rows, int64_t columns, uint32_t seed) {
  std::mt19937 random(seed);
  std::student_t_distribution<float> heavy(3);
  TestMatrix matrix(rows, columns);
  for (float &value : matrix.values)
    value = 0.02f * heavy(random);
  return matrix;
}

double getError(const TestMatrix &matrix, const QuantizedMatrix &compressed) {
  return measureError(matrix.view(), compressed).getRelative();
}

TEST(Outliers, AreThoseThatArePlanted) {
  for (StringRef format : {"i3g32.sp20", "u3g32.sp20", "u3g64.f16.mf16.sp20"}) {
    std::mt19937 random(3);
    std::uniform_real_distribution<float> even(-1, 1);
    TestMatrix matrix(20, 300);
    for (float &value : matrix.values)
      value = even(random);
    std::vector<std::set<uint32_t>> planted(20);
    for (int64_t row = 0; row < 20; ++row)
      while (planted[row].size() < 6) {
        uint32_t k = random() % 300;
        // Two of a size in one group, too: the first alone brings little.
        planted[row].insert(k);
        matrix.at(row, k) = k % 2 ? 9.0f : -8.0f;
      }
    Outliers outliers = take(matrix, format);
    ASSERT_EQ(outliers.columns.size(), 20u * 6);
    std::set<uint32_t> isOutlier;
    for (int64_t row = 0; row < 20; ++row) {
      auto begin = outliers.columns.begin() + row * 6;
      EXPECT_TRUE(std::is_sorted(begin, begin + 6));
      EXPECT_EQ(std::set<uint32_t>(begin, begin + 6), planted[row])
          << format.str() << " row " << row;
      for (int64_t k = 0; k < 300; ++k) {
        float left = outliers.rest[row * 300 + k];
        if (planted[row].contains(k))
          EXPECT_LE(std::abs(left), 1);
        else
          EXPECT_EQ(left, matrix.at(row, k));
      }
    }
    // Codes of what is left, and nearly exact numbers for the rest.
    QuantizedMatrix compressed = run("rtn", format, matrix.view());
    TestMatrix rest(20, 300);
    rest.values = outliers.rest;
    QuantizedMatrix codes = run("rtn", format.rsplit(".sp").first, rest.view());
    EXPECT_EQ(compressed.codes, codes.codes);
    EXPECT_EQ(compressed.sparse.columns, outliers.columns);
    std::vector<double> decoded(20 * 300), plain(20 * 300);
    decodeRows(compressed, 0, 20, MutableArrayRef(decoded));
    decodeRows(codes, 0, 20, MutableArrayRef(plain));
    for (int64_t row = 0; row < 20; ++row)
      for (int64_t k = 0; k < 300; ++k) {
        double got = decoded[row * 300 + k], code = plain[row * 300 + k];
        if (planted[row].contains(k))
          EXPECT_NEAR(got, matrix.at(row, k),
                      0x1p-8 * std::abs(matrix.at(row, k) - code));
        else
          EXPECT_EQ(got, code);
      }
  }
}

/// The sum that they are to lower, by its definition, against all choices.
TEST(Outliers, AreTheBestChoice) {
  constexpr int64_t kColumns = 48, kGroup = 16;
  for (StringRef format : {"i4g16.sp42", "u4g16.f16.mf16.sp42", "u4g16.sp42"}) {
    bool symmetric = format.starts_with("i"), withZero = format == "u4g16.sp42";
    TestMatrix matrix = makeHeavy(40, kColumns, 5);
    std::vector<float> meanSquare(kColumns);
    for (int64_t k = 0; k < kColumns; ++k)
      meanSquare[k] = k < 16 ? 1 : k < 32 ? 4 : 2;
    for (bool weighted : {false, true}) {
      Outliers outliers =
          take(matrix, format, {},
               weighted ? ArrayRef<float>(meanSquare) : ArrayRef<float>());
      ASSERT_EQ(outliers.columns.size(), 40u * 2);
      for (int64_t row = 0; row < 40; ++row) {
        auto getSum = [&](uint32_t a, uint32_t b) {
          double sum = 0;
          for (int64_t g = 0; g < kColumns; g += kGroup) {
            double low = withZero ? 0 : INFINITY,
                   high = withZero ? 0 : -INFINITY;
            int count = 0;
            for (int64_t k = g; k < g + kGroup; ++k) {
              if (k == a || k == b)
                continue;
              double value = matrix.at(row, k);
              if (symmetric)
                value = std::abs(value);
              low = symmetric ? 0 : std::min(low, value);
              high = std::max(high, value);
              ++count;
            }
            sum += (weighted ? meanSquare[g] : 1) * (high - low) *
                   (high - low) * count;
          }
          return sum;
        };
        double best = INFINITY;
        for (uint32_t a = 0; a < kColumns; ++a)
          for (uint32_t b = a + 1; b < kColumns; ++b)
            best = std::min(best, getSum(a, b));
        double got =
            getSum(outliers.columns[row * 2], outliers.columns[row * 2 + 1]);
        EXPECT_LE(got, best * (1 + 1e-6))
            << format.str() << " row " << row << " weighted " << weighted;
      }
    }
  }
}

/// Every method, and formats with other levels: an error of a few large numbers
/// falls by much.
TEST(Outliers, LowerTheErrorOfEveryMethod) {
  TestMatrix matrix = makeHeavy(48, 320, 7);
  for (StringRef method : {"rtn", "mse", "sinq", "hqq"})
    for (StringRef format :
         {"i3g64", "u3g32", "u4row", "nl3", "i4g64.f32r-u8"}) {
      if (method == "hqq" && !format.starts_with("u"))
        continue; // It wants a minimum.
      double before = getError(matrix, run(method, format, matrix.view()));
      MethodResult result =
          cantFail(tryMethod(method, (format + ".sp10").str(), matrix.view()));
      double after = getError(matrix, result.matrix);
      EXPECT_LT(after, 0.9 * before) << method.str() << " " << format.str();
      EXPECT_NE(result.note.find("% before 10 of 1,000 weights got numbers of "
                                 "their own"),
                std::string::npos)
          << result.note;
    }
}

TEST(Outliers, AreTheSameForAnyNumberOfThreadsAndOrder) {
  TestMatrix matrix = makeHeavy(50, 210, 9), turned(210, 50);
  for (int64_t row = 0; row < 50; ++row)
    for (int64_t k = 0; k < 210; ++k)
      turned.at(k, row) = matrix.at(row, k);
  QuantizedMatrix one = run("sinq", "u4g32.sp12", matrix.view());
  for (unsigned threads : {2, 5}) {
    Workers workers(threads);
    QuantizedMatrix many =
        run("sinq", "u4g32.sp12", matrix.view(), {},
            [&](MethodRequest &request) { request.parallelFor = workers; });
    EXPECT_TRUE(one.sparse == many.sparse) << threads;
    EXPECT_EQ(one.codes, many.codes);
  }
  MatrixView view = matrix.view();
  view.data = turned.values.data();
  view.stride = 50;
  view.transposed = true;
  QuantizedMatrix other = run("rtn", "u4g32.sp12", view),
                  plain = run("rtn", "u4g32.sp12", matrix.view());
  EXPECT_TRUE(other.sparse == plain.sparse);
  EXPECT_EQ(other.codes, plain.codes);
}

/// Columns that are divided before they are rounded are so before outliers are
/// chosen, and numbers are what codes leave then.
TEST(Outliers, TakeColumnScalesIntoAccount) {
  TestMatrix matrix = makeHeavy(30, 200, 11), divided = matrix;
  std::vector<float> scale = divideColumns(divided);
  QuantizedMatrix plain = run("rtn", "u3g32.sp15", divided.view()),
                  scaled = run("rtn", "u3g32.sp15", matrix.view(), {},
                               [&](MethodRequest &request) {
                                 request.columnScale = scale;
                               });
  EXPECT_EQ(scaled.codes, plain.codes);
  EXPECT_TRUE(scaled.sparse == plain.sparse);
  EXPECT_EQ(scaled.columnScale, scale);
}

TEST(Outliers, OfLittleOrNothing) {
  TestMatrix zeros(20, 40);
  QuantizedMatrix nothing = run("rtn", "u4g32.sp50", zeros.view());
  EXPECT_EQ(measureError(zeros.view(), nothing).squaredError, 0);
  // One column is one group and one number, and there is no rest to cut it to.
  TestMatrix single(3, 1);
  single.values = {0.3f, -7, 1e30f};
  for (StringRef format : {"i2g32.f32.sp1", "u2row.f32.sp100"})
    EXPECT_LE(getError(single, run("rtn", format, single.view())), 0x1p-8);
  // Numbers at the end of f32.
  TestMatrix large = makeMatrix(4, 40);
  large.at(1, 7) = 3e38f;
  large.at(1, 8) = -3e38f;
  QuantizedMatrix matrix = run("rtn", "i4g32.f32.sp50", large.view());
  EXPECT_LE(getError(large, matrix), 0x1p-8);
  // Small ones.
  TestMatrix tiny(2, 40);
  for (int64_t i = 0; i < 80; ++i)
    tiny.values[i] = static_cast<float>(i) * 1e-36f;
  run("rtn", "u4g32.f32.sp50", tiny.view());
}

TEST(Outliers, WhatIsNotFiniteIsRefused) {
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    TestMatrix matrix = makeMatrix(4, 40);
    matrix.at(2, 5) = bad;
    expectError(tryMethod("rtn", "i4g32.sp20", matrix.view()),
                "in row 2, column 5");
  }
}

} // namespace
