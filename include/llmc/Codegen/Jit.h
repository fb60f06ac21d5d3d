//===- Jit.h - Runs generated kernels in this process -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// For checks of formats, tests and measurements; models are compiled ahead.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_JIT_H
#define LLMC_CODEGEN_JIT_H

#include "llmc/Codegen/Target.h"
#include "llmc/Dialect/Kern/KernOps.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>

struct LLVMOrcOpaqueLLJIT;

namespace llmc {

/// A module compiled for this machine. Its functions follow the bare-pointer
/// convention: raw memory is a pointer, an index is an int64_t.
class Jit {
public:
  /// Expands the kernels of `text` for `cpu` and compiles. In the function
  /// `run`, whose last two arguments are of type index, every parallel loop
  /// covers only the items between these shares of kAllItems.
  static llvm::Expected<std::unique_ptr<Jit>> compile(llvm::StringRef text,
                                                      llvm::StringRef cpu);
  Jit(const Jit &) = delete;
  Jit &operator=(const Jit &) = delete;
  ~Jit();

  void *lookup(llvm::StringRef name);

private:
  explicit Jit(LLVMOrcOpaqueLLJIT *engine);
  LLVMOrcOpaqueLLJIT *engine;
};

/// Expands the kernels of `text` and compiles it to an object file for any
/// machine, with the loops of `run` as above. Their items run one after the other.
llvm::Expected<std::string> compileObject(llvm::StringRef text,
                                          const Target &target);

/// The share of all items of a parallel loop.
constexpr int64_t kAllItems = int64_t(1) << 20;

/// Raw memory in the textual form of the IR.
inline const char *const kRaw = "memref<1099511627776xi8>";

/// A module with the function `run` that rounds m rows of k columns to what
/// products read (f32 x, f32 factors, i8 q, m, share begin, share end); without
/// `factors`, theirs are not read.
std::string getQuantizeModule(int64_t k, bool factors,
                              kern::Activations activations);
using QuantizeFunction = void (*)(float *x, float *factors, char *q, int64_t m,
                                  int64_t begin, int64_t end);

/// The same that transforms m rows of k columns in blocks of `size` (f32 x, f32
/// factors, f32 y, m, share begin, share end).
std::string getRotateModule(int64_t k, bool factors, int64_t size);
using RotateFunction = void (*)(float *x, float *factors, float *y, int64_t m,
                                int64_t begin, int64_t end);

/// The same that multiplies rounded rows with an n x k matrix of the packed type
/// `weight`; without `bias`, it is not read.
std::string getProductModule(llvm::StringRef weight, int64_t n, int64_t k,
                             bool bias, kern::Activations activations);
using ProductFunction = void (*)(char *q, char *weight, float *bias, float *y,
                                 int64_t m, int64_t begin, int64_t end);

/// The same that reads `count` rows by index.
std::string getGatherModule(llvm::StringRef weight, int64_t count, int64_t k);
using GatherFunction = void (*)(int64_t *ids, char *weight, float *y,
                                int64_t begin, int64_t end);

} // namespace llmc

#endif // LLMC_CODEGEN_JIT_H
