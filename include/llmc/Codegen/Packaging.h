//===- Packaging.h - Models as libraries and programs -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `--emit=lib` and `--emit=exe`: what a bundle holds, in the shape in which
// another program takes it, or in which a person starts it.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_PACKAGING_H
#define LLMC_CODEGEN_PACKAGING_H

#include "llmc/Codegen/BundleFolder.h"
#include "llmc/Codegen/WeightFile.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/JSON.h"

namespace llmc {

/// The C header of a model: how its entries are called, what their buffers are
/// in order, and where the data begins in the file of the weights.
/// Names of functions begin with `prefix`, those of macros with it in capitals.
std::string buildModelHeader(const llvm::json::Array &entries,
                             const WeightFile &weights,
                             llvm::StringRef prefix = "llmc");

/// Gives the functions that callers see, called llmc_X, the names PREFIX_X;
/// fails where one is taken.
mlir::LogicalResult renameFunctions(mlir::ModuleOp module,
                                    llvm::StringRef prefix);

/// Makes a library of `object`, a shared one where `output` ends in ".so" and
/// else an archive. Beside it go the header and the weights that `place` holds,
/// with the endings ".h" and ".safetensors". The library comes last.
llvm::Error writeLibrary(const BundleFolder &place, llvm::StringRef output,
                         llvm::StringRef object,
                         const llvm::json::Array &entries,
                         const WeightFile &weights, llvm::StringRef prefix);

/// Where the program `output` looks for its bundle.
std::string getBundleOfProgram(llvm::StringRef output);

/// Copies the program that runs bundles, `runner`, to `output`, in one step.
llvm::Error writeProgram(llvm::StringRef runner, llvm::StringRef output);

} // namespace llmc

#endif // LLMC_CODEGEN_PACKAGING_H
