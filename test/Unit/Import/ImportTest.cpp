//===- ImportTest.cpp - What becomes of ONNX nodes ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Structure, names, types and defaults of attributes. That the numbers are
// right is asked end to end, against ONNX Runtime and the node cases.
//
//===----------------------------------------------------------------------===//
#include "Fixture.h"

#include "llmc/Dialect/NN/NNOps.h"

using namespace llmc;
using namespace llmc::test;

namespace {

class Import : public ImportTest {};

//===----------------------------------------------------------------------===//
// Weights and their names
//===----------------------------------------------------------------------===//

TEST_F(Import, LinearFromTransposedWeight) {
  std::string text = imported(
      model(Graph()
                .input("x", 1, {"n", "2"})
                .weight(floats("onnx::MatMul_7", {2, 3}, {1, 2, 3, 4, 5, 6}))
                .add(node("MatMul", {"x", "onnx::MatMul_7"}, {"y"}, "",
                          "/model/layers.0/q_proj/MatMul"))
                .output("y", 1, {"n", "3"})));
  EXPECT_HAS(text,
             "nn.weight @model.layers.0.q_proj.weight : tensor<3x2xf32> from "
             "#nn.transpose<#nn.key<\"onnx::MatMul_7\" : tensor<2x3xf32>>, "
             "[1, 0]>");
  EXPECT_HAS(text, "nn.linear");
  // The bytes are read where they lie, transposed on the way.
  std::vector<float> out(6);
  auto weight = *last.module->getOps<nn::WeightOp>().begin();
  ASSERT_FALSE(llvm::errorToBool(last.weights->readSource(
      weight.getSource(),
      {reinterpret_cast<char *>(out.data()), out.size() * sizeof(float)})));
  EXPECT_EQ(out, (std::vector<float>{1, 4, 2, 5, 3, 6}));
}

TEST_F(Import, TiedWeightIsOneSymbol) {
  // Embedding by the transposed head: both see one weight [out, in].
  std::string text = imported(model(
      Graph()
          .input("ids", 7, {"n"})
          .weight(floats("lm_head.MatMul.weight", {2, 3}, {1, 2, 3, 4, 5, 6}))
          .add(node("Transpose", {"lm_head.MatMul.weight"}, {"t"},
                    attrInts("perm", {1, 0})))
          .add(node("Gather", {"t", "ids"}, {"e"}))
          .add(node("MatMul", {"e", "lm_head.MatMul.weight"}, {"y"}))
          .output("y")));
  EXPECT_HAS(text, "nn.weight @lm_head.weight : tensor<3x2xf32>");
  EXPECT_EQ(text.find("nn.weight", text.find("nn.weight") + 1),
            std::string::npos)
      << text;
}

TEST_F(Import, NamesFromScopes) {
  auto scopes = [](const std::string &path) {
    return msg(9, msg(1, "pkg.torch.onnx.name_scopes") +
                      msg(2, "['', 'm', '" + path + "', 'linear']"));
  };
  std::string text =
      imported(model(Graph()
                         .input("x", 1, {"2"})
                         .weight(floats("val_1", {2, 2}, {1, 2, 3, 4}))
                         .weight(floats("m.norm.weight", {2}, {1, 2}))
                         .add(node("MatMul", {"x", "val_1"}, {"a"},
                                   scopes("m.layers.0.up_proj"), "node_linear"))
                         .add(node("Mul", {"a", "m.norm.weight"}, {"y"}))
                         .output("y")));
  // The wrapper `m.` of the exporter is not part of the names.
  EXPECT_HAS(text, "@layers.0.up_proj.weight");
  EXPECT_HAS(text, "@norm.weight");
}

TEST_F(Import, NamesFromNamespaces) {
  std::string text = imported(model(
      Graph()
          .input("x", 1, {"2"})
          .weight(floats("val_1", {2, 2}, {1, 2, 3, 4}))
          .add(
              node("MatMul", {"x", "val_1"}, {"y"},
                   msg(9, msg(1, "namespace") +
                              msg(2, ": a.Model/layers.0: a.Layer/layers.0.up: "
                                     "nn.Linear/linear: aten.linear")),
                   "node_linear"))
          .output("y")));
  EXPECT_HAS(text, "@layers.0.up.weight");
}

TEST_F(Import, SmallIntegersAndScalarsAreConstants) {
  std::string text = imported(model(Graph()
                                        .input("x", 1, {"2", "2"})
                                        .weight(ints("s", {2}, {4, 1}))
                                        .weight(floats("two", {}, {2}))
                                        .weight(floats("v", {2}, {1, 2}))
                                        .add(node("Mul", {"x", "two"}, {"a"}))
                                        .add(node("Add", {"a", "v"}, {"b"}))
                                        .add(node("Reshape", {"b", "s"}, {"y"}))
                                        .output("y")));
  EXPECT_HAS(text, "arith.constant dense<[4, 1]> : tensor<2xi64>");
  EXPECT_HAS(text, "arith.constant dense<2.000000e+00> : tensor<f32>");
  EXPECT_HAS(text, "nn.weight @v : tensor<2xf32>");
}

TEST_F(Import, TypedFields) {
  std::string packed = bytesOf(std::vector<float>{1.5, -2});
  std::string flags = varint(1) + varint(0);
  std::string text =
      imported(model(Graph()
                         .input("x", 1, {"2"})
                         .weight(tensorHead("w", 1, {2}) + msg(4, packed))
                         .weight(tensorHead("c", 9, {2}) + msg(5, flags))
                         .add(node("Where", {"c", "x", "w"}, {"y"}))
                         .output("y")));
  EXPECT_HAS(text, "dense<[true, false]> : tensor<2xi1>");
  auto bytes = last.weights->getBytes("w");
  ASSERT_TRUE(static_cast<bool>(bytes));
  EXPECT_EQ(std::string(bytes->begin(), bytes->end()), packed);
}

TEST_F(Import, ConstantIsNamedByItsReader) {
  std::string text = imported(
      model(Graph()
                .input("x", 1, {"2"})
                .add(node("Constant", {}, {"/m/Constant_output_0"},
                          attrTensor("value", floats("", {2}, {1, 2}))))
                .add(node("Mul", {"x", "/m/Constant_output_0"}, {"y"}, "",
                          "/model/norm/Mul"))
                .output("y")));
  EXPECT_HAS(text, "nn.weight @model.norm.weight");
}

TEST_F(Import, InitializerListedAsInput) {
  std::string text = imported(model(Graph()
                                        .input("x", 1, {"2"})
                                        .input("w", 1, {"2"})
                                        .weight(floats("w", {2}, {1, 2}))
                                        .add(node("Add", {"x", "w"}, {"y"}))
                                        .output("y")));
  EXPECT_HAS(text, "nn.get @w");
  EXPECT_LACKS(text, "%arg1");
}

TEST_F(Import, EmptyTensor) {
  EXPECT_HAS(imported(model(
                 Graph()
                     .input("x", 1, {"2"})
                     .weight(floats("e", {0}, {}))
                     .add(node("Concat", {"x", "e"}, {"y"}, attrInt("axis", 0)))
                     .output("y"))),
             "tensor<0xf32>");
}

//===----------------------------------------------------------------------===//
// Signature
//===----------------------------------------------------------------------===//

TEST_F(Import, NamesAndDimensions) {
  std::string text =
      imported(model(Graph()
                         .input("x", 1, {"batch", "past + seq", "", "4"})
                         .add(node("Relu", {"x"}, {"y"}))
                         .output("y", 1, {"batch", "total", "", "4"})));
  EXPECT_HAS(text, "%arg0: tensor<?x?x?x4xf32>");
  EXPECT_HAS(text, "nn.dims = [\"batch\", \"past + seq\", \"x_d2\", 4]");
  EXPECT_HAS(text, "nn.dims = [\"batch\", \"total\", \"y_d2\", 4]");
  EXPECT_HAS(text, "nn.name = \"y\"");
  EXPECT_EQ(last.opsets["ai.onnx"], 18);
  EXPECT_EQ(last.producer, "test");
  EXPECT_EQ(last.fileHash().size(), 32u);
}

TEST_F(Import, DimensionsGivenByTheUser) {
  ImportOptions options;
  options.dims = {{"past", 3}, {"seq", 2}};
  std::string text =
      imported(model(Graph()
                         .input("x", 1, {"batch", "past + seq"})
                         .output("x", 1, {"batch", "past + seq"})),
               options);
  EXPECT_HAS(text, "tensor<?x5xf32>");
  options.dims = {{"seq", 2}};
  text = imported(model(Graph().input("x", 1, {"past + seq"}).output("x")),
                  options);
  EXPECT_HAS(text, "nn.dims = [\"past + 2\"]");
}

TEST_F(Import, DeclaredOutputThatDiffers) {
  EXPECT_HAS(
      refused(model(Graph()
                        .input("x", 1, {"4"})
                        .add(node("Relu", {"x"}, {"y"}))
                        .output("y", 1, {"5"}))),
      "output 'y': expected extent 5 at axis 0 but the graph computes 4");
}

//===----------------------------------------------------------------------===//
// Versions of operators
//===----------------------------------------------------------------------===//

TEST_F(Import, SoftmaxFlattensBeforeOpset13) {
  auto of = [&](int64_t opset) {
    return imported(model(Graph()
                              .input("x", 1, {"2", "3", "4"})
                              .add(node("Softmax", {"x"}, {"y"}))
                              .output("y"),
                          opset));
  };
  // Axes 1 and 2 together, then the last alone.
  EXPECT_HAS(of(12), "nn.softmax %0 {axis = 1 : i64} : (tensor<2x12xf32>)");
  EXPECT_HAS(of(13), "{axis = 2 : i64} : (tensor<2x3x4xf32>)");
}

TEST_F(Import, AxesAsAttributeAndAsOperand) {
  std::string old = imported(
      model(Graph()
                .input("x", 1, {"2", "3"})
                .add(node("ReduceMean", {"x"}, {"y"},
                          attrInts("axes", {-1}) + attrInt("keepdims", 0)))
                .output("y"),
            13));
  EXPECT_HAS(old, "nn.reduce_mean %arg0 {axes = array<i64: 1>}");
  std::string now =
      imported(model(Graph()
                         .input("x", 1, {"2", "3"})
                         .weight(ints("a", {1}, {-1}))
                         .add(node("ReduceMean", {"x", "a"}, {"y"}))
                         .output("y"),
                     18));
  EXPECT_HAS(now, "{axes = array<i64: 1>, keepdims}");
  std::string all = imported(model(Graph()
                                       .input("x", 1, {"2", "3"})
                                       .add(node("ReduceSum", {"x"}, {"y"}))
                                       .output("y"),
                                   18));
  EXPECT_HAS(all, "{axes = array<i64: 0, 1>, keepdims}");
}

TEST_F(Import, SliceByAttributeAndByOperand) {
  EXPECT_HAS(imported(model(Graph()
                                .input("x", 1, {"5", "6"})
                                .add(node("Slice", {"x"}, {"y"},
                                          attrInts("starts", {1}) +
                                              attrInts("ends", {-1}) +
                                              attrInts("axes", {1})))
                                .output("y"),
                            9)),
             "-> tensor<5x4xf32>");
  EXPECT_HAS(
      imported(model(Graph()
                         .input("x", 1, {"5", "6"})
                         .weight(ints("b", {1}, {-1}))
                         .weight(ints("e", {1}, {-100}))
                         .weight(ints("a", {1}, {-1}))
                         .weight(ints("s", {1}, {-2}))
                         .add(node("Slice", {"x", "b", "e", "a", "s"}, {"y"}))
                         .output("y"))),
      "-> tensor<5x3xf32>");
}

TEST_F(Import, SplitInUnequalParts) {
  std::string text = imported(model(
      Graph()
          .input("x", 1, {"7"})
          .add(node("Split", {"x"}, {"a", "b", "c"}, attrInt("num_outputs", 3)))
          .output("a", 1, {"3"})
          .output("b", 1, {"3"})
          .output("c", 1, {"1"})));
  EXPECT_HAS(text, "tensor<1xf32>");
}

TEST_F(Import, GemmWithBias) {
  std::string text = imported(
      model(Graph()
                .input("x", 1, {"n", "2"})
                .weight(floats("fc.weight", {3, 2}, {1, 2, 3, 4, 5, 6}))
                .weight(floats("fc.bias", {3}, {1, 2, 3}))
                .add(node("Gemm", {"x", "fc.weight", "fc.bias"}, {"y"},
                          attrInt("transB", 1)))
                .output("y")));
  EXPECT_HAS(text, "nn.linear %arg0, %0, %1");
  EXPECT_HAS(text, "@fc.weight : tensor<3x2xf32> from #nn.key");
}

TEST_F(Import, GemmWithFactors) {
  std::string text = imported(
      model(Graph()
                .input("x", 1, {"2", "4"})
                .input("w", 1, {"2", "3"})
                .input("c", 1, {"1"})
                .add(node("Gemm", {"x", "w", "c"}, {"y"},
                          attrFloat("alpha", 0.5) + attrFloat("beta", 2) +
                              attrInt("transA", 1)))
                .output("y")));
  EXPECT_HAS(text, "nn.matmul");
  EXPECT_HAS(text, "dense<5.000000e-01>");
  EXPECT_HAS(text, "-> tensor<4x3xf32>");
}

TEST_F(Import, ConvSameUpper) {
  std::string text = imported(
      model(Graph()
                .input("x", 1, {"1", "1", "28", "28"})
                .weight(floats("w", {1, 1, 5, 5}, std::vector<float>(25)))
                .add(node("Conv", {"x", "w"}, {"y"},
                          msg(5, msg(1, "auto_pad") + msg(4, "SAME_UPPER") +
                                     num(20, 3))))
                .output("y", 1, {"1", "1", "28", "28"})));
  EXPECT_HAS(text, "pads = array<i64: 2, 2, 2, 2>");
}

TEST_F(Import, ConstantConditionIsDecided) {
  std::string yes = Graph().add(node("Exp", {"x"}, {"t"})).output("t").body,
              no = Graph().add(node("Frob", {"x"}, {"t"})).output("t").body;
  std::string text =
      imported(model(Graph()
                         .input("x", 1, {"4"})
                         .weight(tensor("c", 9, {}, std::string(1, '\1')))
                         .add(node("If", {"c"}, {"y"},
                                   attrGraph("then_branch", yes) +
                                       attrGraph("else_branch", no)))
                         .output("y")));
  EXPECT_HAS(text, "nn.exp %arg0");
}

TEST_F(Import, FunctionIsExpanded) {
  // scale(x) { alpha } = elu(x, alpha) with the attribute of the call.
  std::string reference = msg(5, msg(1, "alpha") + num(20, 1) + msg(21, "a"));
  std::string function = msg(1, "Scale") + msg(10, "acme") + msg(4, "in") +
                         msg(5, "out") + msg(6, "a") +
                         msg(7, node("Elu", {"in"}, {"out"}, reference)) +
                         msg(9, msg(1, "") + num(2, 18));
  std::string text = imported(
      model(Graph()
                .input("x", 1, {"4"})
                .add(node("Scale", {"x"}, {"y"},
                          domain("acme") + attrFloat("a", 0.25)))
                .output("y"),
            18, msg(25, function) + msg(8, msg(1, "acme") + num(2, 1))));
  EXPECT_HAS(text, "nn.elu %arg0 {alpha = 2.500000e-01 : f64}");
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// Of packed heads [4 + 2 + 2, 4] over a past, with what `lengths` says of it.
static std::string groupQuery(const std::string &lengths) {
  return model(
      Graph()
          .input("q", 1, {"b", "s", "32"})
          .input("pk", 1, {"b", "2", "p", "d"})
          .input("pv", 1, {"b", "2", "p", "d"})
          .input("lengths", 6, {"b"})
          .input("total", 6, {})
          .weight(floats("cos_cache", {4, 2}, std::vector<float>(8)))
          .weight(floats("sin_cache", {4, 2}, std::vector<float>(8)))
          .add(node("GroupQueryAttention",
                    {"q", "", "", "pk", "pv", lengths, "total", "cos_cache",
                     "sin_cache"},
                    {"y", "k", "v"},
                    domain("com.microsoft") + attrInt("num_heads", 4) +
                        attrInt("kv_num_heads", 2) + attrInt("do_rotary", 1) +
                        attrInt("local_window_size", 8)))
          .output("y", 1, {"b", "s", "16"})
          .output("k", 1, {"b", "2", "t", "d"})
          .output("v"));
}

TEST_F(Import, GroupQueryAttention) {
  std::string text = imported(groupQuery(""));
  // The head size of the packed query is that of the cache.
  EXPECT_HAS(text, "nn.dims = [\"b\", 2, \"p\", 4]");
  EXPECT_HAS(text, "nn.dims = [\"b\", 2, \"t\", 4]");
  EXPECT_HAS(text, "nn.rotary");
  EXPECT_HAS(text, "nn.concat %arg1, ");
  EXPECT_HAS(text, "{causal, scale = 5.000000e-01 : f64, window = 8 : i64}");
}

TEST_F(Import, GroupQueryAttentionOfPaddedBatch) {
  // Which rows of the past hold something is known when it runs: the mask says
  // it, and the window, which counts without the padding.
  std::string text = imported(groupQuery("lengths"));
  EXPECT_HAS(text, "mask %");
  EXPECT_HAS(text, "{causal, scale = 5.000000e-01 : f64}");
  // The new rows of the cache follow those that hold something.
  EXPECT_HAS(text, "nn.gather_nd");
}

TEST_F(Import, AttentionWithHeadsInTheWidth) {
  std::string text = imported(model(
      Graph()
          .input("q", 1, {"b", "s", "8"})
          .input("k", 1, {"b", "s", "4"})
          .input("v", 1, {"b", "s", "4"})
          .input("mask", 9, {"b", "1", "s", "s"})
          .add(node("Attention", {"q", "k", "v", "mask"}, {"y"},
                    attrInt("q_num_heads", 2) + attrInt("kv_num_heads", 1) +
                        attrFloat("scale", 0.25)))
          .output("y", 1, {"b", "s", "8"}),
      23));
  EXPECT_HAS(text, "mask %arg3 {scale = 2.500000e-01 : f64}");
}

TEST_F(Import, CausalAttentionOfUnknownLengths) {
  // Queries and keys of other lengths are aligned at the beginning, which the
  // attribute of nn.attention does not say: a mask does.
  std::string text =
      imported(model(Graph()
                         .input("q", 1, {"b", "2", "s", "4"})
                         .input("k", 1, {"b", "2", "t", "4"})
                         .input("v", 1, {"b", "2", "t", "4"})
                         .add(node("Attention", {"q", "k", "v"}, {"y"},
                                   attrInt("is_causal", 1)))
                         .output("y", 1, {"b", "2", "s", "4"}),
                     23));
  EXPECT_HAS(text, "nn.compare");
  EXPECT_LACKS(text, "causal");
  text = imported(model(Graph()
                            .input("q", 1, {"b", "2", "5", "4"})
                            .add(node("Attention", {"q", "q", "q"}, {"y"},
                                      attrInt("is_causal", 1)))
                            .output("y"),
                        23));
  EXPECT_HAS(text, "causal");
}

TEST_F(Import, SkipNormKeepsTheSum) {
  std::string text = imported(
      model(Graph()
                .input("x", 1, {"n", "2"})
                .input("skip", 1, {"n", "2"})
                .weight(floats("g", {2}, {1, 2}))
                .add(node("SkipSimplifiedLayerNormalization",
                          {"x", "skip", "g"}, {"y", "", "", "sum"},
                          domain("com.microsoft") + attrFloat("epsilon", 0.5)))
                .output("y")
                .output("sum")));
  EXPECT_HAS(text, "nn.rms_norm");
  EXPECT_HAS(text, "epsilon = 5.000000e-01");
}

TEST_F(Import, LayerNormOfTwoAxes) {
  std::string text =
      imported(model(Graph()
                         .input("x", 1, {"n", "2", "3"})
                         .weight(floats("g", {2, 3}, {1, 2, 3, 4, 5, 6}))
                         .add(node("LayerNormalization", {"x", "g"}, {"y"},
                                   attrInt("axis", 1)))
                         .output("y")));
  EXPECT_HAS(text, "nn.layer_norm");
  EXPECT_HAS(text, "(tensor<?x6xf32>, tensor<6xf32>)");
}

} // namespace
