//===- CodeParts.h - Machine code in parts, side by side --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CODEPARTS_H
#define LLMC_CODEGEN_CODEPARTS_H

#include "llmc/Codegen/Emit.h"
#include "llvm/ADT/StringMap.h"
#include <atomic>

namespace llmc {

/// LLVM IR that is cut into parts, each of which becomes an object of its own.
/// They depend on the module alone, so that the code is the same for any number
/// of threads.
class CodeParts {
public:
  /// The most parts of a module.
  static constexpr unsigned kMost = 4;
  /// Instructions of the smallest module that is worth a second part.
  static constexpr unsigned kFewest = 8000;

  CodeParts() = default;

  /// Translates a module of the LLVM dialect, which is not needed afterwards, into
  /// `most` parts at most.
  /// Functions that one call uses stay with it, and small ones are in every part,
  /// so that what is inlined in one module is inlined here, too.
  static llvm::Expected<CodeParts>
  create(mlir::ModuleOp module, const Target &target, unsigned most = kMost);

  size_t size() const { return machines.size(); }
  /// Names of the functions of which each is in one part only, with its number.
  const llvm::StringMap<unsigned> &getFunctions() const { return partOf; }

  /// Optimizes and compiles all parts on `threads` threads; `stopped` ends it
  /// early. Objects are in the order of parts.
  llvm::Expected<std::vector<std::string>>
  emit(unsigned threads, const std::atomic<bool> &stopped) const;

private:
  llvm::Expected<std::string> emitPart(unsigned part) const;

  llvm::SmallVector<char, 0> bitcode;
  llvm::StringMap<unsigned> partOf;
  std::vector<std::unique_ptr<llvm::TargetMachine>> machines;
};

} // namespace llmc

#endif // LLMC_CODEGEN_CODEPARTS_H
