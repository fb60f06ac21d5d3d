//===- CrossTest.cpp - Kernels for other machines give the same integers --===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products whose every number is an integer that f32 holds exactly, so that no
// order of additions can change them: inputs of up to 127, as bf16 holds them, too
// (or, in codes of 16 bits, 32639), in groups that have that number, scales of one,
// and integers in what is added to codes. They are compiled for aarch64 and
// riscv64, linked to a program without a C library (generated code calls nothing),
// run by qemu, and compared with this machine's and with integer arithmetic, byte by
// byte; and rows by index, appending to a cache of bytes, and the Hadamard transform
// of 64 columns, an eighth of integers, likewise. (The vectors of riscv64 are left
// out: qemu 7.2 stops in an assertion of its own.)
//
//===----------------------------------------------------------------------===//
#include "KernelTestUtils.h"
#include "llmc/Codegen/PackDense.h"
#include "llmc/Codegen/QuantizedEmitter.h"
#include "llmc/Driver/Registration.h"
#include "llmc/Formats/Floats.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>

using namespace llmc;
using namespace llmc::test;

namespace {

/// One product, one reading of rows, or one append to a cache of bytes: memory and
/// what it must come to.
struct Case {
  int64_t m, n, k;
  enum Kind { Dense, Quantized, Gather, Append, Rotate } kind;
  kern::Activations activations;
  std::string type; ///< of the packed weight
  std::vector<float> x;
  std::vector<char> weight;
  std::vector<float> expected;
  std::vector<char> cache = {}; ///< expected of an append
  FormatDescription format = {};

  /// Whether it writes bytes beside, or instead of, numbers.
  bool hasBytes() const { return kind == Quantized || kind == Append; }
  /// Of a quantized row, or of one in the cache.
  int64_t rowBytes() const {
    return kind == Append ? k + 4 : kern::getInputRowBytes(k, activations);
  }
  /// Numbers for each row that a product makes on the way: its inputs in the order
  /// of the columns, or those of the second matrix of a rank.
  int64_t innerColumns() const { return format.permuted ? k : format.rank; }
  /// They lie behind quantized rows.
  int64_t innerBegin() const {
    return static_cast<int64_t>(llvm::alignTo(m * rowBytes(), 64));
  }
  int64_t bytes() const {
    return innerColumns() ? innerBegin() + m * innerColumns() * 4
                          : m * rowBytes();
  }
};

/// `largest` in every group, and smaller numbers that use both bytes of a code.
std::vector<float> makeInput(int64_t m, int64_t k, std::mt19937 &random,
                             int largest = 127, int others = 127) {
  std::vector<float> x(m * k);
  for (int64_t i = 0; i < m * k; ++i)
    x[i] = static_cast<float>(
        i % k % 32 == 0 ? largest : int(random() % (2 * others + 1)) - others);
  return x;
}

/// y = x * w^T in integers.
std::vector<float> multiply(const std::vector<float> &x,
                            const std::vector<float> &w, int64_t m, int64_t n,
                            int64_t k) {
  std::vector<float> y(m * n);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      int64_t sum = 0;
      for (int64_t c = 0; c < k; ++c)
        sum += int64_t(x[i * k + c]) * int64_t(w[j * k + c]);
      EXPECT_LT(std::abs(sum), int64_t(1) << 24) << "too large to be exact";
      y[i * n + j] = static_cast<float>(sum);
    }
  return y;
}

/// Scales of one, and integers in what the format has beside codes: two matrices,
/// or numbers of some weights, that in the last column among them; or an order.
QuantizedMatrix makeIntegers(const std::string &format, int64_t n, int64_t k,
                             std::mt19937 &random) {
  QuantizedMatrix matrix = makeMatrix(format, n, k, random, [] { return 1.f; });
  for (auto *numbers :
       {&matrix.lowRank.left, &matrix.lowRank.right, &matrix.sparse.values})
    for (uint16_t &number : *numbers)
      number = floatToBf16(static_cast<float>(int(random() % 17) - 8));
  for (uint32_t &column : matrix.sparse.columns)
    column = random() % k;
  if (matrix.format.sparse)
    matrix.sparse.columns.back() = k - 1;
  std::shuffle(matrix.order.begin(), matrix.order.end(), random);
  llvm::cantFail(verify(matrix));
  return matrix;
}

