//===- MethodsTest.cpp - Methods on matrices of all kinds -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MethodsTestUtils.h"
#include "llmc/Formats/Floats.h"
#include "llmc/Formats/Layout.h"

using namespace llvm;
using namespace llmc;
using namespace llmc::test;

static double relativeError(const TestMatrix &matrix,
                            const QuantizedMatrix &compressed) {
  return measureError(matrix.view(), compressed).getRelative();
}

static bool same(const QuantizedMatrix &a, const QuantizedMatrix &b) {
  if (a.codes != b.codes || a.columnScale != b.columnScale)
    return false;
  for (size_t i = 0; i < a.chains.size(); ++i)
    if (a.chains[i].reals != b.chains[i].reals ||
        a.chains[i].codes != b.chains[i].codes)
      return false;
  return true;
}

/// Every number is within half a step, and what a stored minimum rounds.
TEST(Methods, RtnKeepsItsBoundOnOddShapes) {
  for (StringRef name :
       {"u2g32", "u3g16", "u4g32", "u4g64.f32", "u6g48", "u8g32.f32", "i4g32",
        "i8g128", "nl4", "sl4", "nl3", "nf4g64", "nf3g32.f32", "u4row.f32",
        "i6g16.f32b-i8", "u5g32.bf16", "u4g32.f32r-u8", "u1g32"})
    for (auto [rows, columns] :
         {std::pair<int64_t, int64_t>{1, 1}, {3, 17}, {5, 100}, {40, 300}}) {
      TestMatrix matrix = makeMatrix(rows, columns);
      QuantizedMatrix result = run("rtn", name, matrix.view());
      const FormatDescription &format = result.format;
      // The widest gap between neighboring levels.
      std::vector<int> levels;
      levels.reserve(format.getCodeCount());
      for (unsigned code = 0; code < format.getCodeCount(); ++code)
        levels.push_back(format.terms[0].levels.get(code));
      std::sort(levels.begin(), levels.end());
      int gap = 0;
      for (size_t i = 1; i < levels.size(); ++i)
        gap = std::max(gap, levels[i] - levels[i - 1]);
      std::vector<float> decoded(rows * columns);
      decodeRows(result, 0, rows, decoded);
      int64_t width = format.getGroupColumns(columns);
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t k = 0; k < columns; ++k) {
          double scale = std::abs(result.getChainValue(0, row, k / width));
          double minimum =
              format.hasMinimum
                  ? std::abs(result.getChainValue(1, row, k / width))
                  : 0;
          // Stored scales are smaller than wanted by up to 2^-8 (bf16) or half
          // a code of the row's largest; an integer zero clips half a step.
          double largest = 0;
          for (int64_t g = 0; g < result.getGroups(); ++g)
            largest =
                std::max({largest, std::abs(result.getChainValue(0, row, g)),
                          format.hasMinimum
                              ? std::abs(result.getChainValue(1, row, g)) / 16
                              : 0});
          bool coded = format.terms[0].scale.code != ScaleCode::None;
          double reach = std::max(std::abs(levels.front()), levels.back());
          double bound = scale * gap * (format.hasMinimum ? 1.0 : 0.5) +
                         scale * reach * 0x1p-8 + minimum * 0x1p-8 +
                         (coded ? largest * reach / 127 : 0);
          ASSERT_LE(std::abs(decoded[row * columns + k] - matrix.at(row, k)),
                    bound * 1.001)
              << name.str() << " " << rows << "x" << columns << " at " << row
              << "," << k;
        }
    }
}

