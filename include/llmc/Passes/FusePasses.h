//===- FusePasses.h - Passes that recover layers ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_FUSEPASSES_H
#define LLMC_PASSES_FUSEPASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace llmc {

class WeightStore;

#define GEN_PASS_DECL
#include "llmc/Passes/FusePasses.h.inc"

#define GEN_PASS_REGISTRATION
#include "llmc/Passes/FusePasses.h.inc"

/// The pass `llmc-tie-weights` with the store that knows the bytes of keys; the
/// store outlives the pass.
std::unique_ptr<mlir::Pass> createTieWeightsPass(const WeightStore &store);

/// Adds the passes that turn the graph of an exporter into layers, in the order
/// they need: simplify, normalizations, activations, linears, rotary,
/// attention, weights.
void buildFusePipeline(mlir::OpPassManager &pm);

/// Registers `llmc-fuse`, the pipeline of buildFusePipeline.
void registerFusePipeline();

} // namespace llmc

#endif // LLMC_PASSES_FUSEPASSES_H
