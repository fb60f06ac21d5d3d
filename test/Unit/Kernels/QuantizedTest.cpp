//===- QuantizedTest.cpp - Kernels over compressed matrices ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// For formats of every kind and shapes that leave tails everywhere: random codes
// and scales, multiplied with inputs of 8 and 16 bits, of bf16 and of f32, against the
// reference decoder in double precision; rows must have the same bits whatever is beside them;
// gathered rows are what the reference decodes, to the last bit.
//
//===----------------------------------------------------------------------===//
#include "KernelTestUtils.h"
#include "llmc/Codegen/QuantizedEmitter.h"
#include "llmc/Formats/Floats.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/TargetParser/Host.h"

#include <cmath>
#include <gtest/gtest.h>
#include <map>
#include <random>

using namespace llmc;
using namespace llmc::test;
using kern::Activations;

namespace {

/// The last one multiplies bytes by instructions of its own.
std::vector<std::string> quantizedProcessors() {
  std::vector<std::string> result = processors();
  if (llvm::sys::getHostCPUFeatures().lookup("avx512vnni"))
    result.push_back("icelake-server");
  return result;
}

std::string typeText(const std::string &format, int64_t n, int64_t k) {
  return pack::printTensorType(findFormat(format), n, k, 16);
}

class QuantizedTest : public KernelFixture {
protected:
  std::unique_ptr<Jit> compileQuantize(int64_t k, bool factors,
                                       Activations activations) {
    return compile(getQuantizeModule(k, factors, activations));
  }

  std::unique_ptr<Jit> compileLinear(const std::string &format, int64_t n,
                                     int64_t k, bool bias,
                                     Activations activations) {
    return compile(
        getProductModule(typeText(format, n, k), n, k, bias, activations));
  }
};

template <typename T> T readAt(const char *from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

/// Column `i` of a group: a code, or the number itself.
double readColumn(const char *group, int64_t i, Activations activations) {
  switch (activations) {
  case Activations::I8:
    return static_cast<int8_t>(group[i]);
  case Activations::I16:
    return 256 * static_cast<int8_t>(group[i]) +
           static_cast<int8_t>(group[32 + i]);
  case Activations::BF16:
    return bf16ToFloat(readAt<uint16_t>(group + 2 * i));
  case Activations::F32:
    return readAt<float>(group + 4 * i);
  }
  return NAN;
}

/// The bits of x in bf16, by LLVM's arithmetic.
uint16_t roundToBf16(float x) {
  llvm::APFloat value(x);
  bool inexact;
  value.convert(llvm::APFloat::BFloat(), llvm::APFloat::rmNearestTiesToEven,
                &inexact);
  return static_cast<uint16_t>(value.bitcastToAPInt().getZExtValue());
}

/// x as the row of a kernel says.
std::vector<double> decodeInput(const char *row, int64_t k,
                                Activations activations) {
  std::vector<double> values(k);
  for (int64_t i = 0; i < k; ++i) {
    const char *group = row + i / 32 * kern::getInputGroupBytes(activations);
    values[i] = readColumn(group, i % 32, activations) *
                readAt<float>(group + InputPlaces(activations).scale);
  }
  return values;
}

TEST_P(QuantizedTest, InputsAreNearAndTheirSumsExact) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 3);
  for (Activations activations : kern::kActivations)
    for (int64_t k : {1, 31, 32, 70, 576})
      for (bool factors : {false, true}) {
        SCOPED_TRACE(llvm::formatv("inputs{0}, {1} columns, factors {2}",
                                   getActivationsSuffix(activations), k,
                                   factors)
                         .str());
        auto jit = compileQuantize(k, factors, activations);
        ASSERT_TRUE(jit);
        auto run = reinterpret_cast<QuantizeFunction>(jit->lookup("run"));
        int64_t m = 11, bytes = kern::getInputRowBytes(k, activations);
        InputPlaces places(activations);
        bool coded = !kern::areReals(activations);
        Aligned<float> x(m * k), t(k);
        Aligned<char> q(m * bytes, 0x33);
        // A row of zeros, and one whose reciprocals are no numbers.
        for (int64_t i = 0; i < m * k; ++i)
          x[i] = i / k == 3 ? 0 : i / k == 4 ? 1e-42f : normal(random);
        for (int64_t i = 0; i < k; ++i)
          t[i] = 0.5f + i % 3;
        run(x.data(), t.data(), q.data(), m, 0, kAll);
        EXPECT_TRUE(q.guarded());
        for (int64_t r = 0; r < m; ++r) {
          const char *row = q.data() + r * bytes;
          std::vector<double> decoded = decodeInput(row, k, activations);
          for (int64_t g = 0; g * 32 < k; ++g) {
            const char *group = row + g * kern::getInputGroupBytes(activations);
            float scale = readAt<float>(group + places.scale), largest = 0;
            double sums[3] = {}, sizes[3] = {};
            for (int64_t i = 0; i < 32; ++i) {
              double code = readColumn(group, i, activations);
              for (int64_t which : {int64_t(0), 1 + i / 16}) {
                sums[which] += code;
                sizes[which] += std::abs(code);
              }
              if (g * 32 + i >= k) {
                EXPECT_EQ(code, 0);
                continue;
              }
              float value =
                  x[r * k + g * 32 + i] * (factors ? t[g * 32 + i] : 1);
              largest = std::max(largest, std::abs(value));
              if (activations == Activations::BF16)
                value = bf16ToFloat(roundToBf16(value));
              EXPECT_NEAR(decoded[g * 32 + i], value,
                          coded ? scale * 0.505f + 1e-30f : 0);
            }
            if (coded)
              EXPECT_FLOAT_EQ(
                  scale,
                  largest / (activations == Activations::I8 ? 127 : 32639));
            for (int i = 0; i < 3; ++i) {
              float scaled = readAt<float>(group + places.scaledSums + 4 * i);
              if (!coded) {
                EXPECT_NEAR(scaled, sums[i], 1e-6 * sizes[i]);
                continue;
              }
              EXPECT_EQ(readAt<int32_t>(group + places.corrections + 4 * i),
                        -128 * sums[i]);
              EXPECT_FLOAT_EQ(scaled, scale * static_cast<float>(sums[i]));
            }
          }
        }
      }
}

