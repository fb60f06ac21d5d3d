//===- LayoutTest.cpp - Packed bytes, and the values they stand for -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random bytes are unpacked, decoded and packed again; a second decoder, written
// from the comment in Layout.h alone, reads the packed bytes and must agree.
//
//===----------------------------------------------------------------------===//
#include "FormatsTestUtils.h"
#include "llmc/Formats/Floats.h"
#include "llmc/Formats/Ggml.h"

#include <cmath>

using namespace llvm;
using namespace llmc;
using namespace llmc::test;

static std::vector<char> randomBytes(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<char> bytes(count);
  for (char &byte : bytes)
    byte = static_cast<char>(random());
  return bytes;
}

namespace {

/// Reads single values out of packed bytes, as the comment in Layout.h says.
struct PackedReader {
  const FormatDescription &format;
  const PackedLayout &layout;
  ArrayRef<char> bytes;

  uint8_t byte(int64_t at) const { return static_cast<uint8_t>(bytes[at]); }

  double real(RealType type, int64_t at) const {
    if (type == RealType::None)
      return 1;
    uint32_t bits = 0;
    std::memcpy(&bits, &bytes[at], type == RealType::F32 ? 4 : 2);
    return type == RealType::F32   ? bit_cast<float>(bits)
           : type == RealType::F16 ? f16ToFloat(static_cast<uint16_t>(bits))
                                   : bf16ToFloat(static_cast<uint16_t>(bits));
  }

  double code(ScaleCode code, int64_t area, int64_t group, int64_t groups,
              int64_t row) const {
    int64_t rows = layout.tileRows;
    unsigned low = byte(area + group / 2 * rows + row) >> (group % 2 * 4) & 15;
    switch (code) {
    case ScaleCode::None:
      return 1;
    case ScaleCode::U4:
      return low;
    case ScaleCode::U6: {
      int64_t high = area + ((groups + 1) / 2 + group / 4) * rows + row;
      return low | (byte(high) >> (group % 4 * 2) & 3) << 4;
    }
    case ScaleCode::U8:
      return byte(area + group * rows + row);
    case ScaleCode::I8:
      return static_cast<int8_t>(byte(area + group * rows + row));
    case ScaleCode::E8M0:
      return e8m0ToFloat(byte(area + group * rows + row));
    case ScaleCode::UE4M3:
      return ue4m3ToFloat(byte(area + group * rows + row));
    }
    return 0;
  }

  /// What a rank adds.
  double added(int64_t row, int64_t column) const {
    int64_t rows = layout.tileRows,
            ranks = std::min<int64_t>(rows, format.rank <= 8 ? 8 : 16);
    double sum = 0;
    for (int64_t j = 0; j < format.rank; ++j) {
      int64_t left = (row / rows * format.rank + j) * rows + row % rows,
              right = (j / ranks * layout.columns + column) * ranks + j % ranks;
      sum += real(RealType::BF16, layout.left + 2 * left) *
             real(RealType::BF16, layout.right + 2 * right);
    }
    return sum;
  }

  /// What a sparse part adds.
  double addedSparsely(int64_t row, int64_t column) const {
    int64_t rows = layout.tileRows,
            count = format.getSparseCount(layout.columns),
            width = layout.columns > 65536 ? 4 : 2;
    int64_t tile = layout.sparse + row / rows * count * rows * (width + 2);
    float sum = 0;
    for (int64_t j = 0; j < count; ++j) {
      int64_t place = j * rows + row % rows, found = 0;
      for (int64_t i = 0; i < width; ++i)
        found |= int64_t(byte(tile + place * width + i)) << (8 * i);
      if (found == column)
        sum += static_cast<float>(
            real(RealType::BF16, tile + count * rows * width + 2 * place));
    }
    return sum;
  }