TEST(Methods, BetterMethodsAreBetter) {
  TestMatrix matrix = makeMatrix(128, 256);
  for (StringRef format : {"u2g32", "u3g32", "u4g32", "u4g64"}) {
    double rtn = relativeError(matrix, run("rtn", format, matrix.view()));
    double sinq = relativeError(matrix, run("sinq", format, matrix.view()));
    double mse = relativeError(matrix, run("mse", format, matrix.view()));
    double both = relativeError(
        matrix, run("sinq", format, matrix.view(), {{"quantizer", "mse"}}));
    EXPECT_LT(sinq, 0.9 * rtn) << format.str();
    EXPECT_LT(mse, 0.97 * rtn) << format.str();
    EXPECT_LT(both, sinq) << format.str();
  }
  for (StringRef format : {"i4g32", "nl4", "nl3", "q4_k", "ternary", "nf4g32",
                           "mxfp4", "v4b8", "v2b6", "v2b6g64.f16.mf16"}) {
    double rtn = relativeError(matrix, run("rtn", format, matrix.view()));
    double mse = relativeError(matrix, run("mse", format, matrix.view()));
    EXPECT_LT(mse, rtn) << format.str();
  }
}

/// The sum of absolute errors is what its steps choose by.
TEST(Methods, HqqIsNotWorseInItsNorm) {
  TestMatrix matrix = makeMatrix(64, 256);
  auto absolute = [&](StringRef method) {
    QuantizedMatrix result = run(method, "u3g64.f32", matrix.view());
    std::vector<float> decoded(matrix.values.size());
    decodeRows(result, 0, matrix.rows, decoded);
    double sum = 0;
    for (size_t i = 0; i < decoded.size(); ++i)
      sum += std::abs(decoded[i] - matrix.values[i]);
    return sum;
  };
  EXPECT_LT(absolute("hqq"), 0.99 * absolute("rtn"));
  expectError(tryMethod("hqq", "i4g32", matrix.view()), "'i4g32'");
  expectError(tryMethod("hqq", "nf4g32.f16.mf16", matrix.view()),
              "even levels");
}

/// With normal numbers, where nothing is known beside them: vectors are nearer than
/// single levels of the same number of bits.
TEST(Methods, VectorsAreBetterThanSingleLevels) {
  TestMatrix matrix = makeMatrix(64, 512, 3, /*spread=*/0);
  auto error = [&](StringRef format) {
    return relativeError(matrix, run("mse", format, matrix.view()));
  };
  EXPECT_LT(error("v4b8g32"), 0.9 * error("i2g32"));
  EXPECT_LT(error("v4b8g128"), 0.85 * error("i2g128"));
  EXPECT_LT(error("v2b6g128"), 0.97 * error("nl3g128.f16"));
}

/// Codes that no method makes of them alone: each is the best of its vector, given
/// the scales, in the measure that the inputs and the scale of columns make.
TEST(Methods, VectorsAreChosenByWhatIsKnownOfInputs) {
  TestMatrix matrix = makeMatrix(16, 70);
  std::vector<float> square(70), scale(70);
  for (int64_t k = 0; k < 70; ++k) {
    square[k] = k % 3 ? 0.01f : 4;
    scale[k] = k % 5 ? 0.5f : 2;
  }
  for (StringRef method : {"rtn", "mse"})
    for (bool scaled : {false, true}) {
      QuantizedMatrix result =
          run(method, "v4b8g32.f32", matrix.view(), {}, [&](MethodRequest &r) {
            r.statistics.meanSquare = square;
            if (scaled)
              r.columnScale = scale;
          });
      const Levels &levels = result.format.terms[0].levels;
      for (int64_t row = 0; row < 16; ++row)
        for (int64_t first = 0; first < 70; first += 4) {
          double real = result.getChainValue(0, row, first / 32);
          auto measure = [&](unsigned code) {
            double sum = 0;
            for (int64_t k = first; k < std::min<int64_t>(first + 4, 70); ++k) {
              double column = scaled ? scale[k] : 1,
                     error = real * levels.get(code * 4 + k % 4) * column -
                             matrix.at(row, k);
              sum += error * error * square[k];
            }
            return sum;
          };
          double best = INFINITY;
          for (unsigned code = 0; code < 256; ++code)
            best = std::min(best, measure(code));
          unsigned got = result.codes[row * 18 + first / 4];
          EXPECT_LE(measure(got), best * 1.001) << row << "," << first;
        }
    }
  expectError(tryMethod("hqq", "v4b8g32.f16.mf16", matrix.view()),
              "even levels");
}