/// Any bits, and those at the ends: halves of both kinds, the largest numbers, and
/// what is none.
TEST_P(QuantizedTest, InputsOfBf16AreTheNearest) {
  constexpr int64_t m = 9, k = 1003;
  auto jit = compileQuantize(k, false, Activations::BF16);
  ASSERT_TRUE(jit);
  int64_t bytes = kern::getInputRowBytes(k, Activations::BF16);
  std::mt19937 random(3);
  std::vector<uint32_t> bits{
      0x00000000, 0x80000000, 0x3f808000, 0x3f818000, 0x3f808001, 0x3f817fff,
      0xbf808000, 0xbf818000, 0x00000001, 0x00008000, 0x00008001, 0x00018000,
      0x007fffff, 0x7f7f7fff, 0x7f7f8000, 0x7f7fffff, 0xff7fffff, 0x7f800000,
      0xff800000, 0x7f800001, 0x7f80ffff, 0x7fffffff, 0xffffffff, 0x7fc00000};
  while (bits.size() < m * k)
    bits.push_back(static_cast<uint32_t>(random()) &
                   (bits.size() % 2 ? ~0u : 0xffff8000u));
  Aligned<float> x(m * k);
  std::memcpy(x.data(), bits.data(), m * k * sizeof(float));
  Aligned<char> q(m * bytes, 0x33);
  reinterpret_cast<QuantizeFunction>(jit->lookup("run"))(x.data(), nullptr,
                                                         q.data(), m, 0, kAll);
  EXPECT_TRUE(q.guarded());
  for (int64_t i = 0; i < m * k; ++i) {
    const char *group =
        q.data() + i / k * bytes +
        i % k / 32 * kern::getInputGroupBytes(Activations::BF16);
    auto got = readAt<uint16_t>(group + 2 * (i % k % 32));
    if (std::isnan(x[i]))
      ASSERT_TRUE(std::isnan(bf16ToFloat(got))) << llvm::utohexstr(bits[i]);
    else
      ASSERT_EQ(got, roundToBf16(x[i])) << llvm::utohexstr(bits[i]);
  }
}

