//===- QuantizedSourceTest.cpp - Codes and scales as sources --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sources over random bytes: their f32 values against the plainest loop, and
// the components that are kept against those values, bit for bit.
//
//===----------------------------------------------------------------------===//
#include "llmc/Weights/StoredFormat.h"

#include "llmc/Dialect/NN/NNDialect.h"
#include "llmc/Formats/Floats.h"
#include "llmc/Formats/Ggml.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"
#include <cstring>
#include <random>

using namespace mlir;
using namespace llmc;

namespace {

template <typename T> std::string str(const T &value) {
  return std::to_string(value);
}

class QuantizedSourceTest : public ::testing::Test {
protected:
  QuantizedSourceTest() {
    context.loadDialect<nn::NNDialect, arith::ArithDialect>();
  }

  /// Adds a tensor and returns the key that reads it.
  template <typename T>
  std::string add(const std::string &name, const std::string &type,
                  const std::vector<T> &values) {
    std::vector<char> bytes(values.size() * sizeof(T));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    auto tensor = cast<RankedTensorType>(parseType(type, &context));
    llvm::Error error = store.addOwned(name, tensor, std::move(bytes));
    EXPECT_FALSE(static_cast<bool>(error)) << name;
    consumeError(std::move(error));
    return "#nn.key<\"" + name + "\" : " + type + ">";
  }
  std::vector<uint8_t> randomBytes(size_t count) {
    std::vector<uint8_t> bytes(count);
    for (uint8_t &byte : bytes)
      byte = static_cast<uint8_t>(random());
    return bytes;
  }
  /// Numbers of both signs with `bits` bits and a few powers of two.
  std::vector<float> randomScales(size_t count, unsigned bits = 24) {
    std::vector<float> scales(count);
    for (float &scale : scales) {
      auto mantissa = static_cast<int32_t>(random() % (1u << bits)) | 1;
      scale =
          std::ldexp(static_cast<float>(mantissa),
                     -static_cast<int>(bits) - static_cast<int>(random() % 8));
      if (random() % 3 == 0)
        scale = -scale;
    }
    return scales;
  }
  Attribute parse(const std::string &text) {
    Attribute source = parseAttribute(text, &context);
    EXPECT_TRUE(source) << text;
    return source;
  }
  /// The f32 values, read whole and three rows at a time; both must agree.
  std::vector<float> read(Attribute source) {
    auto type = nn::getSourceType(
        source, [&] { return emitError(UnknownLoc::get(&context)); });
    std::vector<float> whole(type.getNumElements()), parts(whole.size());
    auto view = [](std::vector<float> &values, int64_t from, int64_t count) {
      return llvm::MutableArrayRef<char>(
          reinterpret_cast<char *>(values.data() + from),
          count * sizeof(float));
    };
    expectGood(store.readSource(source, view(whole, 0, whole.size())));
    int64_t rows = type.getDimSize(0), width = whole.size() / rows;
    for (int64_t row = 0; row < rows; row += 3) {
      int64_t end = std::min(rows, row + 3);
      expectGood(store.readRows(source, row, end,
                                view(parts, row * width, (end - row) * width)));
    }
    expectSame(whole, parts);
    return whole;
  }
  static void expectSame(const std::vector<float> &a,
                         const std::vector<float> &b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i)
      ASSERT_EQ(llvm::bit_cast<uint32_t>(a[i]), llvm::bit_cast<uint32_t>(b[i]))
          << i << ": " << a[i] << " and " << b[i];
  }
  void expectGood(llvm::Error error) {
    EXPECT_FALSE(static_cast<bool>(error));
    if (error)
      ADD_FAILURE() << llvm::toString(std::move(error));
  }
  /// The source is stored in that format, and its components decode to the
  /// values of the source.
  void expectKept(Attribute source, const std::string &format) {
    auto name = findStoredFormat(store, source);
    if (!name)
      FAIL() << llvm::toString(name.takeError());
    EXPECT_EQ(*name, format);
    auto matrix = readStored(store, source);
    if (!matrix)
      FAIL() << llvm::toString(matrix.takeError());
    expectGood(verify(*matrix));
    std::vector<float> decoded(matrix->rows * matrix->columns);
    decodeRows(*matrix, 0, matrix->rows, decoded);
    expectSame(read(source), decoded);
  }
  /// Why the source is not kept; its values can be read all the same.
  std::string refusal(Attribute source) {
    read(source);
    EXPECT_TRUE(llvm::errorToBool(findStoredFormat(store, source).takeError()));
    auto matrix = readStored(store, source);
    EXPECT_FALSE(static_cast<bool>(matrix));
    return matrix ? "" : llvm::toString(matrix.takeError());
  }