  /// Where a column is stored.
  int64_t findStored(int64_t column) const {
    if (!format.permuted)
      return column;
    int64_t width = layout.columns > 65536 ? 4 : 2;
    for (int64_t j = 0; j < layout.columns; ++j) {
      int64_t found = 0;
      for (int64_t i = 0; i < width; ++i)
        found |= int64_t(byte(layout.order + j * width + i)) << (8 * i);
      if (found == column)
        return j;
    }
    ADD_FAILURE() << "no column " << column;
    return 0;
  }

  float value(int64_t row, int64_t column) const {
    column = findStored(column);
    int64_t rows = layout.tileRows, tile = row / rows, r = row % rows;
    int64_t start = tile * layout.tileBytes;
    if (format.isDense())
      return static_cast<float>(
          real(format.dense,
               start + (column * rows + r) * getRealBytes(format.dense)));
    int64_t width = format.getGroupColumns(layout.columns);
    int64_t group = column / width, record = group / layout.groupsPerRecord;
    const RecordPlan &plan = layout.getRecord(record);
    int64_t at = start + layout.getRecordOffset(record);
    int64_t inside = column - record * layout.groupsPerRecord * width;
    int64_t unit = at + inside / 32 * layout.unitBytes;
    // Of vectors, codes lie as columns would.
    int64_t n = format.weightsPerIndex, which = inside % 32 / n;
    int64_t step = which / 4, j = which % 4;
    unsigned bits = 0;
    for (Plane plane : getPlanes(format.indexBits)) {
      int64_t fields = 8 / plane.width;
      unsigned field = byte(unit + (step / fields * rows + r) * 4 + j) >>
                           (step % fields * plane.width) &
                       ((1u << plane.width) - 1);
      bits |= field << plane.shift;
      unit += plane.width / n * rows * 4;
    }
    int64_t local = group - record * layout.groupsPerRecord;
    double sum = 0, first = 0;
    for (auto [index, chain] : enumerate(format.getChains())) {
      const ChainPlace &place = plan.chains[index];
      double number = chain.negated ? -1 : 1;
      int64_t size = getRealBytes(chain.real);
      if (place.headReals >= 0)
        number *= real(chain.real, start + place.headReals + r * size);
      else if (place.reals >= 0)
        number *=
            real(chain.real,
                 at + place.reals +
                     ((chain.span == RealSpan::Group ? local : 0) * rows + r) *
                         size);
      if (place.codes >= 0)
        number *= code(chain.code, at + place.codes, local, plan.groups, r);
      if (index == 0)
        first = number;
      if (chain.ofScale)
        number *= first;
      if (index < format.terms.size())
        number *= format.terms[index].levels.get(bits * n + column % n);
      sum += number;
    }
    if (format.rank)
      sum += added(row, column);
    if (format.sparse)
      sum += addedSparsely(row, column);
    return static_cast<float>(sum);
  }
};

} // namespace

