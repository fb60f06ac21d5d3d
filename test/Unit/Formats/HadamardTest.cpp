//===- HadamardTest.cpp - The transform of columns of a format ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/Hadamard.h"
#include "FormatsTestUtils.h"

#include <bit>
#include <cmath>

using namespace llvm;
using namespace llmc;
using namespace llmc::test;

static constexpr int64_t kSizes[] = {16, 32, 64, 128, 256};
static constexpr int64_t kColumns[] = {1, 15, 16, 31, 48, 70, 255, 300, 511};

static std::vector<float> makeRow(int64_t columns) {
  std::mt19937 random(static_cast<unsigned>(columns));
  std::normal_distribution<float> normal;
  std::vector<float> row(columns);
  for (float &value : row)
    value = normal(random);
  return row;
}

/// Blocks as the header describes them, counted off from the left.
static std::vector<HadamardBlock> listBlocks(int64_t hadamard,
                                             int64_t columns) {
  std::vector<HadamardBlock> blocks;
  int64_t at = 0;
  while (at < columns) {
    int64_t size = hadamard;
    while (size >= 16 && size > columns - at)
      size /= 2;
    if (size < 16)
      size = 1;
    blocks.push_back({at, size});
    at += size;
  }
  return blocks;
}

/// The entry of Sylvester's matrix of `size` rows, in f64.
static double getEntry(int64_t i, int64_t j, int64_t size) {
  if (size == 1)
    return 1;
  return (std::popcount(static_cast<uint64_t>(i & j)) % 2 ? -1 : 1) /
         std::sqrt(static_cast<double>(size));
}

TEST(Hadamard, IsTheMatrixOfItsDefinition) {
  for (int64_t hadamard : kSizes)
    for (int64_t columns : kColumns) {
      std::vector<float> row = makeRow(columns), got = row;
      std::vector<double> wide(row.begin(), row.end());
      rotateColumns(hadamard, columns, 0, MutableArrayRef(got));
      rotateColumns(hadamard, columns, 0, MutableArrayRef(wide));
      for (auto [begin, size] : listBlocks(hadamard, columns))
        for (int64_t j = 0; j < size; ++j) {
          auto block = getHadamardBlock(hadamard, columns, begin + j);
          EXPECT_EQ(block.begin, begin);
          EXPECT_EQ(block.size, size);
          double sum = 0;
          for (int64_t i = 0; i < size; ++i)
            sum += row[begin + i] * getEntry(i, j, size);
          EXPECT_NEAR(wide[begin + j], sum, 1e-13) << hadamard;
          EXPECT_NEAR(got[begin + j], sum, 4e-6) << hadamard;
        }
      // It is its own inverse.
      rotateColumns(hadamard, columns, 0, MutableArrayRef(wide));
      for (int64_t k = 0; k < columns; ++k)
        EXPECT_NEAR(wide[k], row[k], 1e-13) << hadamard;
    }
}

/// Kernels rely on this order, number by number.
TEST(Hadamard, HasTheBitsOfTheStatedOrder) {
  for (int64_t hadamard : kSizes)
    for (int64_t columns : kColumns) {
      std::vector<float> got = makeRow(columns), expected = got;
      rotateColumns(hadamard, columns, 0, MutableArrayRef(got));
      for (auto [begin, size] : listBlocks(hadamard, columns)) {
        if (size == 1)
          continue;
        std::vector<float> now(expected.begin() + begin,
                               expected.begin() + begin + size);
        for (int64_t h = 1; h < size; h *= 2) {
          std::vector<float> next(size);
          for (int64_t j = 0; j < size; ++j)
            next[j] = j & h ? now[j - h] - now[j] : now[j] + now[j + h];
          now = next;
        }
        auto factor =
            static_cast<float>(1 / std::sqrt(static_cast<double>(size)));
        for (int64_t j = 0; j < size; ++j)
          expected[begin + j] = now[j] * factor;
      }
      EXPECT_TRUE(sameBits(got, expected)) << hadamard << " " << columns;
    }
}

TEST(Hadamard, WholeBlocksAreTheSameAlone) {
  for (int64_t hadamard : kSizes) {
    int64_t columns = 511;
    std::vector<float> whole = makeRow(columns), row = whole;
    rotateColumns(hadamard, columns, 0, MutableArrayRef(whole));
    for (auto [begin, size] : listBlocks(hadamard, columns)) {
      std::vector<float> part(row.begin() + begin, row.begin() + begin + size);
      rotateColumns(hadamard, columns, begin, MutableArrayRef(part));
      EXPECT_TRUE(
          sameBits(part, std::vector<float>(whole.begin() + begin,
                                            whole.begin() + begin + size)));
    }
  }
}

