//===- Pipeline.h - From nn to the LLVM dialect -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_PIPELINE_H
#define LLMC_CODEGEN_PIPELINE_H

#include "llmc/Codegen/Target.h"
#include "mlir/Pass/PassManager.h"

namespace llmc {

/// Weights into the order of kernels, one function for equal layers, symbols as
/// arguments. `specialize`: a case of its own for one token.
void buildPackPipeline(mlir::OpPassManager &pm, const Target &target,
                       bool specialize);

/// nn and pack -> linalg and kern. Expects weights that have offsets.
void buildLowerPipeline(mlir::OpPassManager &pm);

/// linalg and kern on tensors -> memory: buffers in one arena, plain pointers.
/// Expects functions whose symbols are index arguments and whose weights have
/// offsets.
void buildBufferizePipeline(mlir::OpPassManager &pm);

/// Memory -> loops -> LLVM dialect with the entries of the binary contract.
void buildLLVMPipeline(mlir::OpPassManager &pm, const Target &target);

/// Registers both under `llmc-bufferize` and `llmc-to-llvm`.
void registerCodegenPipelines();

} // namespace llmc

#endif // LLMC_CODEGEN_PIPELINE_H
