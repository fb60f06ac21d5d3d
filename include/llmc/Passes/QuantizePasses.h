//===- QuantizePasses.h - Which weights are compressed, and how -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_QUANTIZEPASSES_H
#define LLMC_PASSES_QUANTIZEPASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace llmc {

struct Recipe;
class WeightStore;

#define GEN_PASS_DECL
#include "llmc/Passes/QuantizePasses.h.inc"

/// The same with a recipe that has been read, and the weights, without which no
/// weight is known to come compressed. Both must outlive the pass.
std::unique_ptr<mlir::Pass> createAssignMethodsPass(const Recipe &recipe,
                                                    const WeightStore &store);

/// The same with the bytes of keys. They must outlive the pass.
std::unique_ptr<mlir::Pass> createScaleColumnsPass(const WeightStore &store,
                                                   unsigned threads,
                                                   bool fold = true);

#define GEN_PASS_REGISTRATION
#include "llmc/Passes/QuantizePasses.h.inc"

} // namespace llmc

#endif // LLMC_PASSES_QUANTIZEPASSES_H
