//===- swiglu.cpp - Reads the operator SwiGLU of example.ops --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shazeer, GLU Variants Improve Transformer, 2020, section 2: the last axis of
// the input holds a gate g and a value v, each half of it, and the result is
//     g sigmoid(alpha g) v.
// Version 2 of the operator bounds both: g from above, v on both sides.
//
//===----------------------------------------------------------------------===//
#include <llmc/Plugin/CxxPlugin.h>

using namespace llmc;
using namespace llmc::onnx;
using mlir::Value;

static void read(NodeReader &n, double limit) {
  double alpha = n.attrFloat("alpha", 1);
  Value x = n.input(0);
  if (!x || n.numInputs() != 1)
    return n.fail("expected one input but got " + llvm::Twine(n.numInputs()));
  int64_t axis = n.rank(x) - 1,
          width = axis < 0 ? 1 : n.type(x).getDimSize(axis);
  if (mlir::ShapedType::isDynamic(width) || width % 2)
    return n.fail("expected an even last extent that is known");
  Value gate = n.slice(x, axis, 0, width / 2),
        value = n.slice(x, axis, width / 2, width);
  auto number = [&](double v) { return n.scalar(v, n.elementType(x)); };
  if (limit > 0) {
    gate = n.create<nn::MinOp>({gate, number(limit)});
    value = n.create<nn::MinOp>({value, number(limit)});
    value = n.create<nn::MaxOp>({value, number(-limit)});
  }
  Value scaled = n.create<nn::MulOp>({gate, number(alpha)});
  Value active = n.create<nn::MulOp>({gate, n.create<nn::SigmoidOp>(scaled)});
  n.result(0, n.create<nn::MulOp>({active, value}));
}

static void swiglu1(NodeReader &n) { read(n, 0); }

static void swiglu2(NodeReader &n) {
  double limit = n.attrFloat("limit", 0);
  if (!(limit >= 0))
    return n.fail("expected a 'limit' of 0, which is none, or more");
  read(n, limit);
}

LLMC_CXX_PLUGIN("example", "1.0", plugin) {
  plugin.addConverter("example.ops", "SwiGLU", 1, swiglu1);
  plugin.addConverter("example.ops", "SwiGLU", 2, swiglu2);
}