std::vector<float> decode(const QuantizedMatrix &matrix) {
  std::vector<float> decoded(matrix.rows * matrix.columns);
  decodeRows(matrix, 0, matrix.rows, llvm::MutableArrayRef<float>(decoded));
  return decoded;
}

Case quantizedCase(const std::string &format, int64_t m, int64_t n, int64_t k,
                   kern::Activations activations = kern::Activations::I8) {
  std::mt19937 random(k);
  QuantizedMatrix matrix = makeIntegers(format, n, k, random);
  std::vector<float> x = activations == kern::Activations::I16
                             ? makeInput(m, k, random, 32639, 900)
                             : makeInput(m, k, random);
  // Groups are those of stored columns.
  if (matrix.format.permuted)
    for (int64_t i = 0; i < m * k; i += k) {
      std::vector<float> stored(x.begin() + i, x.begin() + i + k);
      for (int64_t j = 0; j < k; ++j)
        x[i + matrix.order[j]] = stored[j];
    }
  Case result{m, n, k, Case::Quantized, activations, "", std::move(x), {}, {}};
  result.type = pack::printTensorType(matrix.format, n, k, 16);
  result.weight = llvm::cantFail(packMatrix(matrix, 16));
  result.expected = multiply(result.x, decode(matrix), m, n, k);
  result.format = matrix.format;
  return result;
}

/// Rows by index, counted from the end and beyond it, too.
Case gatherCase(const std::string &format, int64_t n, int64_t k) {
  std::mt19937 random(k);
  QuantizedMatrix matrix = makeIntegers(format, n, k, random);
  auto [ids, rows] = GatherRows(n);
  constexpr int64_t m = std::size(ids);
  Case result{m, k, k, Case::Gather, kern::Activations::F32, "", {}, {}, {}};
  result.x.resize(2 * m);
  std::memcpy(result.x.data(), ids, sizeof ids);
  result.type = pack::printTensorType(matrix.format, n, k, 16);
  result.weight = llvm::cantFail(packMatrix(matrix, 16));
  std::vector<float> decoded = decode(matrix);
  for (int64_t row : rows)
    result.expected.insert(result.expected.end(), decoded.begin() + row * k,
                           decoded.begin() + (row + 1) * k);
  return result;
}

Case denseCase(const std::string &format, int64_t m, int64_t n, int64_t k) {
  std::mt19937 random(k);
  std::vector<float> values(n * k);
  for (float &value : values)
    value = static_cast<float>(int(random() % 255) - 127);
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  mlir::Type storage =
      format == "bf16"  ? mlir::Type(mlir::BFloat16Type::get(&context))
      : format == "f16" ? mlir::Type(mlir::Float16Type::get(&context))
                        : mlir::Type(mlir::Float32Type::get(&context));
  auto type = pack::TensorType::get(&context, n, k,
                                    pack::DenseAttr::get(&context, storage),
                                    pack::RowsAttr::get(&context, 16));
  auto read = [&](int64_t begin, int64_t end, float *out) {
    std::copy(values.begin() + begin * k, values.begin() + end * k, out);
    return llvm::Error::success();
  };
  Case result{m,
              n,
              k,
              Case::Dense,
              kern::Activations::F32,
              "",
              makeInput(m, k, random),
              {},
              {}};
  result.type = llvm::formatv("!pack.tensor<{0}x{1}, #pack.dense<{2}>, "
                              "#pack.rows<16>>",
                              n, k, format);
  result.weight.resize(type.getBytes());
  llvm::cantFail(
      packDense(type, 0, getPackedBlocks(type), read, result.weight));
  result.expected = multiply(result.x, values, m, n, k);
  return result;
}

/// Keys of one head, whose largest magnitude is 127, so that scales are one and
/// codes are the numbers.
Case appendCase(int64_t tokens, int64_t channels) {
  std::mt19937 random(channels);
  Case result{tokens,
              1,
              channels,
              Case::Append,
              kern::Activations::I8,
              "",
              makeInput(tokens, channels, random),
              {0},
              {}};
  result.cache.resize(tokens * result.rowBytes());
  for (int64_t t = 0; t < tokens; ++t) {
    const float one = 1;
    std::memcpy(result.cache.data() + 4 * t, &one, 4);
    int64_t block = t / 16 * 16, width = std::min<int64_t>(16, tokens - block);
    for (int64_t d = 0; d < channels; ++d)
      result.cache[4 * tokens + block * channels + d * width + t - block] =
          static_cast<char>(result.x[t * channels + d]);
  }
  return result;
}

