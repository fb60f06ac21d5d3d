//===- SessionTest.cpp - Run by name, state, errors -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ToyBundle.h"
#include <cstring>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

using namespace llmc;

namespace {

class Session : public testing::Test {
protected:
  void SetUp() override {
    llmc_model_options options = {sizeof(options), 2, 1};
    model = llmc_model_open(bundle.folder.c_str(), &options, &error);
    ASSERT_NE(model, nullptr) << llmc_error_text(error);
  }
  void TearDown() override {
    if (error)
      llmc_error_free(error);
    llmc_session_free(session);
    llmc_model_free(model);
  }
  void create(const char *entry, int64_t context = 0) {
    llmc_session_options options = {sizeof(options), context, 0};
    session = llmc_session_create(model, entry, &options, &error);
    ASSERT_NE(session, nullptr) << llmc_error_text(error);
  }
  llmc_status set(const char *name, std::vector<float> values) {
    int64_t n = values.size();
    llmc_tensor tensor = {LLMC_F32, 1, &n, values.data()};
    return llmc_session_set_input(session, name, &tensor, &error);
  }
  llmc_status feed(std::vector<int64_t> ids) {
    int64_t n = ids.size();
    llmc_tensor tensor = {LLMC_I64, 1, &n, ids.data()};
    if (llmc_status status =
            llmc_session_set_input(session, "ids", &tensor, &error))
      return status;
    return llmc_session_run(session, &error);
  }
  std::string text() {
    if (!error)
      return "";
    std::string text = llmc_error_text(error);
    llmc_error_free(error);
    error = nullptr;
    return text;
  }
  std::vector<float> get(const char *name) {
    llmc_tensor tensor;
    EXPECT_EQ(llmc_session_output(session, name, &tensor, &error), LLMC_OK);
    size_t count = 1;
    for (size_t i = 0; i != tensor.rank; ++i)
      count *= tensor.extents[i];
    auto *data = static_cast<float *>(tensor.data);
    return {data, data + count};
  }

  ToyBundle bundle;
  llmc_model *model = nullptr;
  llmc_session *session = nullptr;
  llmc_error *error = nullptr;
};

} // namespace

TEST_F(Session, RunsByName) {
  create(nullptr);
  ASSERT_EQ(set("a", {1, 2, 3}), LLMC_OK);
  ASSERT_EQ(set("b", {10, 20, 30}), LLMC_OK);
  ASSERT_EQ(llmc_session_run(session, &error), LLMC_OK);
  EXPECT_EQ(get("sum"), (std::vector<float>{21, 42, 63}));
  // Another extent, then nothing at all.
  ASSERT_EQ(set("a", std::vector<float>(5000, 1)), LLMC_OK);
  ASSERT_EQ(set("b", std::vector<float>(5000, 1)), LLMC_OK);
  ASSERT_EQ(llmc_session_run(session, &error), LLMC_OK);
  EXPECT_EQ(get("sum"), std::vector<float>(5000, 3));
  ASSERT_EQ(set("a", {}), LLMC_OK);
  ASSERT_EQ(set("b", {}), LLMC_OK);
  ASSERT_EQ(llmc_session_run(session, &error), LLMC_OK);
  EXPECT_TRUE(get("sum").empty());
}

TEST_F(Session, DescribesItself) {
  create("lm");
  EXPECT_EQ(llmc_session_input_count(session), 1u);
  const llmc_signature *logits = llmc_session_output_signature(session, 0);
  EXPECT_STREQ(logits->name, "logits");
  EXPECT_EQ(logits->rank, 2u);
  EXPECT_EQ(logits->extents[0], -1);
  EXPECT_EQ(logits->extents[1], 32);
  EXPECT_STREQ(logits->formulas[0], "n_logits");
  EXPECT_EQ(llmc_session_output_signature(session, 1), nullptr);
  EXPECT_STREQ(llmc_model_entry_name(model, 1), "lm");
  EXPECT_EQ(llmc_model_entry_name(model, 2), nullptr);
  EXPECT_EQ(llmc_model_weight_bytes(model), 64u);
  EXPECT_EQ(llmc_session_state_bytes(session), 64u);
}

