//===- SamplerTest.cpp - Which token comes next ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Sampler.h"
#include <cmath>
#include <gtest/gtest.h>
#include <map>
#include <string>

using namespace llmc;

/// How often each id is chosen in `draws` draws.
static std::map<int64_t, int> histogram(const SamplingOptions &options,
                                        llvm::ArrayRef<float> logits,
                                        int draws) {
  Sampler sampler(options);
  std::map<int64_t, int> counts;
  for (int i = 0; i != draws; ++i) {
    int64_t id = -1;
    EXPECT_FALSE(sampler.pick(logits, id));
    ++counts[id];
  }
  return counts;
}

TEST(Sampler, TakesTheFirstMaximumWhenGreedy) {
  Sampler sampler({});
  int64_t id;
  float logits[] = {1, 5, 5, -2};
  ASSERT_FALSE(sampler.pick(logits, id));
  EXPECT_EQ(id, 1);
  float withNan[] = {NAN, -3, NAN, -1};
  ASSERT_FALSE(sampler.pick(withNan, id));
  EXPECT_EQ(id, 3);
}

TEST(Sampler, RefusesLogitsThatAreNoNumbers) {
  Sampler sampler({});
  int64_t id;
  float nan[] = {NAN, NAN}, infinite[] = {0, INFINITY},
        masked[] = {-INFINITY, -INFINITY};
  EXPECT_TRUE(sampler.pick(nan, id));
  EXPECT_TRUE(sampler.pick(infinite, id));
  EXPECT_TRUE(sampler.pick(masked, id));
}

TEST(Sampler, FollowsTheDistribution) {
  float logits[] = {std::log(.1f), std::log(.2f), -INFINITY, std::log(.7f)};
  SamplingOptions options;
  options.temperature = 1;
  auto counts = histogram(options, logits, 100000);
  EXPECT_NEAR(counts[0], 10000, 500);
  EXPECT_NEAR(counts[1], 20000, 600);
  EXPECT_EQ(counts.count(2), 0u);
  EXPECT_NEAR(counts[3], 70000, 800);
  // Half the temperature squares the probabilities: .01 .04 .49 of .54.
  options.temperature = .5;
  counts = histogram(options, logits, 100000);
  EXPECT_NEAR(counts[0], 100000 * .01 / .54, 300);
  EXPECT_NEAR(counts[3], 100000 * .49 / .54, 600);
}

TEST(Sampler, AppliesTheFilters) {
  float logits[] = {std::log(.1f), std::log(.25f), std::log(.05f),
                    std::log(.6f)};
  SamplingOptions options;
  options.temperature = 1;
  options.topK = 2;
  auto counts = histogram(options, logits, 10000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_NEAR(counts[1], 10000 * .25 / .85, 250);
  options.topK = 0;
  options.topP = .84;
  counts = histogram(options, logits, 10000);
  EXPECT_EQ(counts.size(), 2u);
  options.topP = .86;
  EXPECT_EQ(histogram(options, logits, 10000).size(), 3u);
  options.topP = 1e-9;
  counts = histogram(options, logits, 100);
  EXPECT_EQ(counts[3], 100);
  options.topP = 1;
  options.minP = .4;
  counts = histogram(options, logits, 10000);
  EXPECT_EQ(counts.size(), 2u);
  options.minP = 1;
  counts = histogram(options, logits, 100);
  EXPECT_EQ(counts[3], 100);
  // Ties go to the smaller ids.
  float equal[100] = {};
  options.minP = 0;
  options.topK = 3;
  counts = histogram(options, equal, 3000);
  EXPECT_EQ(counts.size(), 3u);
  EXPECT_EQ(counts.begin()->first, 0);
  EXPECT_EQ(counts.rbegin()->first, 2);
}

TEST(Sampler, SortsAsFarAsTopPNeeds) {
  // A flat distribution over many: 0.9 of 1000 equal logits are 900.
  std::vector<float> flat(1000, 1);
  SamplingOptions options;
  options.temperature = 1;
  options.topP = .9;
  auto counts = histogram(options, flat, 50000);
  EXPECT_EQ(counts.size(), 900u);
  EXPECT_EQ(counts.rbegin()->first, 899);
}

TEST(Sampler, RepeatsWithTheSameSeed) {
  std::vector<float> logits(500);
  for (size_t i = 0; i != logits.size(); ++i)
    logits[i] = std::sin(double(i));
  SamplingOptions options;
  options.temperature = 1;
  options.topK = 50;
  options.topP = .95;
  options.seed = 7;
  auto run = [&] {
    Sampler sampler(options);
    std::vector<int64_t> ids(64);
    for (int64_t &id : ids)
      EXPECT_FALSE(sampler.pick(logits, id));
    return ids;
  };
  std::vector<int64_t> first = run();
  EXPECT_EQ(run(), first);
  options.seed = 8;
  EXPECT_NE(run(), first);
}

TEST(Sampler, RefusesOptionsOutOfRange) {
  auto bad = [](double temperature, int64_t topK, double topP, double minP) {
    SamplingOptions options;
    options.temperature = temperature;
    options.topK = topK;
    options.topP = topP;
    options.minP = minP;
    return checkSampling(options).text;
  };
  EXPECT_EQ(bad(1, 0, 1, 0), "");
  EXPECT_NE(bad(-1, 0, 1, 0), "");
  EXPECT_NE(bad(NAN, 0, 1, 0), "");
  EXPECT_NE(bad(1, -1, 1, 0), "");
  EXPECT_NE(bad(1, 0, 0, 0), "");
  EXPECT_NE(bad(1, 0, 1.5, 0), "");
  EXPECT_NE(bad(1, 0, NAN, 0), "");
  EXPECT_NE(bad(1, 0, 1, 2), "");
}
