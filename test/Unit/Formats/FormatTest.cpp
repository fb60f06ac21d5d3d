//===- FormatTest.cpp - Names, descriptions, scale chains, codes ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FormatsTestUtils.h"
#include "llvm/ADT/APFloat.h"

#include <cmath>

using namespace llvm;
using namespace llmc;
using namespace llmc::test;

TEST(FormatNames, CanonicalNamesAreRead) {
  for (StringRef name : getTestFormats()) {
    FormatDescription format = getFormat(name);
    std::string canonical = getCanonicalName(format);
    EXPECT_TRUE(getFormat(canonical) == format) << name.str();
    EXPECT_EQ(getCanonicalName(getFormat(canonical)), canonical);
    EXPECT_FALSE(describe(format).empty());
  }
}

TEST(FormatNames, Defaults) {
  EXPECT_TRUE(getFormat("i4") == getFormat("i4g32.f16"));
  EXPECT_TRUE(getFormat("u4g64") == getFormat("u4g64.f16.mf16"));
  EXPECT_TRUE(getFormat("q4_k") == getFormat("u4g32.f16b-u6"));
  EXPECT_EQ(getCanonicalName(getFormat("u4g64.bf16")), "u4g64.bf16");
  EXPECT_EQ(getCanonicalName(getFormat("i4g32.f16.mf32")), "i4g32.f16.mf32");
  EXPECT_EQ(getCanonicalName(getFormat("i8row")), "i8row");
  EXPECT_TRUE(getFormat("u4g32.zu4") == getFormat("u4g32.f16.zu4"));
  EXPECT_EQ(getCanonicalName(getFormat("u8g32.f32.zi8")), "u8g32.f32.zi8");
  EXPECT_EQ(getFormat("q4_k.lr16").rank, 16);
  EXPECT_EQ(getCanonicalName(getFormat("q4_k.lr16")), "u4g32.f16b-u6.lr16");
  EXPECT_TRUE(getFormat("q4_k.lr16").withoutSides() == getFormat("q4_k"));
  EXPECT_EQ(getFormat("q4_k.lr16").withoutSides().name, "q4_k");
  EXPECT_FALSE(getFormat("i4.lr8") == getFormat("i4"));
  EXPECT_TRUE(getFormat("q4_k.p").permuted);
  EXPECT_EQ(getCanonicalName(getFormat("q4_k.p")), "u4g32.f16b-u6.p");
  EXPECT_TRUE(getFormat("q4_k.p").getStored() == getFormat("q4_k"));
  EXPECT_EQ(getFormat("q4_k.p").getStored().name, "q4_k");
  EXPECT_FALSE(getFormat("i4.p") == getFormat("i4"));
  EXPECT_NE(describe(getFormat("i4.p")).find("an order of their own"),
            std::string::npos);
  EXPECT_EQ(getFormat("q4_k.sp5").sparse, 5);
  EXPECT_EQ(getCanonicalName(getFormat("q4_k.sp5")), "u4g32.f16b-u6.sp5");
  EXPECT_TRUE(getFormat("q4_k.sp5").withoutSides() == getFormat("q4_k"));
  EXPECT_EQ(getFormat("q4_k.sp5").withoutSides().name, "q4_k");
  EXPECT_FALSE(getFormat("i4.sp5") == getFormat("i4"));
  EXPECT_NE(describe(getFormat("i4.sp5")).find("to 5 of 1,000 weights"),
            std::string::npos);
  // Rounded, and one at least.
  for (auto [columns, count] : {std::pair<int64_t, int64_t>(1, 1),
                                {99, 1},
                                {300, 2},
                                {299, 1},
                                {576, 3},
                                {1100, 6},
                                {4096, 20}})
    EXPECT_EQ(getFormat("i4.sp5").getSparseCount(columns), count) << columns;
  EXPECT_EQ(getFormat("i4").getSparseCount(1000), 0);
  EXPECT_NE(describe(getFormat("i4.lr8")).find("of rank 8, in bf16"),
            std::string::npos);
  EXPECT_EQ(getCanonicalName(getFormat("v4b8")), "v4b8g32");
  EXPECT_EQ(getFormat("v4b8").getCodesOfRow(9), 3);
  EXPECT_EQ(getFormat("v4b8").getBitsOfWeight(), 2u);
  EXPECT_NE(describe(getFormat("v2b6"))
                .find("6 bits for 2 weights\nlevels:   "
                      "a table of 64 vectors of 2"),
            std::string::npos);
  EXPECT_FALSE(getFormat("i4g32").hasMinimum);
  EXPECT_TRUE(getFormat("u4g32").hasMinimum);
  EXPECT_EQ(getFormat("u8g32").getLowestLevel(), -128);
  EXPECT_EQ(getFormat("i3g32").getHighestLevel(), 3);
}

