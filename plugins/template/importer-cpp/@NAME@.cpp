//===- @NAME@.cpp - An importer -------------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include <llmc/Plugin/CxxPlugin.h>

using namespace llmc;

/// The operator ScaledTanh: scale * tanh(x), scale being 1 unless it is given.
/// After the first fault, which llmc reports with the name of the node, all that
/// is read and built is null; so only results need a look.
static void scaledTanh(onnx::NodeReader &n) {
  double scale = n.attrFloat("scale", 1);
  mlir::Value x = n.input(0), y = n.create<nn::TanhOp>(x);
  n.result(0, n.create<nn::MulOp>({y, n.scalar(scale, n.elementType(x))}));
}

LLMC_CXX_PLUGIN("@NAME@", "0.1", plugin) {
  plugin.addConverter("@NAME@.ops", "ScaledTanh", 1, scaledTanh);
}
