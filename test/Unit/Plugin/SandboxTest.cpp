//===- SandboxTest.cpp - Methods in processes of their own ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Plugin/Sandbox.h"
#include "Fixture.h"
#include "llmc/Plugin/PluginSet.h"
#include "llvm/ADT/STLExtras.h"

#include <chrono>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <thread>

using namespace llvm;
using namespace llmc;
using namespace llmc::test;

namespace {

/// Plugins that are loaded, and a sandbox for their methods.
class SandboxTest : public ::testing::Test {
protected:
  /// The same plugins are in `plain`, whose methods are called.
  void begin(std::initializer_list<StringRef> names, SandboxLimits limits = {},
             unsigned threads = 2) {
    for (StringRef name : names)
      for (PluginSet *each : {&set, &plain})
        ASSERT_EQ(toString(each->load(pathOf(name))), "");
    auto started = Sandbox::start(set, limits, threads);
    ASSERT_TRUE(bool(started)) << toString(started.takeError());
    sandbox = std::move(*started);
    set.setRunner(sandbox.get());
  }

  static Expected<MethodResult> run(const PluginSet &set, StringRef method,
                                    StringRef format,
                                    const MethodRequest &request) {
    return runMethod(set.getMethods(), method, format, {}, request);
  }

  static void expectSame(const MethodResult &a, const MethodResult &b) {
    EXPECT_EQ(a.note, b.note);
    EXPECT_EQ(a.matrix.codes, b.matrix.codes);
    EXPECT_EQ(a.matrix.columnScale, b.matrix.columnScale);
    for (auto [x, y] : zip_equal(a.matrix.chains, b.matrix.chains)) {
      EXPECT_EQ(x.reals, y.reals);
      EXPECT_EQ(x.codes, y.codes);
    }
  }

  /// Both ways give the same bytes, or the same error.
  void compare(StringRef method, StringRef format,
               const MethodRequest &request) {
    SCOPED_TRACE((method + ", " + format).str());
    auto called = run(plain, method, format, request),
         apart = run(set, method, format, request);
    ASSERT_EQ(bool(called), bool(apart));
    if (called) {
      expectSame(*called, *apart);
      EXPECT_EQ(apart->method, "");
      return;
    }
    EXPECT_EQ(toString(called.takeError()), toString(apart.takeError()));
  }

  /// The method goes wrong, and rtn does its work.
  void expectReplaced(StringRef method, const Twine &reason) {
    SCOPED_TRACE(method.str());
    MethodRequest request;
    request.weight = matrix.view();
    auto simple = run(plain, "rtn", "i4g32", request),
         apart = run(set, method, "i4g32", request);
    ASSERT_TRUE(bool(simple));
    ASSERT_TRUE(bool(apart)) << toString(apart.takeError());
    EXPECT_EQ(apart->note, reason.str());
    EXPECT_EQ(apart->method, "rtn");
    apart->note = "";
    expectSame(*simple, *apart);
    std::vector<std::string> faults = sandbox->getFaults();
    std::string line = ("'layers.0.up': method " + method + " of '" +
                        set.getMethods().find(method)->plugin + "': " + reason +
                        "; rtn compressed it instead")
                           .str();
    EXPECT_TRUE(is_contained(faults, line)) << line;
  }

  PluginSet set, plain;
  std::unique_ptr<Sandbox> sandbox;
  Numbers matrix{6, 96};
};

} // namespace

TEST_F(SandboxTest, GivesTheSameBytes) {
  begin({"same", "runs"});
  Numbers large(301, 200);
  std::vector<float> squares(large.columns), absolute(large.columns, 0.5f),
      scale(large.columns, 1), gram(large.columns * large.columns);
  for (auto [k, square] : enumerate(squares)) {
    square = static_cast<float>(1 + k % 7);
    scale[k] = static_cast<float>(1 + k % 3);
    gram[k * large.columns + k] = square;
  }
  Workers workers(2);
  for (StringRef method : {"same.rtn", "same.sinq", "same.hqq", "same.mse",
                           "runs.right", "runs.services"})
    for (StringRef format : {"u4g32", "i4g64", "nl4", "q4_k", "t2g32", "bf16"})
      for (bool known : {false, true}) {
        MethodRequest request;
        request.weight = large.view();
        if (known) {
          request.statistics = {absolute, squares, gram};
          request.columnScale = scale;
          request.parallelFor = workers;
        }
        compare(method, format, request);
      }
  EXPECT_TRUE(sandbox->getFaults().empty());
}

