//===- OpsGather.cpp - Reading by index -----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Handlers.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

namespace {

void gather(NodeReader &n) {
  Value x = n.input(0);
  int64_t axis = n.axis(n.attrInt("axis", 0), n.rank(x));
  n.result(0, n.create<nn::GatherOp>({x, n.input(1)}, n.named("axis", axis)));
}

void gatherElements(NodeReader &n) {
  Value x = n.input(0);
  int64_t axis = n.axis(n.attrInt("axis", 0), n.rank(x));
  n.result(0, n.create<nn::GatherElementsOp>({x, n.input(1)},
                                             n.named("axis", axis)));
}

void gatherNd(NodeReader &n) {
  int64_t batch = n.attrInt("batch_dims", 0);
  n.result(0, n.create<nn::GatherNdOp>({n.input(0), n.input(1)},
                                       n.named("batch_dims", batch)));
}

} // namespace

void llmc::onnx::addGatherHandlers(HandlerTable &table) {
  table.add("", "Gather", 1, gather);
  table.add("", "GatherElements", 11, gatherElements);
  table.add("", "GatherND", 11, gatherNd);
}
