//===- SplitMix.h - Random numbers that are the same everywhere -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// SplitMix64: small, and the same sequence on every machine and with every
// standard library.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_SUPPORT_SPLITMIX_H
#define LLMC_SUPPORT_SPLITMIX_H

#include <cstdint>

namespace llmc {

struct SplitMix {
  uint64_t state = 0;

  /// 64 random bits.
  uint64_t next() {
    state += 0x9e3779b97f4a7c15;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  /// Uniform in [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  /// Uniform in [0, bound); for bounds below 2^32 no value is more probable
  /// than another by more than 2^-32 of itself.
  uint64_t below(uint64_t bound) {
    return static_cast<uint64_t>(
        (static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
};

} // namespace llmc

#endif // LLMC_SUPPORT_SPLITMIX_H