/// Rows of a block of 64 columns, one of 16, and a few that stay as they are.
Case rotateCase(int64_t m) {
  constexpr int64_t k = 64 + 16 + 3;
  std::mt19937 random(k);
  Case result{m,
              k,
              k,
              Case::Rotate,
              kern::Activations::F32,
              "",
              makeInput(m, k, random),
              {0},
              {}};
  for (int64_t i = 0; i < m * k; ++i) {
    int64_t column = i % k, begin = column < 64 ? 0 : 64,
            size = column < 64 ? 64 : 16;
    if (column >= 80) {
      result.expected.push_back(result.x[i]);
      continue;
    }
    int64_t sum = 0;
    for (int64_t j = 0; j < size; ++j) {
      auto value = int64_t(result.x[i - column + begin + j]);
      sum +=
          llvm::popcount(uint64_t((column - begin) & j)) % 2 ? -value : value;
    }
    result.expected.push_back(static_cast<float>(sum) /
                              (size == 64 ? 8.0f : 4.0f));
  }
  return result;
}

/// Machines, a bit each: code of scalars takes long to make, and what multiplies no
/// codes is the same with instructions for dot products and without.
enum Machines : unsigned {
  Neon = 1,
  Dot = 2,
  Arm = Neon | Dot,
  Scalar = 4,
  Plain = Neon | Scalar,
  Every = Arm | Scalar
};

std::vector<Case> makeCases(Machines machine) {
  using kern::Activations;
  std::pair<Machines, std::function<Case()>> all[] = {
      {Every, [] { return quantizedCase("u4g32", 7, 35, 96); }},
      {Every,
       [] { return quantizedCase("u4g32", 3, 19, 70, Activations::I16); }},
      {Plain,
       [] { return quantizedCase("u4g32", 3, 19, 70, Activations::BF16); }},
      {Plain, [] { return rotateCase(5); }},
      {Plain, [] { return quantizedCase("u4g32.p", 3, 19, 70); }},
      {Plain, [] { return quantizedCase("u4g32.sp40", 6, 19, 70); }},
      {Plain, [] { return quantizedCase("u4g32.lr5", 3, 19, 70); }},
      {Every, [] { return quantizedCase("v4b8", 3, 19, 70); }},
      {Plain, [] { return gatherCase("u4g32.p", 19, 70); }},
      {Plain, [] { return gatherCase("u4g32.sp40", 19, 70); }},
      {Plain, [] { return gatherCase("u4g32.lr5", 19, 70); }},
      {Plain, [] { return gatherCase("v2b6", 19, 70); }},
      {Neon, [] { return denseCase("f32", 7, 37, 65); }},
      {Plain, [] { return denseCase("f16", 3, 19, 70); }},
      {Neon, [] { return appendCase(21, 20); }},
      {Arm, [] { return quantizedCase("i8g32.f32", 5, 37, 96); }},
      {Arm, [] { return quantizedCase("nl4", 13, 18, 64); }},
      {Neon, [] { return quantizedCase("sl4", 13, 18, 64); }},
      {Arm, [] { return quantizedCase("i8g32", 5, 18, 64, Activations::I16); }},
      {Neon,
       [] { return quantizedCase("u4g32", 3, 19, 70, Activations::F32); }},
      {Dot, [] { return quantizedCase("v2b6", 2, 18, 64, Activations::I16); }},
      {Dot, [] { return denseCase("bf16", 3, 20, 96); }},
      {Dot, [] { return quantizedCase("i8g32", 2, 16, 70); }},
      {Dot, [] { return quantizedCase("ternary", 1, 40, 300); }},
      {Dot, [] { return quantizedCase("u2g32", 3, 5, 96); }},
      {Dot, [] { return quantizedCase("u6g32", 2, 31, 64); }},
      {Dot, [] { return quantizedCase("i4g32.bf16", 1, 17, 40); }},
      {Dot, [] { return quantizedCase("text.e2m1", 2, 16, 64); }}};
  std::vector<Case> cases;
  for (auto &[machines, make] : all)
    if (machines & machine)
      cases.push_back(make());
  return cases;
}