  /// Codes of `bits` bits in a matrix, packed along its rows, that end in a
  /// byte of their own.
  std::string addCodes(const std::string &name, int64_t rows, int64_t columns,
                       int64_t bits, const std::string &type) {
    int64_t bytes = llvm::divideCeil(columns * bits, 8);
    codes = randomBytes(rows * bytes);
    if (bits == 8)
      return add(name,
                 "tensor<" + str(rows) + "x" + str(columns) + "x" + type + ">",
                 codes);
    std::string key =
        add(name, "tensor<" + str(rows) + "x" + str(bytes) + "xui8>", codes);
    return "#nn.unpack<" + key + ", " + str(bits) + ", " + str(columns) + ", " +
           type + ">";
  }
  /// Code (row, column) of what addCodes made last.
  int64_t codeAt(int64_t row, int64_t column, int64_t columns, int64_t bits,
                 bool isSigned) {
    int64_t bytes = llvm::divideCeil(columns * bits, 8), bit = column * bits;
    int64_t value = codes[row * bytes + bit / 8] >> bit % 8 & ((1 << bits) - 1);
    return isSigned && value >> (bits - 1) ? value - (1 << bits) : value;
  }

  MLIRContext context;
  WeightStore store;
  /// The same numbers in every run.
  unsigned seed = 7;
  std::mt19937 random{seed};
  std::vector<uint8_t> codes;
};

TEST_F(QuantizedSourceTest, UnpackReadsFieldsFromTheLowBits) {
  std::string key =
      add("k", "tensor<2x2xui8>", std::vector<uint8_t>{0x21, 0xf3, 0x80, 0x7f});
  auto readBytes = [&](const std::string &text, size_t count) {
    std::vector<char> out(count);
    expectGood(store.readSource(parse(text), out));
    return std::vector<int>(out.begin(), out.end());
  };
  EXPECT_EQ(readBytes("#nn.unpack<" + key + ", 4, 3, ui8>", 6),
            (std::vector<int>{1, 2, 3, 0, 8, 15}));
  EXPECT_EQ(readBytes("#nn.unpack<" + key + ", 4, 4, i8>", 8),
            (std::vector<int>{1, 2, 3, -1, 0, -8, -1, 7}));
  EXPECT_EQ(readBytes("#nn.unpack<" + key + ", 2, 5, i8>", 10),
            (std::vector<int>{1, 0, -2, 0, -1, 0, 0, 0, -2, -1}));
  EXPECT_EQ(
      readBytes("#nn.unpack<" + key + ", 1, 9, ui8>", 18),
      (std::vector<int>{1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1}));
  // A vector, whose rows are single integers, read from any place on.
  std::string flat = "#nn.unpack<#nn.reshape<" + key + ", [4]>, 4, 7, ui8>";
  EXPECT_EQ(readBytes(flat, 7), (std::vector<int>{1, 2, 3, 15, 0, 8, 15}));
  for (int64_t begin = 0; begin < 7; ++begin) {
    std::vector<char> part(7 - begin);
    expectGood(store.readRows(parse(flat), begin, 7, part));
    EXPECT_EQ(std::vector<int>(part.begin(), part.end()), [&] {
      auto all = readBytes(flat, 7);
      return std::vector<int>(all.begin() + begin, all.end());
    }());
  }
}

TEST_F(QuantizedSourceTest, CodesWithoutZeroPoints) {
  int number = 0;
  for (int64_t bits : {2, 4, 8})
    for (int64_t group : {16, 32, 128, 1000})
      for (int64_t columns : {32, 80, 288})
        for (bool isSigned : {false, true}) {
          constexpr int64_t rows = 5;
          std::string name = str(number++), type = isSigned ? "i8" : "ui8";
          int64_t groups = llvm::divideCeil(columns, group);
          auto scales = randomScales(rows * groups);
          int64_t zero = isSigned ? 0 : 1 << (bits - 1);
          Attribute source = parse(
              "#nn.dequant<" + addCodes("c" + name, rows, columns, bits, type) +
              ", " +
              add("s" + name, "tensor<5x" + str(groups) + "xf32>", scales) +
              ", " + str(zero) + ", [1, " + str(group) + "]>");
          std::vector<float> want;
          for (int64_t row = 0; row < rows; ++row)
            for (int64_t k = 0; k < columns; ++k)
              want.push_back(
                  0.0f +
                  scales[row * groups + k / group] *
                      static_cast<float>(
                          codeAt(row, k, columns, bits, isSigned) - zero));
          expectSame(read(source), want);
          expectKept(source, "i" + str(bits) +
                                 (group < columns ? "g" + str(group) : "row") +
                                 ".f32");
        }
}