TEST(Layout, RandomBytesDecodeAndPackAgain) {
  std::pair<int64_t, int64_t> shapes[] = {{1, 1},    {3, 17},   {16, 32},
                                          {17, 100}, {5, 256},  {33, 96},
                                          {20, 300}, {2, 1000}, {40, 288}};
  uint32_t seed = 0;
  auto names = getTestFormats();
  names.insert(names.end(), {"i3g32.lr3", "u4g32.lr20", "u5row.lr1",
                             "u4g32.sp1", "u5row.sp77", "nl3.p", "u8row.p"});
  for (StringRef name : names) {
    FormatDescription format = getFormat(name);
    for (auto [rows, columns] : shapes) {
      for (int64_t tileRows : {4, 16, 32}) {
        PackedLayout layout = createLayout(format, rows, columns, tileRows);
        ASSERT_EQ(layout.bytes % 64, 0);
        std::vector<char> bytes = randomBytes(layout.bytes, ++seed);
        limitColumns(layout, bytes);
        auto matrix = unpackMatrix(format, layout, bytes);
        ASSERT_TRUE(static_cast<bool>(matrix));
        Error error = verify(*matrix);
        ASSERT_FALSE(static_cast<bool>(error)) << name.str();

        PackedReader reader{format, layout, bytes};
        std::vector<float> values(rows * columns);
        decodeRows(*matrix, 0, rows, values);
        for (int64_t row = 0; row < rows; ++row)
          for (int64_t column = 0; column < columns; ++column) {
            float expected = reader.value(row, column),
                  got = values[row * columns + column];
            if (std::isnan(expected))
              ASSERT_TRUE(std::isnan(got));
            else
              ASSERT_EQ(bit_cast<uint32_t>(expected), bit_cast<uint32_t>(got))
                  << name.str() << " " << rows << "x" << columns << " tile "
                  << tileRows << " at " << row << "," << column;
          }

        // What fills up becomes zeros, everything else stays.
        auto packed = packMatrix(*matrix, tileRows);
        ASSERT_TRUE(static_cast<bool>(packed));
        auto again = unpackMatrix(format, layout, *packed);
        ASSERT_TRUE(static_cast<bool>(again));
        EXPECT_TRUE(sameComponents(*matrix, *again)) << name.str();
        auto twice = packMatrix(*again, tileRows);
        ASSERT_TRUE(static_cast<bool>(twice));
        EXPECT_TRUE(sameBits(*packed, *twice));
      }
    }
  }
}

/// Other vectors than those of the formats of llmc: of every number of weights and
/// of every number of bits that they may have.
TEST(Layout, VectorsOfEverySize) {
  uint32_t seed = 100;
  for (auto [weights, bits] : {std::pair(2u, 2u),
                               {2u, 4u},
                               {2u, 6u},
                               {2u, 8u},
                               {4u, 4u},
                               {4u, 8u},
                               {8u, 8u}}) {
    FormatDescription format = getFormat("i8g48");
    format.indexBits = bits;
    format.weightsPerIndex = weights;
    std::mt19937 random(weights + bits);
    format.terms[0].levels.table.resize(format.getLevelCount());
    for (int8_t &level : format.terms[0].levels.table)
      level = static_cast<int8_t>(random());
    for (auto [rows, columns] :
         {std::pair<int64_t, int64_t>{1, 1}, {5, 47}, {33, 200}}) {
      PackedLayout layout = createLayout(format, rows, columns);
      std::vector<char> bytes = randomBytes(layout.bytes, ++seed);
      auto matrix = unpackMatrix(format, layout, bytes);
      ASSERT_TRUE(static_cast<bool>(matrix));
      ASSERT_FALSE(static_cast<bool>(verify(*matrix)));
      PackedReader reader{format, layout, bytes};
      std::vector<float> values(rows * columns);
      decodeRows(*matrix, 0, rows, values);
      for (int64_t i = 0; i < rows * columns; ++i) {
        float expected = reader.value(i / columns, i % columns);
        if (!std::isnan(expected))
          ASSERT_EQ(bit_cast<uint32_t>(expected), bit_cast<uint32_t>(values[i]))
              << weights << " weights in " << bits << " bits, " << columns
              << " columns at " << i;
      }
      auto packed = packMatrix(*matrix);
      ASSERT_TRUE(static_cast<bool>(packed));
      auto again = unpackMatrix(format, layout, *packed);
      ASSERT_TRUE(static_cast<bool>(again));
      EXPECT_TRUE(sameComponents(*matrix, *again));
    }
  }
}

TEST(Layout, WithoutFillingUpEveryByteIsKept) {
  // Rows and columns for which nothing fills up.
  for (StringRef name : getTestFormats()) {
    FormatDescription format = getFormat(name);
    PackedLayout layout = createLayout(format, 64, 3 * 4 * 256, 32);
    std::vector<char> bytes = randomBytes(layout.bytes, 7);
    limitColumns(layout, bytes);
    auto matrix = unpackMatrix(format, layout, bytes);
    ASSERT_TRUE(static_cast<bool>(matrix));
    auto packed = packMatrix(*matrix, 32);
    ASSERT_TRUE(static_cast<bool>(packed));
    EXPECT_TRUE(sameBits(bytes, *packed)) << name.str();
  }
}

