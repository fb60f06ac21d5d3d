//===- RestructurePasses.h - Passes that change what a module offers -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_RESTRUCTUREPASSES_H
#define LLMC_PASSES_RESTRUCTUREPASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace llmc {

class WeightStore;

#define GEN_PASS_DECL
#include "llmc/Passes/RestructurePasses.h.inc"

#define GEN_PASS_REGISTRATION
#include "llmc/Passes/RestructurePasses.h.inc"

/// Names of the two entries.
inline constexpr llvm::StringLiteral kMainEntry = "main";
inline constexpr llvm::StringLiteral kLmEntry = "lm";

/// Binds @lm, fuses every function, and derives the canonical @lm. `context` is
/// the option of `llmc-derive-lm`; with `require` a module without a language
/// model is an error. With a `store`, which outlives the passes, an embedding
/// and a head with equal bytes become one weight.
void buildLanguageModelPipeline(mlir::OpPassManager &pm, int64_t context,
                                bool require = false,
                                const WeightStore *store = nullptr);

/// Registers `llmc-lm{context=N require=false}`, the pipeline above.
void registerLanguageModelPipeline();

} // namespace llmc

#endif // LLMC_PASSES_RESTRUCTUREPASSES_H
