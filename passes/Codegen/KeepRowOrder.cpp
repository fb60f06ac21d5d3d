//===- KeepRowOrder.cpp - One order of sums for every row ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Conventions.h"
#include "llmc/Passes/CodegenPasses.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace llmc {
#define GEN_PASS_DEF_KEEPROWORDER
#include "llmc/Passes/CodegenPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

struct KeepRowOrder : llmc::impl::KeepRowOrderBase<KeepRowOrder> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    BoolAttr yes = BoolAttr::get(context, true);
    auto vectorize = LLVM::LoopVectorizeAttr::get(
        context, /*disable=*/yes, /*predicateEnable=*/{},
        /*scalableEnable=*/{}, /*width=*/{}, /*followupVectorized=*/{},
        /*followupEpilogue=*/{}, /*followupAll=*/{});
    auto unroll = LLVM::LoopUnrollAttr::get(
        context, /*disable=*/yes, /*count=*/{}, /*runtimeDisable=*/{},
        /*full=*/{}, /*followupUnrolled=*/{}, /*followupRemainder=*/{},
        /*followupAll=*/{});
    getOperation().walk([&](scf::ForOp loop) {
      if (auto outer = loop->getParentOfType<scf::ForOp>())
        outer->setAttr(kLoopAnnotation, annotate(vectorize, {}));
      // Loops within this one have been here already: it holds none.
      if (!loop->hasAttr(kLoopAnnotation) && loop.getNumResults() > 0)
        loop->setAttr(kLoopAnnotation, annotate({}, unroll));
    });
  }

  LLVM::LoopAnnotationAttr annotate(LLVM::LoopVectorizeAttr vectorize,
                                    LLVM::LoopUnrollAttr unroll) {
    return LLVM::LoopAnnotationAttr::get(
        &getContext(), /*disableNonforced=*/{}, vectorize, /*interleave=*/{},
        unroll, /*unrollAndJam=*/{}, /*licm=*/{}, /*distribute=*/{},
        /*pipeline=*/{}, /*peeled=*/{}, /*unswitch=*/{}, /*mustProgress=*/{},
        /*isVectorized=*/{}, /*startLoc=*/{}, /*endLoc=*/{},
        /*parallelAccesses=*/{});
  }
};

} // namespace
