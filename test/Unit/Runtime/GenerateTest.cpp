//===- GenerateTest.cpp - The loop around a language model ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// With the toy language model, whose next token is (3 * sum + 1) mod 32.
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Generate.h"
#include "ToyBundle.h"
#include <gtest/gtest.h>

using namespace llmc;

namespace {
class Generate : public testing::Test {
protected:
  void SetUp() override {
    model = llmc_model_open(bundle.folder.c_str(), nullptr, nullptr);
    ASSERT_NE(model, nullptr);
    Fault fault = Generator::create(model, 0, 0, generator);
    ASSERT_FALSE(fault) << fault.text;
  }
  void TearDown() override {
    generator.reset();
    llmc_model_free(model);
  }
  std::string prompt(std::vector<int64_t> ids) {
    bool complete;
    return generator
        ->setText(
            ids, [] { return true; }, complete)
        .text;
  }
  std::vector<int64_t> go(int64_t count) {
    Sampler sampler({});
    std::vector<int64_t> ids;
    auto emit = [&](int64_t id) {
      ids.push_back(id);
      return static_cast<int64_t>(ids.size()) != stopAfter;
    };
    Fault fault = generator->generate(count, sampler, emit, reason);
    EXPECT_FALSE(fault) << fault.text;
    return ids;
  }
  /// What the toy model says after `ids`.
  static std::vector<int64_t> expected(std::vector<int64_t> ids, int count) {
    std::vector<int64_t> out;
    while (count--) {
      int64_t sum = 0;
      for (int64_t id : ids)
        sum += id;
      out.push_back((3 * sum + 1) % 32);
      ids.push_back(out.back());
    }
    return out;
  }

  ToyBundle bundle;
  llmc_model *model = nullptr;
  std::unique_ptr<Generator> generator;
  StopReason reason = StopReason::MaxTokens;
  int64_t stopAfter = -1;
};
} // namespace

TEST_F(Generate, ContinuesAPrompt) {
  // Seven tokens are two pieces of at most four.
  std::vector<int64_t> ids = {1, 5, 9, 3, 8, 30, 31};
  ASSERT_EQ(prompt(ids), "");
  EXPECT_EQ(go(5), expected(ids, 5));
  EXPECT_EQ(reason, StopReason::MaxTokens);
  EXPECT_EQ(generator->text().size(), 12u);
}

TEST_F(Generate, StopsAtEachReason) {
  // The sum 11 gives 34 mod 32 = 2, the end token.
  ASSERT_EQ(prompt({11}), "");
  EXPECT_EQ(go(100), std::vector<int64_t>{2});
  EXPECT_EQ(reason, StopReason::EndToken);
  ASSERT_EQ(prompt(std::vector<int64_t>(16, 0)), "");
  EXPECT_EQ(go(100), std::vector<int64_t>{1});
  EXPECT_EQ(reason, StopReason::ContextFull);
  ASSERT_EQ(prompt({1}), "");
  stopAfter = 3;
  EXPECT_EQ(go(100).size(), 3u);
  EXPECT_EQ(reason, StopReason::Interrupted);
}

TEST_F(Generate, KeepsTheCommonBeginning) {
  ASSERT_EQ(prompt({1, 2, 3, 4, 5, 6}), "");
  // The same again, a shorter one, another ending, and one that goes on after
  // a generation.
  for (std::vector<int64_t> ids :
       {std::vector<int64_t>{1, 2, 3, 4, 5, 6}, {1, 2, 3}, {1, 2, 7, 7}, {9}}) {
    ASSERT_EQ(prompt(ids), "");
    EXPECT_EQ(go(3), expected(ids, 3));
    std::vector<int64_t> more(generator->text());
    more.push_back(20);
    ASSERT_EQ(prompt(more), "");
    EXPECT_EQ(go(2), expected(more, 2));
  }
}

TEST_F(Generate, RefusesBadPrompts) {
  EXPECT_EQ(prompt({}), "the prompt has no tokens");
  EXPECT_EQ(prompt(std::vector<int64_t>(17, 1)),
            "the prompt has 17 tokens but the context holds 16");
  EXPECT_EQ(prompt({1, 32}), "token id 32 (number 2 of the prompt) is not in "
                             "the vocabulary of 32 ids");
  EXPECT_NE(prompt({-1}), "");
}

TEST_F(Generate, CanBeInterruptedWhileReading) {
  bool complete = true;
  int pieces = 0;
  std::vector<int64_t> ids = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_FALSE(generator->setText(
      ids, [&] { return ++pieces < 3; }, complete));
  EXPECT_FALSE(complete);
  // Nothing is lost: the rest is read the next time.
  ASSERT_EQ(prompt(ids), "");
  EXPECT_EQ(go(2), expected(ids, 2));
}

TEST_F(Generate, RefusesWhatIsNoLanguageModel) {
  ToyBundle other;
  size_t at = other.manifest.find("\"language_model\"");
  size_t end = other.manifest.find("\"recipe\"");
  other.manifest.erase(at, end - at);
  other.write();
  llmc_model *plain = llmc_model_open(other.folder.c_str(), nullptr, nullptr);
  ASSERT_NE(plain, nullptr);
  std::unique_ptr<Generator> none;
  EXPECT_NE(Generator::create(plain, 0, 0, none).text.find("not a language"),
            std::string::npos);
  llmc_model_free(plain);
}
