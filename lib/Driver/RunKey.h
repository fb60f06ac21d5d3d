//===- RunKey.h - Whether two compilations are the same --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_DRIVER_RUNKEY_H
#define LLMC_LIB_DRIVER_RUNKEY_H

#include "llmc/Codegen/Target.h"
#include "llmc/Weights/WeightStore.h"
#include "mlir/IR/BuiltinOps.h"

namespace llmc {

/// A hash of all that the stored weights of a compilation depend on: the module,
/// which has a method at every weight that is to be compressed (so dimensions,
/// entries, context and recipe count as far as they change anything); the files
/// of the model, by size, time of change and number; the target; the bytes of this
/// compiler; and `others`, which says what plugins and what calibration there are.
std::string computeRunKey(mlir::ModuleOp module, const WeightStore &store,
                          const Target &target, llvm::StringRef others);

} // namespace llmc

#endif // LLMC_LIB_DRIVER_RUNKEY_H
