//===- Jit.h - Runs generated kernels inside a test -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_TEST_UNIT_KERNELS_JIT_H
#define LLMC_TEST_UNIT_KERNELS_JIT_H

#include "llmc/Codegen/Target.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>

namespace llvm::orc {
class LLJIT;
}

namespace llmc::test {

/// A module compiled for this machine. Its functions follow the bare-pointer
/// convention: raw memory is a pointer, an index is an int64_t.
class Jit {
public:
  /// Expands the kernels of `text` for `cpu` and compiles. In the function
  /// `run`, whose last two arguments are of type index, every parallel loop
  /// covers only the items between these shares of kAllItems.
  static llvm::Expected<std::unique_ptr<Jit>> compile(llvm::StringRef text,
                                                      llvm::StringRef cpu);
  ~Jit();

  void *lookup(llvm::StringRef name);

private:
  explicit Jit(std::unique_ptr<llvm::orc::LLJIT> engine);
  std::unique_ptr<llvm::orc::LLJIT> engine;
};

/// Expands the kernels of `text` and compiles it to an object file for another
/// machine. Parallel loops run one after the other.
llvm::Expected<std::string> compileObject(llvm::StringRef text,
                                          const Target &target);

/// The share of all items of a parallel loop.
constexpr int64_t kAllItems = int64_t(1) << 20;

/// Raw memory in the textual form of the IR.
inline const char *const kRaw = "memref<1099511627776xi8>";

} // namespace llmc::test

#endif // LLMC_TEST_UNIT_KERNELS_JIT_H
