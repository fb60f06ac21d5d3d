//===- bench_kernels.cpp - Generated kernels against the machine's limits -===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Measures, in one process and interleaved, what the machine can do (fused
// multiply-adds in registers, a sum over memory) and what the kernels do, on one
// thread and on two. Figures are medians of the rounds; a shared machine moves
// both sides, so read the shares rather than the absolute numbers.
//
//   bench-kernels [rounds] [cpu] [part of a name]
//   bench-kernels [rounds] [cpu] text
//
// The second form compares formats whose levels are text of a plugin, spliced
// into the kernels (llmc/Codegen/LevelsFunction.h), with the same formats of llmc:
// the median over the rounds of the one's time over the other's, on one thread and
// on two.
//
//===----------------------------------------------------------------------===//
#include "TextFormats.h"
#include "llmc/Codegen/Jit.h"
#include "llmc/Codegen/QuantizedEmitter.h"
#include "llmc/Codegen/Target.h"
#include "llmc/Support/SplitMix.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <sys/mman.h>
#include <thread>
#include <time.h>
#include <vector>

using namespace llmc;
using namespace llmc::test;

namespace {

using Share = std::function<void(int64_t begin, int64_t end)>;

struct Case {
  std::string name;
  std::string unit; // GFLOP/s or GB/s
  double work;      // 1e9 of them in one run
  Share run;
  std::vector<double> one, two; // seconds
};

/// Memory on huge pages where the system has them, filled with small numbers.
float *allocate(size_t count) {
  size_t bytes = (count * sizeof(float) + (1 << 21)) & ~size_t((1 << 21) - 1);
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    llvm::errs() << "bench-kernels: out of memory\n";
    std::exit(1);
  }
  madvise(memory, bytes, MADV_HUGEPAGE);
  float *data = static_cast<float *>(memory);
  SplitMix random;
  for (size_t i = 0; i < count; ++i)
    data[i] = static_cast<float>(random.unit() * 2 - 1);
  return data;
}

std::unique_ptr<Jit> compile(const std::string &text, llvm::StringRef cpu) {
  auto jit = Jit::compile(text, cpu);
  if (jit)
    return std::move(*jit);
  llvm::errs() << "bench-kernels: " << llvm::toString(jit.takeError()) << "\n";
  std::exit(1);
}

/// Sums that neither wait for each other nor leave the registers.
int64_t countChains(const Target &target) { return target.registers * 3 / 4; }

/// Vectors that only multiply and add: the peak.
std::string peakModule(const Target &target) {
  int64_t lanes = target.lanes(), chains = countChains(target);
  std::string vector = llvm::formatv("vector<{0}xf32>", lanes);
  std::string names, types, body, yields;
  for (int64_t i = 0; i < chains; ++i) {
    names += llvm::formatv("{0}%a{1} = %z", i ? ", " : "", i);
    types += (i ? ", " : "") + vector;
    body += llvm::formatv("    %b{0} = vector.fma %x, %y, %a{0} : {1}\n", i,
                          vector);
    yields += llvm::formatv("{0}%b{1}", i ? ", " : "", i);
  }
  std::string sum = "  %s0 = arith.addf %r#0, %r#1 : " + vector + "\n";
  for (int64_t i = 2; i < chains; ++i)
    sum += llvm::formatv("  %s{0} = arith.addf %s{1}, %r#{2} : {3}\n", i - 1,
                         i - 2, i, vector);
  return llvm::formatv(
      R"(func.func @run(%p: memref<64xf32>, %n: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %z = vector.load %p[%c0] : memref<64xf32>, {0}
  %x = vector.load %p[%c1] : memref<64xf32>, {0}
  %y = vector.load %p[%c1] : memref<64xf32>, {0}
  %r:{1} = scf.for %i = %c0 to %n step %c1 iter_args({2}) -> ({3}) {{
{4}    scf.yield {5} : {3}
  }
{6}  vector.store %s{7}, %p[%c0] : memref<64xf32>, {0}
  return
})",
      vector, chains, names, types, body, yields, sum, chains - 2);
}

