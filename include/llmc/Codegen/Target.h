//===- Target.h - What kernels need to know of a processor ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_TARGET_H
#define LLMC_CODEGEN_TARGET_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>

namespace llmc {

/// What adds products of four bytes to a lane of 32 bits.
enum class DotUnit {
  None, ///< multiplications of 32 bits
  Madd, ///< x86: products of bytes or halves, added in pairs
  Vnni, ///< x86: vpdpbusd
  Sdot  ///< aarch64: sdot
};

/// A processor as the kernel templates see it. Resolved from an LLVM triple,
/// processor name and feature text; everything else follows from these.
struct Target {
  std::string triple, cpu, features;
  /// Bits of a vector register that is worth using; at least 128.
  int64_t vectorBits = 128;
  /// Vector registers that the code generator may use.
  int64_t registers = 16;
  /// Whether a fused multiply-add is one instruction.
  bool fma = false;
  /// Integer dot products of four.
  DotUnit dot = DotUnit::None;
  /// Whether f16 becomes f32 in one instruction.
  bool halves = false;
  /// The intrinsic (table of 16 bytes in every 16, keys) that looks up the
  /// bytes of one register; empty where there is none.
  std::string byteShuffle;
  /// The intrinsic (bytes, keys) that looks up the bytes of one register in all
  /// of another, by as many low bits of a key as it takes; empty where there is
  /// none.
  std::string bytePermute;
  /// Bytes of the second-level cache that one core may count on.
  int64_t cacheBytes = 512 * 1024;

  /// Elements of type f32 in one register.
  int64_t lanes() const { return vectorBits / 32; }
  /// Rows in one block of a packed matrix: two registers of outputs.
  int64_t blockRows() const { return 2 * lanes(); }
  /// Row counts for which a tile of `blockRows` columns fits the registers,
  /// descending, one last: accumulators, one column of weights, one broadcast.
  llvm::SmallVector<int64_t> rowTiles(int64_t blockRows) const;

  /// `cpu` is an LLVM name, "host" (then `features` is added to the host's), or
  /// empty for the baseline of the triple; an empty triple is the host's, or
  /// Linux on the family of `cpu` where that is another one.
  static llvm::Expected<Target> resolve(llvm::StringRef cpu,
                                        llvm::StringRef features = "",
                                        llvm::StringRef triple = "");
};

} // namespace llmc

#endif // LLMC_CODEGEN_TARGET_H