/// Whatever the type and the order of the matrix.
TEST_F(SandboxTest, ReadsEveryMatrix) {
  begin({"same"});
  Numbers large(64, 96);
  MethodRequest request;
  request.weight = {"w", large.values.data(), RealType::F32, 96, 64, 96, true};
  compare("same.sinq", "u4g32", request);
  std::vector<uint16_t> halves(64 * 100);
  for (auto [i, half] : enumerate(halves))
    half = static_cast<uint16_t>(0x3c00 + i % 997);
  for (RealType type : {RealType::F16, RealType::BF16}) {
    request.weight = {"w", halves.data(), type, 64, 96, 100};
    compare("same.sinq", "u4g32", request);
  }
}

/// More numbers than one thread is given, with any number of threads.
TEST_F(SandboxTest, GivesTheSameBytesOnManyThreads) {
  Numbers large(1100, 1000);
  for (unsigned threads : {1, 3}) {
    PluginSet apart;
    ASSERT_EQ(toString(apart.load(pathOf("same"))), "");
    auto started = Sandbox::start(apart, {}, threads);
    ASSERT_TRUE(bool(started));
    MethodRequest request;
    request.weight = large.view();
    auto called = run(apart, "same.sinq", "u4g64", request);
    apart.setRunner(started->get());
    auto other = run(apart, "same.sinq", "u4g64", request);
    ASSERT_TRUE(called && other);
    expectSame(*called, *other);
  }
}

