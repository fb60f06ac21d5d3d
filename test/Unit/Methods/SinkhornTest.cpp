//===- SinkhornTest.cpp - Column scales that even out a matrix ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A golden tile, computed in f64 by another program, and four weaknesses of the
// published procedure: each is shown there, and gone in the robust one.
//
//===----------------------------------------------------------------------===//
#include "llmc/Methods/Sinkhorn.h"
#include "MethodsTestUtils.h"

using namespace llvm;
using namespace llmc;
using namespace llmc::test;

static TestMatrix makeGolden() {
  TestMatrix matrix(6, 8);
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < 8; ++j)
      matrix.at(i, j) = static_cast<float>(
          0.05 * std::sin(1 + 3.7 * i + 2.3 * j + 0.9 * i * j) * (1 + 0.5 * i) *
          (j == 5 ? 4 : 1));
  return matrix;
}

static SinkhornTile normalizeWhole(const TestMatrix &matrix, bool robust) {
  SinkhornOptions options;
  options.robust = robust;
  return normalizeTile(matrix.values, matrix.rows, matrix.columns, options);
}

TEST(Sinkhorn, Golden) {
  const float columns[] = {.982919f,  1.034538f, 1.276670f, .740818f,
                           1.417472f, 5.294070f, 1.490531f, 1.182715f};
  const float rows[] = {1.081532f, 2.042917f, 2.062436f,
                        2.489726f, 1.584501f, 3.309245f};
  for (bool robust : {false, true}) {
    SinkhornTile tile = normalizeWhole(makeGolden(), robust);
    // The unit of the robust one moves the summand 1e-6 of the target.
    float bound = robust ? 1e-3f : 3e-6f;
    EXPECT_NEAR(tile.imbalanceBefore, 9.486671f, 1e-4f);
    EXPECT_NEAR(tile.imbalanceAfter, 1.579366f, robust ? 1e-3f : 1e-5f);
    EXPECT_EQ(tile.bestStep, 10);
    for (int j = 0; j < 8; ++j)
      EXPECT_NEAR(tile.columnScale[j], columns[j], bound * columns[j]);
    for (int i = 0; i < 6; ++i)
      EXPECT_NEAR(tile.rowScale[i], rows[i], bound * rows[i]);
  }
}

TEST(Sinkhorn, GoldenCodes) {
  const uint8_t codes[6][8] = {
      {12, 5, 3, 15, 3, 6, 10, 0}, {0, 12, 1, 15, 2, 11, 2, 11},
      {12, 4, 0, 15, 3, 2, 10, 1}, {3, 0, 5, 15, 9, 3, 2, 6},
      {0, 4, 7, 15, 9, 10, 7, 6},  {11, 13, 12, 15, 8, 5, 3, 0}};
  const float scales[] = {.007268f, .011747f, .012714f,
                          .018303f, .012694f, .021631f};
  const float zeros[] = {6, 6, 5, 6, 1, 6};
  TestMatrix golden = makeGolden();
  // The group is wider than the row, so that it is the row.
  for (StringRef robust : {"true", "false"}) {
    QuantizedMatrix matrix =
        run("sinq", "u4g16.f32", golden.view(), {{"robust", robust}});
    ASSERT_EQ(matrix.codes.size(), size_t(48));
    EXPECT_NEAR(matrix.columnScale[5], 5.294070f, 5e-3f);
    for (int i = 0; i < 6; ++i) {
      double scale = matrix.getChainValue(0, i, 0);
      EXPECT_NEAR(scale, scales[i], 1e-5);
      EXPECT_NEAR(-matrix.getChainValue(1, i, 0) / scale, zeros[i], 1e-4);
      for (int j = 0; j < 8; ++j)
        EXPECT_EQ(matrix.codes[i * 8 + j], codes[i][j]) << i << "," << j;
    }
  }
}

