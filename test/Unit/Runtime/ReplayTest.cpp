//===- ReplayTest.cpp - Parts, positions and states of replayed steps -----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Replay.h"
#include "ToyBundle.h"
#include "llmc/Runtime/Generate.h"
#include "llmc/Runtime/Stream.h"
#include <gtest/gtest.h>
#include <numeric>
#include <vector>

using namespace llmc;

namespace {

class Replay : public testing::Test {
protected:
  void SetUp() override {
    llmc_model_options options = {sizeof(options), 2, 0};
    model = llmc_model_open(bundle.folder.c_str(), &options, nullptr);
    ASSERT_NE(model, nullptr);
  }
  void TearDown() override { llmc_model_free(model); }

  ToyBundle bundle;
  llmc_model *model = nullptr;
};

TEST_F(Replay, RunsEveryPartOfEveryStepAndKeepsStates) {
  std::unique_ptr<Generator> generator;
  ASSERT_FALSE(Generator::create(model, 0, 0, generator));
  bool complete;
  ASSERT_FALSE(generator->setText(
      {1, 5, 7}, [] { return true; }, complete));
  ASSERT_FALSE(generator->step(4));
  llmc_session *session = generator->handle();
  ASSERT_TRUE(canReplay(session));
  llvm::ArrayRef<float> logits = generator->logits();
  float before[2] = {logits[8], logits[9]};
  EXPECT_GT(replaySteps(session, 3, 5), 0);
  // Two threads, the last of five steps at position 7, and one that is not
  // counted.
  EXPECT_EQ(logits[0], 2070);
  EXPECT_EQ(logits[1], 2071);
  EXPECT_EQ(logits[8], before[0] + 6);
  EXPECT_EQ(logits[9], before[1] + 6);
  EXPECT_EQ(llmc_session_position(session), 4);
  // 3 * (1 + 5 + 7 + 4 + 2) + 1: the text is still known.
  ASSERT_FALSE(generator->step(2));
  logits = generator->logits();
  EXPECT_EQ(logits[(3 * 19 + 1) % 32], 4);
}

TEST_F(Replay, IsRefusedWhereTheCodeHasNone) {
  llmc_session_options options = {sizeof(options), 0, 0};
  llmc_session *session = llmc_session_create(model, "main", &options, nullptr);
  ASSERT_NE(session, nullptr);
  EXPECT_FALSE(canReplay(session));
  EXPECT_EQ(replaySteps(session, 0, 1), 0);
  llmc_session_free(session);
}

TEST(SumOfBytes, ReadsEveryByte) {
  for (size_t size : {0, 1, 511, 512, 513, 1100}) {
    std::vector<char> bytes(size + 1, 1);
    uint64_t words = size / 512 * 64;
    uint64_t expected = words * 0x0101010101010101 + size % 512;
    // From an odd address.
    EXPECT_EQ(sumOfBytes(bytes.data() + 1, size), expected) << size;
  }
}

} // namespace