TEST(Methods, StatisticsWeighErrors) {
  TestMatrix matrix = makeMatrix(64, 128);
  std::vector<float> square(128, 0.01f);
  for (int64_t k = 0; k < 128; k += 8)
    square[k] = 100;
  auto weighted = [&](const QuantizedMatrix &result) {
    std::vector<float> decoded(matrix.values.size());
    decodeRows(result, 0, matrix.rows, decoded);
    double sum = 0;
    for (size_t i = 0; i < decoded.size(); ++i)
      sum += std::pow(decoded[i] - matrix.values[i], 2) * square[i % 128];
    return sum;
  };
  for (StringRef format : {"u3g32", "nl4", "v4b8"}) {
    double plain = weighted(run("mse", format, matrix.view()));
    double known =
        weighted(run("mse", format, matrix.view(), {}, [&](MethodRequest &r) {
          r.statistics.meanSquare = square;
        }));
    EXPECT_LT(known, 0.8 * plain) << format.str();
  }
  // Inputs that are always 0 say nothing, and break nothing.
  std::vector<float> zeros(128, 0.0f);
  QuantizedMatrix result =
      run("mse", "u4g32", matrix.view(), {},
          [&](MethodRequest &r) { r.statistics.meanSquare = zeros; });
  EXPECT_LT(relativeError(matrix, result), 0.1);
}

TEST(Methods, ThreadsDoNotMatter) {
  TestMatrix matrix = makeMatrix(300, 500);
  for (auto [method, format] : {std::pair<StringRef, StringRef>{"rtn", "u4g32"},
                                {"sinq", "u4g64"},
                                {"hqq", "u3g32"},
                                {"mse", "nl4"},
                                {"mse", "v4b8"},
                                {"sinq", "v2b6g48"},
                                {"sinq", "bf16"}}) {
    QuantizedMatrix alone = run(method, format, matrix.view());
    for (unsigned threads : {1, 2, 5}) {
      Workers workers(threads);
      QuantizedMatrix result =
          run(method, format, matrix.view(), {},
              [&](MethodRequest &r) { r.parallelFor = workers; });
      EXPECT_TRUE(same(alone, result)) << method.str();
    }
  }
}

TEST(Methods, HalfPrecisionSourcesAndStrides) {
  TestMatrix matrix = makeMatrix(20, 50);
  std::vector<uint16_t> brain(20 * 64, 0x7fc0), half(20 * 64, 0x7e00);
  TestMatrix brainValues = matrix, halfValues = matrix;
  for (int64_t row = 0; row < 20; ++row)
    for (int64_t k = 0; k < 50; ++k) {
      brain[row * 64 + k] = floatToBf16(matrix.at(row, k));
      half[row * 64 + k] = floatToF16(matrix.at(row, k));
      brainValues.at(row, k) = bf16ToFloat(brain[row * 64 + k]);
      halfValues.at(row, k) = f16ToFloat(half[row * 64 + k]);
    }
  MatrixView view = matrix.view();
  view.stride = 64;
  view.data = brain.data();
  view.type = RealType::BF16;
  EXPECT_TRUE(same(run("sinq", "u4g32", view),
                   run("sinq", "u4g32", brainValues.view())));
  // Dense formats keep what fits them, to the bit.
  EXPECT_EQ(relativeError(brainValues, run("rtn", "bf16", view)), 0);
  view.data = half.data();
  view.type = RealType::F16;
  EXPECT_TRUE(
      same(run("mse", "nl4", view), run("mse", "nl4", halfValues.view())));
  EXPECT_EQ(relativeError(halfValues, run("rtn", "f16", view)), 0);
}