TEST(FormatNames, ErrorsSayWhatIsWrong) {
  auto message = [](StringRef name) {
    auto format = parseFormat(name);
    EXPECT_FALSE(static_cast<bool>(format)) << name.str();
    return format ? std::string() : toString(format.takeError());
  };
  auto expectPart = [&](StringRef name, StringRef part) {
    std::string text = message(name);
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_NE(text.find("'" + name.str() + "'"), std::string::npos) << text;
  };
  expectPart("q4_9", "did you mean 'q4_0'?");
  expectPart("x4", "expected levels");
  expectPart("i7g32", "expected levels");
  expectPart("i4g24", "multiple of 16");
  expectPart("i4g", "multiple of 16");
  expectPart("i4g0", "multiple of 16");
  expectPart("i4g99999999999999999999", "multiple of 16");
  expectPart("i4h32", "expected 'g' and a group");
  expectPart("i4g32.f17", "expected a scale chain");
  expectPart("i4g32.u6", "expected a scale chain");
  expectPart("i4g32.f16r", "expected a scale chain");
  expectPart("u4g32.f16.f16", "expected a scale chain");
  expectPart("u4g32.f16.zf16", "expected zero points");
  expectPart("u4g32.f16.ze8m0", "expected zero points to be integers");
  expectPart("u4g48.f16b-u6", "divides 256");
  expectPart("i4row.f16b-u6", "the whole row");
  expectPart("u8g32.f16b-u6", "levels from 0");
  expectPart("", "expected levels");
  expectPart("i4g32.lr0", "a rank of 1 to 256 after '.lr' but got '0'");
  expectPart("i4g32.lr257", "a rank of 1 to 256");
  expectPart("i4g32.lr99999999999999999999", "a rank of 1 to 256");
  expectPart("i4g32.lr", "expected a scale chain");
  expectPart("i4g32.lr8.f16", "expected a scale chain");
  expectPart("bf16.lr8", "a dense format has no error");
  expectPart("q4_9.lr8", "expected levels");
  expectPart("i4g32.sp0", "1 to 100 of 1,000 weights after '.sp' but got '0'");
  expectPart("i4g32.sp101", "1 to 100 of 1,000 weights");
  expectPart("i4g32.sp99999999999999999999", "1 to 100 of 1,000 weights");
  expectPart("i4g32.sp", "expected a scale chain");
  expectPart("bf16.sp5", "a dense format has no error");
  for (StringRef name :
       {"i4g32.h64.lr8", "i4g32.lr8.h64", "i4g32.sp5.lr8", "i4g32.lr8.sp5",
        "i4g32.sp5.h64", "i4g32.h64.sp5", "i4g32.p.h64", "i4g32.p.lr8",
        "i4g32.lr8.p", "i4g32.sp5.p"})
    expectPart(name, "a Hadamard transform, an order of columns, a rank or a "
                     "sparse part, not several of them");
  expectPart("bf16.p", "a dense format without");
  expectPart("i4g32.p.p", "expected a scale chain");
  expectPart("i4g32.p5", "expected a scale chain");
}

/// By LLVM's own numbers of these types. A scale code of the standard is one
/// more than ours.
TEST(FormatNames, Mxfp4IsThatOfTheStandard) {
  FormatDescription format = getFormat("mxfp4");
  EXPECT_EQ(getCanonicalName(format), "e2m1g32.e8m0");
  QuantizedMatrix matrix = create(format, 254, 16);
  for (unsigned row = 0; row < 254; ++row) {
    matrix.chains[0].codes[row] = row;
    for (unsigned code = 0; code < 16; ++code)
      matrix.codes[row * 16 + code] = code;
  }
  ASSERT_FALSE(static_cast<bool>(verify(matrix)));
  std::vector<float> values(254 * 16);
  decodeRows(matrix, 0, 254, MutableArrayRef(values));
  for (unsigned row = 0; row < 254; ++row)
    for (unsigned code = 0; code < 16; ++code) {
      double element =
          APFloat(APFloat::Float4E2M1FN(), APInt(4, code)).convertToDouble();
      double scale = APFloat(APFloat::Float8E8M0FNU(), APInt(8, row + 1))
                         .convertToDouble();
      EXPECT_EQ(values[row * 16 + code], static_cast<float>(element * scale))
          << "scale " << row << " code " << code;
    }
}