/// The steps of a product with a compressed weight, as llmc-lower-to-kern has
/// them.
std::string productOf(const Case &c) {
  auto rows = [](int64_t columns) {
    return llvm::formatv("memref<?x{0}xf32>", columns).str();
  };
  std::string inputs = rows(c.k), outputs = rows(c.n),
              inner = rows(c.innerColumns()), text;
  llvm::raw_string_ostream out(text);
  if (c.innerColumns())
    out << llvm::formatv("  %begin = arith.constant {0} : index\n"
                         "  %s = memref.view %rq[%begin][%m] : {1} to {2}\n",
                         c.innerBegin(), kRaw, inner);
  if (c.format.permuted)
    out << llvm::formatv(
        "  kern.permute ins(%x, %w : {0}, {1}) outs(%s : {0})\n", inputs,
        c.type);
  out << llvm::formatv(
      R"(  %q = memref.view %rq[%c0][%m] : {0} to memref<?x{1}xi8>
  kern.quantize ins({2} : {3}) outs(%q : memref<?x{1}xi8>)
  kern.quantized_linear ins(%q, %w : memref<?x{1}xi8>, {4}) outs(%y : {5})
)",
      kRaw, c.rowBytes(), c.format.permuted ? "%s" : "%x", inputs, c.type,
      outputs);
  if (c.format.sparse)
    out << llvm::formatv(
        "  kern.sparse_linear ins(%x, %w : {0}, {1}) outs(%y : {2})\n", inputs,
        c.type, outputs);
  if (int64_t rank = c.format.rank) {
    out << llvm::formatv(
        R"(  %right = kern.side %w : ({0}) -> {1}
  %left = kern.side %w {{left} : ({0}) -> {2}
  kern.linear ins(%x, %right : {3}, {1}) outs(%s : {4})
  kern.linear ins(%s, %left : {4}, {2}) outs(%y : {5}) {{adds}
)",
        c.type, getSideType(rank, c.k, rank > 8 ? 16 : 8),
        getSideType(c.n, rank, 16), inputs, inner, outputs);
  }
  return text;
}

/// The function `case<number>`: (x, weight, quantized x, y, m).
std::string functionOf(const Case &c, size_t number) {
  std::string body;
  if (c.kind == Case::Append)
    return llvm::formatv(
        R"(func.func @case{0}(%rx: {1}, %rw: {1}, %rq: {1}, %ry: {1}, %m: index) {{
  %c0 = arith.constant 0 : index
  %x = memref.view %rx[%c0][%m] : {1} to memref<?x1x{2}xf32>
  %q = memref.view %rq[%c0][%m] : {1} to memref<1x?x{3}xi8>
  kern.append ins(%x, %c0 : memref<?x1x{2}xf32>) outs(%q : memref<1x?x{3}xi8>) {{keys}
  return
}
)",
        number, kRaw, c.k, c.rowBytes());
  if (c.kind == Case::Rotate)
    return llvm::formatv(
        R"(func.func @case{0}(%rx: {1}, %rw: {1}, %rq: {1}, %ry: {1}, %m: index) {{
  %c0 = arith.constant 0 : index
  %x = memref.view %rx[%c0][%m] : {1} to memref<?x{2}xf32>
  %y = memref.view %ry[%c0][%m] : {1} to memref<?x{2}xf32>
  kern.rotate ins(%x : memref<?x{2}xf32>) outs(%y : memref<?x{2}xf32>) {{size = 64 : i64}
  return
}
)",
        number, kRaw, c.k);
  if (c.kind == Case::Gather)
    return llvm::formatv(
        R"(func.func @case{0}(%rx: {1}, %rw: {1}, %rq: {1}, %ry: {1}, %m: index) {{
  %c0 = arith.constant 0 : index
  %i = memref.view %rx[%c0][] : {1} to memref<{2}xi64>
  %y = memref.view %ry[%c0][] : {1} to memref<{2}x{3}xf32>
  %w = builtin.unrealized_conversion_cast %rw : {1} to {4}
  kern.gather ins(%w, %i : {4}, memref<{2}xi64>) outs(%y : memref<{2}x{3}xf32>)
  return
}
)",
        number, kRaw, c.m, c.k, c.type);
  if (c.kind == Case::Quantized)
    body = productOf(c);
  else
    body = llvm::formatv("  kern.linear ins(%x, %w : memref<?x{0}xf32>, {1}) "
                         "outs(%y : memref<?x{2}xf32>)\n",
                         c.k, c.type, c.n);
  return llvm::formatv(
      R"(func.func @case{0}(%rx: {1}, %rw: {1}, %rq: {1}, %ry: {1}, %m: index) {{
  %c0 = arith.constant 0 : index
  %x = memref.view %rx[%c0][%m] : {1} to memref<?x{2}xf32>
  %y = memref.view %ry[%c0][%m] : {1} to memref<?x{3}xf32>
  %w = builtin.unrealized_conversion_cast %rw : {1} to {4}
{5}  return
}
)",
      number, kRaw, c.k, c.n, c.type, body);
}

