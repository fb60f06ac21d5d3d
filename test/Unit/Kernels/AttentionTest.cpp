//===- AttentionTest.cpp - Caches and attention against double precision --===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What appending wrote is read back from memory by the layout that
// llmc/Dialect/Kern/KernOps.td describes, compared with the rows within the
// bounds of llmc/Dialect/NN/CacheFormat.h, and attended over in double precision.
// Rows must be the same to the last bit for any number of rows and any division
// of items.
//
//===----------------------------------------------------------------------===//
#include "KernelTestUtils.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>

using namespace llmc;
using namespace llmc::test;

namespace {

using Bytes = Aligned<char>;

struct AttentionCase {
  int64_t heads, keyHeads, keySize, valueSize, capacity;
  int64_t window; // 0: none
  double softcap; // 0: none
  std::string format = "f32";

  int64_t size(bool keys) const { return keys ? keySize : valueSize; }
  int64_t rowBytes(bool keys) const {
    return format == "f32"    ? 4 * size(keys)
           : format == "bf16" ? 2 * size(keys)
                              : size(keys) + 4;
  }
  int64_t cacheBytes(bool keys) const {
    return keyHeads * capacity * rowBytes(keys);
  }
  std::string cacheType(bool keys) const {
    return llvm::formatv("memref<{0}x?x{1}x{2}>", keyHeads,
                         size(keys) + (format == "i8" ? 4 : 0), format);
  }
};

const char *const kFormats[] = {"f32", "bf16", "i8"};

using AttentionFn = void (*)(float *q, char *k, char *v, float *x, float *z,
                             float *o, int64_t time, int64_t capacity,
                             int64_t position, int64_t begin, int64_t end);

std::string attributesOf(const AttentionCase &c) {
  std::string text = "scale = 0.25 : f64";
  if (c.window)
    text += llvm::formatv(", window = {0} : i64", c.window).str();
  if (c.softcap)
    text += llvm::formatv(", softcap = {0:f1} : f64", c.softcap).str();
  return text;
}

std::string attentionModule(const AttentionCase &c, bool append) {
  std::string raw = kRaw, attributes = attributesOf(c);
  std::string types = c.cacheType(true), values = c.cacheType(false);
  std::string text = llvm::formatv(
      R"(func.func @run(%rq: {0}, %rk: {0}, %rv: {0}, %rx: {0}, %rz: {0}, %ro: {0}, %t: index, %c: index, %p: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %q = memref.view %rq[%c0][%t] : {0} to memref<?x{1}x{3}xf32>
  %o = memref.view %ro[%c0][%t] : {0} to memref<?x{1}x{4}xf32>
  %x = memref.view %rx[%c0][%t] : {0} to memref<?x{2}x{3}xf32>
  %z = memref.view %rz[%c0][%t] : {0} to memref<?x{2}x{4}xf32>
  %k = memref.view %rk[%c0][%c] : {0} to {5}
  %v = memref.view %rv[%c0][%c] : {0} to {6}
)",
      raw, c.heads, c.keyHeads, c.keySize, c.valueSize, types, values);
  if (append)
    text += llvm::formatv(
        R"(  kern.append ins(%x, %p : memref<?x{0}x{1}xf32>) outs(%k : {3}) {{keys}
  kern.append ins(%z, %p : memref<?x{0}x{2}xf32>) outs(%v : {4})
)",
        c.keyHeads, c.keySize, c.valueSize, types, values);
  else
    text += llvm::formatv(
        R"(  kern.attention ins(%q, %k, %v, %p : memref<?x{0}x{1}xf32>, {3}, {4}) outs(%o : memref<?x{0}x{2}xf32>) {{{5}}
)",
        c.heads, c.keySize, c.valueSize, types, values, attributes);
  return text + "  return\n}";
}

