//===- CompilePlan.h - What a compilation would write -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_DRIVER_COMPILEPLAN_H
#define LLMC_LIB_DRIVER_COMPILEPLAN_H

#include "llmc/Codegen/WeightFile.h"
#include "llvm/Support/JSON.h"

namespace llmc {

/// The weights of a plan: {"bytes", "tensors", "layouts": {LAYOUT: {"tensors",
/// "bytes"}}, "list": [{"name", "layout", "bytes"}]}, as rules of recipes match
/// the names.
llvm::json::Object describeWeights(const WeightFile &weights);

/// `llmc compile --dry-run` for people. `plan` has "bundle", "cpu", "triple",
/// "recipe", "entries" as in a manifest, "weights" as above, "files".
void printPlan(llvm::raw_ostream &os, const llvm::json::Object &plan);

} // namespace llmc

#endif // LLMC_LIB_DRIVER_COMPILEPLAN_H
