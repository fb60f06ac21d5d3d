//===- OnnxCodesTest.cpp - Matrices as operators of ONNX have them --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bytes are written out by hand from the documentation of the operators.
//
//===----------------------------------------------------------------------===//
#include "llmc/Export/OnnxCodes.h"

#include "gtest/gtest.h"
#include <cmath>
#include <cstring>

using namespace llmc;

namespace {

QuantizedMatrix make(llvm::StringRef format, int64_t rows, int64_t columns) {
  return llvm::cantFail(QuantizedMatrix::create(
      llvm::cantFail(parseFormat(format)), rows, columns));
}

OnnxCodes convert(const QuantizedMatrix &matrix) {
  return llvm::cantFail(toOnnxCodes(matrix));
}

std::string refusal(const QuantizedMatrix &matrix) {
  auto codes = toOnnxCodes(matrix);
  return codes ? "" : llvm::toString(codes.takeError());
}

std::vector<char> bytes(std::initializer_list<int> values) {
  return {values.begin(), values.end()};
}

TEST(OnnxCodes, PacksLowBitsFirstAndPadsTheLastBlock) {
  QuantizedMatrix matrix = make("i4g16.f32", 2, 18);
  for (int64_t i = 0; i < 36; ++i)
    matrix.codes[i] = i % 16;
  matrix.chains[0].reals = {1, 2, 3, 4};
  OnnxCodes codes = convert(matrix);
  EXPECT_EQ(codes.getGroups(), 2);
  EXPECT_EQ(codes.scales, (std::vector<float>{1, 2, 3, 4}));
  EXPECT_TRUE(codes.zeros.empty());
  EXPECT_EQ(
      packMatMulNBits(codes),
      bytes({0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, 0x10, 0,    0,
             0,    0,    0,    0,    0,    0x32, 0x54, 0x76, 0x98, 0xba, 0xdc,
             0xfe, 0x10, 0x32, 0,    0,    0,    0,    0,    0,    0}));
  EXPECT_EQ(packGather(codes),
            bytes({0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, 0x10, 0x32,
                   0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, 0x10, 0x32}));
}

TEST(OnnxCodes, PacksTensorsOfBothAxes) {
  // Codes with a sign: 0 is -8. An odd number of them ends in half a byte.
  EXPECT_EQ(packTensor({8, 9, 15, 0, 7, 1}, 2, 3, 4, true, false),
            bytes({0x10, 0x87, 0x9f}));
  EXPECT_EQ(packTensor({8, 9, 15, 0, 7, 1}, 2, 3, 4, true, true),
            bytes({0x80, 0xf1, 0x97}));
  EXPECT_EQ(packTensor({1, 2, 3}, 1, 3, 4, false, false), bytes({0x21, 3}));
  EXPECT_EQ(packTensor({0, 128, 255}, 1, 3, 8, true, false),
            bytes({-128, 0, 127}));
  std::vector<char> scales = packScales({1, 2, 3, 4, 5, 6}, 2, 3, true);
  float second;
  std::memcpy(&second, scales.data() + 4, 4);
  EXPECT_EQ(second, 4);
}

TEST(OnnxCodes, ZeroPointsAreCodes) {
  QuantizedMatrix matrix = make("u4g16.f16.zu4", 1, 48);
  matrix.chains[0].reals = {1, 1, 1};
  matrix.chains[1].codes = {3, 8, 15};
  OnnxCodes codes = convert(matrix);
  EXPECT_EQ(codes.zeros, (std::vector<uint8_t>{3, 8, 15}));
  EXPECT_EQ(packZeros(codes), bytes({0x83, 0x0f}));
  // Bytes count from -128 here and from 0 there.
  matrix = make("u8g16.f16.zi8", 1, 16);
  matrix.chains[0].reals = {1};
  matrix.chains[1].codes = {0x80};
  EXPECT_EQ(convert(matrix).zeros, (std::vector<uint8_t>{0}));
}

TEST(OnnxCodes, ScalesMustBeNumbersOfF32) {
  QuantizedMatrix matrix = make("i4g16.f16r-u8", 1, 32);
  matrix.chains[0].reals = {0.5f};
  matrix.chains[0].codes = {255, 3};
  EXPECT_EQ(convert(matrix).scales, (std::vector<float>{127.5f, 1.5f}));
  matrix = make("i4g16.f32r-u8", 1, 32);
  matrix.chains[0].reals = {std::nextafter(1.0f, 2.0f)};
  matrix.chains[0].codes = {1, 255};
  EXPECT_EQ(refusal(matrix),
            "row 0, group 1: expected a scale that f32 holds, as ONNX has it");
}

TEST(OnnxCodes, RefusesWhatOnnxLacks) {
  EXPECT_NE(refusal(make("u4g32", 1, 32)).find("has minimums"),
            std::string::npos);
  EXPECT_NE(refusal(make("i5g32", 1, 32)).find("codes of 5 bits"),
            std::string::npos);
  for (llvm::StringRef name : {"v4b8", "v2b6"})
    EXPECT_NE(refusal(make(name, 1, 32)).find("codes that stand for"),
              std::string::npos);
  for (llvm::StringRef name : {"nl4g32", "t2g32"})
    EXPECT_NE(refusal(make(name, 1, 32)).find("levels that are not even"),
              std::string::npos);
  EXPECT_NE(refusal(make("bf16", 1, 32)).find("no matrix of codes"),
            std::string::npos);
}

TEST(OnnxCodes, AppendsRowsWithZerosToRowsWithout) {
  QuantizedMatrix plain = make("i4g16.f32", 1, 16);
  plain.chains[0].reals = {1};
  OnnxCodes codes = convert(plain), more = codes;
  more.zeros = {3};
  appendRows(codes, more);
  EXPECT_EQ(codes.rows, 2);
  EXPECT_EQ(codes.zeros, (std::vector<uint8_t>{8, 3}));
  appendRows(codes, convert(plain));
  EXPECT_EQ(codes.zeros, (std::vector<uint8_t>{8, 3, 8}));
}

} // namespace