/// One row, by way of its chunks, which x gets.
std::string chunksModule(const AttentionCase &c) {
  std::string window =
      c.window ? llvm::formatv("window = {0} : i64", c.window).str() : "";
  return llvm::formatv(
      R"(func.func @run(%rq: {0}, %rk: {0}, %rv: {0}, %rx: {0}, %rz: {0}, %ro: {0}, %t: index, %c: index, %p: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %c256 = arith.constant 256 : index
  %chunks = arith.ceildivui %c, %c256 : index
  %q = memref.view %rq[%c0][] : {0} to memref<1x{1}x{2}xf32>
  %o = memref.view %ro[%c0][] : {0} to memref<1x{1}x{3}xf32>
  %x = memref.view %rx[%c0][%chunks] : {0} to memref<?x{1}x{4}xf32>
  %k = memref.view %rk[%c0][%c] : {0} to {5}
  %v = memref.view %rv[%c0][%c] : {0} to {6}
  kern.attention_chunks ins(%q, %k, %v, %p : memref<1x{1}x{2}xf32>, {5}, {6}) outs(%x : memref<?x{1}x{4}xf32>) {{{7}}
  kern.attention_join ins(%x, %p : memref<?x{1}x{4}xf32>) outs(%o : memref<1x{1}x{3}xf32>) {{{8}}
  return
})",
      kRaw, c.heads, c.keySize, c.valueSize, kern::getChunkRow(c.valueSize),
      c.cacheType(true), c.cacheType(false), attributesOf(c), window);
}

template <typename T> T readAt(const char *address) {
  T value;
  std::memcpy(&value, address, sizeof(T));
  return value;
}

/// What a cache holds as [position][head][channel].
std::vector<double> decode(const AttentionCase &c, bool keys, Bytes &cache) {
  int64_t size = c.size(keys);
  std::vector<double> result;
  for (int64_t t = 0; t < c.capacity; ++t)
    for (int64_t h = 0; h < c.keyHeads; ++h)
      for (int64_t d = 0; d < size; ++d) {
        int64_t block = t / 16 * 16,
                width = std::min<int64_t>(16, c.capacity - block);
        int64_t at = keys ? block * size + d * width + t - block : t * size + d;
        const char *head = cache.data() + h * c.capacity * c.rowBytes(keys);
        if (c.format == "f32")
          result.push_back(readAt<float>(head + 4 * at));
        else if (c.format == "bf16")
          result.push_back(llvm::bit_cast<float>(
              uint32_t(readAt<uint16_t>(head + 2 * at)) << 16));
        else
          result.push_back(double(readAt<float>(head + 4 * t)) *
                           readAt<int8_t>(head + 4 * c.capacity + at));
      }
  return result;
}

/// x as the nearest number of 8 bits, the even one of two; x is finite.
double nearestBf16(float x) {
  uint32_t bits = llvm::bit_cast<uint32_t>(x) & 0xffff0000;
  double below = llvm::bit_cast<float>(bits),
         above = llvm::bit_cast<float>(bits + 0x10000);
  double low = std::abs(x - below), high = std::abs(above - x);
  return low < high || (low == high && !(bits & 0x10000)) ? below : above;
}

/// Whether `decoded` is within the bounds of the format for every row of x.
void expectEncoded(const AttentionCase &c, bool keys, Buffer &x,
                   const std::vector<double> &decoded) {
  int64_t size = c.size(keys);
  ASSERT_EQ(x.count, int64_t(decoded.size()));
  for (int64_t row = 0; row < x.count / size; ++row) {
    float most = 0;
    for (int64_t d = 0; d < size; ++d)
      most = std::max(most, std::abs(x[row * size + d]));
    for (int64_t d = 0; d < size; ++d) {
      float value = x[row * size + d];
      double got = decoded[row * size + d];
      if (c.format == "f32")
        ASSERT_EQ(got, value) << "row " << row;
      else if (c.format == "bf16")
        ASSERT_EQ(got, nearestBf16(value)) << "row " << row;
      else
        ASSERT_LE(std::abs(got - value), most >= 0x1p-100 ? most / 253.0 : most)
            << "row " << row << " channel " << d;
    }
  }
}

