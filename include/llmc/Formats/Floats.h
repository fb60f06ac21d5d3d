//===- Floats.h - Small floating point numbers -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Conversions in integer arithmetic, the same on every machine: to the nearest,
// halves to even, and the payload of what is not a number stays where it fits.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_FORMATS_FLOATS_H
#define LLMC_FORMATS_FLOATS_H

#include "llvm/ADT/bit.h"
#include <cstdint>

namespace llmc {

inline float bf16ToFloat(uint16_t bits) {
  return llvm::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

inline uint16_t floatToBf16(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) {
    uint16_t high = static_cast<uint16_t>(bits >> 16);
    return high & 0x7f ? high : high | 0x40;
  }
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float f16ToFloat(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t magnitude = static_cast<uint32_t>(half & 0x7fff) << 13;
  if (magnitude >= 0x0f800000) // infinite or not a number
    return llvm::bit_cast<float>(sign | magnitude | 0x7f800000);
  if (magnitude >= 0x00800000) // normal: move the bias of the exponent
    return llvm::bit_cast<float>(sign | (magnitude + 0x38000000));
  // Subnormal: an integer times 2^-24, exact in f32.
  float value = static_cast<float>(half & 0x3ff) * 0x1p-24f;
  return llvm::bit_cast<float>(sign | llvm::bit_cast<uint32_t>(value));
}

inline uint16_t floatToF16(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) { // not a number
    uint16_t payload = static_cast<uint16_t>(magnitude >> 13 & 0x3ff);
    return sign | 0x7c00 | (payload ? payload : 0x200);
  }
  if (magnitude >= 0x477ff000) // rounds to 2^16 or more
    return sign | 0x7c00;
  if (magnitude < 0x38800000) { // below 2^-14: count in 2^-24
    // Adding 1/2 puts that unit into the last place, so the addition rounds.
    float shifted = llvm::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(llvm::bit_cast<uint32_t>(shifted) -
                                        0x3f000000);
  }
  magnitude += 0xfff + (magnitude >> 13 & 1);
  return sign | static_cast<uint16_t>((magnitude - 0x38000000) >> 13);
}

/// A power of two, 2^(code - 127); 255 is not a number.
inline float e8m0ToFloat(uint8_t code) {
  if (code == 0)
    return 0x1p-127f;
  return llvm::bit_cast<float>(code == 255 ? 0x7fc00000u
                                           : static_cast<uint32_t>(code) << 23);
}

/// Four bits of exponent, three of mantissa, no sign: 0 to 448. Bit 7 is not
/// read; 127 is not a number.
inline float ue4m3ToFloat(uint8_t code) {
  uint32_t exponent = code >> 3 & 15, mantissa = code & 7;
  if ((code & 127) == 127)
    return llvm::bit_cast<float>(0x7fc00000u);
  if (exponent == 0)
    return static_cast<float>(mantissa) * 0x1p-9f;
  return llvm::bit_cast<float>((exponent + 120) << 23 | mantissa << 20);
}

} // namespace llmc

#endif // LLMC_FORMATS_FLOATS_H