TEST(Methods, NumbersBeyondAFormatAreRefused) {
  auto getError = [](StringRef format, const TestMatrix &matrix) {
    auto result = tryMethod("rtn", format, matrix.view());
    return result ? std::string() : toString(result.takeError());
  };
  auto fails = [&](StringRef format, float value) {
    TestMatrix matrix = makeMatrix(5, 40);
    matrix.at(3, 7) = value;
    return getError(format, matrix);
  };
  auto has = [](StringRef text, StringRef part) {
    EXPECT_TRUE(text.contains(part)) << text.str();
  };
  // What rounds to the largest number fits.
  EXPECT_EQ(fails("f16", 65519.9f), "");
  EXPECT_EQ(fails("f16", -65504), "");
  has(fails("f16", 65520),
      "6.552000E+04 in row 3, column 7 is beyond 6.550400E+04, the largest "
      "f16; bf16 and f32 reach further");
  EXPECT_EQ(fails("bf16", 65520), "");
  EXPECT_EQ(fails("bf16", -0x1.fefffep127f), "");
  has(fails("bf16", -0x1.ffp127f), "the largest bf16; f32 reaches further");
  for (StringRef format : {"f16", "bf16", "f32"})
    for (float value : {NAN, INFINITY, -INFINITY})
      has(fails(format, value), "in row 3, column 7");
  // Nothing but what is left of tiny numbers is worth nothing.
  TestMatrix tiny = makeMatrix(5, 40);
  for (float &value : tiny.values)
    value *= 1e-9f;
  has(getError("f16", tiny),
      "are below what format 'f16' can store precisely; bf16 and f32 reach");
  EXPECT_LT(relativeError(tiny, run("rtn", "bf16", tiny.view())), 0x1p-8);
  TestMatrix zeros(5, 40);
  EXPECT_EQ(relativeError(zeros, run("rtn", "f16", zeros.view())), 0);
}

TEST(Methods, TransposedMatricesGiveTheSame) {
  TestMatrix matrix = makeMatrix(37, 70), turned(70, 37);
  for (int64_t row = 0; row < 37; ++row)
    for (int64_t k = 0; k < 70; ++k)
      turned.at(k, row) = matrix.at(row, k);
  MatrixView view{matrix.view().name,
                  turned.values.data(),
                  RealType::F32,
                  37,
                  70,
                  37,
                  true};
  for (StringRef method : {"rtn", "sinq", "hqq", "mse"})
    EXPECT_TRUE(
        same(run(method, "u4g32", view), run(method, "u4g32", matrix.view())))
        << method.str();
  view.stride = 36;
  expectError(tryMethod("rtn", "u4g32", view), "columns of at least 37");
}

TEST(Methods, ColumnScaleIsDividedOutAndReturned) {
  TestMatrix matrix = makeMatrix(10, 64), scaled = matrix;
  std::vector<float> scale = divideColumns(scaled);
  for (StringRef method : {"rtn", "sinq", "mse"}) {
    QuantizedMatrix result =
        run(method, "u4g32", matrix.view(), {},
            [&](MethodRequest &r) { r.columnScale = scale; });
    EXPECT_EQ(result.columnScale, scale);
    EXPECT_EQ(
        result.codes,
        run(method == "sinq" ? "rtn" : method, "u4g32", scaled.view()).codes);
  }
  for (float wrong : {0.0f, -1.0f, INFINITY, NAN, 1e-42f}) {
    scale[3] = wrong;
    expectError(tryMethod("rtn", "u4g32", matrix.view(), {},
                          [&](MethodRequest &r) { r.columnScale = scale; }),
                "column 3");
  }
}

TEST(Methods, KurtosisLeavesTheScaleOut) {
  TestMatrix matrix = makeMatrix(32, 64);
  matrix.at(3, 5) = 10;
  auto result = tryMethod("sinq", "u4g32", matrix.view(), {{"kurtosis", "5"}});
  ASSERT_TRUE(static_cast<bool>(result));
  EXPECT_TRUE(result->matrix.columnScale.empty());
  EXPECT_NE(result->note.find("kurtosis"), std::string::npos);
}