class AttentionTest : public KernelFixture {
protected:
  /// Code takes long to make, so a case names the formats that it is about.
  void check(AttentionCase c, const std::vector<std::string> &formats) {
    for (const std::string &format : formats) {
      SCOPED_TRACE(format);
      c.format = format;
      checkFormat(c);
    }
  }

  void checkFormat(const AttentionCase &c) {
    auto store = compile(attentionModule(c, true)),
         attend = compile(attentionModule(c, false));
    ASSERT_TRUE(store && attend);
    auto append = reinterpret_cast<AttentionFn>(store->lookup("run")),
         run = reinterpret_cast<AttentionFn>(attend->lookup("run"));
    int64_t total = c.capacity, group = c.heads / c.keyHeads;
    Buffer q(total * c.heads * c.keySize), x(total * c.keyHeads * c.keySize),
        z(total * c.keyHeads * c.valueSize);
    fillRandom(q, 1, 2);
    fillRandom(x, 2, 2);
    fillRandom(z, 3);
    // What was never written must not matter: all ones are NaN in each format.
    Bytes k(c.cacheBytes(true), -1), v(c.cacheBytes(false), -1);
    Buffer o(total * c.heads * c.valueSize);
    // In pieces, as a prompt and single tokens would.
    for (int64_t at = 0, size = 1; at < total;
         at += size, size = size % 7 + 1) {
      int64_t rows = std::min(size, total - at);
      append(nullptr, k.data(), v.data(),
             x.data() + at * c.keyHeads * c.keySize,
             z.data() + at * c.keyHeads * c.valueSize, nullptr, rows,
             c.capacity, at, 0, kAll);
      run(q.data() + at * c.heads * c.keySize, k.data(), v.data(), nullptr,
          nullptr, o.data() + at * c.heads * c.valueSize, rows, c.capacity, at,
          0, kAll);
    }
    EXPECT_TRUE(k.guarded() && v.guarded() && o.guarded());
    std::vector<double> keys = decode(c, true, k), values = decode(c, false, v);
    expectEncoded(c, true, x, keys);
    expectEncoded(c, false, z, values);
    for (int64_t t = 0; t < total; t += t < 40 ? 1 : 13)
      for (int64_t h = 0; h < c.heads; ++h) {
        std::vector<double> scores, sums(c.valueSize);
        int64_t first = c.window ? std::max<int64_t>(0, t - c.window + 1) : 0;
        double most = -INFINITY, all = 0;
        for (int64_t s = first; s <= t; ++s) {
          double score = 0;
          for (int64_t d = 0; d < c.keySize; ++d)
            score += q[(t * c.heads + h) * c.keySize + d] *
                     keys[(s * c.keyHeads + h / group) * c.keySize + d];
          score *= 0.25;
          if (c.softcap)
            score = c.softcap * std::tanh(score / c.softcap);
          scores.push_back(score);
          most = std::max(most, score);
        }
        for (int64_t s = first; s <= t; ++s) {
          double weight = std::exp(scores[s - first] - most);
          all += weight;
          for (int64_t d = 0; d < c.valueSize; ++d)
            sums[d] +=
                weight * values[(s * c.keyHeads + h / group) * c.valueSize + d];
        }
        for (int64_t d = 0; d < c.valueSize; ++d)
          ASSERT_NEAR(o[(t * c.heads + h) * c.valueSize + d], sums[d] / all,
                      c.softcap ? 2e-4 : 2e-5)
              << "row " << t << " head " << h;
      }
    // All rows at once, and in two parts: the same bits.
    Buffer whole(o.count), split(o.count);
    run(q.data(), k.data(), v.data(), nullptr, nullptr, whole.data(), total,
        c.capacity, 0, 0, kAll);
    EXPECT_EQ(0, std::memcmp(whole.data(), o.data(), o.count * sizeof(float)));
    run(q.data(), k.data(), v.data(), nullptr, nullptr, split.data(), total,
        c.capacity, 0, kPart, kAll);
    run(q.data(), k.data(), v.data(), nullptr, nullptr, split.data(), total,
        c.capacity, 0, 0, kPart);
    EXPECT_EQ(0,
              std::memcmp(split.data(), whole.data(), o.count * sizeof(float)));
    // Each row by itself, by way of the chunks: the same bits again.
    auto single = compile(chunksModule(c));
    ASSERT_TRUE(single);
    auto one = reinterpret_cast<AttentionFn>(single->lookup("run"));
    Buffer sums((c.capacity + 255) / 256 * c.heads *
                kern::getChunkRow(c.valueSize)),
        row(c.heads * c.valueSize);
    for (int64_t t = 0; t < total; ++t) {
      one(q.data() + t * c.heads * c.keySize, k.data(), v.data(), sums.data(),
          nullptr, row.data(), 1, c.capacity, t, 0, kAll);
      ASSERT_EQ(0, std::memcmp(row.data(), whole.data() + t * row.count,
                               row.count * sizeof(float)))
          << "row " << t;
    }
    EXPECT_TRUE(sums.guarded() && row.guarded());
  }
};