TEST(Layout, TilesArePackedOneByOne) {
  FormatDescription format = getFormat("q4_k");
  PackedLayout layout = createLayout(format, 40, 300);
  auto matrix = unpackMatrix(format, layout, randomBytes(layout.bytes, 9));
  ASSERT_TRUE(static_cast<bool>(matrix));
  auto whole = packMatrix(*matrix);
  ASSERT_TRUE(static_cast<bool>(whole));
  std::vector<char> parts(layout.bytes, 1);
  for (int64_t tile : {2, 0, 1}) {
    Error error = packTiles(*matrix, layout, tile, tile + 1, parts);
    ASSERT_FALSE(static_cast<bool>(error));
  }
  EXPECT_TRUE(sameBits(*whole, parts));
}

TEST(Layout, Sizes) {
  auto bits = [](StringRef name, int64_t rows = 4096, int64_t columns = 4096) {
    return createLayout(getFormat(name), rows, columns).getBitsPerWeight();
  };
  EXPECT_EQ(bits("i4g32"), 4.5);
  EXPECT_EQ(bits("u4g32"), 5);
  EXPECT_EQ(bits("u4g64"), 4.5);
  EXPECT_EQ(bits("i3g32"), 3.5);
  EXPECT_EQ(bits("q4_k"), 4.5);
  EXPECT_EQ(bits("q5_k"), 5.5);
  EXPECT_EQ(bits("q6_k"), 6.5625);
  EXPECT_EQ(bits("q8_0"), 8.5);
  EXPECT_EQ(bits("bf16"), 16);
  EXPECT_EQ(bits("ternary"), 2.5);
  EXPECT_EQ(bits("v4b8"), 2.5);
  EXPECT_EQ(bits("v4b8g64"), 2.25);
  EXPECT_EQ(bits("v2b6"), 3.5);
  // A head of one f32 for each row.
  EXPECT_EQ(bits("nl4"), 4.25 + 32.0 / 4096);
  // Odd shapes pay for what fills up: two tiles of one record of two groups,
  // which are two units of 256 bytes and scales of 2 * 32 bytes.
  EXPECT_EQ(bits("i4g32", 17, 33), 2 * (2 * 256 + 64) * 8 / (17.0 * 33));
  // A rank takes two bytes for each row and column.
  EXPECT_EQ(bits("i4g32.lr16"), 4.5 + 2 * 16 * 16.0 / 4096);
  EXPECT_EQ(bits("i4g32.lr8"), 4.5 + 2 * 8 * 16.0 / 4096);
  EXPECT_EQ(bits("i4g32.lr4"), 4.5 + (8 + 4) * 16.0 / 4096);
  // A sparse part takes four bytes for each of its numbers, and six where columns
  // need more than sixteen bits.
  EXPECT_EQ(bits("i4g32.sp5"), 4.5 + 20 * 32.0 / 4096);
  EXPECT_EQ(bits("i4g32.sp10", 64, 65536), 4.5 + 655 * 32.0 / 65536);
  EXPECT_EQ(bits("i4g32.sp10", 64, 65600), 4.5 + 656 * 48.0 / 65600);
  // An order takes two bytes for each column.
  EXPECT_EQ(bits("i4g32.p"), 4.5 + 16.0 / 4096);
}