/// The same with integer dot products of four bytes, or of two, where the target
/// has them.
std::string dotPeakModule(const Target &target) {
  int64_t lanes = target.lanes(), chains = countChains(target);
  std::string words = llvm::formatv("vector<{0}xi32>", lanes),
              bytes = llvm::formatv("vector<{0}xi8>", lanes * 4),
              halves = llvm::formatv("vector<{0}xi16>", lanes * 2);
  std::string names, types, body, yields;
  for (int64_t i = 0; i < chains; ++i) {
    names += llvm::formatv("{0}%a{1} = %z", i ? ", " : "", i);
    types += (i ? ", " : "") + words;
    const char *form =
        target.dot == DotUnit::Vnni
            ? "    %b{0} = llvm.call_intrinsic "
              "\"llvm.x86.avx512.vpdpbusd.{1}\"(%a{0}, %x, %y) : ({2}, {3}, "
              "{3}) -> {2}\n"
            : "    %u{0} = vector.bitcast %a{0} : {2} to {3}\n"
              "    %v{0} = llvm.call_intrinsic "
              "\"llvm.x86.avx2.pmadd.ub.sw\"(%u{0}, %y) : ({3}, {3}) -> {4}\n"
              "    %b{0} = vector.bitcast %v{0} : {4} to {2}\n";
    body += llvm::formatv(false, form, i, lanes * 32, words, bytes, halves);
    yields += llvm::formatv("{0}%b{1}", i ? ", " : "", i);
  }
  std::string sum = "  %s0 = arith.addi %r#0, %r#1 : " + words + "\n";
  for (int64_t i = 2; i < chains; ++i)
    sum += llvm::formatv("  %s{0} = arith.addi %s{1}, %r#{2} : {3}\n", i - 1,
                         i - 2, i, words);
  return llvm::formatv(
      R"(func.func @run(%p: memref<256xi8>, %n: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %z = arith.constant dense<0> : {0}
  %x = vector.load %p[%c0] : memref<256xi8>, {8}
  %y = vector.load %p[%c1] : memref<256xi8>, {8}
  %r:{1} = scf.for %i = %c0 to %n step %c1 iter_args({2}) -> ({3}) {{
{4}    scf.yield {5} : {3}
  }
{6}  %f = vector.bitcast %s{7} : {0} to {8}
  vector.store %f, %p[%c0] : memref<256xi8>, {8}
  return
})",
      words, chains, names, types, body, yields, sum, chains - 2, bytes);
}

/// The sum of `n` blocks of 64 f32.
std::string streamModule(int64_t lanes) {
  std::string vector = llvm::formatv("vector<{0}xf32>", lanes);
  int64_t parts = 64 / lanes;
  std::string names, types, body, yields, stores;
  for (int64_t i = 0; i < parts; ++i) {
    names += llvm::formatv("{0}%a{1} = %z", i ? ", " : "", i);
    types += (i ? ", " : "") + vector;
    body += llvm::formatv(
        "    %o{0} = arith.constant {1} : index\n    %j{0} = arith.addi %k, "
        "%o{0} : index\n    %v{0} = vector.load %m[%j{0}] : memref<?xf32>, "
        "{2}\n    %b{0} = arith.addf %a{0}, %v{0} : {2}\n",
        i, i * lanes, vector);
    yields += llvm::formatv("{0}%b{1}", i ? ", " : "", i);
    stores += llvm::formatv("  %q{0} = arith.constant {1} : index\n  "
                            "vector.store %r#{0}, %p[%q{0}] "
                            ": memref<64xf32>, {2}\n",
                            i, i * lanes, vector);
  }
  return llvm::formatv(
      R"(func.func @run(%raw: {8}, %p: memref<64xf32>, %n: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %all = arith.constant {7} : index
  %m = memref.view %raw[%c0][%n] : {8} to memref<?xf32>
  %z = arith.constant dense<0.0> : {0}
  %blocks = arith.divui %n, %c64 : index
  %f0 = arith.muli %blocks, %begin : index
  %f1 = arith.divui %f0, %all : index
  %from = arith.muli %f1, %c64 : index
  %t0 = arith.muli %blocks, %end : index
  %t1 = arith.divui %t0, %all : index
  %to = arith.muli %t1, %c64 : index
  %r:{1} = scf.for %k = %from to %to step %c64 iter_args({2}) -> ({3}) {{
{4}    scf.yield {5} : {3}
  }
{6}  return
})",
      vector, parts, names, types, body, yields, stores, kAllItems, kRaw);
}