TEST(Hadamard, NamesAreRead) {
  for (auto [name, canonical] :
       {std::pair<StringRef, StringRef>{"i4g32.h64", "i4g32.h64"},
        {"i4.h16", "i4g32.h16"},
        {"u4g64.bf16.h128", "u4g64.bf16.h128"},
        {"u4g32.f16.mf32.h32", "u4g32.f16.mf32.h32"},
        {"u4g32.zu4.h32", "u4g32.f16.zu4.h32"},
        {"u3row.h256", "u3row.h256"},
        {"q4_k.h64", "u4g32.f16b-u6.h64"},
        {"nl4.h64", "nl4g32.f32r-i8.h64"},
        {"mxfp4.h32", "e2m1g32.e8m0.h32"}}) {
    FormatDescription format = getFormat(name);
    EXPECT_EQ(format.name, name.str());
    EXPECT_EQ(getCanonicalName(format), canonical.str());
    EXPECT_TRUE(getFormat(canonical) == format);
    EXPECT_NE(describe(format).find("Hadamard transform of each " +
                                    std::to_string(format.hadamard)),
              std::string::npos);
    FormatDescription stored = format.getStored();
    EXPECT_FALSE(stored == format);
    EXPECT_TRUE(stored == getFormat(stored.name));
    EXPECT_EQ(stored.hadamard, 0);
    EXPECT_EQ(stored.name + getHadamardName(format.hadamard), name.str());
  }
  EXPECT_EQ(getFormat("i4g32").getStored().name, "i4g32");
  for (auto [name, part] :
       {std::pair<StringRef, StringRef>{"i4g32.h8", "expected a Hadamard"},
        {"i4g32.h0", "expected a Hadamard"},
        {"i4g32.h48", "expected a Hadamard"},
        {"i4g32.h512", "16, 32, 64, 128 or 256 columns after '.h'"},
        {"i4g32.h64.f16", "expected a scale chain"},
        {"i4g32.h64.h64", "expected a scale chain"},
        {"i4g32.hx", "expected a scale chain"},
        {"f32.h64", "dense format without"},
        {"x4.h64", "expected levels"}}) {
    auto format = parseFormat(name);
    ASSERT_FALSE(static_cast<bool>(format)) << name.str();
    std::string text = toString(format.takeError());
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_NE(text.find("'" + name.str() + "'"), std::string::npos) << text;
  }
  FormatDescription format = getFormat("i4g32");
  format.hadamard = 24;
  EXPECT_NE(toString(verify(format)).find("but got 24"), std::string::npos);
}

/// Stored matrix times H, by a product that knows nothing of blocks.
TEST(Hadamard, DecodingTransformsRows) {
  std::mt19937 random(5);
  for (StringRef name : {"i4g32.h32", "u4g64.h16", "u3row.h256", "nl4.h64",
                         "q4_k.h128", "i8g48.f32.h64"})
    for (int64_t columns : kColumns) {
      FormatDescription format = getFormat(name);
      QuantizedMatrix matrix = create(format, 3, columns);
      for (uint8_t &code : matrix.codes)
        code = static_cast<uint8_t>(random() % format.getCodeCount());
      for (ChainValues &chain : matrix.chains) {
        for (float &real : chain.reals)
          real = 0.25f + 0.125f * static_cast<float>(random() % 8);
        for (uint8_t &code : chain.codes)
          code = static_cast<uint8_t>(1 + random() % 60);
      }
      ASSERT_FALSE(static_cast<bool>(verify(matrix)));
      std::vector<double> got(3 * columns), stored(3 * columns);
      std::vector<float> single(3 * columns), expected(3 * columns),
          scaled(3 * columns);
      decodeRows(matrix, 0, 3, MutableArrayRef(got));
      decodeRows(matrix, 0, 3, MutableArrayRef(single));
      for (int64_t k = 0; k < columns; ++k)
        matrix.columnScale.push_back(0.5f + static_cast<float>(k % 3));
      decodeRows(matrix, 0, 3, MutableArrayRef(scaled));
      matrix.columnScale.clear();
      matrix.format = format.getStored();
      decodeRows(matrix, 0, 3, MutableArrayRef(stored));
      decodeRows(matrix, 0, 3, MutableArrayRef(expected));
      for (int64_t row = 0; row < 3; ++row) {
        for (auto [begin, size] : listBlocks(format.hadamard, columns))
          for (int64_t j = 0; j < size; ++j) {
            double sum = 0;
            for (int64_t i = 0; i < size; ++i)
              sum += stored[row * columns + begin + i] * getEntry(i, j, size);
            EXPECT_NEAR(got[row * columns + begin + j], sum, 1e-9)
                << name.str();
          }
        rotateColumns(format.hadamard, columns, 0,
                      MutableArrayRef(expected).slice(row * columns, columns));
      }
      EXPECT_TRUE(sameBits(single, expected)) << name.str();
      for (int64_t i = 0; i < 3 * columns; ++i)
        EXPECT_EQ(scaled[i],
                  expected[i] * (0.5f + static_cast<float>(i % columns % 3)));
    }
}

/// The bytes are those of the stored matrix.
TEST(Hadamard, PackingKeepsTheComponents) {
  std::mt19937 random(6);
  QuantizedMatrix matrix = create(getFormat("u4g32.h64"), 21, 100);
  for (uint8_t &code : matrix.codes)
    code = random() % 16;
  for (ChainValues &chain : matrix.chains)
    for (float &real : chain.reals)
      real = 0.5f;
  PackedLayout layout = createLayout(matrix.format, 21, 100);
  auto bytes = cantFail(packMatrix(matrix));
  auto back = cantFail(unpackMatrix(matrix.format, layout, bytes));
  EXPECT_TRUE(sameComponents(back, matrix));
  matrix.format = getFormat("u4g32");
  EXPECT_EQ(bytes, cantFail(packMatrix(matrix)));
}
