//===- TableSearchTest.cpp - Many scales on the levels of a table ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TableSearch.h"
#include "MethodsTestUtils.h"

using namespace llvm;
using namespace llmc;
using namespace llmc::test;

namespace {

/// A format of levels, as methods see one.
struct Table {
  std::vector<int8_t> levels;
  llmc_format format{};

  explicit Table(ArrayRef<int8_t> given) : levels(given) {
    format.size = sizeof(format);
    format.level_count = static_cast<uint32_t>(levels.size());
    format.levels = levels.data();
    format.lowest = *std::min_element(levels.begin(), levels.end());
    format.highest = *std::max_element(levels.begin(), levels.end());
  }
};

/// The level nearest to a number, and how near it is.
std::pair<double, double> findNearest(ArrayRef<int8_t> levels, double x) {
  double best = levels[0];
  for (int8_t level : levels)
    if (std::abs(x - level) < std::abs(x - best))
      best = level;
  return {best, std::abs(x - best)};
}

const int8_t kSl4[] = {-32, -25, -20, -16, -12, -8, -5, -2,
                       0,   3,   6,   9,   13,  17, 22, 29};
const int8_t kNl3[] = {-127, -78, -46, -19, 6, 31, 60, 100};
/// No level is 0, and a border is.
const int8_t kOdd[] = {-7, -5, -3, -1, 1, 3, 5, 7};
const int8_t kTernary[] = {-1, 0, 1, 0};

} // namespace

/// Sums beside those of levels found one by one in double precision.
TEST(TableSearch, HasTheSumsOfNearestLevels) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (ArrayRef<int8_t> levels :
       {ArrayRef(kSl4), ArrayRef(kNl3), ArrayRef(kOdd), ArrayRef(kTernary)}) {
    Table table(levels);
    LevelGrid grid(table.format);
    float narrowest = levels.size() == 16 ? 0.7f : 0.5f;
    TableSearch search(grid, narrowest);
    ASSERT_TRUE(search.isUsable());
    for (size_t count : {16, 32, 96})
      for (float sign : {1.0f, -1.0f}) {
        std::vector<float> values(count), importance(count);
        float largest = 0;
        for (size_t k = 0; k < count; ++k) {
          values[k] = k % 7 == 3 ? 0.0f : normal(random);
          importance[k] = std::exp(normal(random));
          largest = std::max(largest, std::abs(values[k]));
        }
        // As padding has it.
        importance.back() = 0;
        std::vector<float> inverses;
        for (int i = 0; i < 20; ++i)
          inverses.push_back(
              sign * grid.getHighest() /
              (largest * (1 - (1 - narrowest) * static_cast<float>(i) / 19)));
        std::vector<float> squares(20), products(20);
        search.addUp(values, importance, inverses, squares.data(),
                     products.data());
        for (int i = 0; i < 20; ++i) {
          double ll = 0, xl = 0, sizes = 0;
          for (size_t k = 0; k < count; ++k) {
            double scaled = static_cast<double>(values[k]) * inverses[i];
            // Half-way between two levels 0 has the lower one.
            auto [level, distance] =
                findNearest(levels, values[k] == 0 ? -1e-9 : scaled);
            // Other numbers are not half-way, where rounding decides.
            for (int8_t other : levels)
              ASSERT_TRUE(values[k] == 0 || other == level ||
                          std::abs(scaled - other) - distance > 1e-5)
                  << "a tie; take another seed";
            ll += importance[k] * level * level;
            xl += importance[k] * level * values[k];
            sizes += std::abs(importance[k] * level * values[k]);
          }
          EXPECT_NEAR(squares[i], ll, 1e-5 * ll);
          EXPECT_NEAR(products[i], xl, 1e-5 * sizes);
        }
      }
  }
}

/// Levels so dense that a number passes more borders than are looked at.
TEST(TableSearch, KnowsItsLimits) {
  std::vector<int8_t> dense;
  for (int level = -16; level < 16; ++level)
    dense.push_back(static_cast<int8_t>(level));
  Table table(dense);
  LevelGrid grid(table.format);
  EXPECT_FALSE(TableSearch(grid, 0.7f).isUsable());
  EXPECT_TRUE(TableSearch(grid, 0.97f).isUsable());
  table.format.even = 1;
  EXPECT_FALSE(TableSearch(LevelGrid(table.format), 0.7f).isUsable());
}

/// A search of the scale by hand, in double precision: that of the method is as
/// good but for what the stored scale rounds.
TEST(TableSearch, FindsScalesAsGoodAsThoseOfAPlainSearch) {
  TestMatrix matrix = makeMatrix(40, 256, 9);
  for (StringRef name : {"sl4g32.f32", "nl4g32.f32", "nl3g32.f32"}) {
    QuantizedMatrix result = run("mse", name, matrix.view());
    const Levels &stored = result.format.terms[0].levels;
    std::vector<int8_t> levels;
    for (unsigned code = 0; code < result.format.getCodeCount(); ++code)
      levels.push_back(static_cast<int8_t>(stored.get(code)));
    double narrowest = levels.size() == 16 ? 0.7 : 0.5;
    double plain = 0;
    for (int64_t row = 0; row < matrix.rows; ++row)
      for (int64_t begin = 0; begin < matrix.columns; begin += 32) {
        ArrayRef<float> group(&matrix.at(row, begin), 32);
        double low = *std::min_element(group.begin(), group.end()),
               high = *std::max_element(group.begin(), group.end());
        double lowest = result.format.getLowestLevel(),
               highest = result.format.getHighestLevel(), least = INFINITY;
        for (double sign : {1.0, -1.0}) {
          double wide = std::max({sign * high / highest, sign * low / highest,
                                  sign * high / lowest, sign * low / lowest});
          for (int i = 0; i < 20; ++i) {
            double scale = sign * wide * (1 - (1 - narrowest) * i / 19);
            double ll = 0, xl = 0, xx = 0;
            for (double x : group) {
              double level = findNearest(levels, x / scale).first;
              ll += level * level, xl += level * x, xx += x * x;
            }
            least = std::min(least, xx - xl * xl / ll);
          }
        }
        plain += least;
      }
    double found = measureError(matrix.view(), result).squaredError;
    // Codes are rounded anew, and there are refinements: never worse.
    EXPECT_LE(found, plain * (1 + 1e-5)) << name.str();
    EXPECT_GE(found, plain * 0.9) << name.str();
  }
}
