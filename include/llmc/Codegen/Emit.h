//===- Emit.h - From the LLVM dialect to machine code -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_EMIT_H
#define LLMC_CODEGEN_EMIT_H

#include "llmc/Codegen/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"
#include <memory>
#include <string>
#include <vector>

namespace llmc {

/// The x86 or Arm features that code for `target` may use, as the runtime
/// checks them: names without sign.
std::vector<std::string> getRequiredFeatures(const Target &target);

/// The LLVM machine of a target.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createTargetMachine(const Target &target);

/// What `emitCode` writes.
enum class CodeKind { Object, Assembly, LLVMText };

/// Translates a module of the LLVM dialect, optimizes it (-O3) and writes it.
llvm::Error emitCode(mlir::ModuleOp module, llvm::TargetMachine &machine,
                     CodeKind kind, llvm::SmallVectorImpl<char> &code);

/// Links object files into a shared library with ld.lld.
llvm::Error linkShared(llvm::ArrayRef<std::string> objects,
                       llvm::StringRef library);

} // namespace llmc

#endif // LLMC_CODEGEN_EMIT_H
