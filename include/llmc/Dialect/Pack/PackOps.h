//===- PackOps.h - The pack dialect -----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_PACK_PACKOPS_H
#define LLMC_DIALECT_PACK_PACKOPS_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include <optional>

#include "llmc/Dialect/Pack/PackDialect.h.inc"
#include "llmc/Dialect/Pack/PackInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "llmc/Dialect/Pack/PackAttributes.h.inc"

#define GET_TYPEDEF_CLASSES
#include "llmc/Dialect/Pack/PackTypes.h.inc"

#define GET_OP_CLASSES
#include "llmc/Dialect/Pack/PackOps.h.inc"

namespace llmc::pack {
/// The settings of a method as pairs of name and text.
llvm::SmallVector<std::pair<llvm::StringRef, llvm::StringRef>>
getSettings(MethodAttr method);
} // namespace llmc::pack

#endif // LLMC_DIALECT_PACK_PACKOPS_H