TEST_F(QuantizedSourceTest, ScalesOfSixteenBits) {
  std::string packed = addCodes("c", 4, 64, 4, "ui8");
  std::vector<uint16_t> halves(8), bfloats(8);
  for (auto [i, scale] : llvm::enumerate(randomScales(8))) {
    halves[i] = floatToF16(scale);
    bfloats[i] = floatToBf16(scale);
  }
  expectKept(parse("#nn.dequant<" + packed + ", " +
                   add("h", "tensor<4x2xf16>", halves) + ", 8, [1, 32]>"),
             "i4g32.f16");
  expectKept(parse("#nn.dequant<" + packed + ", " +
                   add("b", "tensor<4x2xbf16>", bfloats) + ", 8, [1, 32]>"),
             "i4g32.bf16");
}

TEST_F(QuantizedSourceTest, RowsTranspositionsAndParts) {
  auto dequant = [&](const std::string &name, int64_t rows, int64_t columns,
                     const std::string &blocks, const std::string &scaleShape,
                     int64_t scales) {
    return "#nn.dequant<" + addCodes("c" + name, rows, columns, 4, "i8") +
           ", " +
           add("s" + name, "tensor<" + scaleShape + "xf32>",
               randomScales(scales)) +
           ", 0, " + blocks + ">";
  };
  std::string a = dequant("a", 7, 64, "[1, 32]", "7x2", 14),
              b = dequant("b", 9, 64, "[1, 32]", "9x2", 18);
  expectKept(parse("#nn.rows<" + a + ", 2, 6>"), "i4g32.f32");
  expectKept(parse("#nn.concat<[" + a + ", " + b + "]>"), "i4g32.f32");
  expectKept(parse("#nn.rows<#nn.concat<[" + a + ", #nn.rows<" + b +
                   ", 3, 9>, " + a + "]>, 5, 15>"),
             "i4g32.f32");
  // Stored [in, out], in blocks of inputs.
  std::string c = dequant("c", 64, 7, "[32, 1]", "2x7", 14);
  expectKept(parse("#nn.transpose<" + c + ", [1, 0]>"), "i4g32.f32");
  expectKept(parse("#nn.concat<[" + a + ", #nn.rows<#nn.transpose<" + c +
                   ", [1, 0]>, 1, 5>]>"),
             "i4g32.f32");
  // A scale for each output, for all outputs, for pairs of them.
  expectKept(parse("#nn.transpose<" + dequant("d", 64, 6, "[64, 1]", "1x6", 6) +
                   ", [1, 0]>"),
             "i4row.f32");
  expectKept(parse(dequant("e", 6, 64, "[6, 64]", "1x1", 1)), "i4row.f32");
  expectKept(parse("#nn.rows<" + dequant("f", 7, 64, "[2, 16]", "4x4", 16) +
                   ", 3, 6>"),
             "i4g16.f32");

  EXPECT_EQ(refusal(parse(dequant("g", 6, 64, "[6, 1]", "1x64", 64))),
            "expected a weight that is quantized already: its groups have 1 "
            "columns, not a multiple of 16");
  EXPECT_EQ(refusal(parse("#nn.concat<[" + a + ", " +
                          dequant("h", 2, 64, "[1, 64]", "2x1", 2) + "]>")),
            "expected a weight that is quantized already: its parts are stored "
            "in different formats, i4g32.f32 and i4row.f32");
  EXPECT_EQ(refusal(parse("#nn.affine<" + a + ", 2.0, 0.0>")),
            "expected a weight that is quantized already: it is not stored as "
            "codes and scales");
}

