//===- HostileTest.cpp - Files that must be refused -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each test is one way a file can lie. What is asked is one clear error and
// nothing else: no crash, no read outside the file, no allocation by a size
// that was not checked.
//
//===----------------------------------------------------------------------===//
#include "Fixture.h"

#include <random>
#include <sys/stat.h>

using namespace llmc;
using namespace llmc::test;

namespace {

class Hostile : public ImportTest {
protected:
  /// x + w, with `w` as given.
  std::string withWeight(const std::string &tensor) {
    return model(Graph()
                     .input("x", 1, {"n", "4"})
                     .weight(tensor)
                     .add(node("Add", {"x", "w"}, {"y"}))
                     .output("y"));
  }
  std::string withExternal(
      const std::vector<std::pair<std::string, std::string>> &entries) {
    return withWeight(external("w", {4}, entries));
  }
};

//===----------------------------------------------------------------------===//
// The file as a whole
//===----------------------------------------------------------------------===//

TEST_F(Hostile, EmptyFile) { EXPECT_HAS(refused(""), "the file is empty"); }

TEST_F(Hostile, MissingFile) {
  auto result = importOnnx(context, folder + "/nothing.onnx");
  ASSERT_FALSE(result);
  EXPECT_HAS(llvm::toString(result.takeError()), "cannot open");
}

TEST_F(Hostile, FolderWithoutModel) {
  auto result = importOnnx(context, folder);
  ASSERT_FALSE(result);
  EXPECT_HAS(llvm::toString(result.takeError()), "model.onnx");
}

TEST_F(Hostile, PipeInPlaceOfFile) {
  ASSERT_EQ(mkfifo((folder + "/model.onnx").c_str(), 0600), 0);
  auto result = importOnnx(context, folder);
  ASSERT_FALSE(result);
  EXPECT_HAS(llvm::toString(result.takeError()), "regular file");
}

TEST_F(Hostile, TextFile) {
  EXPECT_HAS(refused("{\"this\": \"is no model\"}"), "not a readable ONNX");
}

TEST_F(Hostile, MessageWithoutGraph) {
  EXPECT_HAS(refused(num(1, 8)), "expected a model with a graph");
}

TEST_F(Hostile, RandomBytes) {
  std::mt19937 random(7);
  for (unsigned round = 0; round < 200; ++round) {
    std::string bytes(1 + random() % 400, '\0');
    for (char &byte : bytes)
      byte = static_cast<char>(random());
    refused(bytes);
  }
}

TEST_F(Hostile, EveryCut) {
  std::string whole = withWeight(floats("w", {4}, {1, 2, 3, 4}));
  imported(whole);
  for (size_t size = 0; size + 1 < whole.size(); ++size) {
    bool good;
    import(whole.substr(0, size), good); // may be whole messages: no crash
  }
  EXPECT_HAS(refused(whole.substr(0, whole.size() / 2)),
             "not a readable ONNX file: at byte");
}

TEST_F(Hostile, EveryByteChanged) {
  std::string whole = withWeight(floats("w", {4}, {1, 2, 3, 4}));
  std::mt19937 random(11);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string other = whole;
    other[at] = static_cast<char>(other[at] ^ (1 + random() % 255));
    bool good;
    import(other, good);
  }
}

TEST_F(Hostile, LengthBeyondFile) {
  // A graph that says it is a petabyte.
  EXPECT_HAS(
      refused(num(1, 8) + varint(7 << 3 | 2) + varint(uint64_t(1) << 50)),
      "expected a field of 1125899906842624 bytes");
}

TEST_F(Hostile, NegativeLength) {
  EXPECT_HAS(refused(num(1, 8) + varint(7 << 3 | 2) + varint(~uint64_t(0))),
             "not a readable ONNX file");
}

TEST_F(Hostile, EndlessNumber) {
  EXPECT_HAS(refused(std::string(40, '\xff')), "not a readable ONNX file");
}