/// Inputs of bf16 are multiplied as they are stored, and added in the order of
/// those of f32: numbers that bf16 holds give the same bits with both.
TEST_P(QuantizedTest, ProductsOfBf16AreThoseOfF32) {
  constexpr int64_t n = 37, k = 1361, most = 29;
  for (const char *format : {"u4g32", "u4g16", "u4row", "text.sum"}) {
    SCOPED_TRACE(format);
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    QuantizedMatrix matrix = makeMatrix(format, n, k, random);
    Aligned<char> weight = packAligned(matrix);
    Aligned<float> x(most * k), b(n), half(most * n, -1), whole(most * n, -2);
    for (int64_t i = 0; i < most * k; ++i)
      x[i] = bf16ToFloat(roundToBf16(normal(random)));
    for (int64_t i = 0; i < n; ++i)
      b[i] = normal(random);
    for (auto [activations, y] : {std::pair(Activations::BF16, half.data()),
                                  {Activations::F32, whole.data()}}) {
      auto quantize = compileQuantize(k, false, activations);
      auto linear = compileLinear(format, n, k, true, activations);
      ASSERT_TRUE(quantize && linear);
      Aligned<char> q(most * kern::getInputRowBytes(k, activations));
      reinterpret_cast<QuantizeFunction>(quantize->lookup("run"))(
          x.data(), nullptr, q.data(), most, 0, kAll);
      reinterpret_cast<ProductFunction>(linear->lookup("run"))(
          q.data(), weight.data(), b.data(), y, most, 0, kAll);
    }
    for (int64_t i = 0; i < most * n; ++i)
      ASSERT_EQ(llvm::bit_cast<uint32_t>(half[i]),
                llvm::bit_cast<uint32_t>(whole[i]))
          << "row " << i / n << " column " << i % n;
  }
}

TEST_P(QuantizedTest, ProductsAgreeWithTheReference) {
  struct Case {
    const char *format;
    int64_t n, k;
  };
  for (auto [format, n, k] : {Case{"u4g32", 70, 261},
                              {"u4g64", 33, 600},
                              {"i4g32", 16, 2100},
                              {"u2g32", 5, 96},
                              {"u3g32", 40, 200},
                              {"u5g32", 17, 161},
                              {"u6g32", 31, 64},
                              {"i8g32", 50, 261},
                              {"u8g32", 20, 100},
                              {"i3g128", 24, 700},
                              {"u4g16", 30, 300},
                              {"u4row", 20, 1300},
                              {"u4g48", 20, 333},
                              {"nl4", 70, 600},
                              {"nf4g64", 21, 130},
                              {"nf3g32", 18, 97},
                              {"ternary", 40, 300},
                              {"q4_0", 33, 96},
                              {"q4_k", 20, 768},
                              {"q5_k", 18, 512},
                              {"q6_k", 35, 512},
                              {"q8_0", 16, 64},
                              {"iq4_nl", 19, 320},
                              {"i4g32.bf16", 5, 40},
                              {"i4g32.f32", 5, 40},
                              {"u4g32.f16r-u8.mf16r-i8", 37, 500},
                              {"u4g32.f16.zu4", 37, 500},
                              {"u8g64.f32.zi8", 20, 300},
                              {"i4g32.e8m0", 20, 70},
                              {"i4g16.f32r-ue4m3", 20, 90},
                              {"mxfp4", 33, 170},
                              {"nl3", 33, 170},
                              {"sl4", 70, 600},
                              {"text.int4", 33, 300},
                              {"text.nf4", 40, 170},
                              {"text.q6_k", 35, 512},
                              {"text.e2m1", 20, 100},
                              {"text.square", 20, 100},
                              {"text.table32", 17, 96},
                              {"text.byte", 33, 170},
                              {"text.sum", 33, 170},
                              {"v4b8", 70, 600},
                              {"v4b8g48.f16.mf16", 20, 333},
                              {"v2b6g16", 30, 300},
                              {"v2b6row", 20, 1301},
                              {"text.v2b2", 21, 131},
                              {"text.v2b4", 33, 203},
                              {"text.v2b6", 33, 170},
                              {"text.v2b8", 17, 97},
                              {"text.v4b4", 18, 99},
                              {"text.v4b8", 20, 261},
                              {"text.v8b8", 33, 203}}) {
    // Every format on one processor, one of each kind on the others and with
    // wider inputs.
    bool common = llvm::is_contained({"u4g32", "i8g32", "nl4", "sl4", "u4row",
                                      "q6_k", "u4g16", "text.nf4", "text.sum",
                                      "v4b8", "text.v2b4", "text.v8b8"},
                                     llvm::StringRef(format));
    if (GetParam() != quantizedProcessors().back() && !common)
      continue;
    bool bias = n % 2;
    SCOPED_TRACE(llvm::formatv("{0} {1}x{2}", format, n, k).str());
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    QuantizedMatrix matrix = makeMatrix(format, n, k, random);
    Aligned<char> weight = packAligned(matrix);
    std::vector<double> decoded(n * k);
    decodeRows(matrix, 0, n, llvm::MutableArrayRef<double>(decoded));

    for (Activations activations : kern::kActivations) {
      if (activations != Activations::I8 && !common)
        continue;
      SCOPED_TRACE("inputs" + getActivationsSuffix(activations).str());
      auto quantize = compileQuantize(k, false, activations);
      auto linear = compileLinear(format, n, k, bias, activations);
      ASSERT_TRUE(quantize && linear);
      auto toBytes =
          reinterpret_cast<QuantizeFunction>(quantize->lookup("run"));
      auto run = reinterpret_cast<ProductFunction>(linear->lookup("run"));
      constexpr int64_t most = 131;
      int64_t rowBytes = kern::getInputRowBytes(k, activations);
      Aligned<float> x(most * k), b(n), whole(most * n, -1);
      Aligned<char> q(most * rowBytes);
      for (int64_t i = 0; i < most * k; ++i)
        x[i] = normal(random);
      for (int64_t i = 0; i < n; ++i)
        b[i] = normal(random);
      toBytes(x.data(), nullptr, q.data(), most, 0, kAll);
      run(q.data(), weight.data(), b.data(), whole.data(), most, 0, kAll);
      EXPECT_TRUE(whole.guarded());
      for (int64_t m = 0; m < most; ++m) {
        std::vector<double> input =
            decodeInput(q.data() + m * rowBytes, k, activations);
        for (int64_t i = 0; i < n; ++i) {
          double sum = bias ? b[i] : 0, size = std::abs(sum);
          for (int64_t j = 0; j < k; ++j) {
            double term = input[j] * decoded[i * k + j];
            sum += term;
            size += std::abs(term);
          }
          ASSERT_NEAR(whole[m * n + i], sum, 4e-6 * size)
              << "row " << m << " column " << i;
        }
      }
      expectSameRows(whole.data(), n, {1, 2, 3, 5, 7, 11, 12, 13, 20, 25, 130},
                     [&](float *y, int64_t m, int64_t part) {
                       run(q.data(), weight.data(), b.data(), y, m, part, kAll);
                       run(q.data(), weight.data(), b.data(), y, m, 0, part);
                     });
    }

    // Rows as they are.
    expectGather(matrix, typeText(format, n, k), weight.data());
  }
}

