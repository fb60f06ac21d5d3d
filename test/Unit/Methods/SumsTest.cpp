//===- SumsTest.cpp - Methods for sums of several products ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Against what is known of planes of signs: the best that there is, found by trying
// all cuts of the sorted numbers, and a greedy choice that was published.
//
//===----------------------------------------------------------------------===//
#include "MethodsTestUtils.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llmc;
using namespace llmc::test;

namespace {

/// Sums of `planes` scales, each with a sign that is a bit of the code.
FormatDescription makePlanes(unsigned planes, StringRef like = "i8g32.f32") {
  FormatDescription format = cantFail(parseFormat(like));
  Term term = format.terms[0];
  format.terms.clear();
  for (unsigned t = 0; t < planes; ++t) {
    SmallVector<int8_t> signs;
    for (unsigned code = 0; code < 1u << planes; ++code)
      signs.push_back(code >> t & 1 ? 1 : -1);
    term.levels = Levels::make(signs);
    format.terms.push_back(term);
  }
  format.indexBits = planes;
  format.name = "test.planes" + std::to_string(planes);
  format.fromPlugin = true;
  cantFail(verify(format));
  return format;
}

/// Levels of four bits that are even and that are not, and a minimum.
FormatDescription makeMixed(StringRef like) {
  FormatDescription format = cantFail(parseFormat(like));
  format.terms.push_back(cantFail(parseFormat("nl4g32.f16")).terms[0]);
  format.name = "test.mixed";
  format.fromPlugin = true;
  cantFail(verify(format));
  return format;
}

Expected<MethodResult>
tryOn(StringRef method, const FormatDescription &format,
      const TestMatrix &matrix,
      function_ref<void(MethodRequest &)> change = nullptr) {
  MethodRequest request;
  request.weight = matrix.view();
  if (change)
    change(request);
  return runMethod(getBuiltin(), method, format, {}, request);
}

QuantizedMatrix runOn(StringRef method, const FormatDescription &format,
                      const TestMatrix &matrix,
                      function_ref<void(MethodRequest &)> change = nullptr) {
  auto result = tryOn(method, format, matrix, change);
  if (!result) {
    ADD_FAILURE() << method.str() << ": " << toString(result.takeError());
    return cantFail(
        QuantizedMatrix::create(format, matrix.rows, matrix.columns));
  }
  cantFail(verify(result->matrix));
  return std::move(result->matrix);
}

/// The squared error, with each square times the weight of its column.
double getError(const TestMatrix &matrix, const QuantizedMatrix &result,
                ArrayRef<float> weights = {}) {
  std::vector<double> decoded(matrix.values.size());
  decodeRows(result, 0, matrix.rows, MutableArrayRef(decoded));
  double sum = 0;
  for (size_t i = 0; i < decoded.size(); ++i)
    sum += std::pow(decoded[i] - matrix.values[i], 2) *
           (weights.empty() ? 1 : weights[i % matrix.columns]);
  return sum;
}

/// Guo et al., Network Sketching, 2017, section 3.1: each plane takes the signs of
/// what is left, and the mean of its magnitudes.
double getGreedyError(const TestMatrix &matrix, unsigned planes) {
  double sum = 0;
  for (size_t begin = 0; begin < matrix.values.size(); begin += 32) {
    std::vector<double> rest(matrix.values.begin() + begin,
                             matrix.values.begin() + begin + 32);
    for (unsigned t = 0; t < planes; ++t) {
      double mean = 0;
      for (double each : rest)
        mean += std::abs(each) / 32;
      for (double &each : rest)
        each -= each < 0 ? -mean : mean;
    }
    for (double each : rest)
      sum += each * each;
  }
  return sum;
}

/// The least that two planes can leave of a group. Numbers in order have codes in
/// the order of what these stand for, -a-b, -a+b, a-b and a+b, so three cuts of the
/// order are all there is to choose; a and b are then the best.
double getLeastError(ArrayRef<float> group) {
  std::vector<double> sorted(group.begin(), group.end());
  llvm::sort(sorted);
  size_t count = sorted.size();
  double best = INFINITY, squares = 0;
  for (double each : sorted)
    squares += each * each;
  for (size_t i = 0; i <= count; ++i)
    for (size_t j = i; j <= count; ++j)
      for (size_t l = j; l <= count; ++l) {
        // Products with the signs of both planes, and of the signs.
        double xa = 0, xb = 0, ab = 0, n = static_cast<double>(count);
        for (size_t k = 0; k < count; ++k) {
          int a = k < j ? -1 : 1, b = k < i || (k >= j && k < l) ? -1 : 1;
          xa += a * sorted[k];
          xb += b * sorted[k];
          ab += a * b;
        }
        double determinant = n * n - ab * ab;
        if (determinant < 1e-9) {
          best = std::min(best, squares - xa * xa / n);
          continue;
        }
        double a = (n * xa - ab * xb) / determinant,
               b = (n * xb - ab * xa) / determinant;
        best = std::min(best, squares - a * xa - b * xb);
      }
  return best;
}

} // namespace

TEST(Sums, AreNearTheBestThatThereIs) {
  TestMatrix matrix = makeMatrix(24, 64, 5, /*spread=*/0.2f);
  FormatDescription format = makePlanes(2, "i8g16.f32");
  double least = 0;
  for (size_t begin = 0; begin < matrix.values.size(); begin += 16)
    least += getLeastError(ArrayRef(matrix.values).slice(begin, 16));
  double error = getError(matrix, runOn("mse", format, matrix));
  EXPECT_GE(error, least * (1 - 1e-6));
  EXPECT_LE(error, least * 1.1);
}