class Bench {
public:
  /// Cases whose names have `part` in them, beside the limits.
  Bench(llvm::StringRef cpu, Target target, llvm::StringRef part)
      : cpu(cpu.str()), target(std::move(target)), part(part.str()) {
    weights = allocate(kWeights);
    inputs = allocate(1024 * 16384);
    outputs = allocate(1024 * 16384);
  }

  void addLimits() {
    using Peak = void (*)(float *, int64_t, int64_t, int64_t);
    auto peak = reinterpret_cast<Peak>(get(peakModule(target)));
    constexpr int64_t kTurns = 2'000'000;
    int64_t chains = countChains(target);
    float *scratch = outputs;
    cases.push_back({"FMA peak",
                     "GFLOP/s",
                     2.0 * chains * target.lanes() * kTurns / 1e9,
                     [=](int64_t begin, int64_t end) {
                       // Every thread does its share of the turns.
                       peak(scratch + (begin ? 64 : 0),
                            kTurns * (end - begin) / kAllItems, 0, 0);
                     },
                     {},
                     {}});
    if (target.dot == DotUnit::Vnni ||
        (target.dot == DotUnit::Madd && target.lanes() == 8)) {
      auto dot = reinterpret_cast<Peak>(get(dotPeakModule(target)));
      cases.push_back({"int8 dot peak",
                       "GOP/s",
                       8.0 * chains * target.lanes() * kTurns / 1e9,
                       [=](int64_t begin, int64_t end) {
                         dot(scratch + (begin ? 64 : 0),
                             kTurns * (end - begin) / kAllItems, 0, 0);
                       },
                       {},
                       {}});
    }
    using Stream = void (*)(float *, float *, int64_t, int64_t, int64_t);
    auto stream = reinterpret_cast<Stream>(get(streamModule(target.lanes())));
    float *from = weights;
    cases.push_back({"stream, 1 GB",
                     "GB/s",
                     kWeights * 4 / 1e9,
                     [=](int64_t begin, int64_t end) {
                       stream(from, scratch + (begin ? 64 : 0), kWeights, begin,
                              end);
                     },
                     {},
                     {}});
  }

