//===- WeightStoreTest.cpp - Sources become bytes -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every kind of source, read whole and row by row, against values computed by
// hand or by the plainest loop.
//
//===----------------------------------------------------------------------===//
#include "llmc/Weights/ReadMatrix.h"

#include "llmc/Dialect/NN/NNDialect.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

using namespace mlir;
using namespace llmc;

namespace {

class WeightStoreTest : public ::testing::Test {
protected:
  WeightStoreTest() {
    context.loadDialect<nn::NNDialect, arith::ArithDialect>();
  }

  template <typename T>
  void add(const std::string &key, const std::string &type,
           const std::vector<T> &values) {
    std::vector<char> bytes(values.size() * sizeof(T));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    llvm::Error error = store.addOwned(key, tensorType(type), std::move(bytes));
    EXPECT_FALSE(static_cast<bool>(error));
    consumeError(std::move(error));
  }
  RankedTensorType tensorType(const std::string &text) {
    return cast<RankedTensorType>(parseType(text, &context));
  }

  /// Reads a source whole and again two rows at a time; both must agree.
  template <typename T> std::vector<T> read(const std::string &text) {
    Attribute source = parseAttribute(text, &context);
    EXPECT_TRUE(source) << text;
    if (!source)
      return {};
    RankedTensorType type = nn::getSourceType(
        source, [&] { return emitError(UnknownLoc::get(&context)); });
    std::vector<T> whole(type.getNumElements()), parts(whole.size());
    auto view = [](std::vector<T> &values, size_t from, size_t count) {
      return llvm::MutableArrayRef<char>(
          reinterpret_cast<char *>(values.data() + from), count * sizeof(T));
    };
    expectGood(store.readSource(source, view(whole, 0, whole.size())));
    int64_t rows = type.getRank() ? type.getDimSize(0) : 1;
    size_t width = rows ? whole.size() / rows : 0;
    for (int64_t row = 0; row < rows; row += 2) {
      int64_t end = std::min(rows, row + 2);
      expectGood(store.readRows(source, row, end,
                                view(parts, row * width, (end - row) * width)));
    }
    EXPECT_EQ(whole, parts) << text;
    return whole;
  }
  void expectGood(llvm::Error error) {
    EXPECT_FALSE(static_cast<bool>(error));
    if (error)
      ADD_FAILURE() << llvm::toString(std::move(error));
  }
  std::string refusal(const std::string &text, size_t bytes) {
    std::vector<char> out(bytes);
    llvm::Error error = store.readSource(parseAttribute(text, &context), out);
    EXPECT_TRUE(static_cast<bool>(error));
    return llvm::toString(std::move(error));
  }

  MLIRContext context;
  WeightStore store;
};

using Floats = std::vector<float>;

TEST_F(WeightStoreTest, KeyAndDense) {
  add("a", "tensor<3xf32>", Floats{1, 2, 3});
  EXPECT_EQ(read<float>("#nn.key<\"a\" : tensor<3xf32>>"), (Floats{1, 2, 3}));
  EXPECT_EQ(read<float>("#nn.dense<dense<[4.0, 5.0]> : tensor<2xf32>>"),
            (Floats{4, 5}));
  EXPECT_EQ(read<float>("#nn.dense<dense<7.0> : tensor<3x2xf32>>"),
            Floats(6, 7));
  EXPECT_EQ(read<char>("#nn.dense<dense<[true, false, true]> : tensor<3xi1>>"),
            (std::vector<char>{1, 0, 1}));
}

TEST_F(WeightStoreTest, TransposeOfEveryPermutation) {
  std::vector<int32_t> values(2 * 3 * 5);
  std::iota(values.begin(), values.end(), 0);
  add("t", "tensor<2x3x5xi32>", values);
  int64_t shape[] = {2, 3, 5}, stride[] = {15, 5, 1};
  std::vector<int64_t> perm{0, 1, 2};
  do {
    std::vector<int32_t> want;
    for (int64_t i = 0; i < shape[perm[0]]; ++i)
      for (int64_t j = 0; j < shape[perm[1]]; ++j)
        for (int64_t k = 0; k < shape[perm[2]]; ++k)
          want.push_back(values[i * stride[perm[0]] + j * stride[perm[1]] +
                                k * stride[perm[2]]]);
    std::string text = "#nn.transpose<#nn.key<\"t\" : tensor<2x3x5xi32>>, [" +
                       std::to_string(perm[0]) + ", " +
                       std::to_string(perm[1]) + ", " +
                       std::to_string(perm[2]) + "]>";
    EXPECT_EQ(read<int32_t>(text), want) << text;
  } while (std::next_permutation(perm.begin(), perm.end()));
}

TEST_F(WeightStoreTest, TransposeLargerThanATile) {
  constexpr int64_t rows = 70, cols = 301;
  auto check = [&](auto zero, const std::string &element) {
    std::vector<decltype(zero)> values(rows * cols), want(rows * cols);
    std::iota(values.begin(), values.end(), zero);
    std::string key = "m" + element, type = "tensor<70x301x" + element + ">";
    add(key, type, values);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j)
        want[j * rows + i] = values[i * cols + j];
    EXPECT_EQ(read<decltype(zero)>("#nn.transpose<#nn.key<\"" + key +
                                   "\" : " + type + ">, [1, 0]>"),
              want)
        << element;
  };
  check(int8_t(0), "i8");
  check(int16_t(0), "i16");
  check(0.0f, "f32");
  check(0.0, "f64");
}

