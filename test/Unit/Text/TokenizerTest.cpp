//===- TokenizerTest.cpp - Ids as in Python, streaming, hostile files -----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Four small tokenizers, one per kind of decoder, against golden data of
// Python's `tokenizers`. Real vocabularies are compared by exactness.py.
//
//===----------------------------------------------------------------------===//

#include "TextTestUtils.h"

#include <random>

using namespace llmc;
using llvm::ArrayRef;
using llvm::StringRef;
using Ids = std::vector<uint32_t>;

static Ids toIds(const llvm::json::Array &array) {
  Ids ids;
  for (const llvm::json::Value &value : array)
    ids.push_back(*value.getAsInteger());
  return ids;
}

static Tokenizer openInput(const std::string &file) {
  return require(Tokenizer::open(readInput(file)));
}

namespace {
class Golden : public testing::TestWithParam<const char *> {
protected:
  Golden() : tokenizer(openInput(GetParam())) {
    for (const llvm::json::Value &entry : *golden().getArray("tokenizers"))
      if (entry.getAsObject()->getString("file") == GetParam())
        expected = entry.getAsObject();
  }

  Tokenizer tokenizer;
  const llvm::json::Object *expected = nullptr;
};
} // namespace

TEST_P(Golden, EncodesAndDecodesAsPython) {
  const llvm::json::Array &cases = *expected->getArray("cases");
  ASSERT_GE(cases.size(), 70u);
  for (const llvm::json::Value &value : cases) {
    const llvm::json::Object &item = *value.getAsObject();
    StringRef text = *item.getString("text");
    Ids special = toIds(*item.getArray("special"));
    EXPECT_EQ(require(tokenizer.encode(text, false)),
              toIds(*item.getArray("plain")))
        << text.str();
    EXPECT_EQ(require(tokenizer.encode(text, true)), special) << text.str();
    EXPECT_EQ(require(tokenizer.decode(special)),
              item.getString("decoded")->str());
    EXPECT_EQ(require(tokenizer.decode(special, false)),
              item.getString("decoded_with_special")->str());
  }
}