  /// y = x w^T; m rows.
  void addLinear(int64_t m, int64_t n, int64_t k, llvm::StringRef format) {
    std::string name =
        llvm::formatv("linear {0} {1}x{2}, {3} rows", format, n, k, m);
    if (!isWanted(name))
      return;
    std::string weight = llvm::formatv(
        "!pack.tensor<{0}x{1}, #pack.dense<{2}>, #pack.rows<{3}>>", n, k,
        format, target.blockRows());
    using Linear =
        void (*)(float *, float *, float *, int64_t, int64_t, int64_t);
    auto run = reinterpret_cast<Linear>(get(llvm::formatv(
        R"(func.func @run(%rx: {0}, %rw: {0}, %ry: {0}, %m: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %x = memref.view %rx[%c0][%m] : {0} to memref<?x{1}xf32>
  %y = memref.view %ry[%c0][%m] : {0} to memref<?x{2}xf32>
  %w = builtin.unrealized_conversion_cast %rw : {0} to {3}
  kern.linear ins(%x, %w : memref<?x{1}xf32>, {3}) outs(%y : memref<?x{2}xf32>)
  return
})",
        kRaw, k, n, weight)));
    double bytes = double(n) * k * (format == "f32" ? 4 : 2);
    float *x = inputs, *w = weights, *y = outputs;
    // Several copies of a matrix that fits a cache, as layers have.
    cases.push_back(
        {name,
         m == 1 ? "GB/s" : "GFLOP/s",
         (m == 1 ? bytes : 2.0 * m * n * k) / 1e9,
         [=](int64_t begin, int64_t end) { run(x, w, y, m, begin, end); },
         {},
         {}});
  }

  /// y = q w^T of rows of codes and a compressed matrix.
  void addQuantized(int64_t m, int64_t n, int64_t k, llvm::StringRef format,
                    kern::Activations activations = kern::Activations::I8) {
    static constexpr llvm::StringLiteral names[] = {"", " a16", " abf16",
                                                    " af32"};
    std::string name =
        llvm::formatv("{0}{1} {2}x{3}, {4} rows", format,
                      names[static_cast<int>(activations)], n, k, m);
    if (!isWanted(name))
      return;
    FormatDescription description = findFormat(format);
    auto layout =
        llvm::cantFail(PackedLayout::create(description, n, k, kTileRows));
    std::string weight = pack::printTensorType(description, n, k, kTileRows);
    auto run = reinterpret_cast<ProductFunction>(
        get(getProductModule(weight, n, k, /*bias=*/false, activations)));
    char *x = reinterpret_cast<char *>(inputs),
         *w = reinterpret_cast<char *>(weights);
    float *y = outputs;
    cases.push_back({name,
                     m == 1 ? "GB/s" : "GOP/s",
                     (m == 1 ? double(layout.bytes) : 2.0 * m * n * k) / 1e9,
                     [=](int64_t begin, int64_t end) {
                       run(x, w, nullptr, y, m, begin, end);
                     },
                     {},
                     {}});
  }

  void addAttention(int64_t time, int64_t position, int64_t heads,
                    int64_t keyHeads, int64_t size) {
    std::string name = llvm::formatv("attention {0}/{1}x{2}, {3} rows at {4}",
                                     heads, keyHeads, size, time, position);
    if (!isWanted(name))
      return;
    int64_t capacity = position + time;
    using Attention = void (*)(float *, float *, float *, float *, int64_t,
                               int64_t, int64_t, int64_t, int64_t);
    auto run = reinterpret_cast<Attention>(get(llvm::formatv(
        R"(func.func @run(%rq: {0}, %rk: {0}, %rv: {0}, %ro: {0}, %t: index, %c: index, %p: index, %begin: index, %end: index) {{
  %c0 = arith.constant 0 : index
  %q = memref.view %rq[%c0][%t] : {0} to memref<?x{1}x{3}xf32>
  %o = memref.view %ro[%c0][%t] : {0} to memref<?x{1}x{3}xf32>
  %k = memref.view %rk[%c0][%c] : {0} to memref<{2}x?x{3}xf32>
  %v = memref.view %rv[%c0][%c] : {0} to memref<{2}x?x{3}xf32>
  kern.attention ins(%q, %k, %v, %p : memref<?x{1}x{3}xf32>, memref<{2}x?x{3}xf32>, memref<{2}x?x{3}xf32>) outs(%o : memref<?x{1}x{3}xf32>) {{scale = 0.125 : f64}
  return
})",
        kRaw, heads, keyHeads, size)));
    float *q = inputs, *k = weights, *v = weights + keyHeads * capacity * size,
          *o = outputs;
    double seen = double(time) * position + time * (time + 1) / 2.0;
    bool one = time == 1;
    cases.push_back(
        {name,
         one ? "GB/s" : "GFLOP/s",
         (one ? 8.0 * keyHeads * capacity * size : 4.0 * seen * heads * size) /
             1e9,
         [=](int64_t begin, int64_t end) {
           run(q, k, v, o, time, capacity, position, begin, end);
         },
         {},
         {}});
  }

  /// A format with text beside the one of llmc, with inputs of 8 bits and in f32.
  void addTexts() {
    static constexpr std::pair<llvm::StringLiteral, llvm::StringLiteral>
        pairs[] = {{"i4g32", "text.int4"},
                   {"nf4g64", "text.nf4"},
                   {"q6_k", "text.q6_k"}};
    for (const auto &[builtin, text] : pairs)
      for (kern::Activations activations :
           {kern::Activations::I8, kern::Activations::F32})
        for (auto [m, n, k] :
             {std::tuple(1, 16384, 8192), {1, 1024, 1024}, {512, 1024, 1024}}) {
          addQuantized(m, n, k, builtin, activations);
          addQuantized(m, n, k, text, activations);
        }
  }

  /// Compares each case with the one before it.
  void comparePairs(int rounds) {
    run(rounds);
    double worst = 0;
    for (size_t i = 0; i + 1 < cases.size(); i += 2) {
      const Case &known = cases[i], &text = cases[i + 1];
      double one = compare(text.one, known.one),
             two = compare(text.two, known.two);
      worst = std::max({worst, one, two});
      llvm::outs() << llvm::formatv(
          "{0,-32} {1,8:f1} {2,-5} {3,-32} {4,8:f1} {5,8:f3} {6,8:f3}\n",
          known.name, known.work / median(known.one), known.unit, text.name,
          text.work / median(text.one), one, two);
    }
    llvm::outs() << llvm::formatv("slowest: {0:f3} times the time\n", worst);
  }

  void measure(int rounds) {
    run(rounds);
    for (Case &c : cases) {
      double one = c.work / median(c.one), two = c.work / median(c.two);
      // The first case of a unit is its limit.
      Case &limit = *llvm::find_if(
          cases, [&](const Case &other) { return other.unit == c.unit; });
      llvm::outs() << llvm::formatv(
          "{0,-40} {1,8:f1} {2,8:f1} {3,-8} {4,5:f0}% {5,5:f0}%\n", c.name, one,
          two, c.unit, 100 * one * median(limit.one) / limit.work,
          100 * two * median(limit.two) / limit.work);
    }
  }