TEST_F(Hostile, DeepGraphs) {
  std::string graph = Graph().add(node("Relu", {"x"}, {"y"})).body;
  for (unsigned i = 0; i < 5000; ++i)
    graph = msg(1, node("If", {"c"}, {"y"}, attrGraph("then_branch", graph)));
  EXPECT_HAS(refused(model(graph)), "expected at most 32 graphs inside graphs");
}

//===----------------------------------------------------------------------===//
// Versions and types
//===----------------------------------------------------------------------===//

TEST_F(Hostile, NewerIrVersion) {
  EXPECT_HAS(refused(num(1, 99) + msg(7, Graph().output("y").body) +
                     msg(8, num(2, 18))),
             "expected IR version 1 to 13 but got 99");
}

TEST_F(Hostile, OldOpset) {
  EXPECT_HAS(refused(model(Graph().output("y"), 6)), "ai.onnx 7 to");
}

TEST_F(Hostile, NewerOpset) {
  EXPECT_HAS(refused(model(Graph().output("y"), 1000)), "but got 1000");
}

TEST_F(Hostile, NoOpset) {
  EXPECT_HAS(refused(num(1, 8) + msg(7, Graph().output("y").body)),
             "imports no operator set");
}

TEST_F(Hostile, OpsetTwice) {
  EXPECT_HAS(refused(model(Graph().output("y"), 18, msg(8, num(2, 17)))),
             "imported twice");
}

TEST_F(Hostile, UnknownDomain) {
  std::string text = refused(
      model(Graph()
                .input("x", 1, {"4"})
                .add(node("Frobnicate", {"x"}, {"y"}, domain("acme.ai"), "f1"))
                .output("y")));
  EXPECT_HAS(text, "node 'f1' (Frobnicate, acme.ai)");
  EXPECT_HAS(text, "does not import an operator set");
}

TEST_F(Hostile, AllUnknownOperatorsAtOnce) {
  std::string text =
      refused(model(Graph()
                        .input("x", 1, {"4"})
                        .add(node("Frob", {"x"}, {"a"}, "", "first"))
                        .add(node("Nicate", {"a"}, {"y"}, "", "second"))
                        .output("y")));
  EXPECT_HAS(text, "node 'first' (Frob, ai.onnx opset 18)");
  EXPECT_HAS(text, "node 'second' (Nicate, ai.onnx opset 18)");
}

TEST_F(Hostile, OperatorNewerThanOpset) {
  EXPECT_HAS(refused(model(Graph()
                               .input("x", 1, {"4"})
                               .add(node("Gelu", {"x"}, {"y"}))
                               .output("y"))),
             "known from opset 20 on");
}

TEST_F(Hostile, QuantizedOperators) {
  EXPECT_HAS(refused(model(Graph()
                               .input("x", 1, {"4"})
                               .add(node("DynamicQuantizeLinear", {"x"}, {"y"}))
                               .output("y"))),
             "operators that quantize what they compute are not read");
  EXPECT_HAS(refused(model(Graph()
                               .input("x", 1, {"4"})
                               .add(node("MatMulNBits", {"x"}, {"y"},
                                         domain("com.microsoft")))
                               .output("y"))),
             "expected attribute 'K' of 1 or more but got 0");
}

TEST_F(Hostile, LoopsStringsAndSequences) {
  auto one = [&](const std::string &op) {
    return refused(model(
        Graph().input("x", 1, {"4"}).add(node(op, {"x"}, {"y"})).output("y")));
  };
  EXPECT_HAS(one("Loop"), "control flow is not read yet");
  EXPECT_HAS(one("StringNormalizer"), "strings are not supported");
  EXPECT_HAS(one("SequenceConstruct"), "sequences and optionals");
}

TEST_F(Hostile, UnknownElementTypes) {
  EXPECT_HAS(refused(withWeight(tensor("w", 77, {4}, "1234"))),
             "element type number 77");
  EXPECT_HAS(refused(withWeight(tensor("w", -3, {4}, "1234"))),
             "tensor 'w': element type number");
  EXPECT_HAS(refused(withWeight(tensorHead("w", 8, {1}) + msg(6, "text"))),
             "strings are not supported");
  EXPECT_HAS(refused(model(Graph().input("x", 99, {"4"}).output("x"))),
             "input 'x': element type number 99");
}