TEST_P(Golden, KnowsItsVocabulary) {
  EXPECT_EQ(int64_t(tokenizer.vocabularySize()),
            *expected->getInteger("vocabulary_size"));
  for (const llvm::json::Value &value : *expected->getArray("tokens")) {
    const llvm::json::Array &pair = *value.getAsArray();
    uint32_t id = *pair[1].getAsInteger();
    std::string token = pair[0].getAsString()->str();
    EXPECT_EQ(tokenizer.tokenToId(token), id);
    EXPECT_EQ(require(tokenizer.idToToken(id)), token);
  }
  EXPECT_EQ(tokenizer.tokenToId("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer.tokenToId("\xff"), std::nullopt);
}

TEST_P(Golden, RefusesIdsWithoutToken) {
  uint32_t end = tokenizer.vocabularySize();
  for (uint32_t id : {end, end + 1000, UINT32_MAX}) {
    std::string error = "expected a token id below " + std::to_string(end) +
                        " but got " + std::to_string(id);
    EXPECT_EQ(errorOf(tokenizer.decode({0, id})), error);
    EXPECT_EQ(errorOf(tokenizer.idToToken(id)), error);
    EXPECT_EQ(errorOf(TokenStream::open(tokenizer, {id})), error);
    TokenStream stream = require(TokenStream::open(tokenizer, {}));
    EXPECT_EQ(errorOf(stream.push(id)), error);
  }
}

/// Text given out piece by piece for `ids[begin..]` after the prompt
/// `ids[..begin]`.
static std::string streamed(const Tokenizer &tokenizer, ArrayRef<uint32_t> ids,
                            size_t begin, bool skipSpecialTokens) {
  TokenStream stream = require(
      TokenStream::open(tokenizer, ids.take_front(begin), skipSpecialTokens));
  std::string text;
  for (uint32_t id : ids.drop_front(begin))
    text += require(stream.push(id));
  text += require(stream.flush());
  EXPECT_EQ(require(stream.flush()), "");
  return text;
}

TEST_P(Golden, StreamsWhatItDecodes) {
  for (const llvm::json::Value &value : *expected->getArray("cases")) {
    const llvm::json::Object &item = *value.getAsObject();
    Ids ids = toIds(*item.getArray("special"));
    EXPECT_EQ(streamed(tokenizer, ids, 0, true),
              item.getString("decoded")->str());
    EXPECT_EQ(streamed(tokenizer, ids, 0, false),
              item.getString("decoded_with_special")->str());
  }
}

// Wherever the prompt ends, prompt and stream together give the whole text. A
// prompt that ends inside a character decodes to U+FFFD there; the stream gives
// out the character.
TEST_P(Golden, StreamsAfterAPrompt) {
  for (const llvm::json::Value &value : *expected->getArray("cases")) {
    const llvm::json::Object &item = *value.getAsObject();
    Ids ids = toIds(*item.getArray("special"));
    std::string whole = require(tokenizer.decode(ids));
    for (size_t begin = 1; begin < ids.size(); ++begin) {
      std::string prompt =
          require(tokenizer.decode(ArrayRef(ids).take_front(begin)));
      StringRef head = prompt;
      while (head.consume_back("\xef\xbf\xbd"))
        ;
      std::string tail = streamed(tokenizer, ids, begin, true);
      if (head.size() == prompt.size())
        EXPECT_EQ(prompt + tail, whole) << begin;
      else
        EXPECT_TRUE(StringRef(whole).ends_with(tail)) << begin;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Text, Golden,
                         testing::Values("byte_level.json",
                                         "byte_fallback.json",
                                         "word_piece.json", "unigram.json"));

TEST(TokenStream, HoldsBackIncompleteCharacters) {
  Tokenizer tokenizer = openInput("byte_level.json");
  Ids ids = require(tokenizer.encode("a\xf0\x9f\x91\x8d!", false));
  ASSERT_EQ(ids.size(), 6u);
  TokenStream stream = require(TokenStream::open(tokenizer, {}));
  std::vector<std::string> pieces;
  for (uint32_t id : ids)
    pieces.push_back(require(stream.push(id)));
  EXPECT_EQ(pieces, (std::vector<std::string>{"a", "", "", "",
                                              "\xf0\x9f\x91\x8d", "!"}));

  TokenStream cut = require(TokenStream::open(tokenizer, {}));
  for (uint32_t id : ArrayRef(ids).take_front(3))
    pieces.push_back(require(cut.push(id)));
  EXPECT_EQ(require(cut.flush()), "\xef\xbf\xbd");
}

// Random ids make invalid UTF-8 all the time; long runs that complete no
// character take the path that decodes rarely.
TEST(TokenStream, EqualsDecodeForRandomIds) {
  Tokenizer tokenizer = openInput("byte_level.json");
  std::mt19937 random(1);
  Ids ids;
  for (int i = 0; i < 20000; ++i)
    ids.push_back(random() % tokenizer.vocabularySize());
  EXPECT_EQ(streamed(tokenizer, ids, 0, true), require(tokenizer.decode(ids)));
  EXPECT_EQ(streamed(tokenizer, ids, 0, false),
            require(tokenizer.decode(ids, false)));

  Ids broken(5000, *tokenizer.tokenToId("\xc4\xa2")); // the byte 0x80
  EXPECT_EQ(streamed(tokenizer, broken, 0, true),
            require(tokenizer.decode(broken)));
}

TEST(TokenStream, OutlivesItsTokenizer) {
  std::optional<Tokenizer> tokenizer = openInput("byte_fallback.json");
  Ids ids = require(tokenizer->encode("The house", true));
  TokenStream stream = require(TokenStream::open(*tokenizer, {}));
  tokenizer.reset();
  std::string text;
  for (uint32_t id : ids)
    text += require(stream.push(id));
  EXPECT_EQ(text, "The house");
}

TEST(Tokenizer, IgnoresTruncationAndPadding) {
  EXPECT_TRUE(contains(readInput("word_piece.json"), "\"padding\":{"));
  Tokenizer tokenizer = openInput("word_piece.json");
  EXPECT_EQ(require(tokenizer.encode("the", true)).size(), 3u);
  EXPECT_GT(
      require(tokenizer.encode("the house stands at the end of the lane", true))
          .size(),
      9u);
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) {
  Tokenizer tokenizer = openInput("byte_level.json");
  EXPECT_EQ(errorOf(tokenizer.encode("ab\xff"
                                     "cd",
                                     false)),
            "the text is not valid UTF-8 at byte 2");
}

TEST(Tokenizer, ChecksTheModelsVocabulary) {
  Tokenizer tokenizer = openInput("byte_level.json");
  EXPECT_FALSE(bool(tokenizer.checkFits(384)));
  EXPECT_FALSE(bool(tokenizer.checkFits(512)));
  EXPECT_EQ(llvm::toString(tokenizer.checkFits(383)),
            "the tokenizer does not fit the model: expected at most 383 tokens "
            "but got 384");
}

// Every proper prefix is an error, and no prefix is anything worse.
TEST(HostileTokenizer, RefusesCutFiles) {
  for (const char *file : {"byte_level.json", "unigram.json"}) {
    std::string json = readInput(file);
    json.resize(StringRef(json).rtrim().size());
    for (size_t size = 0; size < json.size(); size += 1 + size / 50)
      EXPECT_TRUE(
          contains(errorOf(Tokenizer::open(StringRef(json).take_front(size))),
                   "malformed tokenizer: "));
  }
}

TEST(HostileTokenizer, SurvivesChangedBytes) {
  std::mt19937 random(2);
  std::string json = readInput("byte_fallback.json");
  int opened = 0;
  for (int round = 0; round < 400; ++round) {
    std::string changed = json;
    for (int i = 0; i < 3; ++i)
      changed[random() % changed.size()] = random();
    llvm::Expected<Tokenizer> tokenizer = Tokenizer::open(changed);
    if (!tokenizer) {
      EXPECT_NE(llvm::toString(tokenizer.takeError()), "");
      continue;
    }
    ++opened;
    llvm::consumeError(tokenizer->encode("The house, 東京", true).takeError());
    llvm::consumeError(tokenizer->decode({1, 2, 3, 300}).takeError());
  }
  EXPECT_GT(opened, 0);
}

static std::string bpe(StringRef vocabulary, StringRef merges,
                       StringRef addedTokens = "") {
  return ("{\"version\":\"1.0\",\"added_tokens\":[" + addedTokens +
          "],\"decoder\":{\"type\":\"ByteFallback\"},\"model\":{\"type\":"
          "\"BPE\",\"byte_fallback\":true,\"unk_token\":\"a\",\"vocab\":{" +
          vocabulary + "},\"merges\":[" + merges + "]}}")
      .str();
}

TEST(HostileTokenizer, TakesOddByteTokensAsText) {
  Tokenizer tokenizer = require(Tokenizer::open(bpe(
      "\"a\":0,\"<0x-1>\":1,\"<0xGG>\":2,\"<0x\xc3\xa9>\":3,\"<0x>\":4", "")));
  EXPECT_EQ(require(tokenizer.decode({1, 2, 3, 4})),
            "<0x-1><0xGG><0x\xc3\xa9><0x>");
  EXPECT_EQ(require(tokenizer.encode("\x01", false)), Ids{0});
}

TEST(Tokenizer, ReadsMergesOfOldAndNewFiles) {
  StringRef vocabulary = "\"a\":0,\"b\":1,\"ab\":2,\"abb\":3";
  for (StringRef merges : {"\"a b\",\"ab b\"", "[\"a\",\"b\"],[\"ab\",\"b\"]",
                           "\"#version: 0.2\",\"a b\",\"ab b\""}) {
    Tokenizer tokenizer = require(Tokenizer::open(
        bpe(vocabulary, merges,
            "{\"id\":4,\"content\":\"<e>\",\"single_word\":false,\"lstrip\":"
            "false,\"rstrip\":false,\"normalized\":false,\"special\":true}")));
    EXPECT_EQ(tokenizer.vocabularySize(), 5u) << merges.str();
    EXPECT_EQ(require(tokenizer.encode("abbab", false)), (Ids{3, 2}))
        << merges.str();
  }
}

TEST(HostileTokenizer, RefusesIdsThatOverflow) {
  for (StringRef id : {"4294967296", "18446744073709551617", "-1", "1.5",
                       "1e400", "null", "\"1\""}) {
    EXPECT_TRUE(
        contains(errorOf(Tokenizer::open(bpe(("\"a\":" + id).str(), ""))),
                 "malformed tokenizer: "))
        << id.str();
    EXPECT_TRUE(contains(
        errorOf(Tokenizer::open(bpe(
            "\"a\":0", "", ("{\"id\":" + id + ",\"content\":\"b\"}").str()))),
        "malformed tokenizer: "))
        << id.str();
  }
  Tokenizer largest =
      require(Tokenizer::open(bpe("\"a\":0,\"b\":4294967295", "")));
  EXPECT_EQ(largest.vocabularySize(), uint64_t(1) << 32);
  EXPECT_EQ(require(largest.decode({4294967295})), "b");
  EXPECT_EQ(errorOf(largest.decode({7})),
            "the vocabulary has no token of id 7");
}

TEST(HostileTokenizer, RefusesMergesWithoutTokens) {
  for (StringRef merges :
       {"\"a b\"", "\"a\"", "\"a a a\"", "\"\"", "[\"a\"]", "5"})
    EXPECT_TRUE(contains(errorOf(Tokenizer::open(bpe("\"a\":0", merges))),
                         "malformed tokenizer: "))
        << merges.str();
}

TEST(HostileTokenizer, RefusesDeepNesting) {
  std::string deep = "{\"version\":\"1.0\",\"pre_tokenizer\":";
  for (int i = 0; i < 5000; ++i)
    deep += "{\"type\":\"Sequence\",\"pretokenizers\":[";
  EXPECT_EQ(errorOf(Tokenizer::open(deep)),
            "malformed tokenizer: expected at most 24 levels of nesting but "
            "got 10001");
}

TEST(HostileTokenizer, RefusesOtherFiles) {
  for (std::string text : {std::string(""), std::string("{}"),
                           std::string("[]"), std::string("null"),
                           std::string("\0\0\0\0", 4), std::string("\xff\xfe"),
                           std::string(1000, '{'), std::string(1000, '9')})
    EXPECT_TRUE(
        contains(errorOf(Tokenizer::open(text)), "malformed tokenizer: "));
  EXPECT_EQ(errorOf(Tokenizer::open(bpe("", ""))),
            "malformed tokenizer: the vocabulary is empty");
}
