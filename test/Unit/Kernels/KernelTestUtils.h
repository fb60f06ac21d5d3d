//===- KernelTestUtils.h - What tests of kernels share ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_TEST_UNIT_KERNELS_KERNELTESTUTILS_H
#define LLMC_TEST_UNIT_KERNELS_KERNELTESTUTILS_H

#include "TextFormats.h"
#include "llmc/Codegen/Jit.h"
#include "llmc/Formats/Layout.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/TargetParser/Host.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace llmc::test {

constexpr int64_t kAll = kAllItems, kPart = kAllItems / 3;

/// Memory aligned to a cache line, between guards that must stay as they are.
template <typename T> struct Aligned {
  explicit Aligned(int64_t count, T value = T())
      : count(count), memory(count * sizeof(T) + 2 * kGuard + 64, kMark) {
    uintptr_t address = reinterpret_cast<uintptr_t>(memory.data() + kGuard);
    offset = kGuard + (64 - address % 64) % 64;
    std::fill_n(data(), count, value);
  }
  T *data() { return reinterpret_cast<T *>(memory.data() + offset); }
  T &operator[](int64_t i) { return data()[i]; }
  bool guarded() {
    for (size_t i = 0; i < memory.size(); ++i)
      if ((i < offset || i >= offset + count * sizeof(T)) && memory[i] != kMark)
        return false;
    return true;
  }

  int64_t count;

private:
  /// Bytes before and after.
  static constexpr size_t kGuard = 256;
  static constexpr char kMark = 0x5a;
  std::vector<char> memory;
  size_t offset = 0;
};

using Buffer = Aligned<float>;

inline void fillRandom(Buffer &buffer, unsigned seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  for (int64_t i = 0; i < buffer.count; ++i)
    buffer[i] = normal(random);
}

/// Processors of growing width that this machine can run.
inline std::vector<std::string> processors() {
  std::vector<std::string> result{"x86-64"};
  auto features = llvm::sys::getHostCPUFeatures();
  if (features.lookup("avx2") && features.lookup("fma"))
    result.push_back("x86-64-v3");
  if (features.lookup("avx512vl") && features.lookup("avx512dq") &&
      features.lookup("avx512bw"))
    result.push_back("x86-64-v4");
  return result;
}