TEST_F(WeightStoreTest, TransposedSourcesAreFoundBelowScales) {
  add("m", "tensor<3x2xf32>", Floats{1, 2, 3, 4, 5, 6});
  std::string key = "#nn.key<\"m\" : tensor<3x2xf32>>";
  auto dense = [](const std::string &values) {
    return "#nn.dense<dense<[" + values + "]> : " +
           (std::count(values.begin(), values.end(), ',') == 2
                ? "tensor<3xf32>>"
                : "tensor<2xf32>>");
  };
  std::string rows = "#nn.scale<#nn.transpose<" + key + ", [1, 0]>, " +
                     dense("2.0, 7.0") + ", 0, false>",
              both = "#nn.scale<" + rows + ", " + dense("3.0, 0.5, 7.0") +
                     ", 1, true>";
  for (const std::string &text : {rows, both}) {
    Floats whole = read<float>(text), turned(6);
    Attribute found = findTransposed(parseAttribute(text, &context));
    ASSERT_TRUE(found) << text;
    auto values = readMatrix(store, found, runSerially);
    ASSERT_TRUE(static_cast<bool>(values)) << text;
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t j = 0; j < 2; ++j)
        turned[j * 3 + i] = (*values)[i * 2 + j];
    EXPECT_EQ(turned, whole) << text;
  }
  for (const std::string &text :
       {key, "#nn.transpose<" + key + ", [0, 1]>",
        "#nn.scale<" + key + ", " + dense("2.0, 7.0") + ", 1, false>"})
    EXPECT_FALSE(findTransposed(parseAttribute(text, &context))) << text;
}

