//===- WireWalkerTest.cpp - Where the weights of a file lie ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Import/WireWalker.h"

#include "OnnxWriter.h"
#include "gtest/gtest.h"

using namespace llmc::onnx;
using namespace llmc::test;

namespace {

StrippedModel strip(const std::string &bytes) {
  auto result = stripModel(llvm::ArrayRef<char>(bytes.data(), bytes.size()));
  if (!result) {
    ADD_FAILURE() << llvm::toString(result.takeError());
    return {};
  }
  return std::move(*result);
}

TEST(WireWalker, FindsRawDataEverywhere) {
  using llmc::test::Graph;
  std::string inner = Graph().weight(floats("deep", {1}, {3})).body;
  std::string bytes = model(
      Graph()
          .weight(floats("w", {2}, {1, 2}))
          .add(node("Constant", {}, {"c"},
                    attrTensor("value", floats("", {1}, {4}))))
          .add(node("If", {"x"}, {"y"}, attrGraph("then_branch", inner))));
  StrippedModel stripped = strip(bytes);
  ASSERT_EQ(stripped.spans.size(), 3u);
  std::vector<float> found;
  for (const Span &span : stripped.spans) {
    float value;
    std::memcpy(&value, bytes.data() + span.offset, sizeof(float));
    found.push_back(value);
  }
  EXPECT_EQ(found, (std::vector<float>{1, 4, 3}));
  EXPECT_EQ(stripped.spans[0].size, 8u);

  Model decoded;
  EXPECT_EQ(decodeModel(stripped.bytes, stripped.spans, decoded), "");
  ASSERT_EQ(decoded.graph.initializers.size(), 1u);
  EXPECT_EQ(decoded.graph.initializers[0].span.offset,
            stripped.spans[0].offset);
  ASSERT_EQ(decoded.graph.nodes.size(), 2u);
  EXPECT_EQ(decoded.graph.nodes[1].attributes[0].graph->initializers[0].name,
            "deep");
}

TEST(WireWalker, KeepsBigTensorsOut) {
  using llmc::test::Graph;
  std::string bytes = model(Graph().weight(
      floats("w", {1 << 20}, std::vector<float>(1 << 20, 1.0f))));
  StrippedModel stripped = strip(bytes);
  EXPECT_LT(stripped.bytes.size(), 200u);
  EXPECT_EQ(stripped.spans[0].size, uint64_t(4) << 20);
}

TEST(WireWalker, LastRawDataWins) {
  using llmc::test::Graph;
  std::string twice = floats("w", {1}, {1}) + msg(9, "abcd");
  std::string bytes = model(Graph().weight(twice));
  StrippedModel stripped = strip(bytes);
  Model decoded;
  ASSERT_EQ(decodeModel(stripped.bytes, stripped.spans, decoded), "");
  Span span = decoded.graph.initializers[0].span;
  EXPECT_EQ(bytes.substr(span.offset, span.size), "abcd");
}

TEST(WireWalker, DataThatLooksLikeANumberOfOurs) {
  // Raw data is replaced whatever it holds, so no file can name a span.
  using llmc::test::Graph;
  std::string bytes =
      model(Graph().weight(tensor("w", 7, {1}, std::string(8, '\x7f'))));
  StrippedModel stripped = strip(bytes);
  Model decoded;
  ASSERT_EQ(decodeModel(stripped.bytes, stripped.spans, decoded), "");
  EXPECT_EQ(decoded.graph.initializers[0].fault, "");
  EXPECT_EQ(decoded.graph.initializers[0].span.size, 8u);
}

} // namespace
