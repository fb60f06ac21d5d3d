//===- StatisticsTest.cpp - Scores of tokens, and what they say -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The numbers were computed by NumPy: golden.py prints them.
//
//===----------------------------------------------------------------------===//
#include "llmc/Eval/Statistics.h"
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

using namespace llmc;

static constexpr int kWidth = 23, kTokens = 700;

/// Logits that are multiples of 1/16, so exact.
static std::vector<float> logits(int row, int salt) {
  std::vector<float> values(kWidth);
  for (int i = 0; i != kWidth; ++i)
    values[i] =
        static_cast<float>((i * 37 + row * 11 + salt * i * i) % 101) / 16;
  return values;
}

static TokenScore scoreOf(int row) {
  TokenScore score;
  Fault fault = scoreRows(logits(row, 5 + row % 3), logits(row, 5),
                          row * 7 % kWidth, score);
  EXPECT_FALSE(fault) << fault.text;
  return score;
}

static std::vector<TokenScore> scoresOf(int count) {
  std::vector<TokenScore> scores;
  for (int row = 0; row != count; ++row)
    scores.push_back(scoreOf(row));
  return scores;
}

static void expectNear(const Estimate &got, double value, double low,
                       double high) {
  double tolerance = 1e-12 * std::abs(value);
  EXPECT_NEAR(got.value, value, tolerance);
  EXPECT_NEAR(got.low, low, 10 * tolerance);
  EXPECT_NEAR(got.high, high, 10 * tolerance);
}

TEST(Statistics, ScoresARow) {
  TokenScore score = scoreOf(4);
  EXPECT_NEAR(score.loss, 2.64235665674549, 1e-13);
  EXPECT_NEAR(score.referenceLoss, 4.78244472007452, 1e-13);
  EXPECT_NEAR(score.divergence, 2.14316823145747, 1e-13);
  EXPECT_EQ(score.margin, 0.0625f);
  EXPECT_FALSE(score.agree);

  TokenScore alone;
  ASSERT_FALSE(scoreRow(logits(4, 6), 4 * 7 % kWidth, alone));
  EXPECT_EQ(alone.loss, score.loss);
}

TEST(Statistics, AModelIsNotFarFromItself) {
  TokenScore score;
  ASSERT_FALSE(scoreRows(logits(3, 1), logits(3, 1), 2, score));
  EXPECT_EQ(score.divergence, 0.0);
  EXPECT_EQ(score.loss, score.referenceLoss);
  EXPECT_TRUE(score.agree);
  // Logits may all be shifted by the same amount.
  std::vector<float> shifted = logits(3, 1);
  for (float &value : shifted)
    value += 32;
  ASSERT_FALSE(scoreRows(shifted, logits(3, 1), 2, score));
  EXPECT_LT(score.divergence, 1e-15);
  EXPECT_NEAR(score.loss, score.referenceLoss, 1e-13);
}

TEST(Statistics, LargeLogitsDoNotOverflow) {
  TokenScore score;
  float large[] = {3e38f, -3e38f, 0}, small[] = {0, 0, -3e38f};
  ASSERT_FALSE(scoreRow(large, 0, score));
  EXPECT_EQ(score.loss, 0.0);
  ASSERT_FALSE(scoreRows(small, large, 1, score));
  EXPECT_NEAR(score.loss, std::log(2.0), 1e-15);
  EXPECT_NEAR(score.divergence, std::log(2.0), 1e-15);
  // Of equal logits the first is the best.
  EXPECT_TRUE(score.agree);
}

