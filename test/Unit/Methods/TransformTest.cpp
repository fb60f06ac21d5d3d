//===- TransformTest.cpp - Methods on formats with a transform ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MethodsTestUtils.h"
#include "llmc/Formats/Hadamard.h"

#include <cstring>

using namespace llvm;
using namespace llmc;
using namespace llmc::test;

static double relativeError(const TestMatrix &matrix,
                            const QuantizedMatrix &compressed) {
  return measureError(matrix.view(), compressed).getRelative();
}

static TestMatrix rotate(TestMatrix matrix, int64_t hadamard) {
  for (int64_t row = 0; row < matrix.rows; ++row)
    rotateColumns(hadamard, matrix.columns, 0,
                  MutableArrayRef(matrix.values)
                      .slice(row * matrix.columns, matrix.columns));
  return matrix;
}

static bool sameChains(const QuantizedMatrix &a, const QuantizedMatrix &b) {
  for (size_t i = 0; i < a.chains.size(); ++i)
    if (a.chains[i].reals != b.chains[i].reals ||
        a.chains[i].codes != b.chains[i].codes)
      return false;
  return a.codes == b.codes;
}

/// Whatever the method, it works on the transformed matrix; the error is that of
/// the matrix that is meant, since the transform keeps lengths.
TEST(Transform, MethodsSeeTheTransformedMatrix) {
  for (StringRef method : {"rtn", "mse", "hqq"})
    for (auto [rows, columns] :
         {std::pair<int64_t, int64_t>{1, 1}, {3, 17}, {5, 100}, {40, 300}})
      for (int64_t hadamard : {16, 64, 256}) {
        TestMatrix matrix = makeMatrix(rows, columns),
                   turned = rotate(matrix, hadamard);
        std::string name = "u4g32.h" + std::to_string(hadamard);
        QuantizedMatrix got = run(method, name, matrix.view()),
                        plain = run(method, "u4g32", turned.view());
        EXPECT_TRUE(sameChains(got, plain)) << method.str() << " " << name;
        EXPECT_NEAR(relativeError(matrix, got), relativeError(turned, plain),
                    2e-6)
            << method.str() << " " << name;
      }
}

TEST(Transform, OutliersOfColumnsCostLess) {
  TestMatrix matrix = makeMatrix(64, 512, 1, 0);
  for (int64_t row = 0; row < 64; ++row)
    for (int64_t k = 5; k < 512; k += 128)
      matrix.at(row, k) *= 20;
  for (StringRef format : {"i4g32", "u3g32", "u4g64"}) {
    double plain = relativeError(matrix, run("rtn", format, matrix.view()));
    double turned = relativeError(
        matrix, run("rtn", (format + ".h128").str(), matrix.view()));
    EXPECT_LT(turned, 0.8 * plain) << format.str();
  }
}

TEST(Transform, ColumnScaleIsDividedOutBefore) {
  TestMatrix matrix = makeMatrix(10, 100), scaled = matrix;
  std::vector<float> scale = divideColumns(scaled);
  for (StringRef method : {"rtn", "sinq"}) {
    QuantizedMatrix result =
        run(method, "u4g32.h32", matrix.view(), {},
            [&](MethodRequest &r) { r.columnScale = scale; });
    EXPECT_EQ(result.columnScale, scale);
    EXPECT_TRUE(
        sameChains(result, run("rtn", "u4g32", rotate(scaled, 32).view())));
    // Columns are eight times apart, and each has the error of all.
    EXPECT_LT(relativeError(matrix, result), 0.4);
  }
}

/// sinq evens out the columns as they come, and its error is what is left after
/// both.
TEST(Transform, SinqChoosesItsScaleFromTheMatrixAsItComes) {
  TestMatrix matrix = makeMatrix(96, 200);
  QuantizedMatrix plain = run("sinq", "u4g32", matrix.view()),
                  turned = run("sinq", "u4g32.h64", matrix.view());
  ASSERT_FALSE(turned.columnScale.empty());
  EXPECT_EQ(turned.columnScale, plain.columnScale);
  TestMatrix even = matrix;
  for (int64_t row = 0; row < matrix.rows; ++row)
    for (int64_t k = 0; k < matrix.columns; ++k)
      even.at(row, k) *= 1 / turned.columnScale[k];
  EXPECT_TRUE(sameChains(turned, run("rtn", "u4g32", rotate(even, 64).view())));
  EXPECT_LT(relativeError(matrix, turned), 0.12);
  auto result =
      tryMethod("sinq", "u4g32.h64", matrix.view(), {{"kurtosis", "1.5"}});
  ASSERT_TRUE(static_cast<bool>(result));
  EXPECT_TRUE(result->matrix.columnScale.empty());
}

