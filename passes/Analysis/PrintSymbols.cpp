//===- PrintSymbols.cpp - Report symbolic shapes --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Analysis/SymbolicElements.h"
#include "llmc/Passes/AnalysisPasses.h"

namespace llmc {
#define GEN_PASS_DEF_PRINTSYMBOLSPASS
#include "llmc/Passes/AnalysisPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {
struct PrintSymbols : llmc::impl::PrintSymbolsPassBase<PrintSymbols> {
  void runOnOperation() override {
    SymbolicElements elements(getOperation());
    getOperation().walk([&](Operation *op) {
      for (Value result : op->getResults()) {
        if (!isa<RankedTensorType>(result.getType()))
          continue;
        std::string text;
        llvm::raw_string_ostream os(text);
        llvm::interleaveComma(elements.shape(result), os);
        op->emitRemark("shape [" + text + "]");
      }
    });
    for (const SymAssumption &assumed : elements.assumptions())
      emitRemark(assumed.op ? assumed.op->getLoc() : getOperation().getLoc(),
                 "assumed " + assumed.a.str() + " == " + assumed.b.str());
    markAllAnalysesPreserved();
  }
};
} // namespace