TEST_P(AttentionTest, GroupedHeads) {
  check({6, 2, 64, 64, 300, 0, 0}, {"f32", "bf16", "i8"});
}
TEST_P(AttentionTest, OneHeadOddSizes) {
  check({1, 1, 5, 7, 33, 0, 0}, {"f32", "bf16", "i8"});
}
TEST_P(AttentionTest, HeadOfTwenty) {
  check({4, 2, 20, 20, 37, 0, 0}, {"bf16", "i8"});
}
TEST_P(AttentionTest, WideHead) { check({2, 2, 80, 72, 48, 0, 0}, {"f32"}); }
TEST_P(AttentionTest, CapacityOfOne) {
  check({3, 1, 8, 8, 1, 0, 0}, {"f32", "i8"});
}
TEST_P(AttentionTest, SeveralChunks) {
  check({4, 1, 16, 16, 777, 0, 0}, {"f32", "i8"});
}
TEST_P(AttentionTest, Window) {
  check({4, 2, 16, 16, 600, 9, 0}, {"f32", "i8"});
}
TEST_P(AttentionTest, WindowOverChunks) {
  check({2, 1, 16, 16, 900, 300, 0}, {"f32"});
}
TEST_P(AttentionTest, Softcap) { check({4, 2, 32, 32, 90, 0, 5}, {"f32"}); }

TEST_P(AttentionTest, NanReachesOnlyRowsThatSeeIt) {
  for (std::string format : kFormats)
    for (int64_t window : {0, 9}) {
      if (format != "f32" && !window)
        continue;
      SCOPED_TRACE(format);
      AttentionCase c{4, 2, 16, 16, 60, window, 0, format};
      constexpr int64_t kBad = 37;
      auto store = compile(attentionModule(c, true)),
           attend = compile(attentionModule(c, false));
      ASSERT_TRUE(store && attend);
      Buffer q(60 * 64, 1), x(60 * 32, 1), z(60 * 32, 1), o(q.count);
      Bytes k(c.cacheBytes(true)), v(c.cacheBytes(false));
      std::fill_n(x.data() + kBad * 32, 32, NAN);
      std::fill_n(z.data() + kBad * 32, 32, NAN);
      reinterpret_cast<AttentionFn>(store->lookup("run"))(
          nullptr, k.data(), v.data(), x.data(), z.data(), nullptr, 60, 60, 0,
          0, kAll);
      reinterpret_cast<AttentionFn>(attend->lookup("run"))(
          q.data(), k.data(), v.data(), nullptr, nullptr, o.data(), 60, 60, 0,
          0, kAll);
      for (int64_t t = 0; t < 60; ++t) {
        bool sees = t >= kBad && (!window || t < kBad + window);
        for (int64_t i = 0; i < 64; ++i)
          ASSERT_EQ(sees, std::isnan(o[t * 64 + i])) << "row " << t;
      }
    }
}

