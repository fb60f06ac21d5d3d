//===- OpsLinear.cpp - Products of matrices -------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A product with a weight becomes nn.linear, whose weight is [out, in]: the
// transposition is an edit of the weight's source and moves no byte here.
//
//===----------------------------------------------------------------------===//
#include "Handlers.h"

#include "Importer.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

namespace {

/// The weight [out, in] of a right operand [in, out]; null where it is none.
Value linearWeight(NodeReader &n, Value right) {
  if (!right || !isa<FloatType>(n.elementType(right)))
    return {};
  return n.transposedWeight(right);
}

void matmul(NodeReader &n) {
  Value a = n.input(0), b = n.input(1);
  if (!a || !b)
    return;
  if (Value weight = linearWeight(n, b); weight && n.rank(a) >= 1)
    return n.result(0, n.create<nn::LinearOp>({a, weight}));
  n.result(0, n.create<nn::MatmulOp>({a, b}));
}

void gemm(NodeReader &n) {
  double alpha = n.attrFloat("alpha", 1), beta = n.attrFloat("beta", 1);
  bool transA = n.attrInt("transA", 0) != 0,
       transB = n.attrInt("transB", 0) != 0;
  Value a = n.input(0), b = n.input(1), c = n.optional(2);
  if (!a || !b)
    return;
  if (n.rank(a) != 2 || n.rank(b) != 2)
    return n.fail("expected matrices of rank 2");
  if (transA)
    a = n.transpose(a, {1, 0});
  Value weight;
  if (isa<FloatType>(n.elementType(b)))
    weight = transB ? (n.importer().weightOf(b) ? b : Value())
                    : n.transposedWeight(b);
  if (beta == 0)
    c = Value();
  Value product;
  if (weight) {
    // A bias of one number for each output is part of the layer.
    auto type = n.type(weight);
    bool bias = c && alpha == 1 && beta == 1 && n.rank(c) == 1 &&
                n.type(c).getDimSize(0) == type.getDimSize(0);
    if (bias)
      return n.result(0, n.create<nn::LinearOp>({a, weight, c}));
    product = n.create<nn::LinearOp>({a, weight});
  } else {
    product = n.create<nn::MatmulOp>({a, transB ? n.transpose(b, {1, 0}) : b});
  }
  if (!product)
    return;
  Type element = n.elementType(product);
  if (alpha != 1)
    product = n.create<nn::MulOp>({product, n.scalar(alpha, element)});
  if (c && beta != 1)
    c = n.create<nn::MulOp>({c, n.scalar(beta, element)});
  n.result(0, c ? n.create<nn::AddOp>({product, c}) : product);
}

} // namespace

void llmc::onnx::addLinearHandlers(HandlerTable &table) {
  table.add("", "MatMul", 1, matmul);
  table.add("", "Gemm", 7, gemm);
}