//===----------------------------------------------------------------------===//
// Guards
//===----------------------------------------------------------------------===//

static const std::pair<StringRef, StringRef> kAll[] = {
    {"rtn", "u4g32"},
    {"rtn", "i4g32"},
    {"rtn", "nl4"},
    {"rtn", "q4_k"},
    {"sinq", "u4g32"},
    {"sinq", "nl4"},
    {"hqq", "u4g32"},
    {"mse", "u4g32"},
    {"mse", "q4_k"},
    {"mse", "i4g32"},
    {"mse", "nl4"},
    {"mse", "ternary"},
    {"mse", "nf4g32.f16.mf16"},
    {"rtn", "nf3g32.f16.mf16"}};

TEST(Guards, NumbersThatAreNotFinite) {
  for (auto [method, format] : kAll)
    for (float wrong : {NAN, INFINITY, -INFINITY}) {
      TestMatrix matrix = makeMatrix(40, 70);
      matrix.at(33, 66) = wrong;
      expectError(tryMethod(method, format, matrix.view()),
                  "in row 33, column 66");
    }
}

TEST(Guards, ZeroRowsAndConstantGroups) {
  for (auto [method, format] : kAll) {
    TestMatrix matrix = makeMatrix(8, 96);
    for (int64_t k = 0; k < 96; ++k)
      matrix.at(2, k) = 0;
    for (int64_t k = 32; k < 64; ++k)
      for (int64_t row = 4; row < 8; ++row)
        matrix.at(row, k) = row % 2 ? 0.03f : -0.03f;
    QuantizedMatrix result = run(method, format, matrix.view());
    std::vector<float> decoded(8 * 96);
    decodeRows(result, 0, 8, decoded);
    for (int64_t k = 0; k < 96; ++k)
      EXPECT_EQ(decoded[2 * 96 + k], 0) << method.str() << " " << format.str();
    if (method != "sinq" && format != "ternary")
      for (int64_t row = 4; row < 8; ++row)
        for (int64_t k = 32; k < 64; ++k)
          EXPECT_NEAR(decoded[row * 96 + k], matrix.at(row, k), 1.5e-3)
              << method.str() << " " << format.str();
  }
}

TEST(Guards, WholeMatrixOfZeros) {
  for (auto [method, format] : kAll) {
    TestMatrix matrix(5, 40);
    QuantizedMatrix result = run(method, format, matrix.view());
    EXPECT_EQ(relativeError(matrix, result), 0)
        << method.str() << " " << format.str();
  }
}

TEST(Guards, OneRowAndGroupsWiderThanTheRow) {
  for (auto [method, format] : kAll)
    for (auto [rows, columns] :
         {std::pair<int64_t, int64_t>{1, 64}, {1, 1}, {7, 5}, {2, 33}}) {
      TestMatrix matrix = makeMatrix(rows, columns);
      double error = relativeError(matrix, run(method, format, matrix.view()));
      EXPECT_LT(error, format == "ternary" ? 0.6 : 0.25)
          << method.str() << " " << format.str() << " " << rows << "x"
          << columns;
    }
}

TEST(Guards, ScalesBeyondTheirType) {
  TestMatrix large = makeMatrix(4, 64), small = large;
  for (float &value : large.values)
    value *= 1e9f;
  for (float &value : small.values)
    value *= 1e-9f;
  for (StringRef method : {"rtn", "sinq", "mse", "hqq"}) {
    expectError(tryMethod(method, "u4g32", large.view()), "largest f16");
    expectError(tryMethod(method, "u4g32", small.view()), "below what format");
    // Formats with a wider range hold them.
    for (StringRef format : {"u4g32.f32", "u4g32.bf16"}) {
      EXPECT_LT(relativeError(large, run(method, format, large.view())), 0.2);
      EXPECT_LT(relativeError(small, run(method, format, small.view())), 0.2);
    }
  }
  expectError(tryMethod("rtn", "f16", large.view()), "largest f16");
}