TEST_P(AttentionTest, AppendDropsRowsPastTheCapacity) {
  for (const char *format : kFormats) {
    SCOPED_TRACE(format);
    AttentionCase c{1, 1, 4, 4, 20, 0, 0, format};
    auto store = compile(attentionModule(c, true));
    ASSERT_TRUE(store);
    auto append = reinterpret_cast<AttentionFn>(store->lookup("run"));
    Buffer x(8 * 4, 2), old(20 * 4, 1);
    Bytes k(c.cacheBytes(true)), v(c.cacheBytes(false));
    append(nullptr, k.data(), v.data(), old.data(), old.data(), nullptr, 20, 20,
           0, 0, kAll);
    append(nullptr, k.data(), v.data(), x.data(), x.data(), nullptr, 8, 20, 17,
           0, kAll);
    EXPECT_TRUE(k.guarded() && v.guarded());
    for (bool keys : {true, false}) {
      std::vector<double> got = decode(c, keys, keys ? k : v);
      for (int64_t i = 0; i < 80; ++i)
        EXPECT_NEAR(got[i], i < 17 * 4 ? 1 : 2, 1e-6) << "number " << i;
    }
  }
}

TEST_P(AttentionTest, AppendEncodesWhatIsOutOfTheOrdinary) {
  constexpr float kMost = std::numeric_limits<float>::max(),
                  kTiny = std::numeric_limits<float>::denorm_min();
  for (int64_t size : {8, 20, 64})
    for (const char *format : kFormats) {
      SCOPED_TRACE(llvm::formatv("{0} {1}", format, size).str());
      // Rows of one head: all finite.
      const float peaks[] = {
          0,         -0.0f, kTiny,     0x1p-127f, 0x0.fffffep-100f,
          0x1p-100f, 1,     -0x1p127f, 3.3e38f};
      AttentionCase c{1, 1, size, size, std::size(peaks), 0, 0, format};
      auto store = compile(attentionModule(c, true));
      ASSERT_TRUE(store);
      auto append = reinterpret_cast<AttentionFn>(store->lookup("run"));
      Buffer x(c.capacity * size);
      for (int64_t t = 0; t < c.capacity; ++t)
        for (int64_t d = 0; d < size; ++d)
          x[t * size + d] =
              d == size / 2 ? peaks[t] : peaks[t] * 0.97f / float(d + 1);
      Bytes k(c.cacheBytes(true), -1), v(c.cacheBytes(false), -1);
      append(nullptr, k.data(), v.data(), x.data(), x.data(), nullptr,
             c.capacity, c.capacity, 0, 0, kAll);
      EXPECT_TRUE(k.guarded() && v.guarded());
      for (bool keys : {true, false}) {
        std::vector<double> got = decode(c, keys, keys ? k : v);
        expectEncoded(c, keys, x, got);
        for (int64_t d = 0; d < 2 * size; ++d)
          EXPECT_EQ(got[d], 0);
      }
      // A row for each that is not, and one of 128s beside them.
      const float odd[] = {NAN, INFINITY, -INFINITY, kMost, 128};
      std::fill_n(x.data(), std::size(odd) * size, 128);
      for (size_t t = 0; t < std::size(odd); ++t)
        x[t * size + 1] = odd[t];
      append(nullptr, k.data(), v.data(), x.data(), x.data(), nullptr,
             std::size(odd), c.capacity, 0, 0, kAll);
      for (bool keys : {true, false}) {
        std::vector<double> got = decode(c, keys, keys ? k : v);
        bool bytes = c.format == "i8";
        for (int64_t d = 0; d < size; ++d) {
          // In bytes the whole row is lost, and says so.
          for (int64_t t = 0; t < 3; ++t)
            if (d == 1 || bytes)
              EXPECT_TRUE(bytes || t == 0 ? std::isnan(got[t * size + d])
                                          : got[t * size + d] == odd[t]);
            else
              EXPECT_EQ(got[t * size + d], 128);
          EXPECT_NEAR(got[4 * size + d], 128, 1e-4);
        }
        // Above the largest bf16.
        EXPECT_EQ(std::isinf(got[3 * size + 1]), c.format == "bf16");
      }
    }
}

INSTANTIATE_TEST_SUITE_P(Processors, AttentionTest,
                         ::testing::ValuesIn(processors()), nameOf);

} // namespace