TEST(Statistics, AnyWidthIsSummedWhole) {
  for (int width = 1; width != 70; ++width) {
    std::vector<float> a(width), b(width);
    for (int i = 0; i != width; ++i) {
      a[i] = static_cast<float>(std::sin(1.0 + i * width) * 30);
      b[i] = static_cast<float>(std::cos(2.0 + i * width) * 400);
    }
    double sumA = 0, sumB = 0, divergence = 0;
    for (int i = 0; i != width; ++i) {
      sumA += std::exp(static_cast<double>(a[i]));
      sumB += std::exp(static_cast<double>(b[i]));
    }
    for (int i = 0; i != width; ++i)
      divergence += std::exp(b[i] - std::log(sumB)) *
                    (b[i] - std::log(sumB) - a[i] + std::log(sumA));
    TokenScore score;
    for (int target : {0, width / 2, width - 1}) {
      ASSERT_FALSE(scoreRows(a, b, target, score));
      EXPECT_NEAR(score.loss, std::log(sumA) - a[target], 1e-12);
      EXPECT_NEAR(score.referenceLoss, std::log(sumB) - b[target], 1e-12);
      EXPECT_NEAR(score.divergence, divergence, 1e-12 * divergence + 1e-12);
      std::vector<float> sorted = b;
      std::sort(sorted.rbegin(), sorted.rend());
      EXPECT_EQ(score.margin, width > 1 ? sorted[0] - sorted[1] : INFINITY);
    }
  }
}

TEST(Statistics, RefusesLogitsThatAreNoNumbers) {
  TokenScore score;
  float good[] = {1, 2, 3};
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    float row[] = {1, bad, 3};
    EXPECT_TRUE(scoreRow(row, 0, score));
    EXPECT_TRUE(scoreRows(row, good, 0, score));
    EXPECT_TRUE(scoreRows(good, row, 0, score));
  }
  EXPECT_FALSE(scoreRows(good, good, 0, score));
}

TEST(Statistics, SumsUpAsNumPyDoes) {
  BootstrapOptions options;
  options.seed = 5;
  Summary s = summarize(scoresOf(kTokens), true, options);
  EXPECT_EQ(s.tokens, kTokens);
  EXPECT_EQ(s.blocks, 11);
  ASSERT_TRUE(s.hasIntervals);
  expectNear(s.perplexity, 104.765076257229, 88.4429053219527,
             123.189879906735);
  expectNear(s.referencePerplexity, 111.323373933623, 103.210488330948,
             119.894070030809);
  expectNear(s.excess, -0.0589121353823154, -0.217763818991764,
             0.128936782842998);
  expectNear(s.meanDivergence, 1.30318514863218, 1.26861176773667,
             1.34023375739995);
  expectNear(s.tailDivergence, 3.65724571466463, 3.59402825132205,
             3.65724571466463);
  expectNear(s.agreement, 0.382857142857143, 0.373528658085764,
             0.390645089285714);
  EXPECT_NEAR(s.medianDivergence, 1.71495848267533, 1e-13);
  EXPECT_NEAR(s.largestDivergence, 3.65724571466463, 1e-13);
  EXPECT_EQ(s.flips, 432);
  EXPECT_EQ(s.nearTieFlips, 270);
  EXPECT_EQ(s.nearTies, 416);
}

TEST(Statistics, PerplexityAloneIsTheSame) {
  std::vector<TokenScore> scores = scoresOf(kTokens);
  Summary both = summarize(scores, true, {}),
          alone = summarize(scores, false, {});
  EXPECT_EQ(alone.perplexity.value, both.perplexity.value);
  EXPECT_EQ(alone.perplexity.low, both.perplexity.low);
  EXPECT_EQ(alone.perplexity.high, both.perplexity.high);
  EXPECT_EQ(alone.flips, 0);
}

TEST(Statistics, TheSeedDecides) {
  std::vector<TokenScore> scores = scoresOf(kTokens);
  Summary one = summarize(scores, true, {}), two = summarize(scores, true, {});
  EXPECT_EQ(one.excess.low, two.excess.low);
  Summary other = summarize(scores, true, {1, 1000});
  EXPECT_EQ(one.excess.value, other.excess.value);
  EXPECT_NE(one.excess.low, other.excess.low);
}

TEST(Statistics, FewTokensHaveNoInterval) {
  Summary s = summarize(scoresOf(9 * kBlockTokens), true, {});
  EXPECT_FALSE(s.hasIntervals);
  EXPECT_EQ(s.blocks, 9);
  EXPECT_TRUE(summarize(scoresOf(9 * kBlockTokens + 1), true, {}).hasIntervals);
  Summary one = summarize(scoresOf(1), true, {});
  EXPECT_EQ(one.tailDivergence.value, one.largestDivergence);
}
