//===- Conventions.h - What the code generation passes agree on -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Explained at the top of llmc/Passes/CodegenPasses.td.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CONVENTIONS_H
#define LLMC_CODEGEN_CONVENTIONS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/SetVector.h"

namespace llmc {

constexpr llvm::StringLiteral kOut = "llmc.out";
constexpr llvm::StringLiteral kWeights = "llmc.weights";
constexpr llvm::StringLiteral kArena = "llmc.arena";
constexpr llvm::StringLiteral kCtx = "llmc.ctx";
constexpr llvm::StringLiteral kOffset = "llmc.offset";
constexpr llvm::StringLiteral kParallel = "llmc.parallel";
constexpr llvm::StringLiteral kKernel = "llmc.kernel";
/// Of a call: it multiplies with a weight matrix.
constexpr llvm::StringLiteral kProduct = "llmc.product";
constexpr llvm::StringLiteral kSignature = "llmc.signature";
constexpr llvm::StringLiteral kVariantOf = "llmc.variant_of";
constexpr llvm::StringLiteral kWhen = "llmc.when";
/// Of a function: the products alone of a step of that entry.
constexpr llvm::StringLiteral kReplayOf = "llmc.replay_of";
/// What must hold of an entry's symbols before it runs: triples of two
/// expressions that must be equal and what to say where they are not.
constexpr llvm::StringLiteral kConditions = "llmc.conditions";
/// Of a loop: what LLVM should and should not do with it.
constexpr llvm::StringLiteral kLoopAnnotation = "llvm.loop_annotation";

/// Bytes to which every buffer, arena slot and weight is aligned.
constexpr int64_t kAlignment = 64;

/// Raw memory: `memref<1099511627776xi8>`.
inline mlir::MemRefType getRawType(mlir::MLIRContext *context) {
  return mlir::MemRefType::get({int64_t(1) << 40},
                               mlir::IntegerType::get(context, 8));
}

/// Functions with a body that are no kernels, callees before callers.
llvm::SmallVector<mlir::func::FuncOp> getFunctionsPostOrder(mlir::ModuleOp m);

/// The index argument of `function` that is the symbol `name`; null without
/// one.
mlir::Value getSymbolArgument(mlir::func::FuncOp function,
                              llvm::StringRef name);

/// The index value of a symbol, null where it has none.
using SymbolLookup = llvm::function_ref<mlir::Value(llvm::StringRef)>;

/// Builds the value of a `nn.dims` entry (integer, symbol or expression). Null
/// where a symbol has no value or a part is no expression over symbols; the
/// caller reports.
mlir::Value buildDim(mlir::OpBuilder &builder, mlir::Location loc,
                     mlir::Attribute dim, SymbolLookup lookup);

/// Builds the values of the dynamic extents of `type` from `dims`; reports at
/// `function` what could not be built.
llvm::LogicalResult
buildDynamicDims(mlir::OpBuilder &builder, mlir::Location loc,
                 mlir::func::FuncOp function, mlir::ShapedType type,
                 mlir::ArrayAttr dims,
                 llvm::SmallVectorImpl<mlir::Value> &values);

} // namespace llmc

#endif // LLMC_CODEGEN_CONVENTIONS_H
