//===- DeriveLm.cpp - The canonical form of @lm ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "LmWriter.h"

#include "llmc/Passes/RestructurePasses.h"

namespace llmc {
#define GEN_PASS_DEF_DERIVELMPASS
#include "llmc/Passes/RestructurePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

struct DeriveLmPass : llmc::impl::DeriveLmPassBase<DeriveLmPass> {
  using DeriveLmPassBase::DeriveLmPassBase;

  void runOnOperation() override {
    auto bound = getOperation().lookupSymbol<func::FuncOp>(kLmEntry);
    if (!bound || !llvm::hasSingleElement(bound.getBody())) {
      if (require) {
        getOperation()->emitError("expected a function @lm of one block");
        signalPassFailure();
      }
      return;
    }
    LmWriter writer(bound, context);
    auto result = writer.run();
    if (succeeded(result)) {
      bound.erase();
      result->setSymName(kLmEntry);
      return;
    }
    Operation *at = writer.getCulprit() ? writer.getCulprit() : bound;
    if (require) {
      at->emitError("no entry 'lm': ") << writer.getReason();
      return signalPassFailure();
    }
    at->emitRemark("no entry 'lm': ") << writer.getReason();
    bound.erase();
  }
};

} // namespace