TEST_F(WeightStoreTest, RowsConcatReshape) {
  add("a", "tensor<3x2xf32>", Floats{1, 2, 3, 4, 5, 6});
  add("b", "tensor<1x2xf32>", Floats{7, 8});
  std::string a = "#nn.key<\"a\" : tensor<3x2xf32>>",
              b = "#nn.key<\"b\" : tensor<1x2xf32>>";
  EXPECT_EQ(read<float>("#nn.rows<" + a + ", 1, 3>"), (Floats{3, 4, 5, 6}));
  EXPECT_EQ(read<float>("#nn.concat<[" + b + ", " + a + ", " + b + "]>"),
            (Floats{7, 8, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(read<float>("#nn.reshape<" + a + ", [2, 3]>"),
            (Floats{1, 2, 3, 4, 5, 6}));
  // Rows that do not fall on rows of the source.
  std::string turned = "#nn.transpose<" + a + ", [1, 0]>"; // 1 3 5 / 2 4 6
  EXPECT_EQ(read<float>("#nn.reshape<" + turned + ", [3, 2]>"),
            (Floats{1, 3, 5, 2, 4, 6}));
  EXPECT_EQ(read<float>("#nn.rows<#nn.transpose<#nn.concat<[" + a + ", " + b +
                        "]>, [1, 0]>, 1, 2>"),
            (Floats{2, 4, 6, 8}));
}

TEST_F(WeightStoreTest, CastFromEveryType) {
  add("half", "tensor<5xf16>",
      std::vector<uint16_t>{0x3c00, 0xc000, 0x0001, 0x7c00, 0x3555});
  Floats half = read<float>("#nn.cast<#nn.key<\"half\" : tensor<5xf16>>, f32>");
  EXPECT_EQ(half[0], 1.0f);
  EXPECT_EQ(half[1], -2.0f);
  EXPECT_EQ(half[2], std::ldexp(1.0f, -24)); // the smallest one
  EXPECT_TRUE(std::isinf(half[3]));
  EXPECT_FLOAT_EQ(half[4], 0.33325195f);
  add("brain", "tensor<2xbf16>", std::vector<uint16_t>{0x3f80, 0xc040});
  EXPECT_EQ(read<float>("#nn.cast<#nn.key<\"brain\" : tensor<2xbf16>>, f32>"),
            (Floats{1, -3}));
  add("double", "tensor<2xf64>", std::vector<double>{0.1, -7});
  EXPECT_EQ(read<float>("#nn.cast<#nn.key<\"double\" : tensor<2xf64>>, f32>"),
            (Floats{0.1f, -7}));
  add("long", "tensor<2xi64>", std::vector<int64_t>{-3, 1 << 20});
  EXPECT_EQ(read<float>("#nn.cast<#nn.key<\"long\" : tensor<2xi64>>, f32>"),
            (Floats{-3, 1 << 20}));
  add("byte", "tensor<2xui8>", std::vector<uint8_t>{200, 3});
  EXPECT_EQ(read<float>("#nn.cast<#nn.key<\"byte\" : tensor<2xui8>>, f32>"),
            (Floats{200, 3}));
  // Back to 16 bits, to nearest even: 1 + 2^-8 lies between two of them.
  add("f", "tensor<3xf32>", Floats{1.00390625f, 1.01171875f, -2});
  EXPECT_EQ(read<uint16_t>("#nn.cast<#nn.key<\"f\" : tensor<3xf32>>, bf16>"),
            (std::vector<uint16_t>{0x3f80, 0x3f82, 0xc000}));
}

TEST_F(WeightStoreTest, AffineInDouble) {
  add("a", "tensor<2xf32>", Floats{0.1f, 16777216.0f});
  Floats out = read<float>(
      "#nn.affine<#nn.key<\"a\" : tensor<2xf32>>, 1.0 : f64, 1.0 : f64>");
  EXPECT_EQ(out[0], static_cast<float>(0.1f + 1.0));
  EXPECT_EQ(out[1], static_cast<float>(16777216.0 + 1.0));
}

TEST_F(WeightStoreTest, RotaryTable) {
  Floats f{1.0f, 0.1f, 0.01f};
  add("f", "tensor<3xf32>", f);
  Floats sin = read<float>("#nn.rotary_table<#nn.key<\"f\" : tensor<3xf32>>, "
                           "5, 2.0 : f64, true>"),
         cos = read<float>("#nn.rotary_table<#nn.key<\"f\" : tensor<3xf32>>, "
                           "5, 1.0 : f64, false>");
  for (int p = 0; p < 5; ++p)
    for (int j = 0; j < 3; ++j) {
      float angle = static_cast<float>(p) * f[j];
      EXPECT_EQ(sin[p * 3 + j],
                static_cast<float>(std::sin(static_cast<double>(angle))) * 2);
      EXPECT_EQ(cos[p * 3 + j],
                static_cast<float>(std::cos(static_cast<double>(angle))));
    }
}

TEST_F(WeightStoreTest, EqualBytesHaveEqualHashes) {
  add("a", "tensor<2xf32>", Floats{1, 2});
  add("b", "tensor<2xf32>", Floats{1, 2});
  add("c", "tensor<2xf32>", Floats{1, 3});
  EXPECT_EQ(*store.hash("a"), *store.hash("b"));
  EXPECT_NE(*store.hash("a"), *store.hash("c"));
}

TEST_F(WeightStoreTest, Refusals) {
  add("a", "tensor<2xf32>", Floats{1, 2});
  EXPECT_EQ(refusal("#nn.key<\"ghost\" : tensor<2xf32>>", 8),
            "the weight store holds no tensor 'ghost'");
  EXPECT_NE(refusal("#nn.key<\"a\" : tensor<3xf32>>", 12)
                .find("expected the stored type"),
            std::string::npos);
  EXPECT_NE(refusal("#nn.key<\"a\" : tensor<2xf32>>", 4)
                .find("expected a buffer of 8 bytes but got 4"),
            std::string::npos);
  EXPECT_NE(
      refusal("#nn.rows<#nn.key<\"a\" : tensor<2xf32>>, 1, 9>", 8).find("rows"),
      std::string::npos);
  std::vector<char> few(4);
  EXPECT_TRUE(
      errorToBool(store.addOwned("d", tensorType("tensor<2xf32>"), few)));
  EXPECT_TRUE(errorToBool(
      store.addOwned("a", tensorType("tensor<1xf32>"), std::vector<char>(4))));
}

} // namespace
