//===- ChooseActivations.cpp - What inputs are rounded to -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Dialect/Pack/Measured.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Passes/QuantizePasses.h"

namespace llmc {
#define GEN_PASS_DEF_CHOOSEACTIVATIONSPASS
#include "llmc/Passes/QuantizePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

struct ChooseActivations
    : llmc::impl::ChooseActivationsPassBase<ChooseActivations> {
  using ChooseActivationsPassBase::ChooseActivationsPassBase;

  void runOnOperation() override {
    for (auto weight : getOperation().getOps<nn::WeightOp>()) {
      auto rounding = weight->getAttrOfType<FloatAttr>(pack::kRounding);
      if (weight->hasAttr(pack::kMeasured) && rounding &&
          rounding.getValueAsDouble() > bound)
        weight->setAttr(pack::PackDialect::kActivations,
                        TypeAttr::get(IntegerType::get(&getContext(), 16)));
    }
  }
};

} // namespace