private:
  void run(int rounds) {
    for (int round = 0; round < rounds; ++round)
      for (Case &c : cases) {
        c.one.push_back(time(c, 1));
        c.two.push_back(time(c, 2));
      }
    llvm::outs() << llvm::formatv("processor {0}, {1} bits\n", target.cpu,
                                  target.vectorBits);
  }

  /// The median over the rounds of a time over the one beside it.
  static double compare(const std::vector<double> &times,
                        const std::vector<double> &others) {
    std::vector<double> shares;
    for (auto [time, other] : llvm::zip_equal(times, others))
      shares.push_back(time / other);
    return median(shares);
  }

  bool isWanted(llvm::StringRef name) const { return name.contains(part); }

  void *get(const std::string &text) {
    engines.push_back(compile(text, cpu));
    return engines.back()->lookup("run");
  }

  static double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + values.size() / 2,
                     values.end());
    return values[values.size() / 2];
  }

  /// Seconds that the calling thread has computed: time in which a shared
  /// machine ran something else does not count.
  static double clock() {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
  }

  /// Seconds of one run (of the slowest thread), from as many as fill 10 ms.
  static double time(const Case &c, int threads) {
    auto repeat = [&](int turns) {
      std::vector<double> seconds(threads);
      auto work = [&](int t) {
        double start = clock();
        for (int i = 0; i < turns; ++i)
          c.run(kAllItems * t / threads, kAllItems * (t + 1) / threads);
        seconds[t] = clock() - start;
      };
      std::vector<std::thread> team;
      for (int t = 1; t < threads; ++t)
        team.emplace_back(work, t);
      work(0);
      for (std::thread &thread : team)
        thread.join();
      return *std::max_element(seconds.begin(), seconds.end());
    };
    int turns = std::clamp(int(0.01 / std::max(repeat(1), 1e-6)), 1, 10000);
    return repeat(turns) / turns;
  }

  static constexpr int64_t kTileRows = 16;
  static constexpr int64_t kWeights = 256 * 1024 * 1024;
  std::string cpu;
  Target target;
  std::string part;
  std::vector<std::unique_ptr<Jit>> engines;
  float *weights, *inputs, *outputs;
  std::vector<Case> cases;
};

} // namespace

