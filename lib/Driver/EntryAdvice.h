//===- EntryAdvice.h - Whether another entry would help ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_DRIVER_ENTRYADVICE_H
#define LLMC_LIB_DRIVER_ENTRYADVICE_H

#include "llmc/Codegen/PassWatch.h"
#include "mlir/IR/BuiltinOps.h"

namespace llmc {

/// A note on `--entry`, which is `entry`, for a pass that failed on the module;
/// empty where another entry would fail in the same way. `makesCode`: the pass is
/// one of those that see only the entries that were asked for, and no recipe.
llvm::StringRef adviseOnEntry(const PassRecord &record, mlir::ModuleOp module,
                              llvm::StringRef entry, bool makesCode);

} // namespace llmc

#endif // LLMC_LIB_DRIVER_ENTRYADVICE_H
