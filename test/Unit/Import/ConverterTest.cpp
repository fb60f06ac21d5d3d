//===- ConverterTest.cpp - Handlers that others bring ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Fixture.h"

using namespace llmc;
using namespace llmc::test;

namespace {

void negate(onnx::NodeReader &n) {
  n.result(0, n.create<nn::NegOp>(n.input(0)));
}
void absolute(onnx::NodeReader &n) {
  n.result(0, n.create<nn::AbsOp>(n.input(0)));
}

class Converters : public ImportTest {
protected:
  std::string modelOf(int version) {
    return model(Graph()
                     .input("x", 1, {"n", "4"})
                     .add(node("Flip", {"x"}, {"y"}, domain("example.ops")))
                     .output("y"),
                 18, msg(8, msg(1, "example.ops") + num(2, version)));
  }
  ImportOptions options() {
    ImportOptions result;
    result.converters = {{"example.ops", "Flip", 2, negate},
                         {"example.ops", "Flip", 4, absolute}};
    return result;
  }
};

TEST_F(Converters, HoldSinceTheirVersions) {
  EXPECT_HAS(refused(modelOf(2)), "the operator is not supported");
  EXPECT_HAS(refused(modelOf(1), options()),
             "the operator is known from opset 2 on");
  for (int version : {2, 3}) {
    std::string text = imported(modelOf(version), options());
    EXPECT_HAS(text, "nn.neg");
    EXPECT_LACKS(text, "nn.abs");
  }
  EXPECT_HAS(imported(modelOf(4), options()), "nn.abs");
}

} // namespace