TEST(Sums, AreBetterThanGreedyPlanes) {
  TestMatrix matrix = makeMatrix(64, 512);
  for (unsigned planes : {2, 3}) {
    FormatDescription format = makePlanes(planes);
    double rtn = getError(matrix, runOn("rtn", format, matrix)),
           mse = getError(matrix, runOn("mse", format, matrix));
    EXPECT_LT(mse, 0.97 * getGreedyError(matrix, planes)) << planes;
    EXPECT_LT(mse, 0.97 * rtn) << planes;
  }
}

/// Numbers that the format has, with scales of a ratio that is not the best for
/// normal numbers, come back.
TEST(Sums, AreFoundWhereTheyAreExact) {
  TestMatrix matrix(8, 96);
  std::mt19937 random(3);
  for (int64_t row = 0; row < 8; ++row)
    for (int64_t k = 0; k < 96; ++k) {
      auto group = row * 3 + k / 32;
      float scale = 1 + static_cast<float>(group) / 7;
      matrix.at(row, k) = scale * (static_cast<float>(random() % 8) * 2 - 7);
    }
  double squares = 0;
  for (float each : matrix.values)
    squares += double(each) * each;
  EXPECT_LT(getError(matrix, runOn("mse", makePlanes(3), matrix)),
            1e-10 * squares);
}

/// Every code is the nearest under what is stored, whatever the levels, the chains
/// and the last group are, and scales of columns and statistics are used.
TEST(Sums, HaveTheNearestCodes) {
  TestMatrix matrix = makeMatrix(9, 300);
  std::vector<float> square(300, 0.01f);
  for (int64_t k = 0; k < 300; k += 8)
    square[k] = 100;
  for (const FormatDescription &format :
       {makePlanes(3), makePlanes(2, "i8g64.f32r-u8"),
        makePlanes(2, "i8g48.f16.mf16"), makeMixed("i4g32"),
        makeMixed("u4g32.f16b-u6"), makeMixed("i4row.f16.mf16")}) {
    SCOPED_TRACE(format.name + " of " + std::to_string(format.groupSize));
    for (StringRef method : {"rtn", "mse", "sinq"}) {
      QuantizedMatrix result = runOn(method, format, matrix);
      std::vector<float> scale(result.columnScale);
      result.columnScale.clear();
      int64_t width = format.getGroupColumns(300);
      for (int64_t row = 0; row < 9; ++row)
        for (int64_t k = 0; k < 300; ++k) {
          double value = matrix.at(row, k) / (scale.empty() ? 1 : scale[k]);
          auto distance = [&](unsigned code) {
            double number =
                format.hasMinimum
                    ? result.getChainValue(format.terms.size(), row, k / width)
                    : 0;
            for (auto [t, term] : enumerate(format.terms))
              number += result.getChainValue(t, row, k / width) *
                        term.levels.get(code);
            return std::abs(number - value);
          };
          double best = INFINITY;
          for (unsigned code = 0; code < format.getCodeCount(); ++code)
            best = std::min(best, distance(code));
          ASSERT_LE(distance(result.codes[row * 300 + k]),
                    best + 1e-6 * std::abs(value))
              << method.str() << ": " << row << ", " << k;
        }
    }
    double plain = getError(matrix, runOn("mse", format, matrix), square),
           known = getError(matrix,
                            runOn("mse", format, matrix,
                                  [&](MethodRequest &r) {
                                    r.statistics.meanSquare = square;
                                  }),
                            square);
    EXPECT_LT(known, plain);
  }
}

/// Groups of one number, of zeros and of numbers that are all the same.
TEST(Sums, HaveGroupsThatAreFlat) {
  TestMatrix matrix = makeMatrix(4, 97);
  for (int64_t k = 0; k < 32; ++k) {
    matrix.at(1, k) = 0;
    matrix.at(2, k) = 3;
    matrix.at(3, k) = -2;
  }
  for (const FormatDescription &format :
       {makePlanes(2), makePlanes(2, "i8g32.f32.mf32"), makeMixed("u4g32.f32")})
    for (StringRef method : {"rtn", "mse"}) {
      std::vector<float> decoded(4 * 97);
      decodeRows(runOn(method, format, matrix), 0, 4, MutableArrayRef(decoded));
      for (int64_t k = 0; k < 32; ++k) {
        EXPECT_EQ(decoded[97 + k], 0);
        EXPECT_NEAR(decoded[2 * 97 + k], 3, 2e-3);
        EXPECT_NEAR(decoded[3 * 97 + k], -2, 2e-3);
      }
      for (int64_t row = 0; row < 4; ++row)
        EXPECT_NEAR(decoded[row * 97 + 96], matrix.at(row, 96),
                    1e-3 * std::abs(matrix.at(row, 96)));
    }
}

TEST(Sums, AreRefusedByOtherMethods) {
  TestMatrix matrix = makeMatrix(4, 64);
  expectError(tryOn("hqq", makePlanes(2, "i8g32.f32.mf32"), matrix),
              "even levels");
  FormatDescription vectors = cantFail(parseFormat("v2b6"));
  vectors.terms.push_back(vectors.terms[0]);
  expectError(tryOn("mse", vectors, matrix),
              "is a sum of 2 products of vectors, which no method makes");
  MethodRequest request;
  request.weight = matrix.view();
  FormatDescription planes = makePlanes(2);
  request.format = &planes;
  Method other = *getBuiltin().find("rtn");
  other.uses = LLMC_TAKES_VECTORS;
  Options options = cantFail(Options::parse("rtn", other.options, {}));
  request.options = &options;
  expectError(runMethod(other, request),
              "method rtn makes no sums, and 'test.planes2' is a sum of 2 "
              "products; expected a format of one, such as i4g32, or another "
              "method, such as mse");
}