/// The name of a processor as that of a test.
inline std::string nameOf(const ::testing::TestParamInfo<std::string> &info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// Random codes, and scales as `scale` gives them, which the chains of the
/// format must be able to hold.
inline QuantizedMatrix makeMatrix(const std::string &name, int64_t rows,
                                  int64_t columns, std::mt19937 &random,
                                  llvm::function_ref<float()> scale) {
  auto matrix =
      llvm::cantFail(QuantizedMatrix::create(findFormat(name), rows, columns));
  for (uint8_t &code : matrix.codes)
    code = random() % matrix.format.getCodeCount();
  int64_t groups = matrix.getGroups();
  auto chains = matrix.format.getChains();
  for (unsigned c = 0; c < chains.size(); ++c) {
    auto &values = matrix.chains[c];
    if (chains[c].ofScale) {
      // Zero points, which no method makes.
      int64_t first = chains[c].code == ScaleCode::I8 ? -8 : 0;
      for (uint8_t &code : values.codes)
        code = static_cast<uint8_t>(first + random() % 16);
      continue;
    }
    int64_t reals = matrix.format.getReals(chains[c], columns);
    for (int64_t r = 0; r < rows; ++r) {
      std::vector<float> wanted(groups);
      for (float &value : wanted)
        value = chains[c].negated ? -scale() : scale();
      llvm::cantFail(
          encodeChain(matrix.format, c, columns, wanted,
                      llvm::MutableArrayRef(values.reals)
                          .slice(values.reals.empty() ? 0 : r * reals,
                                 values.reals.empty() ? 0 : reals),
                      llvm::MutableArrayRef(values.codes)
                          .slice(values.codes.empty() ? 0 : r * groups,
                                 values.codes.empty() ? 0 : groups)));
    }
  }
  llvm::cantFail(verify(matrix));
  return matrix;
}

/// The same with random scales.
inline QuantizedMatrix makeMatrix(const std::string &name, int64_t rows,
                                  int64_t columns, std::mt19937 &random) {
  std::uniform_real_distribution<float> real(0.01f, 1.0f);
  return makeMatrix(name, rows, columns, random, [&] { return real(random); });
}

/// The bytes that kernels read.
inline Aligned<char> packAligned(const QuantizedMatrix &matrix,
                                 int64_t tileRows = 16) {
  auto bytes = llvm::cantFail(packMatrix(matrix, tileRows));
  Aligned<char> weight(bytes.size());
  std::copy(bytes.begin(), bytes.end(), weight.data());
  return weight;
}

/// The type of a matrix of a rank, whose numbers are bf16.
inline std::string getSideType(int64_t rows, int64_t columns,
                               int64_t tileRows) {
  return llvm::formatv(
      "!pack.tensor<{0}x{1}, #pack.dense<bf16>, #pack.rows<{2}>>", rows,
      columns, tileRows);
}

/// Indices of rows of a matrix, counted from its end and beyond it, too, and the
/// rows that they mean.
struct GatherRows {
  explicit GatherRows(int64_t n)
      : ids{0, n - 1, n / 2, -1, n + 5, 1}, rows{0,     n - 1, n / 2,
                                                 n - 1, n - 1, 1} {}
  int64_t ids[6], rows[6];
};

/// Compiles for the processor that is its parameter.
class KernelFixture : public ::testing::TestWithParam<std::string> {
protected:
  std::unique_ptr<Jit> compile(const std::string &text) {
    auto jit = Jit::compile(text, GetParam());
    if (jit)
      return std::move(*jit);
    ADD_FAILURE() << llvm::toString(jit.takeError());
    return nullptr;
  }

  /// Rows of a packed matrix by index, counted from its end and beyond it, too,
  /// are those of the reference decoder to the last bit.
  void expectGather(const QuantizedMatrix &matrix, const std::string &type,
                    char *weight) {
    int64_t n = matrix.rows, k = matrix.columns;
    auto gather = compile(getGatherModule(type, 6, k));
    ASSERT_TRUE(gather);
    auto [ids, rows] = GatherRows(n);
    Aligned<float> y(6 * k, -1);
    reinterpret_cast<GatherFunction>(gather->lookup("run"))(ids, weight,
                                                            y.data(), 0, kAll);
    EXPECT_TRUE(y.guarded());
    std::vector<float> single(n * k);
    decodeRows(matrix, 0, n, llvm::MutableArrayRef<float>(single));
    for (int64_t i = 0; i < 6; ++i)
      for (int64_t c = 0; c < k; ++c)
        ASSERT_EQ(y[i * k + c], single[rows[i] * k + c])
            << "row " << rows[i] << " column " << c;
  }
};

/// Fewer rows have the bits of the first of `all` [most][n], and so they have
/// where the second part of their items comes first. `run(y, m, part)` computes m
/// rows: the items from `part` on, and then those before it.
inline void expectSameRows(
    const float *all, int64_t n, llvm::ArrayRef<int64_t> counts,
    llvm::function_ref<void(float *y, int64_t m, int64_t part)> run) {
  for (int64_t m : counts) {
    Aligned<float> y(m * n, -1), split(m * n, -1);
    run(y.data(), m, 0);
    EXPECT_TRUE(y.guarded());
    EXPECT_EQ(0, std::memcmp(y.data(), all, m * n * sizeof(float)))
        << m << " rows";
    run(split.data(), m, kPart);
    EXPECT_EQ(0, std::memcmp(split.data(), y.data(), m * n * sizeof(float)))
        << m << " rows in two parts";
  }
}

} // namespace llmc::test

#endif // LLMC_TEST_UNIT_KERNELS_KERNELTESTUTILS_H