TEST(FormatDescription, VerifierRefuses) {
  auto refuses = [](auto change, StringRef part) {
    FormatDescription format = getFormat("u4g32");
    change(format);
    Error error = verify(format);
    ASSERT_TRUE(static_cast<bool>(error)) << part.str();
    std::string text = toString(std::move(error));
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  using F = FormatDescription;
  refuses([](F &f) { f.indexBits = 7; }, "1 to 6 or 8 bits but got 7");
  refuses([](F &f) { f.groupSize = 20; }, "multiple of 16");
  refuses([](F &f) { f.terms.clear(); }, "1 to 3 terms");
  refuses([](F &f) { f.terms[0].levels.table.assign(15, 0); }, "table of 16");
  refuses([](F &f) { f.terms[0].levels.offset = 113; }, "113 to 128");
  refuses([](F &f) { f.terms[0].scale.real = RealType::None; },
          "a real or a code");
  refuses([](F &f) { f.terms[0].scale.span = RealSpan::Row; },
          "to have a code");
  refuses([](F &f) { f.dense = RealType::F32; }, "32 bits");
  refuses([](F &f) { f.rank = 257; }, "a rank of at most 256 but got 257");
  refuses([](F &f) { f.weightsPerIndex = 3; }, "2, 4 or 8 weights but got 3");
  refuses([](F &f) { f.weightsPerIndex = 8; },
          "a multiple of its 8 weights but got 4");
  refuses([](F &f) { f.weightsPerIndex = 2; },
          "a table of levels under codes of 2 weights");
  refuses(
      [](F &f) {
        f.weightsPerIndex = 2;
        f.terms[0].levels.table.assign(16, 0);
      },
      "a table of 32 levels but got 16");
  refuses(
      [](F &f) {
        f.weightsPerIndex = 2;
        f.terms[0].levels.table.assign(32, 0);
        f.terms[0].levels.function = "levels";
      },
      "no function of levels");
  refuses([](F &f) { f.rank = -1; }, "a rank of at most 256 but got -1");
  refuses([](F &f) { f.sparse = 101; }, "100 of 1,000 weights but got 101");
  refuses([](F &f) { f.sparse = -1; }, "100 of 1,000 weights but got -1");
}

TEST(ScaleChain, DecodesNearestAndStoresWhatItDecodes) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  // The largest error relative to the largest of the numbers under one real: of
  // a real, a half of its last place; of a code, half a step.
  std::pair<StringLiteral, double> cases[] = {
      {"i4g32.f16", 0x1p-11},
      {"i4g32.f32", 0},
      {"i4g32.bf16", 0x1p-8},
      {"i4g32.f16r-u4", 0.5 / 15 + 1e-3},
      {"i4g32.f16b-u6", 0.5 / 63 + 1e-3},
      {"i4g32.f32r-i8", 0.5 / 127},
      {"i4g32.bf16r-u8", 0.5 / 255 + 4e-3},
      {"i4g32.f32r-ue4m3", 0x1p-4},
      {"i4g32.e8m0", 0.42}};
  for (auto [name, bound] : cases) {
    int64_t columns = 1000, rows = 5;
    QuantizedMatrix matrix = create(getFormat(name), rows, columns);
    ScaleChain chain = matrix.format.terms[0].scale;
    int64_t groups = matrix.getGroups(),
            reals = matrix.format.getReals(chain, columns);
    for (int64_t row = 0; row < rows; ++row) {
      std::vector<float> wanted(groups), decoded;
      for (float &value : wanted)
        value = std::abs(normal(random)) + 0.01f;
      decoded = wanted;
      ChainValues &values = matrix.chains[0];
      ASSERT_FALSE(static_cast<bool>(encodeChain(
          matrix.format, 0, columns, decoded,
          MutableArrayRef(values.reals).slice(row * reals, reals),
          values.codes.empty()
              ? MutableArrayRef<uint8_t>()
              : MutableArrayRef(values.codes).slice(row * groups, groups))));
      float largest = *std::max_element(wanted.begin(), wanted.end());
      for (int64_t g = 0; g < groups; ++g) {
        EXPECT_EQ(static_cast<float>(matrix.getChainValue(0, row, g)),
                  decoded[g])
            << name.str();
        EXPECT_LE(std::abs(decoded[g] - wanted[g]), bound * largest)
            << name.str();
      }
    }
    EXPECT_FALSE(static_cast<bool>(verify(matrix)));
  }
}

