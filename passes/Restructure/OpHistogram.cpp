//===- OpHistogram.cpp - Counts of ops ------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/RestructurePasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <map>

namespace llmc {
#define GEN_PASS_DEF_OPHISTOGRAMPASS
#include "llmc/Passes/RestructurePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

struct OpHistogramPass : llmc::impl::OpHistogramPassBase<OpHistogramPass> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      std::map<std::string, uint64_t> counts;
      function.walk([&](Operation *op) {
        if (op != function && !isa<arith::ConstantOp>(op))
          ++counts[op->getName().getStringRef().str()];
      });
      llvm::outs() << '@' << function.getSymName() << '\n';
      for (auto &[name, count] : counts)
        llvm::outs() << "  " << name << ' ' << count << '\n';
    }
    llvm::outs().flush();
    markAllAnalysesPreserved();
  }
};

} // namespace