TEST_F(Session, RefusesWhatDoesNotFit) {
  create("main");
  EXPECT_EQ(llmc_session_run(session, &error), LLMC_BAD_USAGE);
  EXPECT_EQ(text(), "input 'a' is not set");
  EXPECT_EQ(set("c", {1}), LLMC_BAD_USAGE);
  EXPECT_EQ(text(), "entry 'main' has no input 'c'; it has 'a', 'b'");
  int64_t extents[] = {1, 2};
  EXPECT_EQ(llmc_session_input(session, "a", 2, extents, &error), nullptr);
  EXPECT_EQ(text(), "input 'a': expected rank 1 but got shape [1, 2]");
  extents[0] = -1;
  EXPECT_EQ(llmc_session_input(session, "a", 1, extents, &error), nullptr);
  EXPECT_EQ(text(), "input 'a' has the impossible shape [-1]");
  extents[0] = INT64_MAX;
  EXPECT_EQ(llmc_session_input(session, "a", 1, extents, &error), nullptr);
  text();
  int64_t id = 0, one = 1;
  llmc_tensor ids = {LLMC_I64, 1, &one, &id};
  EXPECT_EQ(llmc_session_set_input(session, "a", &ids, &error), LLMC_BAD_INPUT);
  EXPECT_EQ(text(), "input 'a': expected f32 but got i64");
  ASSERT_EQ(set("a", {1, 2}), LLMC_OK);
  ASSERT_EQ(set("b", {1}), LLMC_OK);
  EXPECT_EQ(llmc_session_run(session, &error), LLMC_BAD_INPUT);
  EXPECT_EQ(text(), "input 'b': expected shape [2] but got [1]");
  llmc_tensor out;
  EXPECT_EQ(llmc_session_output(session, "sum", &out, &error), LLMC_BAD_USAGE);
  text();
  EXPECT_EQ(llmc_session_create(model, "mian", nullptr, &error), nullptr);
  EXPECT_EQ(text(), "the model has no entry 'mian'; it has 'main', 'lm'");
}

TEST_F(Session, KeepsState) {
  create("lm");
  ASSERT_EQ(feed({1, 2, 3}), LLMC_OK);
  std::vector<float> whole = get("logits");
  ASSERT_EQ(whole.size(), 3u * 32);
  EXPECT_EQ(llmc_session_position(session), 3);
  EXPECT_EQ(whole[0 * 32 + 4], 4);
  EXPECT_EQ(whole[1 * 32 + 10], 4);
  EXPECT_EQ(whole[2 * 32 + 19], 4);
  // The same in two steps gives the same rows.
  llmc_session_reset(session);
  ASSERT_EQ(llmc_session_set_symbol(session, "n_logits", 0, &error), LLMC_OK);
  ASSERT_EQ(feed({1, 2}), LLMC_OK);
  EXPECT_TRUE(get("logits").empty());
  ASSERT_EQ(llmc_session_set_symbol(session, "n_logits", 1, &error), LLMC_OK);
  ASSERT_EQ(feed({3}), LLMC_OK);
  EXPECT_EQ(get("logits"), std::vector<float>(whole.begin() + 64, whole.end()));
  // Going back replaces what came after.
  ASSERT_EQ(llmc_session_truncate(session, 1, &error), LLMC_OK);
  ASSERT_EQ(feed({2, 3}), LLMC_OK);
  EXPECT_EQ(get("logits")[19], 4);
  EXPECT_EQ(llmc_session_truncate(session, 4, &error), LLMC_BAD_USAGE);
  EXPECT_EQ(text(), "expected a position of 0 to 3 but got 4");
}

TEST_F(Session, StopsAtTheContext) {
  create("lm", 5);
  ASSERT_EQ(feed({1, 1, 1, 1}), LLMC_OK);
  EXPECT_EQ(feed({1, 1}), LLMC_BAD_INPUT);
  EXPECT_EQ(text(), "the context of 5 tokens is full: 4 are in it and 2 more "
                    "were given");
  EXPECT_EQ(llmc_session_position(session), 4);
  ASSERT_EQ(feed({1}), LLMC_OK);
  EXPECT_EQ(feed({1, 1, 1, 1, 1}), LLMC_BAD_INPUT);
  EXPECT_EQ(text(), "expected 'seq' to be 1 to 4 but got 5");
  EXPECT_EQ(llmc_session_set_symbol(session, "past", 1, &error),
            LLMC_BAD_USAGE);
  EXPECT_EQ(text(), "symbol 'past' belongs to the session");
  llmc_session_options options = {sizeof(options), 65, 0};
  EXPECT_EQ(llmc_session_create(model, "lm", &options, &error), nullptr);
  EXPECT_EQ(text(), "the model can hold a context of 1 to 64 tokens but 65 "
                    "were asked for; what it can hold is set when it is "
                    "compiled");
}

TEST_F(Session, RunsInSeveralThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t != 4; ++t)
    threads.emplace_back([&, t] {
      llmc_session *mine = llmc_session_create(model, "main", nullptr, nullptr);
      for (int round = 0; round != 500; ++round) {
        int64_t n = 100 + t;
        for (const char *name : {"a", "b"}) {
          auto *data = static_cast<float *>(
              llmc_session_input(mine, name, 1, &n, nullptr));
          for (int64_t i = 0; i != n; ++i)
            data[i] = t + i;
        }
        ASSERT_EQ(llmc_session_run(mine, nullptr), LLMC_OK);
        llmc_tensor sum;
        ASSERT_EQ(llmc_session_output(mine, "sum", &sum, nullptr), LLMC_OK);
        for (int64_t i = 0; i != n; ++i)
          ASSERT_EQ(static_cast<float *>(sum.data)[i], 3 * (t + i));
      }
      llmc_session_free(mine);
    });
  for (auto &thread : threads)
    thread.join();
}