TEST(ScaleChain, RefusesWhatDoesNotFit) {
  auto encode = [](StringRef name, float value) -> std::string {
    FormatDescription format = getFormat(name);
    float wanted[2] = {1, value}, reals[2];
    uint8_t codes[2];
    Error error = encodeChain(format, 0, 64, wanted, reals, codes);
    return error ? toString(std::move(error)) : "";
  };
  EXPECT_NE(encode("i4g32", 70000).find("largest f16"), std::string::npos);
  EXPECT_NE(encode("i4g32", 70000).find("group 1"), std::string::npos);
  EXPECT_EQ(encode("i4g32.bf16", 70000), "");
  EXPECT_EQ(encode("i4g32", 65504), "");
  // Under a row scale the code multiplies the real.
  EXPECT_EQ(encode("i4g32.f16r-u8", 70000), "");
  EXPECT_NE(encode("i4g32.f16r-u8", 1e8).find("largest f16"),
            std::string::npos);
  for (StringRef name : {"i4g32.f32", "i4g32.f16r-u8", "i4g32.e8m0"}) {
    EXPECT_NE(encode(name, INFINITY).find("not a finite"), std::string::npos);
    EXPECT_NE(encode(name, NAN).find("not a finite"), std::string::npos);
  }
}

/// What decodes must encode to the same codes, except that of equal levels the
/// first code is taken.
TEST(LevelCoder, EncodeAfterDecodeIsIdentity) {
  std::mt19937 random(5);
  for (StringRef name : getTestFormats()) {
    FormatDescription format = getFormat(name);
    if (format.isDense())
      continue;
    LevelCoder coder(format);
    for (int64_t columns : {1, 16, 31, 100, 513}) {
      int64_t width = format.getGroupColumns(columns),
              groups = format.getGroups(columns);
      int64_t weights = format.weightsPerIndex,
              count = format.getCodesOfRow(columns);
      std::vector<float> scales(groups), minimums(groups), values(columns);
      std::vector<uint8_t> codes(count), again(count);
      std::uniform_real_distribution<float> size(0.5f, 2.0f);
      for (int64_t g = 0; g < groups; ++g) {
        scales[g] = (g % 3 == 1 ? -1.0f : 1.0f) * size(random);
        minimums[g] = format.hasMinimum ? -size(random) : 0.0f;
      }
      for (uint8_t &code : codes)
        code = random() % format.getCodeCount();
      auto level = [&](const std::vector<uint8_t> &from, int64_t k) {
        return format.terms[0].levels.get(from[k / weights] * weights +
                                          k % weights);
      };
      for (int64_t k = 0; k < columns; ++k)
        values[k] = scales[k / width] * level(codes, k) + minimums[k / width];
      coder.encodeRow(values, width, scales, minimums, again.data());
      for (int64_t k = 0; k < columns; ++k)
        ASSERT_EQ(level(codes, k), level(again, k)) << name.str();
    }
  }
}

TEST(LevelCoder, FindsTheNearest) {
  std::mt19937 random(6);
  std::normal_distribution<float> normal(0, 60);
  for (StringRef name : {"u4g32", "i3g32", "i8g32", "nl4", "sl4", "nl3", "nf4",
                         "nf3", "mxfp4", "t2", "u2g32", "u1g32"}) {
    FormatDescription format = getFormat(name);
    LevelCoder coder(format);
    const Levels &levels = format.terms[0].levels;
    std::vector<float> values(200), rounded(200), scale = {1};
    for (float &value : values)
      value = normal(random);
    values[0] = 1e30f;
    values[1] = -1e30f;
    std::vector<uint8_t> codes(200);
    coder.encodeRow(values, 200, scale, {}, codes.data());
    coder.roundToLevels(values.data(), 200, rounded.data());
    for (size_t i = 0; i < values.size(); ++i) {
      float best = INFINITY;
      for (unsigned code = 0; code < format.getCodeCount(); ++code)
        best = std::min(best, std::abs(values[i] - levels.get(code)));
      EXPECT_EQ(std::abs(values[i] - levels.get(codes[i])), best)
          << name.str() << " " << values[i];
      EXPECT_EQ(rounded[i], levels.get(codes[i])) << name.str();
    }
  }
}

