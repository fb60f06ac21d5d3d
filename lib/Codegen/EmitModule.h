//===- EmitModule.h - LLVM IR to machine code -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The two steps of emitCode.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_CODEGEN_EMITMODULE_H
#define LLMC_LIB_CODEGEN_EMITMODULE_H

#include "llmc/Codegen/Emit.h"

namespace llmc {

/// LLVM IR for a machine, not optimized.
llvm::Expected<std::unique_ptr<llvm::Module>>
translateModule(mlir::ModuleOp op, llvm::TargetMachine &machine,
                llvm::LLVMContext &context);

/// Optimizes a module and writes it.
llvm::Error emitModule(llvm::Module &module, llvm::TargetMachine &machine,
                       CodeKind kind, llvm::SmallVectorImpl<char> &code);

} // namespace llmc

#endif // LLMC_LIB_CODEGEN_EMITMODULE_H
