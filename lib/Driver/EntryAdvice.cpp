//===- EntryAdvice.cpp - Whether another entry would help -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "EntryAdvice.h"
#include "llmc/Codegen/Conventions.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace llmc;

/// Whether a function belongs to the entry lm: itself, a variant of it or its
/// layers, which begin with its name.
static bool belongsToLm(ModuleOp module, StringRef name) {
  if (name == "lm" || name.starts_with("lm_"))
    return true;
  auto function = module.lookupSymbol<func::FuncOp>(name);
  auto of =
      function ? function->getAttrOfType<StringAttr>(kVariantOf) : StringAttr();
  return of && of.getValue() == "lm";
}

StringRef llmc::adviseOnEntry(const PassRecord &record, ModuleOp module,
                              StringRef entry, bool makesCode) {
  auto has = [&](StringRef name) {
    return bool(module.lookupSymbol<func::FuncOp>(name));
  };
  StringRef pass = record.failedPass;
  if ((entry == "lm" || entry == "all") && !has("lm") &&
      (pass == "llmc-bind-lm" || pass == "llmc-derive-lm"))
    return "--entry main compiles the model's own signature, whatever it is";
  if (entry == "auto" && makesCode && has("lm") && has("main") &&
      !belongsToLm(module, record.failedFunction))
    return "a language model needs only the entry lm; if main, the model's own "
           "signature, is what fails, --entry lm leaves it out";
  return "";
}
