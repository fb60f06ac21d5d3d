//===- FloatsTest.cpp - Small floating point numbers ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All 65536 half precision numbers there and back, and the rounding of what lies
// between them, against LLVM's APFloat.
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/Floats.h"
#include "llvm/ADT/APFloat.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace llvm;
using namespace llmc;

static float viaAPFloat(const fltSemantics &semantics, uint64_t bits,
                        unsigned width) {
  APFloat value(semantics, APInt(width, bits));
  bool lost;
  value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &lost);
  return value.convertToFloat();
}

static uint16_t roundedByAPFloat(const fltSemantics &semantics, float number) {
  APFloat value(number);
  bool lost;
  value.convert(semantics, APFloat::rmNearestTiesToEven, &lost);
  return static_cast<uint16_t>(value.bitcastToAPInt().getZExtValue());
}

TEST(Floats, EveryHalfThereAndBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float half = f16ToFloat(bits), brain = bf16ToFloat(bits);
    EXPECT_EQ(floatToF16(half), bits);
    EXPECT_EQ(floatToBf16(brain), bits);
    float expected = viaAPFloat(APFloat::IEEEhalf(), bits, 16);
    if (std::isnan(expected))
      EXPECT_TRUE(std::isnan(half));
    else
      EXPECT_EQ(half, expected);
  }
}

TEST(Floats, RoundsLikeAPFloat) {
  std::mt19937 random(1);
  auto check = [](uint32_t bits) {
    float value = bit_cast<float>(bits);
    if (std::isnan(value))
      return;
    EXPECT_EQ(floatToF16(value), roundedByAPFloat(APFloat::IEEEhalf(), value))
        << value;
    EXPECT_EQ(floatToBf16(value), roundedByAPFloat(APFloat::BFloat(), value))
        << value;
  };
  for (int i = 0; i < 100000; ++i) {
    check(random());
    // Near f16: exponents 2^-27 to 2^17, many exact ties.
    uint32_t mantissa = random() & (i % 2 ? 0x7fffff : 0x7ff000);
    check((100 + random() % 46) << 23 | mantissa | (random() & 0x80000000));
  }
}

/// The multiple of the last place of a number that is nearest to it, halves to
/// even, in double precision, where all of this is exact.
static double roundInDouble(float value, int digits, int lowest,
                            double largest) {
  if (value == 0)
    return value;
  int exponent = std::max(std::ilogb(value), lowest);
  double unit = std::ldexp(1.0, exponent - digits);
  double rounded = std::nearbyint(static_cast<double>(value) / unit) * unit;
  return std::abs(rounded) > largest ? std::copysign(HUGE_VAL, rounded)
                                     : rounded;
}

TEST(Floats, RoundsLikeDoubles) {
  std::mt19937 random(2);
  auto check = [](float value) {
    EXPECT_EQ(f16ToFloat(floatToF16(value)),
              roundInDouble(value, 10, -14, 65504))
        << value;
    EXPECT_EQ(bf16ToFloat(floatToBf16(value)),
              roundInDouble(value, 7, -126, 0x1.fep127))
        << value;
  };
  for (int i = 0; i < 200000; ++i) {
    uint32_t bits = random();
    // Every other one is halfway between two numbers of either format.
    if (i % 4 == 1)
      bits = (bits & 0xffff0000) | 0x8000;
    if (i % 4 == 3)
      bits = (bits & 0x87ffe000) | 0x38001000;
    float value = bit_cast<float>(bits);
    if (std::isfinite(value))
      check(value);
  }
  // About the largest, the smallest normal and the smallest number of each.
  for (float edge : {65504.0f, 65519.99f, 65520.0f, 0x1p-14f, 0x1p-24f,
                     0x1p-25f, 0x1.8p-24f, 0x1.fep127f, 0x1.fefffep127f,
                     0x1.ffp127f, 0x1p-126f, 0x1p-133f, 0x1p-134f, 0x1.8p-133f})
    for (float sign : {1.0f, -1.0f})
      for (float other : {0.0f, edge, HUGE_VALF})
        check(std::isfinite(std::nextafter(edge, other))
                  ? sign * std::nextafter(edge, other)
                  : sign * edge);
  for (uint32_t bits : {0x7fc00000u, 0xffc00001u, 0x7f800001u, 0xff812345u}) {
    EXPECT_TRUE(std::isnan(f16ToFloat(floatToF16(bit_cast<float>(bits)))));
    EXPECT_TRUE(std::isnan(bf16ToFloat(floatToBf16(bit_cast<float>(bits)))));
  }
}

TEST(Floats, ScaleCodesAscend) {
  for (unsigned code = 1; code < 255; ++code)
    EXPECT_EQ(e8m0ToFloat(code), 2 * e8m0ToFloat(code - 1));
  EXPECT_EQ(e8m0ToFloat(127), 1.0f);
  EXPECT_TRUE(std::isnan(e8m0ToFloat(255)));
  for (unsigned code = 0; code < 127; ++code)
    EXPECT_EQ(ue4m3ToFloat(code), viaAPFloat(APFloat::Float8E4M3FN(), code, 8));
  EXPECT_EQ(ue4m3ToFloat(126), 448.0f);
  EXPECT_TRUE(std::isnan(ue4m3ToFloat(127)));
}
