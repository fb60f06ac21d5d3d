//===- IdleRules.h - Rules that fit nothing ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_DRIVER_IDLERULES_H
#define LLMC_LIB_DRIVER_IDLERULES_H

#include "llmc/Recipes/Recipe.h"

#include "mlir/IR/BuiltinOps.h"

namespace llmc {

/// A line for each rule whose expression is in the name of no matrix of a model:
/// it is misspelt, or made for another one. None for llmc's own recipes, which name
/// layers of many architectures; `given` is what the recipe was asked for by.
std::vector<std::string> findIdleRules(const Recipe &recipe,
                                       llvm::StringRef given,
                                       mlir::ModuleOp module);

} // namespace llmc

#endif // LLMC_LIB_DRIVER_IDLERULES_H
