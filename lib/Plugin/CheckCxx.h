//===- CheckCxx.h - Do passes and importers keep what they must? *- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_PLUGIN_CHECKCXX_H
#define LLMC_LIB_PLUGIN_CHECKCXX_H

#include "llmc/Plugin/PluginSet.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace llmc {

/// Something that a C++ plugin brings.
struct CxxSubject {
  const PluginSet &set;
  /// Of llmc and of the plugin.
  const mlir::DialectRegistry &dialects;
  /// Of a pass; of a slot, whose pipelines are meant; of an operator, with its
  /// domain before it; of a dialect.
  llvm::StringRef name;
};

/// One check; returns what it measured.
struct CxxCheck {
  llvm::StringLiteral name;
  llvm::Expected<std::string> (*run)(const CxxSubject &subject);
};

/// Those of a "pass", a "slot", an "operator" or a "dialect"; none of anything
/// else.
llvm::ArrayRef<CxxCheck> getCxxChecks(llvm::StringRef kind);

/// The names and the texts of the modules that passes are tried on.
struct SampleModule {
  llvm::StringLiteral name, text;
};
llvm::ArrayRef<SampleModule> getSampleModules();

} // namespace llmc

#endif // LLMC_LIB_PLUGIN_CHECKCXX_H