TEST(Guards, SubnormalNumbers) {
  TestMatrix matrix = makeMatrix(4, 64);
  for (float &value : matrix.values)
    value *= 1e-40f;
  for (StringRef method : {"rtn", "sinq", "mse", "hqq"})
    expectError(tryMethod(method, "u4g32.f32", matrix.view()),
                "below what format");
  // Some among others are as good as 0.
  TestMatrix mixed = makeMatrix(4, 64);
  for (int64_t k = 0; k < 64; ++k)
    mixed.at(1, k) *= 1e-40f;
  for (auto [method, format] : kAll)
    EXPECT_LT(relativeError(mixed, run(method, format, mixed.view())),
              format == "ternary" ? 0.6 : 0.2);
}

TEST(Guards, RequestsThatDoNotFit) {
  TestMatrix matrix = makeMatrix(4, 64);
  std::vector<float> tooShort(63, 1.0f), negative(64, -1.0f);
  expectError(
      tryMethod("mse", "u4g32", matrix.view(), {},
                [&](MethodRequest &r) { r.statistics.meanSquare = tooShort; }),
      "64 numbers of mean x² but got 63");
  expectError(
      tryMethod("mse", "u4g32", matrix.view(), {},
                [&](MethodRequest &r) { r.statistics.meanSquare = negative; }),
      "from 0");
  for (auto change : {+[](MatrixView &v) { v.rows = 0; },
                      +[](MatrixView &v) { v.stride = 10; },
                      +[](MatrixView &v) { v.data = nullptr; },
                      +[](MatrixView &v) { v.type = RealType::None; }}) {
    MatrixView view = matrix.view();
    change(view);
    expectError(tryMethod("rtn", "u4g32", view), "expected");
  }
}

TEST(Guards, StopsOnRequest) {
  TestMatrix matrix = makeMatrix(300, 500);
  for (StringRef method : {"rtn", "sinq"}) {
    double last = 0;
    auto note = [&](double part) {
      EXPECT_GE(part, last);
      last = part;
      return true;
    };
    run(method, "u4g32", matrix.view(), {},
        [&](MethodRequest &r) { r.progress = note; });
    EXPECT_EQ(last, 1);
  }
  for (double limit : {0.1, 0.9}) {
    double last = 0;
    auto ask = [&](double part) {
      last = part;
      return part < limit;
    };
    expectError(tryMethod("sinq", "u4g32", matrix.view(), {},
                          [&](MethodRequest &r) { r.progress = ask; }),
                "stopped on request");
    EXPECT_LT(last, 1);
  }
}

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

TEST(MethodOptions, TablesAreChecked) {
  EXPECT_EQ(getBuiltin().find("none"), nullptr);
  for (const Method &method : getBuiltin().getMethods()) {
    EXPECT_EQ(getBuiltin().find(method.name), &method);
    auto defaults = Options::parse(method.name, method.options, {});
    EXPECT_TRUE(static_cast<bool>(defaults)) << method.name;
  }
  auto message = [](StringRef name, StringRef value) {
    auto options = Options::parse("sinq", getBuiltin().find("sinq")->options,
                                  {{name, value}});
    return options ? std::string() : toString(options.takeError());
  };
  EXPECT_EQ(message("steps", "5"), "");
  EXPECT_EQ(message("steps", "1"),
            "option 'steps' of sinq: expected an integer from 2 to 1000 but "
            "got '1' (steps of the normalization at most)");
  EXPECT_NE(message("steps", "x").find("an integer"), std::string::npos);
  EXPECT_NE(message("robust", "yes").find("true or false"), std::string::npos);
  EXPECT_NE(message("quantizer", "best").find("one of rtn, mse, hqq"),
            std::string::npos);
  EXPECT_NE(message("norm", "nan").find("a number from"), std::string::npos);
  EXPECT_NE(message("norm", "2").find("a number from"), std::string::npos);
  EXPECT_NE(message("stepz", "2").find("one of tile, steps"),
            std::string::npos);
}