TEST(Layout, OrdersHaveEveryColumnOnce) {
  FormatDescription format = getFormat("i4g64.p");
  for (int64_t columns : {1, 200, 65536, 65600}) {
    PackedLayout layout = createLayout(format, 3, columns);
    std::vector<char> bytes = randomBytes(layout.bytes, 3);
    limitColumns(layout, bytes);
    auto matrix = unpackMatrix(format, layout, bytes);
    ASSERT_TRUE(static_cast<bool>(matrix));
    // The same codes without an order.
    QuantizedMatrix stored = *matrix;
    stored.format = format.getStored();
    stored.order.clear();
    std::vector<double> values(columns), plain(columns);
    decodeRows(*matrix, 1, 2, MutableArrayRef(values));
    decodeRows(stored, 1, 2, MutableArrayRef(plain));
    for (int64_t j = 0; j < columns; ++j)
      if (!std::isnan(plain[j]))
        ASSERT_EQ(values[matrix->order[j]], plain[j]);
    if (columns == 1)
      continue;
    std::memcpy(bytes.data() + layout.order,
                bytes.data() + layout.order + layout.columnBytes,
                layout.columnBytes);
    auto refused = unpackMatrix(format, layout, bytes);
    ASSERT_FALSE(static_cast<bool>(refused));
    EXPECT_EQ(toString(refused.takeError()),
              "expected an order in which every column below " +
                  std::to_string(columns) + " is once, but got column " +
                  std::to_string(matrix->order[1]) + " again at place 1");
  }
}

/// More columns than sixteen bits tell apart, and columns that are not there.
TEST(Layout, ColumnsOfSparseParts) {
  for (int64_t columns : {65535, 65536, 65537, 70000}) {
    FormatDescription format = getFormat("i4g64.sp2");
    PackedLayout layout = createLayout(format, 5, columns, 4);
    EXPECT_EQ(layout.columnBytes, columns > 65536 ? 4 : 2);
    std::vector<char> bytes = randomBytes(layout.bytes, 3);
    limitColumns(layout, bytes);
    auto place = [&](int64_t row, int64_t number) {
      return bytes.data() + layout.sparse + row / 4 * layout.sparseTileBytes +
             (number * 4 + row % 4) * layout.columnBytes;
    };
    auto store = [&](int64_t row, int64_t number, int64_t column) {
      std::memcpy(place(row, number), &column, layout.columnBytes);
    };
    store(4, 7, columns - 1);
    auto matrix = unpackMatrix(format, layout, bytes);
    ASSERT_TRUE(static_cast<bool>(matrix));
    PackedReader reader{format, layout, bytes};
    std::vector<float> values(columns);
    decodeRows(*matrix, 4, 5, MutableArrayRef(values));
    for (int64_t k = 0; k < columns; k += k < 65000 ? 97 : 1)
      if (!std::isnan(reader.value(4, k)))
        ASSERT_EQ(reader.value(4, k), values[k]) << k;
    EXPECT_EQ(matrix->sparse.columns[4 * layout.sparseCount + 7], columns - 1);
    if (columns == 65536)
      continue; // Every index is a column.
    store(4, 7, columns);
    auto refused = unpackMatrix(format, layout, bytes);
    ASSERT_FALSE(static_cast<bool>(refused));
    EXPECT_EQ(toString(refused.takeError()),
              "expected columns of the sparse part below " +
                  std::to_string(columns) + " but got " +
                  std::to_string(columns) + " in row 4");
  }
}

