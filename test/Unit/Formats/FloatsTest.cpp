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