/// Whatever the unit of the numbers is, the scales are the same.
TEST(Sinkhorn, SmallNumbersAreEvenedOut) {
  TestMatrix matrix = makeMatrix(64, 32, 3, 0.7f);
  SinkhornTile whole = normalizeWhole(matrix, true);
  ASSERT_GT(whole.imbalanceBefore, 3 * whole.imbalanceAfter);
  for (float factor : {0x1p-14f, 0x1p-100f, 0x1p-126f, 0x1p100f}) {
    TestMatrix scaled = matrix;
    for (float &value : scaled.values)
      value *= factor;
    SinkhornTile tile = normalizeWhole(scaled, true);
    for (int64_t k = 0; k < 32; ++k)
      EXPECT_NEAR(tile.columnScale[k] / whole.columnScale[k], 1,
                  factor == 0x1p-126f ? 1e-2 : 1e-5);
  }
  TestMatrix scaled = matrix;
  for (float &value : scaled.values)
    value *= 0x1p-14f;
  // As published, deviations below 1e-3 all count as 1e-3.
  EXPECT_GT(normalizeWhole(scaled, false).imbalanceAfter,
            2 * whole.imbalanceAfter);
}

static float spread(const std::vector<float> &scale) {
  return *std::max_element(scale.begin(), scale.end()) /
         *std::min_element(scale.begin(), scale.end());
}

TEST(Sinkhorn, DeadRowsAndColumnsDoNotSetTheTarget) {
  TestMatrix matrix = makeMatrix(64, 32, 5, 0.7f);
  SinkhornTile whole = normalizeWhole(matrix, true);
  TestMatrix dead = matrix;
  for (int64_t k = 0; k < 32; ++k)
    dead.at(7, k) = 0;
  SinkhornTile published = normalizeWhole(dead, false);
  EXPECT_GT(published.imbalanceBefore, 1e6f);
  SinkhornTile tile = normalizeWhole(dead, true);
  EXPECT_LT(tile.imbalanceBefore, 100);
  EXPECT_EQ(tile.rowScale[7], 1);
  EXPECT_NEAR(spread(tile.columnScale), spread(whole.columnScale),
              0.2f * spread(whole.columnScale));
  // A constant column, too; its scale stays.
  for (int64_t row = 0; row < 64; ++row)
    dead.at(row, 4) = 0;
  tile = normalizeWhole(dead, true);
  EXPECT_LT(tile.imbalanceBefore, 100);
  EXPECT_EQ(tile.columnScale[4], 1);
}

TEST(Sinkhorn, FewRowsOrColumnsHaveNothingToEvenOut) {
  for (auto [rows, columns] :
       {std::pair<int64_t, int64_t>{1, 32}, {3, 32}, {32, 1}, {1, 1}}) {
    TestMatrix matrix = makeMatrix(rows, columns);
    SinkhornTile tile = normalizeWhole(matrix, true);
    for (float scale : tile.columnScale)
      EXPECT_EQ(scale, 1);
  }
}

TEST(Sinkhorn, StackedMatricesHaveOneScale) {
  TestMatrix whole = makeMatrix(50, 70), first(20, 70), second(30, 70);
  std::copy_n(whole.values.begin(), 1400, first.values.begin());
  std::copy_n(whole.values.begin() + 1400, 2100, second.values.begin());
  SinkhornOptions options;
  options.tileColumns = 32;
  auto together = computeColumnScale(whole.view(), options);
  auto stacked = computeColumnScale({first.view(), second.view()}, options);
  ASSERT_TRUE(together && stacked);
  EXPECT_EQ(*together, *stacked);
  // Nor does it matter how they lie in memory.
  TestMatrix columns(70, 30);
  for (int64_t row = 0; row < 30; ++row)
    for (int64_t k = 0; k < 70; ++k)
      columns.at(k, row) = second.at(row, k);
  MatrixView transposed{"w", columns.values.data(), RealType::F32, 30, 70, 30,
                        true};
  auto mixed = computeColumnScale({first.view(), transposed}, options);
  ASSERT_TRUE(static_cast<bool>(mixed));
  EXPECT_EQ(*together, *mixed);
  columns.at(69, 11) = INFINITY;
  auto infinite = computeColumnScale({first.view(), transposed}, options);
  ASSERT_FALSE(static_cast<bool>(infinite));
  EXPECT_NE(toString(infinite.takeError()).find("in row 11, column 69"),
            std::string::npos);
  TestMatrix other(3, 71);
  auto wrong = computeColumnScale({first.view(), other.view()}, options);
  ASSERT_FALSE(static_cast<bool>(wrong));
  EXPECT_NE(toString(wrong.takeError()).find("expected 70 columns"),
            std::string::npos);
}
