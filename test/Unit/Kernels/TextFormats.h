//===- TextFormats.h - Formats with levels as text --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Formats as a plugin would bring them, for tests and measurements of kernels:
// those of llmc in the words of a plugin, and some that use what else a text may.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_TEST_UNIT_KERNELS_TEXTFORMATS_H
#define LLMC_TEST_UNIT_KERNELS_TEXTFORMATS_H

#include "llmc/Codegen/LevelsFunction.h"
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Support/SplitMix.h"

namespace llmc::test {

struct TextFormat {
  const char *name;
  /// A format of llmc that has the chains, the bits and the group.
  const char *like;
  const char *body;
};

inline const TextFormat kTextFormats[] = {
    {"text.int4", "i4g32", R"(
  %k = arith.constant -8 : i8
  %l = arith.addi %code, %k : i8)"},
    {"text.nf4", "nf4g64", R"(
  %t = arith.constant dense<[-127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127]> : vector<16xi8>
  %i = arith.index_castui %code : i8 to index
  %l = vector.extract %t[%i] : i8 from vector<16xi8>)"},
    {"text.q6_k", "q6_k", R"(
  %k = arith.constant 32 : i8
  %l = arith.subi %code, %k : i8)"},
    // Of e2m1 by what it is: (2 + the bit of the fraction) << (exponent - 1).
    {"text.e2m1", "mxfp4", R"(
  %one = arith.constant 1 : i8
  %two = arith.constant 2 : i8
  %seven = arith.constant 7 : i8
  %zero = arith.constant 0 : i8
  %m = arith.andi %code, %seven : i8
  %f = arith.andi %m, %one : i8
  %n = arith.ori %f, %two : i8
  %e = arith.shrui %m, %one : i8
  %e0 = arith.maxui %e, %one : i8
  %s = arith.subi %e0, %one : i8
  %normal = arith.shli %n, %s : i8
  %small = arith.cmpi ult, %m, %two : i8
  %a = arith.select %small, %m, %normal : i8
  %positive = arith.cmpi ule, %code, %seven : i8
  %minus = arith.subi %zero, %a : i8
  %l = arith.select %positive, %a, %minus : i8)"},
    // Not one apart: products in sixteen bits, signs in a byte.
    {"text.square", "i5g32", R"(
  %x = arith.extui %code : i8 to i16
  %k = arith.constant 15 : i16
  %d = arith.subi %x, %k : i16
  %q = arith.muli %d, %d : i16
  %two = arith.constant 2 : i16
  %h = arith.shrsi %q, %two : i16
  %l = arith.trunci %h : i16 to i8)"},
    {"text.table32", "i5g32", R"(
  %t = arith.constant dense<[-100, -90, -80, -71, -63, -55, -48, -41, -35, -29, -24, -19, -14, -9, -5, -1, 0, 4, 8, 13, 18, 23, 28, 34, 40, 47, 54, 62, 70, 79, 89, 99]> : vector<32xi8>
  %i = arith.index_castui %code : i8 to index
  %l = vector.extract %t[%i] : i8 from vector<32xi8>)"},
    {"text.byte", "i8g32", R"(
  %k = arith.constant -128 : i8
  %l = arith.xori %code, %k : i8)"},
};

/// Vectors of all sizes, of numbers that make sums large: codes 0 and 1 are all of
/// the lowest and the highest levels.
struct VectorFormat {
  const char *name;
  unsigned weights, bits;
  int lowest, highest;
};

inline const VectorFormat kVectorFormats[] = {
    {"text.v2b2", 2, 2, -128, 127}, {"text.v2b4", 2, 4, -32, 31},
    {"text.v2b6", 2, 6, -64, 63},   {"text.v2b8", 2, 8, -128, 127},
    {"text.v4b4", 4, 4, 0, 127},    {"text.v4b8", 4, 8, -128, 127},
    {"text.v8b8", 8, 8, -16, 15}};

/// A format of llmc, one of the above by name, or "text.sum", two products of one
/// code, the second without a function.
inline FormatDescription findFormat(llvm::StringRef name) {
  auto make = [&](const TextFormat &text) {
    auto format = llvm::cantFail(parseFormat(text.like));
    std::string function = std::string("func.func @levels(%code: i8) -> i8 {") +
                           text.body + "\n  return %l : i8\n}\n";
    format.terms[0].levels =
        Levels::make(llvm::cantFail(runLevels(function, format.indexBits)));
    format.terms[0].levels.function = function;
    format.name = name.str();
    format.fromPlugin = true;
    return format;
  };
  for (const TextFormat &text : kTextFormats)
    if (name == text.name)
      return make(text);
  for (const VectorFormat &vectors : kVectorFormats) {
    if (name != vectors.name)
      continue;
    FormatDescription format = llvm::cantFail(parseFormat("i8g32"));
    format.name = name.str();
    format.fromPlugin = true;
    format.indexBits = vectors.bits;
    format.weightsPerIndex = vectors.weights;
    unsigned count =
        static_cast<unsigned>(vectors.highest - vectors.lowest + 1);
    llvm::SmallVector<int8_t> levels;
    SplitMix random{vectors.bits};
    for (unsigned i = 0; i < format.getLevelCount(); ++i) {
      unsigned code = i / vectors.weights;
      levels.push_back(static_cast<int8_t>(
          code == 0 ? vectors.lowest
          : code == 1
              ? vectors.highest
              : vectors.lowest + static_cast<int>(random.below(count))));
    }
    format.terms[0].levels = Levels::make(levels, /*vectors=*/true);
    return format;
  }
  if (name != "text.sum")
    return llvm::cantFail(parseFormat(name));
  FormatDescription sum = make(kTextFormats[0]),
                    other = llvm::cantFail(parseFormat("nl4g32.f32.mf16"));
  sum.terms.push_back(other.terms[0]);
  sum.hasMinimum = true;
  sum.minimum = other.minimum;
  return sum;
}

} // namespace llmc::test

#endif // LLMC_TEST_UNIT_KERNELS_TEXTFORMATS_H