/// Many at a time, in memory that is used again.
TEST_F(SandboxTest, ServesManyAtOnce) {
  begin({"runs"});
  MethodRequest request;
  request.weight = matrix.view();
  auto called = run(plain, "runs.right", "i4g32", request);
  ASSERT_TRUE(bool(called));
  std::vector<std::thread> threads;
  std::atomic<unsigned> same = 0, replaced = 0;
  for (unsigned each = 0; each < 4; ++each)
    threads.emplace_back([&, each] {
      for (int turn = 0; turn < 10; ++turn) {
        bool wrong = (turn + each) % 3 == 0;
        auto apart =
            run(set, wrong ? "runs.crashes" : "runs.right", "i4g32", request);
        if (!apart) {
          consumeError(apart.takeError());
          continue;
        }
        replaced += apart->method == "rtn";
        same += !wrong && apart->matrix.codes == called->matrix.codes;
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(same + replaced, 40u);
  EXPECT_EQ(replaced, 14u);
  EXPECT_EQ(sandbox->getFaults().size(), 14u);
}

TEST_F(SandboxTest, ReplacesWhatEnds) {
  begin({"runs", "hostile"});
  expectReplaced("runs.crashes", "it was ended by signal 6 (Aborted)");
  expectReplaced("runs.ends", "it ended the program, with exit code 0");
  expectReplaced("hostile.strays",
                 "it was ended by signal 11 (Segmentation fault): it read or "
                 "wrote where it has no memory");
}

TEST_F(SandboxTest, ReplacesWhatTakesTooLong) {
  begin({"runs", "hostile"}, {1, 4096});
  expectReplaced("runs.hangs", "it did not return within 1 s");
  expectReplaced("hostile.spins", "it did not return within 1 s");
}

TEST_F(SandboxTest, ReplacesWhatTakesTooMuch) {
  begin({"hostile"}, {60, 100});
  for (StringRef method : {"grows", "asks", "careful"})
    expectReplaced(("hostile." + method).str(),
                   "it wanted more than 100 MiB of memory");
  // What writes to a null pointer does not say why.
  expectReplaced("hostile.eats",
                 "it was ended by signal 11 (Segmentation fault): it read or "
                 "wrote where it has no memory");
}

/// What a method says itself stays an error, and the next one runs.
TEST_F(SandboxTest, KeepsErrors) {
  begin({"runs", "hostile"});
  MethodRequest request;
  request.weight = matrix.view();
  for (StringRef method :
       {"runs.nan_scale", "runs.wrong_code", "runs.no_codes", "runs.skips_rows",
        "runs.nested", "runs.beyond", "runs.does_nothing", "runs.silent",
        "runs.bad_columns", "runs.right"})
    compare(method, "i4g32", request);
  compare("hostile.throws", "i4g32", request);
  compare("hostile.throws_in_row", "i4g32", request);
  compare("hostile.nan", "bf16", request);
  auto nan = run(set, "hostile.nan", "bf16", request);
  ASSERT_FALSE(bool(nan));
  EXPECT_EQ(toString(nan.takeError()),
            "'layers.0.up': method hostile.nan of '" + pathOf("hostile") +
                "': nan in row 0, column 95 is beyond the largest bf16");
  EXPECT_TRUE(sandbox->getFaults().empty());
}

TEST_F(SandboxTest, TakesAColumnScale) {
  begin({"hostile"});
  MethodRequest request;
  request.weight = matrix.view();
  compare("hostile.halves", "i4g32", request);
  auto result = run(set, "hostile.halves", "i4g32", request);
  ASSERT_TRUE(bool(result));
  EXPECT_EQ(result->note, "halved");
  ASSERT_EQ(result->matrix.columnScale.size(), 96u);
  EXPECT_EQ(result->matrix.columnScale[0], 2);
}

TEST_F(SandboxTest, TellsHowFarItIs) {
  begin({"runs"});
  MethodRequest request;
  request.weight = matrix.view();
  std::vector<double> parts;
  auto remember = [&](double part) {
    parts.push_back(part);
    return true;
  };
  request.progress = remember;
  auto result = run(set, "runs.services", "i4g32", request);
  ASSERT_TRUE(bool(result)) << toString(result.takeError());
  ASSERT_FALSE(parts.empty());
  EXPECT_TRUE(is_sorted(parts));
  EXPECT_GE(parts.front(), 0.25);
  EXPECT_LE(parts.back(), 1);
}

TEST_F(SandboxTest, StopsWhenAsked) {
  begin({"runs", "hostile"});
  unsigned asked = 0;
  auto refuse = [&](double) {
    ++asked;
    return false;
  };
  for (StringRef method : {"runs.services", "runs.right", "hostile.deaf"}) {
    MethodRequest request;
    request.weight = matrix.view();
    request.progress = refuse;
    asked = 0;
    auto start = std::chrono::steady_clock::now();
    auto result = run(set, method, "i4g32", request);
    ASSERT_FALSE(bool(result));
    EXPECT_EQ(toString(result.takeError()),
              ("'layers.0.up': method " + method + " of '" +
               set.getMethods().find(method)->plugin + "': stopped on request")
                  .str());
    EXPECT_EQ(asked, 1u) << method.str();
    EXPECT_LT(std::chrono::steady_clock::now() - start,
              std::chrono::seconds(20));
  }
  EXPECT_TRUE(sandbox->getFaults().empty());
}

TEST_F(SandboxTest, BeginsBeforeOtherThreads) {
  std::atomic<bool> done = false;
  std::thread other([&] {
    while (!done)
      std::this_thread::yield();
  });
  auto started = Sandbox::start(set, {}, 1);
  done = true;
  other.join();
  ASSERT_FALSE(bool(started));
  EXPECT_NE(toString(started.takeError())
                .find("expected a process of one thread to begin a sandbox in, "
                      "but there are 2"),
            std::string::npos);
}

/// No process is left when the sandbox is gone.
TEST_F(SandboxTest, LeavesNoProcess) {
  begin({"runs"});
  MethodRequest request;
  request.weight = matrix.view();
  ASSERT_TRUE(bool(run(set, "runs.right", "i4g32", request)));
  set.setRunner(nullptr);
  sandbox.reset();
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}