TEST(Layout, RefusesSizesThatDoNotFit) {
  FormatDescription format = getFormat("u4g32.f32");
  auto refuse = [&](int64_t rows, int64_t columns, int64_t tileRows,
                    StringRef part) {
    auto layout = PackedLayout::create(format, rows, columns, tileRows);
    ASSERT_FALSE(static_cast<bool>(layout));
    std::string text = toString(layout.takeError());
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  refuse(INT64_MAX, 1, 16, "63 bits");
  refuse(1, INT64_MAX, 16, "63 bits");
  refuse(int64_t(1) << 40, int64_t(1) << 40, 16, "63 bits");
  refuse(0, 5, 16, "at least one row");
  refuse(5, -1, 16, "at least one row");
  refuse(5, 5, 12, "tiles of");
  auto matrix =
      QuantizedMatrix::create(format, int64_t(1) << 40, int64_t(1) << 40);
  EXPECT_FALSE(static_cast<bool>(matrix));
  consumeError(matrix.takeError());

  PackedLayout layout = createLayout(format, 8, 40);
  std::vector<char> bytes(layout.bytes - 1);
  auto cut = unpackMatrix(format, layout, bytes);
  ASSERT_FALSE(static_cast<bool>(cut));
  consumeError(cut.takeError());
  bytes.resize(layout.bytes);
  for (StringRef name :
       {"i8g32", "u4g32.f32.lr8", "u4g32.f32.sp8", "u4g32.f32.p"}) {
    auto other = unpackMatrix(getFormat(name), layout, bytes);
    ASSERT_FALSE(static_cast<bool>(other));
    consumeError(other.takeError());
  }
  format.rank = 256;
  refuse(1, int64_t(1) << 50, 16, "63 bits");
}

TEST(QuantizedMatrix, VerifierRefuses) {
  auto refuses = [](auto change, StringRef part) {
    QuantizedMatrix matrix = create(getFormat("u4g32.f16b-u6"), 4, 40);
    change(matrix);
    Error error = verify(matrix);
    ASSERT_TRUE(static_cast<bool>(error)) << part.str();
    std::string text = toString(std::move(error));
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  using M = QuantizedMatrix;
  refuses([](M &m) { m.codes.pop_back(); }, "codes");
  refuses([](M &m) { m.codes[3] = 16; }, "codes of 4 bits");
  refuses([](M &m) { m.rows = INT64_MAX; }, "codes");
  refuses([](M &m) { m.columns = 0; }, "at least one");
  refuses([](M &m) { m.chains[0].reals.pop_back(); }, "reals");
  refuses([](M &m) { m.chains[1].codes.pop_back(); }, "codes of a scale chain");
  refuses([](M &m) { m.chains[1].codes[0] = 64; }, "scale codes of 6 bits");
  refuses([](M &m) { m.chains.pop_back(); }, "2 scale chains");
  refuses([](M &m) { m.columnScale.resize(39); }, "column scale of 40");
  refuses([](M &m) { m.lowRank.left.resize(4); }, "numbers left of the rank");
  refuses([](M &m) { m.format.rank = 1; }, "numbers left of the rank");
  refuses(
      [](M &m) {
        m.format.rank = 1;
        m.lowRank.left.resize(4);
        m.lowRank.right.resize(39);
      },
      "numbers right of the rank of 1 rows of 40 but got 39");
  refuses([](M &m) { m.order.resize(40); },
          "columns of an order of 0 rows of 40 but got 40");
  refuses([](M &m) { m.format.permuted = true; },
          "columns of an order of 1 rows of 40 but got 0");
  refuses(
      [](M &m) {
        m.format.permuted = true;
        m.order.assign(40, 3);
      },
      "every column below 40 is once, but got column 3 again at place 1");
  refuses(
      [](M &m) {
        m.format.permuted = true;
        m.order.assign(40, 40);
      },
      "every column below 40 is once, but got column 40 at place 0");
  refuses([](M &m) { m.sparse.columns.resize(4); },
          "columns of the sparse part of 4 rows of 0 but got 4");
  refuses([](M &m) { m.format.sparse = 50; },
          "columns of the sparse part of 4 rows of 2 but got 0");
  refuses(
      [](M &m) {
        m.format.sparse = 50;
        m.sparse.columns = {0, 1, 2, 39, 40, 5, 6, 7};
        m.sparse.values.resize(8);
      },
      "columns of the sparse part below 40 but got 40 in row 2");
  refuses(
      [](M &m) {
        m.format.sparse = 50;
        m.sparse.columns.resize(8);
        m.sparse.values.resize(7);
      },
      "numbers of the sparse part of 4 rows of 2 but got 7");
}

/// An exact f32 codebook needs two terms: levels of the second refine the first.
TEST(Layout, FormatsOfSeveralTerms) {
  FormatDescription format = getFormat("nl4g32.f16");
  Term second = format.terms[0];
  for (int8_t &level : second.levels.table)
    level = static_cast<int8_t>(level / 3);
  second.scale.real = RealType::BF16;
  format.terms.push_back(second);
  format.terms.push_back(
      {{{}, -8, ""}, {RealType::F32, RealSpan::Row, ScaleCode::I8, false}});
  PackedLayout layout = createLayout(format, 9, 70);
  std::vector<char> bytes = randomBytes(layout.bytes, 11);
  auto matrix = unpackMatrix(format, layout, bytes);
  ASSERT_TRUE(static_cast<bool>(matrix));
  std::vector<float> values(9 * 70);
  decodeRows(*matrix, 0, 9, values);
  PackedReader reader{format, layout, bytes};
  for (int64_t i = 0; i < 9 * 70; ++i) {
    float expected = reader.value(i / 70, i % 70);
    if (!std::isnan(expected))
      EXPECT_EQ(expected, values[i]);
  }
}

TEST(QuantizedMatrix, ColumnScaleMultiplies) {
  FormatDescription format = getFormat("u4g32");
  PackedLayout layout = createLayout(format, 3, 50);
  std::vector<char> bytes(layout.bytes, 0x31);
  auto matrix = unpackMatrix(format, layout, bytes);
  ASSERT_TRUE(static_cast<bool>(matrix));
  std::vector<double> plain(150), scaled(150), off(150);
  decodeRows(*matrix, 0, 3, plain);
  for (int64_t k = 0; k < 50; ++k)
    matrix->columnScale.push_back(1.0f + static_cast<float>(k));
  decodeRows(*matrix, 0, 3, scaled);
  decodeRows(*matrix, 0, 3, off, false);
  for (int64_t i = 0; i < 150; ++i) {
    EXPECT_EQ(scaled[i], plain[i] * (1 + i % 50));
    EXPECT_EQ(off[i], plain[i]);
  }
  EXPECT_NE(plain[0], 0);
}

TEST(Ggml, BlocksThereAndBack) {
  for (const GgmlType &type : getGgmlTypes()) {
    int64_t rows = 3, columns = 2 * type.blockColumns;
    std::vector<char> bytes = randomBytes(rows * 2 * type.blockBytes, 13);
    auto matrix = readGgml(type, rows, columns, bytes);
    ASSERT_TRUE(static_cast<bool>(matrix));
    EXPECT_EQ(findGgmlType(type.number), &type);
    EXPECT_EQ(findGgmlType(type.name), &type);
    Error error = verify(*matrix);
    ASSERT_FALSE(static_cast<bool>(error));
    auto back = writeGgml(type, *matrix);
    ASSERT_TRUE(static_cast<bool>(back));
    EXPECT_TRUE(sameBits(bytes, *back)) << type.name.str();
    // The whole way a kept tensor goes.
    auto packed = packMatrix(*matrix);
    ASSERT_TRUE(static_cast<bool>(packed));
    auto again = unpackMatrix(
        matrix->format, createLayout(matrix->format, rows, columns), *packed);
    ASSERT_TRUE(static_cast<bool>(again));
    EXPECT_TRUE(sameComponents(*matrix, *again));
  }
}

TEST(Ggml, RefusesBlocksThatDoNotFit) {
  const GgmlType &type = *findGgmlType("q4_k");
  std::vector<char> bytes(144);
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>{1, 255},
                               {2, 256},
                               {0, 256},
                               {INT64_MAX, 256}}) {
    auto matrix = readGgml(type, rows, columns, bytes);
    ASSERT_FALSE(static_cast<bool>(matrix));
    consumeError(matrix.takeError());
  }
  auto written = writeGgml(type, create(getFormat("q5_k"), 1, 256));
  ASSERT_FALSE(static_cast<bool>(written));
  consumeError(written.takeError());
  EXPECT_EQ(findGgmlType(uint32_t(99)), nullptr);
  EXPECT_EQ(findGgmlType("q9_9"), nullptr);
}