/// Levels at the ends of their range and inputs of 127 and -127, in every
/// arrangement that sums the most: whatever is added in fewer bits on the way must
/// not overflow. All numbers are integers that f32 holds.
TEST_P(QuantizedTest, ExtremesAreExact) {
  constexpr int64_t n = 21, k = 192, most = 21;
  for (const char *format :
       {"u1g32.f32", "u2g32.f32",   "u3g32.f32",  "u4g32.f32",   "u5g32.f32",
        "u6g32.f32", "u8g32.f32",   "i2g32.f32",  "i3g32.f32",   "i4g32.f32",
        "i5g32.f32", "i6g32.f32",   "i8g32.f32",  "u4g16.f32",   "i5g16.f32",
        "u6g48.f32", "u4row.f32",   "nl4g32.f32", "nf4g64.f32",  "nf3g32.f32",
        "t2g32.f32", "text.square", "text.byte",  "v4b8g32.f32", "v2b6g32.f32",
        "text.v2b2", "text.v2b4",   "text.v2b6",  "text.v2b8",   "text.v4b4",
        "text.v4b8", "text.v8b8"}) {
    // Every format where products are added in fewer bits.
    if (GetParam() != "x86-64-v3" &&
        !llvm::is_contained({"u4g32.f32", "i8g32.f32", "nl4g32.f32"},
                            llvm::StringRef(format)))
      continue;
    SCOPED_TRACE(format);
    std::mt19937 random(5);
    QuantizedMatrix matrix =
        test::makeMatrix(format, n, k, random, [] { return 1.f; });
    const Levels &levels = matrix.format.terms[0].levels;
    int64_t weights = matrix.format.weightsPerIndex,
            codes = matrix.format.getCodesOfRow(k);
    // Of a vector the sum of its levels.
    auto sumOf = [&](unsigned code) {
      int sum = 0;
      for (int64_t i = 0; i < weights; ++i)
        sum += levels.get(code * weights + i);
      return sum;
    };
    uint8_t lowest = 0, highest = 0;
    for (unsigned code = 0; code < matrix.format.getCodeCount(); ++code) {
      if (sumOf(code) < sumOf(lowest))
        lowest = code;
      if (sumOf(code) > sumOf(highest))
        highest = code;
    }
    // All high, all low, in turns, and at random; inputs likewise, so that all
    // signs agree, all differ, and sums cancel.
    auto isHigh = [&](int64_t row, int64_t column) {
      switch (row % 5) {
      case 0:
        return true;
      case 1:
        return false;
      case 2:
        return column % 2 == 0;
      case 3:
        return column / 4 % 2 == 0;
      }
      return random() % 2 == 0;
    };
    for (int64_t i = 0; i < n * codes; ++i)
      matrix.codes[i] =
          isHigh(i / codes, i % codes * weights) ? highest : lowest;
    Aligned<char> weight = packAligned(matrix);
    std::vector<double> decoded(n * k);
    decodeRows(matrix, 0, n, llvm::MutableArrayRef<double>(decoded));

    auto quantize = compileQuantize(k, false, Activations::I8);
    auto linear = compileLinear(format, n, k, false, Activations::I8);
    ASSERT_TRUE(quantize && linear);
    Aligned<float> x(most * k);
    for (int64_t i = 0; i < most * k; ++i)
      x[i] = isHigh(i / k, i % k) ? 127 : -127;
    Aligned<char> q(most * kern::getInputRowBytes(k, Activations::I8));
    reinterpret_cast<QuantizeFunction>(quantize->lookup("run"))(
        x.data(), nullptr, q.data(), most, 0, kAll);
    auto run = reinterpret_cast<ProductFunction>(linear->lookup("run"));
    // A tile for a single token, for some, and for many.
    for (int64_t m : {int64_t(1), int64_t(5), most}) {
      Aligned<float> y(m * n, -1);
      run(q.data(), weight.data(), nullptr, y.data(), m, 0, kAll);
      for (int64_t r = 0; r < m; ++r)
        for (int64_t i = 0; i < n; ++i) {
          double sum = 0;
          for (int64_t j = 0; j < k; ++j)
            sum += double(x[r * k + j]) * decoded[i * k + j];
          ASSERT_LT(std::abs(sum), 0x1p24);
          ASSERT_EQ(y[r * n + i], sum)
              << m << " rows: row " << r << " column " << i;
        }
    }
  }
}