TEST_F(QuantizedSourceTest, ZeroPoints) {
  std::string packed = addCodes("c", 6, 96, 4, "ui8");
  auto points = randomBytes(12); // rows of two bytes, three integers
  std::string zeros =
      "#nn.unpack<" + add("z", "tensor<6x2xui8>", points) + ", 4, 3, ui8>";
  auto make = [&](const std::string &scales, const std::string &offsets) {
    return parse("#nn.dequant<" + packed + ", " + scales + ", " + offsets +
                 ", [1, 32]>");
  };
  auto scales = randomScales(18);
  Attribute source = make(add("s", "tensor<6x3xf32>", scales), zeros);
  auto values = read(source);
  for (int64_t i = 0; i < 6 * 96; ++i) {
    int64_t row = i / 96, group = i % 96 / 32;
    int64_t zero = points[2 * row + group / 2] >> group % 2 * 4 & 15;
    EXPECT_EQ(values[i],
              0.0f + scales[row * 3 + group] *
                         static_cast<float>(codeAt(row, i % 96, 96, 4, false) -
                                            zero));
  }
  expectKept(source, "u4g32.f32.zu4");
  expectKept(make("#nn.key<\"s\" : tensor<6x3xf32>>", "3"), "u4g32.f32.zu4");
  // Zero points in the middle are none.
  expectKept(make("#nn.key<\"s\" : tensor<6x3xf32>>",
                  add("half", "tensor<6x3xui8>", std::vector<uint8_t>(18, 8))),
             "i4g32.f32");
  // Floating point ones, where the minimum is a number of f32.
  std::vector<uint16_t> halves, fractions;
  for (float scale : randomScales(18, 10)) {
    halves.push_back(floatToF16(scale));
    fractions.push_back(floatToF16(std::abs(scale) * 15));
  }
  std::string half = add("h", "tensor<6x3xf16>", halves);
  expectKept(make(half, add("f", "tensor<6x3xf16>", fractions)),
             "u4g32.f16.mf32");
  EXPECT_EQ(refusal(make("#nn.key<\"s\" : tensor<6x3xf32>>",
                         add("t", "tensor<6x3xf32>", randomScales(18)))),
            "expected a weight that is quantized already: the products of its "
            "zero points and scales are no f32 numbers");
  halves[7] = 0x7c00;
  EXPECT_EQ(refusal(make(add("i", "tensor<6x3xf16>", halves), "8")),
            "expected a weight that is quantized already: a scale of it is not "
            "a finite number");
}

TEST_F(QuantizedSourceTest, ManyAxes) {
  // [2, 3, 4, 5] with blocks of 1, 2, 4 and 3: scales [2, 2, 1, 2].
  auto bytes = randomBytes(120);
  auto scales = randomScales(8);
  auto zeros = randomBytes(8);
  auto values =
      read(parse("#nn.dequant<" + add("c", "tensor<2x3x4x5xui8>", bytes) +
                 ", " + add("s", "tensor<2x2x1x2xf32>", scales) + ", " +
                 add("z", "tensor<2x2x1x2xui8>", zeros) + ", [1, 2, 4, 3]>"));
  for (int64_t i = 0; i < 120; ++i) {
    int64_t group = i / 60 * 4 + i % 60 / 20 / 2 * 2 + i % 5 / 3;
    EXPECT_EQ(values[i],
              scales[group] * static_cast<float>(bytes[i] - zeros[group]));
  }
  // A vector in blocks, read from any place on.
  auto flat = read(parse(
      "#nn.dequant<#nn.reshape<#nn.key<\"c\" : tensor<2x3x4x5xui8>>, [120]>, "
      "#nn.reshape<#nn.key<\"s\" : tensor<2x2x1x2xf32>>, [8]>, 1, [16]>"));
  for (int64_t i = 0; i < 120; ++i)
    EXPECT_EQ(flat[i],
              0.0f + scales[i / 16] * static_cast<float>(bytes[i] - 1));
}

TEST_F(QuantizedSourceTest, BlocksOfGgufFiles) {
  for (const GgmlType &type : getGgmlTypes()) {
    int64_t columns = 2 * type.blockColumns, rowBytes = 2 * type.blockBytes;
    auto bytes = randomBytes(70 * rowBytes);
    std::string name = type.name.str();
    std::string key = "#nn.blocks<" +
                      add(name, "tensor<70x" + str(rowBytes) + "xui8>", bytes) +
                      ", \"" + name + "\">";
    auto matrix =
        readGgml(type, 70, columns,
                 llvm::ArrayRef(reinterpret_cast<const char *>(bytes.data()),
                                bytes.size()));
    ASSERT_TRUE(static_cast<bool>(matrix));
    std::vector<float> want(70 * columns);
    decodeRows(*matrix, 0, 70, want);
    expectSame(read(parse(key)), want);
    expectKept(parse(key), name);
    expectKept(parse("#nn.rows<" + key + ", 3, 68>"), name);
    expectKept(
        parse("#nn.concat<[#nn.rows<" + key + ", 60, 70>, " + key + "]>"),
        name);
    refusal(parse("#nn.transpose<" + key + ", [1, 0]>"));
  }
}

} // namespace