int main(int argc, char **argv) {
  int rounds = 9;
  if (argc > 4 ||
      (argc > 1 &&
       (llvm::StringRef(argv[1]).getAsInteger(10, rounds) || rounds < 1))) {
    llvm::errs() << "usage: bench-kernels [ROUNDS [CPU [PART|text]]]\n";
    return 2;
  }
  llvm::StringRef cpu = argc > 2 ? argv[2] : "host";
  auto target = Target::resolve(cpu);
  if (!target) {
    llvm::errs() << "bench-kernels: " << llvm::toString(target.takeError())
                 << "\n";
    return 2;
  }
  llvm::StringRef part = argc > 3 ? argv[3] : "";
  Bench bench(cpu, *target, part == "text" ? "" : part);
  if (part == "text") {
    bench.addTexts();
    bench.comparePairs(rounds);
    return 0;
  }
  bench.addLimits();
  bench.addLinear(1, 16384, 8192, "f32");
  bench.addLinear(1, 16384, 8192, "bf16");
  bench.addLinear(1, 512, 256, "f32");
  bench.addLinear(1, 576, 576, "f32");
  bench.addLinear(4, 4096, 4096, "f32");
  bench.addLinear(120, 4096, 4096, "f32");
  bench.addLinear(512, 4096, 4096, "f32");
  bench.addLinear(512, 576, 576, "f32");
  bench.addLinear(512, 1536, 576, "f32");
  bench.addLinear(512, 576, 1536, "f32");
  for (llvm::StringRef format : {"u4g32", "u4g64", "i4g32", "nl4", "sl4",
                                 "i8g32", "u3g32", "q6_k", "q4_k", "v4b8"}) {
    bench.addQuantized(1, 16384, 8192, format);
    bench.addQuantized(1, 32768, 4096, format);
    bench.addQuantized(1, 1024, 1024, format);
    bench.addQuantized(512, 4096, 4096, format);
  }
  for (kern::Activations activations :
       {kern::Activations::I16, kern::Activations::BF16,
        kern::Activations::F32}) {
    bench.addQuantized(1, 16384, 8192, "u4g32", activations);
    bench.addQuantized(1, 1024, 1024, "u4g32", activations);
    bench.addQuantized(512, 4096, 4096, "u4g32", activations);
    bench.addQuantized(512, 4096, 4096, "i8g32", activations);
  }
  // The matrices of SmolLM2-135M.
  for (llvm::StringRef format :
       {"u4g32", "q4_0", "i5g32.f32r-i8", "nl4", "sl4"})
    for (int64_t rows : {1, 512}) {
      bench.addQuantized(rows, 576, 576, format);
      bench.addQuantized(rows, 1536, 576, format);
      bench.addQuantized(rows, 576, 1536, format);
    }
  bench.addQuantized(512, 4096, 4096, "u4g128");
  bench.addAttention(1, 511, 9, 3, 64);
  bench.addAttention(1, 8191, 9, 3, 64);
  bench.addAttention(512, 0, 9, 3, 64);
  bench.addAttention(512, 4096, 9, 3, 64);
  bench.measure(rounds);
  return 0;
}
