//===- BuiltinFormats.cpp - The formats that llmc brings ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A table of the plugin interface, and nothing else of llmc. With
// LLMC_FORMATS_VENDOR, a text, this file makes a plugin of that vendor.
//
//===----------------------------------------------------------------------===//
#include "VectorTables.h"
#include "llmc/Plugin/plugin.h"

#include <array>
#include <iterator>

#ifdef LLMC_FORMATS_VENDOR
#define LLMC_FORMATS_PREFIX LLMC_FORMATS_VENDOR "."
#else
#define LLMC_FORMATS_VENDOR "llmc"
#define LLMC_FORMATS_PREFIX ""
#endif

namespace llmc {
const llmc_plugin &getBuiltinFormats();
} // namespace llmc

/// One real for each group.
static constexpr llmc_chain kHalf = {sizeof(llmc_chain), LLMC_REAL_F16,
                                     LLMC_SPAN_GROUP, LLMC_SCALE_NONE, 0};

/// What names without a group have.
static constexpr uint32_t kGroup = 32;

template <unsigned bits>
static constexpr auto kCount = std::array<int8_t, size_t(1) << bits>().size();

/// Levels that are one apart.
template <unsigned bits, int first>
static constexpr std::array<int8_t, kCount<bits>> kEven = [] {
  std::array<int8_t, kCount<bits>> levels{};
  for (size_t code = 0; code < levels.size(); ++code)
    levels[code] = static_cast<int8_t>(first + static_cast<int>(code));
  return levels;
}();

/// Of NL3 and NL4: levels of the least squared error of normal numbers (Lloyd's
/// steps) in groups of 32 under their best scale, of either sign; NL4 is that of
/// IQ4_NL, and SL4 the same among integers of six bits, whose products fit sums of
/// sixteen bits in pairs. NF4 and NF3, quantiles of a normal distribution, are rounded to
/// 127ths. E2M1, numbers of a sign, two bits of exponent and one of mantissa
/// (OCP Microscaling Formats 1.0, section 5.3.3), is doubled to have integers;
/// code 8, its negative zero, is read as 0 and not made. Nor is code 3 of T2. Tables
/// of vectors are made by VectorTables.py.
static constexpr std::array<int8_t, 16>
    kNl4 = {-127, -104, -83, -65, -49, -35, -22, -10,
            1,    13,   25,  38,  53,  69,  89,  113},
    kSl4 = {-32, -25, -20, -16, -12, -8, -5, -2, 0, 3, 6, 9, 13, 17, 22, 29},
    kNf4 = {-127, -88, -67, -50, -36, -23, -12, 0,
            10,   20,  31,  43,  56,  71,  92,  127},
    kE2m1 = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
static constexpr std::array<int8_t, 8> kNl3 = {-127, -78, -46, -19,
                                               6,    31,  60,  100},
                                       kNf3 = {-127, -68, -31, 0,
                                               23,   49,  79,  127};
static constexpr std::array<int8_t, 4> kT2 = {-1, 0, 1, 0};

template <const auto &levels> static constexpr llmc_term makeTerm() {
  int lowest = int{levels[0]}, highest = lowest;
  for (int8_t each : levels) {
    int level = int{each};
    lowest = level < lowest ? level : lowest;
    highest = level > highest ? level : highest;
  }
  return {sizeof(llmc_term), levels.data(), lowest, highest, &kHalf, nullptr};
}
template <const auto &levels>
static constexpr llmc_term kTerm = makeTerm<levels>();

template <const auto &levels, uint32_t weights = 1>
static constexpr llmc_format_definition
makeFormat(const char *name, const char *summary,
           const llmc_chain *minimum = nullptr) {
  uint32_t bits = 0;
  while (weights << bits < levels.size())
    ++bits;
  return {sizeof(llmc_format_definition),
          name,
          summary,
          bits,
          kGroup,
          &kTerm<levels>,
          1,
          minimum,
          /*hadamard=*/0,
          /*reserved=*/0,
          weights,
          /*reserved_too=*/0};
}

#define LLMC_NAME(name) LLMC_FORMATS_PREFIX name

static constexpr llmc_format_definition kFormats[] = {
    makeFormat<kEven<1, 0>>(LLMC_NAME("u1"), "0 and 1, with a minimum", &kHalf),
    makeFormat<kEven<2, 0>>(LLMC_NAME("u2"), "0 to 3, with a minimum", &kHalf),
    makeFormat<kEven<3, 0>>(LLMC_NAME("u3"), "0 to 7, with a minimum", &kHalf),
    makeFormat<kEven<4, 0>>(LLMC_NAME("u4"), "0 to 15, with a minimum", &kHalf),
    makeFormat<kEven<5, 0>>(LLMC_NAME("u5"), "0 to 31, with a minimum", &kHalf),
    makeFormat<kEven<6, 0>>(LLMC_NAME("u6"), "0 to 63, with a minimum", &kHalf),
    makeFormat<kEven<8, -128>>(LLMC_NAME("u8"), "-128 to 127, with a minimum",
                               &kHalf),
    makeFormat<kEven<2, -2>>(LLMC_NAME("i2"), "-2 to 1"),
    makeFormat<kEven<3, -4>>(LLMC_NAME("i3"), "-4 to 3"),
    makeFormat<kEven<4, -8>>(LLMC_NAME("i4"), "-8 to 7"),
    makeFormat<kEven<5, -16>>(LLMC_NAME("i5"), "-16 to 15"),
    makeFormat<kEven<6, -32>>(LLMC_NAME("i6"), "-32 to 31"),
    makeFormat<kEven<8, -128>>(LLMC_NAME("i8"), "-128 to 127"),
    makeFormat<kNl4>(LLMC_NAME("nl4"),
                     "the 16 levels of IQ4_NL, denser about 0"),
    makeFormat<kSl4>(LLMC_NAME("sl4"),
                     "16 levels of six bits like those of nl4, faster"),
    makeFormat<kNl3>(LLMC_NAME("nl3"), "8 levels made like those of nl4"),
    makeFormat<kNf4>(LLMC_NAME("nf4"),
                     "quantiles of a normal distribution, 16 in 127ths"),
    makeFormat<kNf3>(LLMC_NAME("nf3"),
                     "quantiles of a normal distribution, 8 in 127ths"),
    makeFormat<kE2m1>(LLMC_NAME("e2m1"), "floats of four bits, in halves"),
    makeFormat<kT2>(LLMC_NAME("t2"), "-1, 0 and 1"),
    makeFormat<kV4b8, 4>(LLMC_NAME("v4b8"),
                         "vectors of 4 weights in 8 bits, for normal numbers"),
    makeFormat<kV2b6, 2>(LLMC_NAME("v2b6"),
                         "vectors of 2 weights in 6 bits, for normal numbers"),
};

static constexpr llmc_plugin kPlugin = {sizeof(llmc_plugin),
                                        LLMC_PLUGIN_ABI,
                                        4,
                                        LLMC_FORMATS_VENDOR,
                                        "1",
                                        nullptr,
                                        0,
                                        kFormats,
                                        std::size(kFormats),
                                        nullptr,
                                        0};

const llmc_plugin &llmc::getBuiltinFormats() { return kPlugin; }