/// By a search of its own in double precision: the sum of squares is the least
/// there is, each counted by its importance, and what lies behind the last column
/// does not count.
TEST(LevelCoder, FindsTheNearestVector) {
  std::mt19937 random(8);
  std::normal_distribution<float> normal(0, 20);
  std::uniform_real_distribution<float> weight(0.01f, 3);
  for (StringRef name : {"v4b8", "v2b6", "eights"}) {
    FormatDescription format = getFormat(name == "eights" ? "v4b8" : name);
    if (name == "eights") {
      format.weightsPerIndex = 8;
      format.terms[0].levels.table.resize(2048);
      for (int8_t &level : format.terms[0].levels.table)
        level = static_cast<int8_t>(random() % 64) - 32;
    }
    ASSERT_FALSE(static_cast<bool>(verify(format)));
    LevelCoder coder(format);
    int64_t weights = format.weightsPerIndex;
    const Levels &levels = format.terms[0].levels;
    for (bool known : {false, true})
      for (int64_t columns : {64, 203, 1}) {
        std::vector<float> values(columns), importance(known ? columns : 0),
            scale = {0.5f}, minimum = {3};
        for (float &value : values)
          value = normal(random);
        for (float &each : importance)
          each = weight(random);
        // A vector of which nothing counts is as any other.
        if (known && columns > 8)
          std::fill_n(importance.begin(), weights, 0.0f);
        std::vector<uint8_t> codes(format.getCodesOfRow(columns));
        coder.encodeRow(values, columns, scale, minimum, codes.data(),
                        importance);
        for (int64_t first = 0; first < columns; first += weights) {
          auto measure = [&](unsigned code) {
            double sum = 0;
            for (int64_t i = 0; i < weights && first + i < columns; ++i) {
              double level = levels.get(code * weights + i),
                     error = 0.5 * level + 3 - values[first + i];
              bool counts = known && importance[first + i] > 0;
              sum += error * error * (counts ? importance[first + i] : 1);
            }
            return sum;
          };
          double best = INFINITY;
          for (unsigned code = 0; code < format.getCodeCount(); ++code)
            best = std::min(best, measure(code));
          EXPECT_LE(measure(codes[first / weights]), best * 1.0001 + 1e-3)
              << name.str() << " " << columns << " at " << first;
        }
      }
  }
}

TEST(LevelCoder, FlatGroupsGetTheVectorNearestZero) {
  for (StringRef name : {"v4b8", "v2b6"}) {
    FormatDescription format = getFormat(name);
    LevelCoder coder(format);
    int64_t weights = format.weightsPerIndex;
    auto measure = [&](unsigned code) {
      int sum = 0;
      for (int64_t i = 0; i < weights; ++i) {
        int level = format.terms[0].levels.get(code * weights + i);
        sum += level * level;
      }
      return sum;
    };
    int least = measure(0);
    for (unsigned code = 0; code < format.getCodeCount(); ++code)
      least = std::min(least, measure(code));
    std::vector<float> values = {5, -5, 0, 1e-42f};
    std::vector<uint8_t> codes(4 / weights, 255);
    for (float scale : {0.0f, -0.0f, 1e-45f}) {
      coder.encodeRow(values, 4, scale, {}, codes.data());
      for (uint8_t code : codes)
        EXPECT_EQ(measure(code), least) << name.str();
    }
  }
}

TEST(LevelCoder, FlatGroupsGetTheLevelNearestZero) {
  for (StringRef name : {"i4g32", "nl4", "mxfp4", "t2", "u8g32"}) {
    FormatDescription format = getFormat(name);
    LevelCoder coder(format);
    std::vector<float> values = {5, -5, 0, 1e-42f};
    std::vector<uint8_t> codes(4, 255);
    for (float scale : {0.0f, -0.0f, 1e-45f}) {
      coder.encodeRow(values, 4, scale, {}, codes.data());
      for (uint8_t code : codes)
        EXPECT_LE(std::abs(format.terms[0].levels.get(code)), 1) << name.str();
    }
  }
}