TEST(Transform, ThreadsDoNotMatter) {
  TestMatrix matrix = makeMatrix(300, 500);
  for (StringRef method : {"rtn", "sinq", "mse"}) {
    QuantizedMatrix alone = run(method, "u4g32.h128", matrix.view());
    Workers workers(3);
    QuantizedMatrix result =
        run(method, "u4g32.h128", matrix.view(), {},
            [&](MethodRequest &r) { r.parallelFor = workers; });
    EXPECT_TRUE(sameChains(alone, result)) << method.str();
    EXPECT_EQ(alone.columnScale, result.columnScale);
  }
}

//===----------------------------------------------------------------------===//
// What a method of a plugin is given
//===----------------------------------------------------------------------===//

/// What the method below saw.
struct Seen {
  std::vector<std::vector<float>> pieces, plain;
  std::vector<float> squares, gram;
  bool hasAbsolute = false;
};
static Seen *seen;

static int look(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  int64_t n = job->columns;
  seen->hasAbsolute = job->statistics->mean_absolute;
  if (const float *squares = job->statistics->mean_square)
    seen->squares.assign(squares, squares + n);
  if (const float *gram = job->statistics->gram)
    seen->gram.assign(gram, gram + n * n);
  for (int64_t begin = 0; begin < n; begin += 7)
    for (int64_t end = begin + 1; end <= n; end += 13) {
      for (auto [read, into] : {std::pair(host->read, &seen->pieces),
                                std::pair(host->read_plain, &seen->plain)}) {
        std::vector<float> &piece = into->emplace_back(end - begin);
        if (int status = read(run, 0, begin, end, piece.data()))
          return status;
      }
    }
  float nothing;
  if (host->read(run, 0, 3, n + 1, &nothing) == LLMC_METHOD_OK ||
      host->read(run, 1, 0, 1, &nothing) == LLMC_METHOD_OK ||
      host->read(run, 0, 3, 4, nullptr) == LLMC_METHOD_OK)
    return host->fail(run, "reading what is not there went well");
  float scale = 1, scales[16];
  std::fill(scales, scales + 16, scale);
  std::vector<uint8_t> codes(n);
  if (int status = host->store_scales(run, 0, scales))
    return status;
  return host->write_codes(run, 0, codes.data());
}

/// Runs it on one row.
static QuantizedMatrix
lookAt(const TestMatrix &matrix, StringRef format,
       function_ref<void(MethodRequest &)> change = nullptr) {
  static const llmc_method method = {
      sizeof(llmc_method), "test.look", "looks", nullptr, 0, 0, look};
  static const llmc_plugin plugin = {sizeof(llmc_plugin),
                                     LLMC_PLUGIN_ABI,
                                     3,
                                     "test",
                                     "1",
                                     &method,
                                     1,
                                     nullptr,
                                     0,
                                     nullptr,
                                     0};
  static Seen latest;
  latest = Seen();
  seen = &latest;
  MethodSet methods;
  cantFail(methods.add(plugin, "test.so"));
  MethodRequest request;
  request.weight = matrix.view();
  if (change)
    change(request);
  auto result = runMethod(methods, "test.look", format, {}, request);
  if (result)
    return std::move(result->matrix);
  ADD_FAILURE() << toString(result.takeError());
  return {};
}

