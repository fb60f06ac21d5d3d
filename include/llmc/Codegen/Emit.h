//===- Emit.h - From the LLVM dialect to machine code -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_EMIT_H
#define LLMC_CODEGEN_EMIT_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"
#include <memory>
#include <string>

namespace llmc {

/// The machine that code is made for.
struct TargetChoice {
  std::string triple;
  std::string cpu;
  /// As LLVM writes them: "+avx2,+fma".
  std::string features;
};

/// "host", or the name of an LLVM CPU of the host's architecture; reports an
/// unknown one with the nearest names.
llvm::Expected<TargetChoice> resolveTarget(llvm::StringRef name);

/// The LLVM machine of a choice.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createTargetMachine(const TargetChoice &choice);

/// What `emitCode` writes.
enum class CodeKind { Object, Assembly, LLVMText };

/// Translates a module of the LLVM dialect, optimizes it (-O3) and writes it.
llvm::Error emitCode(mlir::ModuleOp module, llvm::TargetMachine &machine,
                     CodeKind kind, llvm::SmallVectorImpl<char> &code);

/// Links an object file into a shared library with ld.lld.
llvm::Error linkShared(llvm::StringRef object, llvm::StringRef library);

} // namespace llmc

#endif // LLMC_CODEGEN_EMIT_H
