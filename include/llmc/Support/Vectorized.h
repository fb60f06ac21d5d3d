//===- Vectorized.h - Loops for several vector widths ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The program runs on every x86-64, and vectors of 512 bits are four times as
// fast where they exist. A function marked LLMC_VECTORIZED is compiled three
// times and the loader picks the widest the processor knows. Its loops must be
// plain; what it calls must be inlined to gain anything.
//
// Results stay the same on all of them: units that use this are compiled with
// -ffp-contract=off, and sums are kept in a fixed number of lanes.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_SUPPORT_VECTORIZED_H
#define LLMC_SUPPORT_VECTORIZED_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||     \
    __has_feature(memory_sanitizer)
// The loader resolves such functions before a sanitizer has begun.
#define LLMC_VECTORIZED
#endif
#endif

#ifndef LLMC_VECTORIZED
#if defined(__x86_64__) && defined(__linux__) && defined(__clang__)
#define LLMC_VECTORIZED                                                        \
  __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define LLMC_VECTORIZED
#endif
#endif

namespace llmc {

/// To the nearest integer, halves to even, for |x| < 2^22: the addition leaves
/// no bits below 1. A rounding instruction is not in every x86-64.
inline float roundEven(float x) { return (x + 0x1.8p23f) - 0x1.8p23f; }

/// As the instructions for it do: the second operand where one is no number.
inline float smaller(float a, float b) { return a < b ? a : b; }
inline float larger(float a, float b) { return a > b ? a : b; }

} // namespace llmc

#endif // LLMC_SUPPORT_VECTORIZED_H