TEST_F(Hostile, InputThatIsNoTensor) {
  std::string sequence =
      msg(1, "x") + msg(2, msg(4, msg(1, msg(1, num(1, 1)))));
  EXPECT_HAS(refused(model(msg(11, sequence) + Graph().output("x").body)),
             "input 'x': expected a tensor but got sequence");
}

TEST_F(Hostile, InputWithoutShape) {
  std::string open = msg(1, "x") + msg(2, msg(1, num(1, 1)));
  EXPECT_HAS(refused(model(msg(11, open) + Graph().output("x").body)),
             "the rank is not known");
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

TEST_F(Hostile, FewerBytesThanShape) {
  EXPECT_HAS(refused(withWeight(floats("w", {5}, {1, 2, 3, 4}))),
             "tensor 'w': expected 20 bytes for its shape but got 16");
}

TEST_F(Hostile, MoreBytesThanShape) {
  EXPECT_HAS(refused(withWeight(floats("w", {3}, {1, 2, 3, 4}))),
             "expected 12 bytes for its shape but got 16");
}

TEST_F(Hostile, PackedIntegers) {
  EXPECT_HAS(refused(withWeight(tensor("w", 22, {3}, "1"))),
             "tensor 'w': expected 2 bytes for its shape but got 1");
  EXPECT_HAS(refused(withWeight(tensor("w", 21, {5, 3}, "123456789"))),
             "expected 8 bytes for its shape but got 9");
  EXPECT_HAS(refused(withWeight(tensor("w", 25, {2, 9}, "1234"))),
             "expected 5 bytes for its shape but got 4");
  EXPECT_HAS(refused(withWeight(
                 tensor("w", 22, {int64_t(1) << 40, int64_t(1) << 40}, "1"))),
             "expected a shape whose size fits 64 bits");
  // Their numbers are those of eight bits, which nobody adds to f32.
  EXPECT_HAS(refused(withWeight(tensor("w", 22, {}, "1"))), "i8");
  EXPECT_HAS(refused(withWeight(tensor("w", 22, {4}, "12"))), "i8");
}

TEST_F(Hostile, FewerTypedValuesThanShape) {
  std::string packed(8, '\0');
  EXPECT_HAS(refused(withWeight(tensorHead("w", 1, {4}) + msg(4, packed))),
             "expected 16 bytes for its shape but got 8");
}

TEST_F(Hostile, ShapeThatOverflows) {
  EXPECT_HAS(refused(withWeight(
                 tensor("w", 1, {int64_t(1) << 32, int64_t(1) << 32}, "1234"))),
             "expected a shape whose size fits 64 bits");
  // The product is 2^64 + 4: cut to 64 bits it would fit its four bytes.
  EXPECT_HAS(
      refused(withWeight(tensor("w", 3, {4, (int64_t(1) << 62) + 1}, "1234"))),
      "expected a shape whose size fits 64 bits");
}

TEST_F(Hostile, NegativeExtent) {
  EXPECT_HAS(refused(withWeight(tensor("w", 1, {-4}, ""))),
             "expected extents of 0 or more but got -4");
  EXPECT_HAS(refused(model(Graph().input("x", 1, {"-7"}).output("x"))),
             "but got -7");
}

TEST_F(Hostile, RankTenThousand) {
  EXPECT_HAS(refused(withWeight(tensor("w", 1, Dims(10000, 1), "1234"))),
             "expected rank 64 or less but got 10000");
  EXPECT_HAS(
      refused(model(Graph()
                        .input("x", 1, std::vector<std::string>(10000, "1"))
                        .output("x"))),
      "expected rank 64 or less but got 10000");
}

TEST_F(Hostile, TensorTwice) {
  std::string w = floats("w", {4}, {1, 2, 3, 4});
  EXPECT_HAS(refused(model(Graph()
                               .input("x", 1, {"4"})
                               .weight(w)
                               .weight(w)
                               .add(node("Add", {"x", "w"}, {"y"}))
                               .output("y"))),
             "tensor 'w': is defined twice");
}

TEST_F(Hostile, TensorInSegments) {
  EXPECT_HAS(refused(withWeight(floats("w", {4}, {1, 2, 3, 4}) +
                                msg(3, num(1, 0) + num(2, 4)))),
             "segments are not supported");
}

TEST_F(Hostile, SparseInitializer) {
  EXPECT_HAS(refused(model(msg(15, msg(1, floats("w", {1}, {1}))) +
                           Graph().input("x", 1, {"4"}).output("x").body)),
             "sparse initializers are not supported");
}

TEST_F(Hostile, SparseConstant) {
  std::string sparse = msg(
      5, msg(1, "sparse_value") + num(20, 11) +
             msg(22, msg(1, external("", {1}, {{"location", "/etc/passwd"}}))));
  EXPECT_HAS(refused(model(
                 Graph().add(node("Constant", {}, {"y"}, sparse)).output("y"))),
             "sparse tensors are not supported");
}

//===----------------------------------------------------------------------===//
// External data
//===----------------------------------------------------------------------===//

TEST_F(Hostile, ExternalGoodPathForComparison) {
  write("sub/w.data", std::string(16, 'a'));
  EXPECT_HAS(imported(withExternal({{"location", "sub/w.data"}})), "nn.add");
}

TEST_F(Hostile, ExternalAbsolutePath) {
  write("w.data", std::string(16, 'a'));
  EXPECT_HAS(refused(withExternal({{"location", folder + "/w.data"}})),
             "the path is absolute");
}

TEST_F(Hostile, ExternalParentPath) {
  write("w.data", std::string(16, 'a'));
  EXPECT_HAS(refused(withExternal({{"location", "../w.data"}})),
             "the path has a component '..'");
  EXPECT_HAS(refused(withExternal({{"location", "sub/../../w.data"}})),
             "external data");
  EXPECT_HAS(refused(withExternal({{"location", ".."}})),
             "the path has a component '..'");
}

TEST_F(Hostile, ExternalOddPaths) {
  EXPECT_HAS(refused(withExternal({{"location", ""}})), "the path is empty");
  EXPECT_HAS(refused(withExternal({{"location", "a//b"}})), "");
  EXPECT_HAS(refused(withExternal({{"location", std::string("w\0x", 3)}})),
             "zero byte");
  EXPECT_HAS(refused(withExternal({{"location", "missing.data"}})),
             "cannot open");
  EXPECT_HAS(refused(withExternal({{"offset", "0"}})), "without a location");
}

TEST_F(Hostile, ExternalFolder) {
  std::filesystem::create_directories(folder + "/sub");
  EXPECT_HAS(refused(withExternal({{"location", "sub"}})), "regular file");
}

TEST_F(Hostile, ExternalSymbolicLink) {
  write("real.data", std::string(16, 'a'));
  std::filesystem::create_symlink(folder + "/real.data", folder + "/w.data");
  EXPECT_HAS(refused(withExternal({{"location", "w.data"}})),
             "'w.data' is a symbolic link");
}

TEST_F(Hostile, ExternalSymbolicLinkOfFolder) {
  write("real/w.data", std::string(16, 'a'));
  std::filesystem::create_directory_symlink(folder + "/real", folder + "/sub");
  EXPECT_HAS(refused(withExternal({{"location", "sub/w.data"}})), "sub");
}

TEST_F(Hostile, ExternalHardLink) {
  write("real.data", std::string(16, 'a'));
  std::filesystem::create_hard_link(folder + "/real.data", folder + "/w.data");
  EXPECT_HAS(refused(withExternal({{"location", "w.data"}})), "hard link");
}

TEST_F(Hostile, ExternalOffsetPastEnd) {
  write("w.data", std::string(20, 'a'));
  EXPECT_HAS(refused(withExternal({{"location", "w.data"}, {"offset", "8"}})),
             "expected its 16 bytes at offset 8 inside");
  EXPECT_HAS(refused(withExternal(
                 {{"location", "w.data"}, {"offset", "18446744073709551608"}})),
             "at offset 18446744073709551608");
}

TEST_F(Hostile, ExternalOddNumbers) {
  write("w.data", std::string(64, 'a'));
  for (const char *text :
       {"-1", "0x10", "", " 4", "1e3", "99999999999999999999999"})
    EXPECT_HAS(
        refused(withExternal({{"location", "w.data"}, {"offset", text}})),
        "expected external 'offset' to be a number");
}

TEST_F(Hostile, ExternalLengthThatIsNotTheShape) {
  write("w.data", std::string(64, 'a'));
  EXPECT_HAS(refused(withExternal({{"location", "w.data"}, {"length", "64"}})),
             "expected 16 bytes for its shape but got 64");
}

TEST_F(Hostile, ExternalUnknownAndRepeatedEntries) {
  write("w.data", std::string(16, 'a'));
  EXPECT_HAS(refused(withExternal({{"location", "w.data"}, {"basepath", "/"}})),
             "unknown entry 'basepath'");
  EXPECT_HAS(
      refused(withExternal({{"location", "w.data"}, {"location", "w.data"}})),
      "says 'location' twice");
}

TEST_F(Hostile, ExternalInSideDoors) {
  // A constant and a graph in a branch go through the same opener.
  std::string away = external("", {4}, {{"location", "/etc/passwd"}});
  EXPECT_HAS(refused(model(Graph()
                               .add(node("Constant", {}, {"c"},
                                         attrTensor("value", away)))
                               .add(node("Relu", {"c"}, {"y"}))
                               .output("y"))),
             "the path is absolute");
  std::string branch = Graph()
                           .weight(external("w", {4}, {{"location", "../w"}}))
                           .add(node("Relu", {"w"}, {"z"}))
                           .output("z")
                           .body;
  EXPECT_HAS(refused(model(Graph()
                               .weight(tensor("c", 9, {}, std::string(1, '\1')))
                               .add(node("If", {"c"}, {"y"},
                                         attrGraph("then_branch", branch) +
                                             attrGraph("else_branch", branch)))
                               .output("y"))),
             "component '..'");
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

TEST_F(Hostile, DanglingInput) {
  EXPECT_HAS(
      refused(model(Graph().add(node("Relu", {"ghost"}, {"y"})).output("y"))),
      "input 'ghost' is not defined");
}

TEST_F(Hostile, Cycle) {
  EXPECT_HAS(refused(model(Graph()
                               .input("x", 1, {"4"})
                               .add(node("Add", {"x", "b"}, {"a"}))
                               .add(node("Relu", {"a"}, {"b"}))
                               .output("b"))),
             "cycle");
}

TEST_F(Hostile, NameTwice) {
  EXPECT_HAS(refused(model(Graph()
                               .input("x", 1, {"4"})
                               .add(node("Relu", {"x"}, {"y"}, "", "a"))
                               .add(node("Relu", {"x"}, {"y"}, "", "b"))
                               .output("y"))),
             "node 'b' (Relu, ai.onnx opset 18): output 'y' is defined twice");
  EXPECT_HAS(refused(model(Graph()
                               .input("x", 1, {"4"})
                               .add(node("Relu", {"x"}, {"x"}))
                               .output("x"))),
             "output 'x' is defined twice");
}

TEST_F(Hostile, OutputThatNobodyComputes) {
  EXPECT_HAS(refused(model(Graph().input("x", 1, {"4"}).output("ghost"))),
             "output 'ghost': no node computes it");
}

TEST_F(Hostile, FunctionThatCallsItself) {
  std::string function = msg(1, "F") + msg(10, "acme") + msg(4, "a") +
                         msg(5, "b") +
                         msg(7, node("F", {"a"}, {"b"}, domain("acme"))) +
                         msg(9, msg(1, "acme") + num(2, 1));
  EXPECT_HAS(refused(model(
                 Graph()
                     .input("x", 1, {"4"})
                     .add(node("F", {"x"}, {"y"}, domain("acme")))
                     .output("y"),
                 18, msg(25, function) + msg(8, msg(1, "acme") + num(2, 1)))),
             "functions call themselves");
}

TEST_F(Hostile, FunctionsThatExplode) {
  // Thirty functions, each of which calls the next one thirty times.
  std::string functions;
  for (unsigned i = 0; i < 30; ++i) {
    std::string body = msg(1, "F" + std::to_string(i)) + msg(10, "acme") +
                       msg(4, "a") + msg(5, "v30");
    std::string last = "a";
    for (unsigned k = 1; k <= 30; ++k) {
      std::string next = "v" + std::to_string(k);
      body += msg(7, i == 29 ? node("Relu", {last}, {next})
                             : node("F" + std::to_string(i + 1), {last}, {next},
                                    domain("acme")));
      last = next;
    }
    functions += msg(25, body + msg(9, msg(1, "acme") + num(2, 1)) +
                             msg(9, msg(1, "") + num(2, 18)));
  }
  EXPECT_HAS(refused(model(Graph()
                               .input("x", 1, {"4"})
                               .add(node("F0", {"x"}, {"y"}, domain("acme")))
                               .output("y"),
                           18, functions + msg(8, msg(1, "acme") + num(2, 1)))),
             "expected at most 1000000 nodes");
}

TEST_F(Hostile, ShapeBombs) {
  int64_t big = int64_t(1) << 40;
  EXPECT_HAS(refused(model(Graph()
                               .weight(ints("s", {2}, {big, big}))
                               .add(node("ConstantOfShape", {"s"}, {"y"}))
                               .output("y"))),
             "elements");
  EXPECT_HAS(refused(model(Graph()
                               .input("x", 1, {"4"})
                               .weight(ints("r", {1}, {int64_t(1) << 62}))
                               .add(node("Tile", {"x", "r"}, {"y"}))
                               .output("y"))),
             "Tile");
}

TEST_F(Hostile, OperandsThatDoNotFit) {
  EXPECT_HAS(refused(model(Graph()
                               .input("x", 1, {"4"})
                               .input("z", 1, {"5"})
                               .add(node("Add", {"x", "z"}, {"y"}, "", "sum"))
                               .output("y"))),
             "node 'sum' (Add, ai.onnx opset 18): ");
  EXPECT_HAS(refused(model(Graph()
                               .input("x", 1, {"4"})
                               .add(node("Add", {"x"}, {"y"}))
                               .output("y"))),
             "expected input 1");
}

TEST_F(Hostile, AttributesThatDoNotFit) {
  auto softmax = [&](const std::string &more) {
    return refused(model(Graph()
                             .input("x", 1, {"2", "4"})
                             .add(node("Softmax", {"x"}, {"y"}, more))
                             .output("y")));
  };
  EXPECT_HAS(softmax(attrInt("axis", 9)),
             "expected an axis from -2 to 1 but got 9");
  EXPECT_HAS(softmax(attrFloat("axis", 1)),
             "expected attribute 'axis' to be an integer");
  EXPECT_HAS(softmax(attrInt("axis", 1) + attrInt("axis", 1)),
             "attribute 'axis' is given twice");
  EXPECT_HAS(softmax(attrInt("frobnicate", 1)),
             "unknown attribute 'frobnicate'");
}

TEST_F(Hostile, HugeWindows) {
  EXPECT_HAS(refused(model(
                 Graph()
                     .input("x", 1, {"1", "1", "8", "8"})
                     .add(node("MaxPool", {"x"}, {"y"},
                               attrInts("kernel_shape", {int64_t(1) << 62, 2}) +
                                   attrInts("strides", {1, int64_t(1) << 40})))
                     .output("y"))),
             "MaxPool");
}

TEST_F(Hostile, ControlCharactersInNames) {
  std::string text = refused(
      model(Graph().add(node("Relu", {"\x1b[31mred\n"}, {"y"})).output("y")));
  EXPECT_LACKS(text, "\x1b");
}

TEST_F(Hostile, DimensionThatNoInputHas) {
  ImportOptions options;
  options.dims = {{"bacth", 1}};
  EXPECT_HAS(
      refused(model(Graph().input("x", 1, {"batch"}).output("x")), options),
      "no input has a dimension 'bacth'; the dimensions are batch");
}

} // namespace
