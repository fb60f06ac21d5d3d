//===- TextAssetsTest.cpp - Reading and copying a folder's text files -----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TextTestUtils.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace llmc;
using llvm::StringRef;

namespace {
/// A folder of its own for every test.
class Assets : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("llmc-text", folder));
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }

  void write(StringRef name, StringRef text) {
    std::error_code error;
    llvm::raw_fd_ostream((folder + "/" + name).str(), error) << text;
    ASSERT_FALSE(error);
  }

  TextAssets read() { return require(readTextAssets(folder)); }
  std::string readError() { return errorOf(readTextAssets(folder)); }

  llvm::SmallString<128> folder;
};
} // namespace

TEST_F(Assets, MayBeMissing) {
  TextAssets assets = read();
  EXPECT_EQ(assets.tokenizer, "");
  EXPECT_EQ(assets.chatTemplate, "");
  EXPECT_EQ(assets.bosId, std::nullopt);
  EXPECT_TRUE(assets.eosIds.empty());
  EXPECT_TRUE(require(copyTextAssets(folder, folder)).empty());
}

TEST_F(Assets, ReadsAFolder) {
  write("tokenizer.json", readInput("byte_level.json"));
  write("tokenizer_config.json",
        R"({"bos_token": "<|bos|>", "pad_token": null,
            "eos_token": {"content": "<|eos|>", "special": true},
            "chat_template": "{{ messages }}"})");
  write("generation_config.json",
        R"({"bos_token_id": 0, "eos_token_id": [1, 7]})");
  TextAssets assets = read();
  EXPECT_EQ(require(Tokenizer::open(assets.tokenizer)).vocabularySize(), 384u);
  EXPECT_EQ(assets.specialToken("bos_token"), "<|bos|>");
  EXPECT_EQ(assets.specialToken("eos_token"), "<|eos|>");
  EXPECT_EQ(assets.specialToken("pad_token"), "");
  EXPECT_EQ(assets.chatTemplate, "{{ messages }}");
  EXPECT_EQ(assets.templateFor(true), "{{ messages }}");
  EXPECT_EQ(assets.bosId, 0u);
  EXPECT_EQ(assets.eosIds, (std::vector<uint32_t>{1, 7}));
}

TEST_F(Assets, PrefersTheGenerationConfigThenTheModelConfig) {
  write("config.json", R"({"bos_token_id": 5, "eos_token_id": 6})");
  TextAssets assets = read();
  EXPECT_EQ(assets.bosId, 5u);
  EXPECT_EQ(assets.eosIds, std::vector<uint32_t>{6});
  write("generation_config.json", R"({"eos_token_id": 7})");
  assets = read();
  EXPECT_EQ(assets.bosId, 5u);
  EXPECT_EQ(assets.eosIds, std::vector<uint32_t>{7});
}

TEST_F(Assets, FindsIdsByTheTokensAtLast) {
  write("tokenizer.json", readInput("byte_level.json"));
  write("special_tokens_map.json",
        R"({"bos_token": "<|bos|>", "eos_token": {"content": "<|eos|>"}})");
  TextAssets assets = read();
  EXPECT_EQ(assets.bosId, 0u);
  EXPECT_EQ(assets.eosIds, std::vector<uint32_t>{1});
}

TEST_F(Assets, ReadsListsOfTemplates) {
  write("tokenizer_config.json",
        R"({"chat_template": [{"name": "default", "template": "a"},
                              {"name": "rag", "template": "b"},
                              {"name": "tool_use", "template": "c"}]})");
  TextAssets assets = read();
  EXPECT_EQ(assets.templateFor(false), "a");
  EXPECT_EQ(assets.templateFor(true), "c");
  write("chat_template.jinja", "d");
  assets = read();
  EXPECT_EQ(assets.templateFor(false), "d");
}

TEST_F(Assets, CopiesWhatItReads) {
  write("tokenizer.json", readInput("unigram.json"));
  write("chat_template.jinja", "x\r\n");
  write("config.json", "{}");
  write("other.txt", "");
  llvm::SmallString<128> to(folder);
  to += "/to";
  ASSERT_FALSE(llvm::sys::fs::create_directory(to));
  EXPECT_EQ(
      require(copyTextAssets(folder, to)),
      (std::vector<std::string>{"tokenizer.json", "chat_template.jinja"}));
  TextAssets copy = require(readTextAssets(to));
  EXPECT_EQ(copy.tokenizer, readInput("unigram.json"));
  EXPECT_EQ(copy.chatTemplate, "x\r\n");
  EXPECT_FALSE(llvm::sys::fs::exists(to + "/config.json"));
  EXPECT_TRUE(
      contains(errorOf(copyTextAssets(folder, (folder + "/none").str())),
               "No such file"));
}

TEST_F(Assets, RefusesMalformedFiles) {
  struct Case {
    StringRef file, text, error;
  };
  std::string deep(1000000, '[');
  for (Case c : {
           Case{"tokenizer.json", "", "expected a tokenizer but got an empty"},
           Case{"config.json", "{\"a\":", "Unexpected EOF"},
           Case{"config.json", "[]", "expected a JSON object"},
           Case{"config.json", deep,
                "expected at most 64 levels of nesting but got 1000000"},
           Case{"config.json", "{\"eos_token_id\": -1}", "to be a token id"},
           Case{"config.json", "{\"eos_token_id\": 4294967296}",
                "to be a token id"},
           Case{"config.json", "{\"eos_token_id\": 1e300}", "to be a token id"},
           Case{"config.json", "{\"bos_token_id\": \"1\"}", "to be a token id"},
           Case{"config.json", "{\"eos_token_id\": [[1]]}", "to be a token id"},
           Case{"config.json", "\xff\xff", "nvalid"},
           Case{"tokenizer_config.json", "{\"bos_token\": 5}",
                "expected \"bos_token\" to be a text"},
           Case{"tokenizer_config.json", "{\"chat_template\": 5}",
                "to be a text or a list"},
           Case{"tokenizer_config.json", "{\"chat_template\": [5]}",
                "expected every item of \"chat_template\""},
       }) {
    write(c.file, c.text);
    std::string error = readError();
    EXPECT_TRUE(StringRef(error).starts_with((c.file + ": ").str())) << error;
    EXPECT_TRUE(contains(error, c.error)) << error;
    llvm::sys::fs::remove(folder + "/" + c.file);
  }
}

TEST_F(Assets, RefusesLargeAndOddFiles) {
  write("chat_template.jinja", std::string(maxTemplateBytes + 1, ' '));
  EXPECT_EQ(readError(), "chat_template.jinja: expected at most 1048576 bytes "
                         "but got 1048577");
  llvm::sys::fs::remove(folder + "/chat_template.jinja");
  ASSERT_FALSE(llvm::sys::fs::create_directory(folder + "/tokenizer.json"));
  EXPECT_EQ(readError(), "tokenizer.json: expected a regular file");
}
