//===- Lanes.h - Sums of sixteen lanes -------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_METHODS_LANES_H
#define LLMC_LIB_METHODS_LANES_H

namespace llmc {

/// Sixteen numbers; the compiler cuts them to what the processor has.
typedef float Lanes __attribute__((vector_size(64)));
typedef float UnalignedLanes __attribute__((vector_size(64), aligned(4)));
typedef int IntegerLanes __attribute__((vector_size(64)));

/// The sum of all lanes, by halves.
inline float addLanes(const Lanes &lanes) {
  typedef float Eight __attribute__((vector_size(32)));
  typedef float Four __attribute__((vector_size(16)));
  Eight a = __builtin_shufflevector(lanes, lanes, 0, 1, 2, 3, 4, 5, 6, 7) +
            __builtin_shufflevector(lanes, lanes, 8, 9, 10, 11, 12, 13, 14, 15);
  Four b = __builtin_shufflevector(a, a, 0, 1, 2, 3) +
           __builtin_shufflevector(a, a, 4, 5, 6, 7);
  return (b[0] + b[2]) + (b[1] + b[3]);
}

} // namespace llmc

#endif // LLMC_LIB_METHODS_LANES_H