TEST(Transform, PartsOfRowsAreThoseOfTheWhole) {
  for (int64_t columns : {5, 40, 101})
    for (StringRef format : {"i4g16.h16", "i4g16.h32", "i4g16.h64"}) {
      TestMatrix matrix = makeMatrix(1, columns);
      int64_t hadamard = cantFail(parseFormat(format)).hadamard;
      TestMatrix turned = rotate(matrix, hadamard);
      lookAt(matrix, format);
      size_t at = 0;
      for (int64_t begin = 0; begin < columns; begin += 7)
        for (int64_t end = begin + 1; end <= columns; end += 13, ++at) {
          ASSERT_LT(at, seen->pieces.size());
          EXPECT_EQ(0, std::memcmp(seen->pieces[at].data(),
                                   turned.values.data() + begin,
                                   (end - begin) * sizeof(float)));
          EXPECT_EQ(0, std::memcmp(seen->plain[at].data(),
                                   matrix.values.data() + begin,
                                   (end - begin) * sizeof(float)));
        }
      EXPECT_EQ(at, seen->pieces.size());
    }
}

TEST(Transform, StatisticsAreThoseOfTheStoredMatrix) {
  constexpr int64_t n = 40;
  TestMatrix matrix = makeMatrix(1, n);
  // Inputs, their moments, and those of the same inputs scaled and transformed.
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> scale(n), ones(n, 1.0f), absolute(n, 1.0f);
  std::vector<double> gram(n * n), turned(n * n);
  for (int64_t k = 0; k < n; ++k)
    scale[k] = k % 2 ? 2.0f : 0.5f;
  auto gather = [&](ArrayRef<float> factors) {
    std::fill(gram.begin(), gram.end(), 0.0);
    std::fill(turned.begin(), turned.end(), 0.0);
    for (int sample = 0; sample < 100; ++sample) {
      std::vector<double> x(n), y(n);
      double common = normal(random);
      for (int64_t k = 0; k < n; ++k) {
        x[k] = normal(random) + common;
        y[k] = x[k] * factors[k];
      }
      rotateColumns(32, n, 0, MutableArrayRef(y));
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j) {
          gram[i * n + j] += x[i] * x[j] / 100;
          turned[i * n + j] += y[i] * y[j] / 100;
        }
    }
  };
  for (const std::vector<float> &factors : {ones, scale}) {
    gather(factors);
    std::vector<float> known(gram.begin(), gram.end()), squares;
    for (int64_t k = 0; k < n; ++k)
      squares.push_back(known[k * n + k]);
    lookAt(matrix, "i4g16.h32", [&](MethodRequest &r) {
      r.columnScale = factors;
      r.statistics = {absolute, squares, known};
    });
    EXPECT_FALSE(seen->hasAbsolute);
    ASSERT_EQ(seen->gram.size(), size_t(n * n));
    ASSERT_EQ(seen->squares.size(), size_t(n));
    for (int64_t i = 0; i < n; ++i) {
      EXPECT_EQ(seen->squares[i], seen->gram[i * n + i]);
      // Methods multiply what they are told by the scale.
      for (int64_t j = 0; j < n; ++j)
        EXPECT_NEAR(seen->gram[i * n + j] * factors[i] * factors[j],
                    turned[i * n + j], 1e-3);
    }
    // Of single columns nothing follows, nor where the scale comes later.
    lookAt(matrix, "i4g16.h32", [&](MethodRequest &r) {
      r.columnScale = factors;
      r.statistics = {absolute, squares, {}};
    });
    EXPECT_TRUE(seen->squares.empty() && !seen->hasAbsolute);
    lookAt(matrix, "i4g16.h32", [&](MethodRequest &r) {
      r.statistics = {absolute, squares, known};
    });
    EXPECT_TRUE(seen->squares.empty() && seen->gram.empty());
    // Without a transform they are as they come.
    lookAt(matrix, "i4g16", [&](MethodRequest &r) {
      r.statistics = {absolute, squares, known};
    });
    EXPECT_EQ(seen->squares, squares);
    EXPECT_EQ(seen->gram, known);
    EXPECT_TRUE(seen->hasAbsolute);
  }
}

TEST(Transform, GuardsNumbers) {
  for (float wrong : {NAN, INFINITY}) {
    TestMatrix matrix = makeMatrix(40, 70);
    matrix.at(33, 66) = wrong;
    for (StringRef method : {"rtn", "sinq", "mse"})
      expectError(tryMethod(method, "u4g32.h64", matrix.view()),
                  "in row 33, column 66");
  }
  TestMatrix large = makeMatrix(4, 64);
  for (float &value : large.values)
    value = 3e38f;
  expectError(tryMethod("rtn", "u4g32.f32.h64", large.view()),
              "row 0, column 0 after the Hadamard transform is beyond f32");
}