std::string moduleOf(const std::vector<Case> &cases) {
  std::string text;
  for (auto [i, c] : llvm::enumerate(cases))
    text += functionOf(c, i);
  return text;
}

/// A program that reads inputs and weights of all cases, calls each, and writes
/// the quantized inputs and the results. It has no library, only system calls.
std::string programOf(const std::vector<Case> &cases) {
  std::string text = R"(
typedef unsigned long size_t;
static long call(long number, long a, const void *b, long c) {
#if defined(__aarch64__)
  register long x0 __asm__("x0") = a, x2 __asm__("x2") = c,
                x8 __asm__("x8") = number;
  register const void *x1 __asm__("x1") = b;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x8) : "memory");
  return x0;
#elif defined(__riscv)
  register long a0 __asm__("a0") = a, a2 __asm__("a2") = c,
                a7 __asm__("a7") = number;
  register const void *a1 __asm__("a1") = b;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
  return a0;
#endif
}
static void quit(int code) { for (;;) call(93, code, 0, 0); }
static void all(long number, int file, char *data, long size) {
  while (size > 0) {
    long done = call(number, file, data, size);
    if (done <= 0) quit(3);
    data += done;
    size -= done;
  }
}
/* What compilers call for loops. */
void *memset(void *p, int v, size_t n) {
  for (volatile char *c = p; n--;) *c++ = (char)v;
  return p;
}
void *memcpy(void *p, const void *q, size_t n) {
  const char *from = q;
  for (volatile char *c = p; n--;) *c++ = *from++;
  return p;
}
)";
  std::string body;
  for (auto [i, c] : llvm::enumerate(cases)) {
    text += llvm::formatv(
        R"(void case{0}(void *, void *, void *, void *, long);
static char x{0}[{1}] __attribute__((aligned(64))), w{0}[{2}] __attribute__((aligned(64)));
static char q{0}[{3}] __attribute__((aligned(64))), y{0}[{4}] __attribute__((aligned(64)));
)",
        i, c.x.size() * 4, c.weight.size(), c.bytes(), c.m * c.n * 4);
    body += llvm::formatv("  all(63, 0, x{0}, sizeof x{0}), all(63, 0, w{0}, "
                          "sizeof w{0});\n",
                          i);
  }
  for (auto [i, c] : llvm::enumerate(cases)) {
    body += llvm::formatv("  case{0}(x{0}, w{0}, q{0}, y{0}, {1});\n", i, c.m);
    if (c.hasBytes())
      body += llvm::formatv("  all(64, 1, q{0}, sizeof q{0});\n", i);
    if (c.kind != Case::Append)
      body += llvm::formatv("  all(64, 1, y{0}, sizeof y{0});\n", i);
  }
  return text + "void _start(void) {\n" + body + "  quit(0);\n}\n";
}

std::string inputsOf(const std::vector<Case> &cases) {
  std::string bytes;
  for (const Case &c : cases) {
    bytes.append(reinterpret_cast<const char *>(c.x.data()), c.x.size() * 4);
    bytes.append(c.weight.data(), c.weight.size());
  }
  return bytes;
}

/// What the program must write, computed on this machine.
std::string outputsHere(const std::vector<Case> &cases) {
  auto jit = Jit::compile(moduleOf(cases), processors().back());
  if (!jit) {
    ADD_FAILURE() << llvm::toString(jit.takeError());
    return "";
  }
  std::string bytes;
  for (auto [i, c] : llvm::enumerate(cases)) {
    auto run =
        reinterpret_cast<void (*)(float *, char *, char *, float *, int64_t)>(
            (*jit)->lookup("case" + std::to_string(i)));
    Aligned<float> x(c.x.size()), y(c.m * c.n, -1);
    Aligned<char> weight(c.weight.size()), q(c.bytes());
    std::copy(c.x.begin(), c.x.end(), x.data());
    std::copy(c.weight.begin(), c.weight.end(), weight.data());
    run(x.data(), weight.data(), q.data(), y.data(), c.m);
    if (c.hasBytes())
      bytes.append(q.data(), c.bytes());
    if (c.kind == Case::Append) {
      EXPECT_EQ(std::string(q.data(), q.count),
                std::string(c.cache.data(), c.cache.size()))
          << "case " << i << " on this machine";
      continue;
    }
    EXPECT_EQ(0, std::memcmp(y.data(), c.expected.data(), c.m * c.n * 4))
        << "case " << i << " on this machine";
    bytes.append(reinterpret_cast<char *>(y.data()), c.m * c.n * 4);
  }
  return bytes;
}

