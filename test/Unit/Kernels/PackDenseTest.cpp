//===- PackDenseTest.cpp - Dense matrices into packed form and back -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random shapes and values, among them those that 16 bits round to even, to
// infinity and to zero. What is unpacked is what was packed, as the format can
// hold it; blocks may be packed in any order; what fills up is zero.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/PackDense.h"
#include "llmc/Driver/Registration.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"

#include <gtest/gtest.h>
#include <random>

using namespace llmc;

namespace {

class PackDenseTest : public ::testing::TestWithParam<const char *> {
protected:
  PackDenseTest() {
    mlir::DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }
  llvm::StringRef format() const { return GetParam(); }

  pack::TensorType typeOf(int64_t rows, int64_t columns, int64_t blockRows) {
    mlir::Type storage =
        format() == "bf16"  ? mlir::Type(mlir::BFloat16Type::get(&context))
        : format() == "f16" ? mlir::Type(mlir::Float16Type::get(&context))
                            : mlir::Type(mlir::Float32Type::get(&context));
    return pack::TensorType::get(&context, rows, columns,
                                 pack::DenseAttr::get(&context, storage),
                                 pack::RowsAttr::get(&context, blockRows));
  }
  /// `value` as the format holds it, by LLVM's own rounding.
  float held(float value) const {
    if (format() == "f32")
      return value;
    llvm::APFloat number(value);
    bool loses;
    number.convert(format() == "f16" ? llvm::APFloat::IEEEhalf()
                                     : llvm::APFloat::BFloat(),
                   llvm::APFloat::rmNearestTiesToEven, &loses);
    number.convert(llvm::APFloat::IEEEsingle(),
                   llvm::APFloat::rmNearestTiesToEven, &loses);
    return number.convertToFloat();
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  std::mt19937 random{17};
};

/// Any finite number: every exponent is as likely as another.
float anyFinite(std::mt19937 &random) {
  for (;;) {
    float value = llvm::bit_cast<float>(static_cast<uint32_t>(random()));
    if (std::isfinite(value))
      return value;
  }
}

std::vector<char> packed(pack::TensorType type, llvm::ArrayRef<float> values,
                         llvm::ArrayRef<int64_t> blocks, char before) {
  int64_t columns = type.getColumns();
  std::vector<char> bytes(type.getBytes(), before);
  auto read = [&](int64_t begin, int64_t end, float *out) {
    EXPECT_LE(end, type.getRows());
    std::copy(values.begin() + begin * columns, values.begin() + end * columns,
              out);
    return llvm::Error::success();
  };
  for (int64_t block : blocks)
    llvm::cantFail(packDense(type, block, block + 1, read, bytes));
  return bytes;
}

TEST_P(PackDenseTest, WhatIsUnpackedWasPacked) {
  for (int trial = 0; trial < 60; ++trial) {
    int64_t rows = 1 + random() % 70, columns = 1 + random() % 50,
            blockRows = int64_t(1) << random() % 6;
    SCOPED_TRACE(std::to_string(rows) + "x" + std::to_string(columns) + " by " +
                 std::to_string(blockRows));
    auto type = typeOf(rows, columns, blockRows);
    std::vector<float> values(rows * columns);
    for (float &value : values)
      value = anyFinite(random);
    std::vector<int64_t> blocks(getPackedBlocks(type));
    std::iota(blocks.begin(), blocks.end(), 0);
    std::vector<char> bytes = packed(type, values, blocks, 0x11);

    std::vector<float> decoded = llvm::cantFail(unpackDense(type, bytes));
    ASSERT_EQ(decoded.size(), values.size());
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(llvm::bit_cast<uint32_t>(decoded[i]),
                llvm::bit_cast<uint32_t>(held(values[i])))
          << "element " << i << ", " << values[i];

    // Once more, from what was decoded, block by block in another order, over
    // other bytes: so every byte of the packed form is determined.
    std::shuffle(blocks.begin(), blocks.end(), random);
    EXPECT_EQ(bytes, packed(type, decoded, blocks, 0x77));
  }
}

TEST_P(PackDenseTest, BlocksFollowEachOther) {
  auto type = typeOf(37, 5, 8);
  ASSERT_EQ(getPackedBlocks(type), 5);
  EXPECT_EQ(getPackedOffset(type, 0), 0);
  for (int64_t block = 0; block < 5; ++block)
    EXPECT_LT(getPackedOffset(type, block), getPackedOffset(type, block + 1));
  EXPECT_LE(getPackedOffset(type, 5), type.getBytes());
}

TEST_P(PackDenseTest, ErrorsOfTheReaderArrive) {
  auto type = typeOf(9, 4, 4);
  std::vector<char> bytes(type.getBytes());
  llvm::Error error = packDense(
      type, 0, getPackedBlocks(type),
      [](int64_t begin, int64_t, float *) -> llvm::Error {
        return llvm::createStringError("row " + std::to_string(begin));
      },
      bytes);
  EXPECT_EQ(llvm::toString(std::move(error)), "row 0");
}

INSTANTIATE_TEST_SUITE_P(Formats, PackDenseTest,
                         ::testing::Values("f32", "bf16", "f16"),
                         [](const auto &info) {
                           return std::string(info.param);
                         });

} // namespace