/// Kernels are shared by name: matrices with the same name must have the same
/// records.
TEST(QuantizedShape, VariantsTellKernelsApart) {
  for (const char *format : {"u4g32", "i8g32", "u4g64", "u4g16", "u3g48",
                             "u4row", "q4_k", "nl4", "i8g16"}) {
    std::map<std::string, QuantizedShape> seen;
    for (int64_t columns = 1; columns <= 640; ++columns) {
      auto shape =
          llvm::cantFail(QuantizedShape::create(format, 32, columns, 16));
      auto [place, first] = seen.try_emplace(shape.getVariant(), shape);
      const PackedLayout &a = place->second.layout, &b = shape.layout;
      auto same = [](const RecordPlan &p, const RecordPlan &q) {
        return p.groups == q.groups && p.units == q.units &&
               p.bytes == q.bytes &&
               llvm::equal(p.chains, q.chains,
                           [](const ChainPlace &c, const ChainPlace &d) {
                             return c.headReals == d.headReals &&
                                    c.reals == d.reals && c.codes == d.codes;
                           });
      };
      EXPECT_TRUE(place->second.cutsRecords() == shape.cutsRecords() &&
                  place->second.hasTail() == shape.hasTail() &&
                  a.headBytes == b.headBytes && same(a.record, b.record) &&
                  (!(shape.cutsRecords() || shape.hasTail()) ||
                   same(a.lastRecord, b.lastRecord)))
          << format << ": " << a.columns << " and " << b.columns
          << " columns are both '" << shape.getVariant() << "'";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Processors, QuantizedTest,
                         ::testing::ValuesIn(quantizedProcessors()), nameOf);

} // namespace