struct Machine {
  const char *name, *triple, *cpu, *features, *emulator, *emulated;
  Machines bit;
};

class CrossTest : public ::testing::TestWithParam<Machine> {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("llmc-cross", folder));
  }
  void TearDown() override {
    EXPECT_FALSE(llvm::sys::fs::remove_directories(folder));
  }

  std::string path(llvm::StringRef name) {
    llvm::SmallString<128> result(folder);
    llvm::sys::path::append(result, name);
    return result.str().str();
  }
  void write(llvm::StringRef name, llvm::StringRef bytes) {
    std::error_code error;
    llvm::raw_fd_ostream(path(name), error) << bytes;
    ASSERT_FALSE(error) << error.message();
  }
  std::string read(llvm::StringRef name) {
    auto file = llvm::MemoryBuffer::getFile(path(name));
    return file ? (*file)->getBuffer().str() : "";
  }
  /// Standard input and output are files in the folder.
  void run(llvm::ArrayRef<llvm::StringRef> command) {
    std::string in = path("in"), out = path("out"), messages = path("messages"),
                reason;
    std::optional<llvm::StringRef> redirects[] = {in, out, messages};
    int code = llvm::sys::ExecuteAndWait(command[0], command, std::nullopt,
                                         redirects, 120, 0, &reason);
    ASSERT_EQ(code, 0) << command[0].str() << ": " << reason << "\n"
                       << read("messages");
  }

private:
  llvm::SmallString<128> folder;
};

TEST_P(CrossTest, TheSameIntegers) {
  const Machine &machine = GetParam();
  auto emulator = llvm::sys::findProgramByName(machine.emulator);
  if (!emulator)
    GTEST_SKIP() << machine.emulator << " is not installed";
  std::vector<Case> cases = makeCases(machine.bit);
  std::string expected = outputsHere(cases);

  Target target = llvm::cantFail(
      Target::resolve(machine.cpu, machine.features, machine.triple));
  auto object = compileObject(moduleOf(cases), target);
  ASSERT_TRUE(static_cast<bool>(object)) << llvm::toString(object.takeError());
  write("kernels.o", *object);
  write("main.c", programOf(cases));
  write("in", inputsOf(cases));
  std::string triple = std::string("--target=") + machine.triple,
              program = path("program"), source = path("main.c"),
              kernels = path("kernels.o"),
              compiler = std::string(LLMC_LLVM_BINDIR) + "/clang";
  run({compiler, triple, "-O1", "-ffreestanding", "-fno-builtin", "-nostdlib",
       "-static", "-fuse-ld=lld", "-Wl,--no-undefined", source, kernels, "-o",
       program});
  if (HasFatalFailure())
    return;
  run({*emulator, "-cpu", machine.emulated, program});
  if (HasFatalFailure())
    return;
  std::string got = read("out");
  ASSERT_EQ(got.size(), expected.size());
  size_t at = 0;
  while (at < got.size() && got[at] == expected[at])
    ++at;
  EXPECT_EQ(at, got.size()) << "the first byte that differs";
}

INSTANTIATE_TEST_SUITE_P(
    Machines, CrossTest,
    ::testing::Values(Machine{"neon", "aarch64-linux-gnu", "", "",
                              "qemu-aarch64", "max", Neon},
                      Machine{"dotprod", "aarch64-linux-gnu", "neoverse-n1", "",
                              "qemu-aarch64", "max", Dot},
                      Machine{"scalar", "riscv64-linux-gnu", "generic-rv64",
                              "+m,+a,+f,+d,+c", "qemu-riscv64", "rv64",
                              Scalar}),
    [](const auto &info) { return std::string(info.param.name); });

} // namespace
