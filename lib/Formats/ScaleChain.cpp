//===- ScaleChain.cpp - How the numbers of groups are stored --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/Floats.h"
#include "llmc/Formats/QuantizedMatrix.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>

using namespace llvm;
using namespace llmc;

float llmc::roundReal(RealType type, float value) {
  switch (type) {
  case RealType::F16:
    return f16ToFloat(floatToF16(value));
  case RealType::BF16:
    return bf16ToFloat(floatToBf16(value));
  case RealType::F32:
  case RealType::None:
    return value;
  }
  llvm_unreachable("no such real");
}

void llmc::storeReal(RealType type, float value, void *to) {
  if (type == RealType::F32) {
    std::memcpy(to, &value, 4);
    return;
  }
  uint16_t bits =
      type == RealType::F16 ? floatToF16(value) : floatToBf16(value);
  std::memcpy(to, &bits, 2);
}

float llmc::loadReal(RealType type, const void *from) {
  if (type == RealType::F32) {
    float value;
    std::memcpy(&value, from, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, from, 2);
  return type == RealType::F16 ? f16ToFloat(bits) : bf16ToFloat(bits);
}

float llmc::getLargestReal(RealType type) {
  switch (type) {
  case RealType::F16:
    return 65504.0f;
  case RealType::BF16:
    return 0x1.fep127f;
  case RealType::F32:
  case RealType::None:
    return FLT_MAX;
  }
  llvm_unreachable("no such real");
}

float llmc::getSmallestReal(RealType type) {
  return type == RealType::F16 ? 0x1p-14f : FLT_MIN;
}

/// What a code is as a number.
static float decodeCode(ScaleCode code, uint8_t bits) {
  switch (code) {
  case ScaleCode::None:
    return 1;
  case ScaleCode::U4:
    return static_cast<float>(bits & 15);
  case ScaleCode::U6:
    return static_cast<float>(bits & 63);
  case ScaleCode::U8:
    return bits;
  case ScaleCode::I8:
    return static_cast<int8_t>(bits);
  case ScaleCode::E8M0:
    return e8m0ToFloat(bits);
  case ScaleCode::UE4M3:
    return ue4m3ToFloat(bits);
  }
  llvm_unreachable("no such scale code");
}

/// The largest number a code can be. A power of two has any size: 1.
static float getLargestCode(ScaleCode code) {
  switch (code) {
  case ScaleCode::U4:
    return 15;
  case ScaleCode::U6:
    return 63;
  case ScaleCode::U8:
    return 255;
  case ScaleCode::I8:
    return 127;
  case ScaleCode::UE4M3:
    return 448;
  case ScaleCode::None:
  case ScaleCode::E8M0:
    return 1;
  }
  llvm_unreachable("no such scale code");
}

/// The code nearest to a ratio of any size and sign.
static uint8_t encodeCode(ScaleCode code, float ratio) {
  if (code == ScaleCode::I8)
    return static_cast<uint8_t>(static_cast<int8_t>(
        std::nearbyint(std::clamp(ratio, -127.0f, 127.0f))));
  if (!(ratio > 0))
    return 0;
  switch (code) {
  case ScaleCode::U4:
  case ScaleCode::U6:
  case ScaleCode::U8:
    return static_cast<uint8_t>(
        std::nearbyint(std::min(ratio, getLargestCode(code))));
  case ScaleCode::E8M0: {
    // Nearest by factor: 2^(e-1) is nearer than 2^e up to sqrt(1/2) * 2^e.
    int exponent;
    float mantissa = std::frexp(ratio, &exponent);
    exponent -= mantissa < 0.70710678f;
    return static_cast<uint8_t>(std::clamp(exponent + 127, 0, 254));
  }
  case ScaleCode::UE4M3: {
    // Numbers ascend with their codes; 127 is none.
    uint8_t low = 0, high = 126;
    while (high - low > 1) {
      uint8_t middle = (low + high) / 2;
      (ue4m3ToFloat(middle) <= ratio ? low : high) = middle;
    }
    float below = ratio - ue4m3ToFloat(low), above = ue4m3ToFloat(high) - ratio;
    return above < below || (above == below && low % 2) ? high : low;
  }
  case ScaleCode::None:
  case ScaleCode::I8:
    break;
  }
  return 0;
}

static StringRef getRealName(RealType type) {
  return type == RealType::F16    ? "f16"
         : type == RealType::BF16 ? "bf16"
                                  : "f32";
}

static Error checkReal(RealType type, float value, int64_t group) {
  if (!std::isfinite(value))
    return createStringError("scale of group " + Twine(group) +
                             " is not a finite number");
  if (!std::isfinite(roundReal(type, value)))
    return createStringError(
        formatv("scale {0} of group {1} is beyond the largest {2}, expected "
                "at most {3}; a format with bf16 or f32 scales holds it",
                value, group, getRealName(type), getLargestReal(type))
            .str());
  return Error::success();
}

Error llmc::encodeChain(const FormatDescription &format, unsigned index,
                        int64_t columns, MutableArrayRef<float> wanted,
                        MutableArrayRef<float> reals,
                        MutableArrayRef<uint8_t> codes) {
  ScaleChain chain = format.getChains()[index];
  if (chain.ofScale)
    return createStringError("scales with zero points are read from models, "
                             "not made");
  int64_t groups = wanted.size();
  float sign = chain.negated ? -1.0f : 1.0f;
  if (chain.code == ScaleCode::None) {
    for (int64_t g = 0; g < groups; ++g) {
      float value = sign * wanted[g];
      reals[g] = roundReal(chain.real, value);
      if (!std::isfinite(reals[g]))
        return checkReal(chain.real, value, g);
      wanted[g] = sign * reals[g];
    }
    return Error::success();
  }
  float largestCode = getLargestCode(chain.code);
  for (int64_t begin = 0, end; begin < groups; begin = end) {
    // The groups under one real.
    int64_t place = format.getRealOfGroup(chain, begin);
    end = begin + 1;
    if (chain.real != RealType::None)
      while (end < groups && format.getRealOfGroup(chain, end) == place)
        ++end;
    float largest = 0;
    for (int64_t g = begin; g < end; ++g) {
      if (Error error = checkReal(RealType::F32, wanted[g], g))
        return error;
      float value = sign * wanted[g];
      if (chain.code == ScaleCode::I8)
        value = std::abs(value);
      largest = std::max(largest, value);
    }
    float real = 1;
    if (chain.real != RealType::None) {
      if (Error error = checkReal(chain.real, largest / largestCode, begin))
        return error;
      real = roundReal(chain.real, largest / largestCode);
      reals[place] = real;
    }
    for (int64_t g = begin; g < end; ++g) {
      float ratio = real > 0 ? sign * wanted[g] / real : 0;
      codes[g] = encodeCode(chain.code, ratio);
      wanted[g] = static_cast<float>(static_cast<double>(sign) * real *
                                     decodeCode(chain.code, codes[g]));
    }
  }
  return Error::success();
}

double QuantizedMatrix::getChainValue(unsigned index, int64_t row,
                                      int64_t group) const {
  ScaleChain chain =
      index < format.terms.size() ? format.terms[index].scale : format.minimum;
  const ChainValues &values = chains[index];
  double result = chain.negated ? -1 : 1;
  if (chain.real != RealType::None)
    result *= values.reals[row * format.getReals(chain, columns) +
                           format.getRealOfGroup(chain, group)];
  if (chain.code != ScaleCode::None)
    result *= decodeCode(chain.code, values.codes[row * getGroups() + group]);
  if (chain.ofScale)
    result *= getChainValue(0, row, group);
  return result;
}
