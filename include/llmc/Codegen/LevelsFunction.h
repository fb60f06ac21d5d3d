//===- LevelsFunction.h - Levels as MLIR text -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How kernels turn the codes of a format into levels, in the words of whoever
// made the format:
//
//     func.func @levels(%code: i8) -> i8 { ... }
//
// One block of pure integer ops on scalars (llmc/Plugin/plugin.h lists them). It
// is written for one code and knows no width: kernels clone its ops with vectors
// in the place of scalars, for whatever a register holds. Run once for each code,
// it gives the table from which encoder, decoder and the range of levels come, so
// that they cannot disagree with the kernels.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_LEVELSFUNCTION_H
#define LLMC_CODEGEN_LEVELSFUNCTION_H

#include "llmc/Codegen/Emitter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace llmc {

class LevelsFunction {
public:
  /// Reads a text and runs it for all codes of `bits` bits. The context must have
  /// loaded func, arith and vector. Refuses what is not such a function, and one
  /// whose result is not defined for a code. Errors name the line of the text.
  static llvm::Expected<LevelsFunction>
  parse(llvm::StringRef text, unsigned bits, mlir::MLIRContext *context);

  /// The level of each code.
  llvm::ArrayRef<int8_t> getTable() const { return table; }

  /// A table of at most 256 bytes for every byte of a vector.
  using LookUp = llvm::function_ref<mlir::Value(mlir::Value keys,
                                                llvm::ArrayRef<uint8_t> table)>;
  /// The level of every byte of a vector of codes, plus `added`.
  mlir::Value emit(Emitter &e, mlir::Value codes, int64_t added,
                   LookUp lookUp) const;

private:
  llvm::Error run(unsigned bits);

  /// Shared by the copies of a shape; not changed.
  std::shared_ptr<mlir::OwningOpRef<mlir::ModuleOp>> module;
  mlir::func::FuncOp function;
  llvm::SmallVector<int8_t> table;
};

/// Runs a function in a context of its own: the levels of a plugin's table.
llvm::Expected<llvm::SmallVector<int8_t>> runLevels(llvm::StringRef text,
                                                    unsigned bits);

} // namespace llmc

#endif // LLMC_CODEGEN_LEVELSFUNCTION_H
