//===- PluginTest.cpp - Loading plugins, and what they may do wrong -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Fixture.h"
#include "llmc/Plugin/Check.h"
#include "llmc/Plugin/PluginSet.h"
#include "llmc/Support/SplitMix.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

using namespace llvm;
using namespace llmc;
using namespace llmc::test;

static std::string readFile(StringRef path) {
  auto file = MemoryBuffer::getFile(path);
  return file ? (*file)->getBuffer().str() : "";
}

static std::string loadError(PluginSet &set, StringRef path) {
  Error error = set.load(path);
  return error ? toString(std::move(error)) : "";
}

static std::string loadError(StringRef path) {
  PluginSet set;
  std::string text = loadError(set, path);
  // What is refused leaves nothing behind.
  if (!text.empty()) {
    EXPECT_EQ(set.getMethods().getMethods().size(), 4u);
    EXPECT_TRUE(set.getPlugins().empty());
  }
  return text;
}

/// The text must have the part, and begin with the file.
static void expectRefused(StringRef name, StringRef part) {
  std::string path = pathOf(name), text = loadError(path);
  EXPECT_NE(text.find(part), std::string::npos) << text;
  EXPECT_EQ(text.find("plugin '" + path + "': "), 0u) << text;
  EXPECT_TRUE(all_of(text, isPrint)) << text;
}

namespace {

/// A file in a folder of its own.
class Scratch {
public:
  Scratch() {
    cantFail(
        errorCodeToError(sys::fs::createUniqueDirectory("plugin", folder)));
  }
  ~Scratch() { EXPECT_FALSE(sys::fs::remove_directories(folder)); }

  std::string write(StringRef name, StringRef bytes) {
    std::string path = (folder + "/" + name).str();
    std::error_code code;
    raw_fd_ostream(path, code) << bytes;
    EXPECT_FALSE(code);
    return path;
  }
  StringRef getFolder() const { return folder; }

private:
  SmallString<128> folder;
};

} // namespace

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

TEST(PluginFile, IsLookedAtBeforeItIsLoaded) {
  Scratch scratch;
  EXPECT_NE(loadError(scratch.write("empty.so", "")).find("begins with ''"),
            std::string::npos);
  EXPECT_NE(loadError(scratch.write("text.so", "hello, world"))
                .find("expected a shared library of ELF but got a file that "
                      "begins with '68656C6C'"),
            std::string::npos);
  EXPECT_NE(loadError((scratch.getFolder() + "/none.so").str())
                .find("cannot read it: No such file or directory"),
            std::string::npos);
  EXPECT_NE(
      loadError(scratch.getFolder()).find("expected a file but got a folder"),
      std::string::npos);
  EXPECT_NE(loadError("/dev/null").find("expected a file but got something"),
            std::string::npos);
  std::string fifo = (scratch.getFolder() + "/fifo.so").str();
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_NE(loadError(fifo).find("expected a file but got something"),
            std::string::npos);
}

/// However much is cut off, it is refused, and nothing crashes.
TEST(PluginFile, IsWhole) {
  std::string whole = readFile(pathOf("good"));
  ASSERT_GT(whole.size(), 1000u);
  ASSERT_EQ(toString(probePlugin(whole)), "");
  for (size_t length = 0; length < whole.size();
       length += length < 1200 ? 1 : 97)
    EXPECT_NE(toString(probePlugin(StringRef(whole).take_front(length))), "")
        << length;
}

TEST(PluginFile, IsForThisMachine) {
  std::string bytes = readFile(pathOf("good"));
  auto change = [&](size_t at, char value) {
    std::string changed = bytes;
    changed[at] = value;
    return toString(probePlugin(changed));
  };
  EXPECT_NE(change(18, static_cast<char>(ELF::EM_RISCV))
                .find("but got one for riscv"),
            std::string::npos)
      << change(18, static_cast<char>(ELF::EM_RISCV));
  EXPECT_NE(change(ELF::EI_CLASS, 1).find("expected ELF of 64 bits"),
            std::string::npos);
  EXPECT_NE(change(ELF::EI_DATA, 2).find("the least byte first"),
            std::string::npos);
  EXPECT_NE(change(16, ELF::ET_EXEC).find("expected a shared library"),
            std::string::npos);
}

/// Bytes of the headers changed at random: refused or taken, never a crash.
TEST(PluginFile, HeadersMayBeWrong) {
  std::string bytes = readFile(pathOf("good"));
  SplitMix random{3};
  unsigned refused = 0;
  for (int turn = 0; turn < 4000; ++turn) {
    std::string changed = bytes;
    // The header and segments, or the sections at the end.
    for (int i = 0; i < 3; ++i) {
      size_t at = random.below(900);
      changed[turn % 2 ? at : changed.size() - 1 - at] =
          static_cast<char>(random.next());
    }
    if (Error error = probePlugin(changed)) {
      ++refused;
      consumeError(std::move(error));
    }
  }
  EXPECT_GT(refused, 1000u);
}

TEST(PluginFile, LoadedTwiceIsOne) {
  Scratch scratch;
  PluginSet set;
  ASSERT_EQ(loadError(set, pathOf("good")), "");
  size_t count = set.getMethods().getMethods().size();
  EXPECT_EQ(count, 6u);
  std::string link = (scratch.getFolder() + "/link.so").str();
  ASSERT_EQ(symlink(pathOf("good").c_str(), link.c_str()), 0);
  EXPECT_EQ(loadError(set, pathOf("good")), "");
  EXPECT_EQ(loadError(set, link), "");
  EXPECT_EQ(set.getMethods().getMethods().size(), count);
  EXPECT_EQ(set.getPlugins().size(), 1u);
  // A copy is another file, with the same names.
  std::string copy = scratch.write("copy.so", readFile(pathOf("good")));
  EXPECT_NE(loadError(set, copy).find(
                "there is another method 'test.one', of '" + pathOf("good")),
            std::string::npos);
  EXPECT_EQ(set.getMethods().getMethods().size(), count);
}

TEST(PluginFile, FoldersAreReadInOrder) {
  Scratch scratch;
  scratch.write("b.so", readFile(pathOf("good")));
  scratch.write("a.so", readFile(pathOf("runs")));
  scratch.write("notes.txt", "no plugin");
  PluginSet set;
  ASSERT_EQ(toString(set.loadAll(scratch.getFolder(), {pathOf("same")})), "");
  ASSERT_EQ(set.getPlugins().size(), 3u);
  EXPECT_EQ(set.getPlugins()[0].vendor, "runs");
  EXPECT_EQ(set.getPlugins()[1].vendor, "test");
  EXPECT_EQ(set.getPlugins()[2].vendor, "same");
  EXPECT_EQ(set.describeFiles(), set.getPlugins()[0].hash + "\n" +
                                     set.getPlugins()[1].hash + "\n" +
                                     set.getPlugins()[2].hash + "\n");
  EXPECT_NE(toString(PluginSet().loadAll("/no/such/folder", {}))
                .find("LLMC_PLUGIN_PATH names '/no/such/folder', which cannot "
                      "be read"),
            std::string::npos);
}

/// Plugins of every kind count, by all of their bytes: here one more behind them.
TEST(PluginFile, EveryByteOfEveryKindCounts) {
  std::set<std::string> seen{""};
  for (StringRef name : {"runs", "formats_good", "metrics"}) {
    Scratch scratch;
    std::string bytes = readFile(pathOf(name));
    for (const std::string &file : {scratch.write("same.so", bytes),
                                    scratch.write("more.so", bytes + "x")}) {
      PluginSet set;
      ASSERT_EQ(loadError(set, file), "");
      EXPECT_TRUE(seen.insert(set.describeFiles()).second) << name.str();
    }
  }
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

TEST(PluginTable, OfOtherHeadersIsUnderstood) {
  for (StringRef name : {"good", "frozen", "extended"}) {
    PluginSet set;
    ASSERT_EQ(loadError(set, pathOf(name)), "") << name.str();
    const Method *method = set.getMethods().find("test.one");
    ASSERT_TRUE(method && set.getMethods().find("test.two")) << name.str();
    EXPECT_EQ(method->plugin, pathOf(name));
    ASSERT_EQ(method->options.size(), 2u);
    EXPECT_EQ(method->options[0].getRange(), "an integer from 1 to 10");
    EXPECT_EQ(method->options[1].name, "shape");
    EXPECT_EQ(method->options[1].getRange(), "one of round, flat");
    EXPECT_EQ(method->uses, 0u);
    auto options =
        Options::parse("test.one", method->options, {{"shape", "flat"}});
    ASSERT_TRUE(bool(options));
    EXPECT_EQ(options->getIntegers(), ArrayRef<int64_t>({3, 1}));
  }
}

TEST(PluginTable, IsCheckedBeforeItsNamesAreKnown) {
  expectRefused("no_symbol", "it exports no function 'llmc_plugin_v1'");
  expectRefused("null_table", "llmc_plugin_v1 returned a null pointer");
  expectRefused("small_plugin",
                "llmc_plugin: expected a size of at least 48 bytes but got 8");
  expectRefused("huge_plugin", "llmc_plugin: expected a size of at least 48");
  expectRefused("old_host", "this llmc has plugin interface 5, but the plugin "
                            "needs 99; a newer llmc runs it");
  expectRefused("no_methods", "methods: expected 2 but got a null pointer");
  expectRefused("many_methods",
                "method_count: expected at most 256 but got 1000000000");
  expectRefused("small_method",
                "methods[0]: expected a size of at least 56 bytes but got 16");
  expectRefused("null_name",
                "methods[0].name: expected a text but got a null pointer");
  expectRefused("null_run",
                "methods[0].run: expected a function but got a null pointer");
  expectRefused("unprefixed", "methods[0].name: expected 'test.' before the "
                              "name but got 'rtn'");
  expectRefused("llmc_vendor", "'llmc' is not for plugins");
  expectRefused("control_name", "methods[0].name: expected UTF-8 without "
                                "control characters but got '746573742E6F1B");
  expectRefused("control_help", "options[0] 'count'.help: expected UTF-8 "
                                "without control characters but got '610A62'");
  expectRefused("not_utf8", "help: expected UTF-8");
  expectRefused("long_help", "help: expected a text of 1 to 400 bytes");
  expectRefused("twin_methods",
                "methods[1].name: there is another method 'test.one'");
  expectRefused("twin_options", "options[1]: there is another option 'count'");
  expectRefused("small_option", "options[1]: expected the size of the first");
  expectRefused("bad_default", "options[0] 'count'.fallback: option 'count' of "
                               "the table: expected an integer from 1 to 10 "
                               "but got '11'");
  expectRefused("bad_range", "expected a range of whole numbers within 2^53 "
                             "but got 1");
  expectRefused("bad_type",
                "options[0] 'count'.type: expected 1 to 4 but got 9");
  expectRefused("bad_choices", "choices: expected words that differ, separated "
                               "by '|', but got 'round|round'");
  expectRefused("reserved_option", "'bits' is a word of the rules of recipes");
}

using PluginDeathTest = ::testing::Test;

/// A plugin that ends the program is no success.
TEST(PluginDeathTest, ThatExitsGivesTwo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(loadError(pathOf("exits")), ::testing::ExitedWithCode(2),
              "exits.so': it ended the program while it was loaded");
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

/// The methods of llmc compiled as a plugin, in a set without those of llmc, give
/// the same bytes.
TEST(PluginRun, SameSourceSameBytes) {
  PluginSet plugins{MethodSet()};
  ASSERT_EQ(loadError(plugins, pathOf("same")), "");
  MethodSet builtin = MethodSet::makeBuiltin();
  EXPECT_FALSE(plugins.getMethods().find("rtn"));
  ASSERT_EQ(plugins.getMethods().getMethods().size(),
            builtin.getMethods().size());
  Numbers matrix(67, 200);
  std::vector<float> squares(matrix.columns);
  for (auto [k, square] : enumerate(squares))
    square = static_cast<float>(1 + k % 7);
  using Settings = std::vector<std::pair<StringRef, StringRef>>;
  unsigned compared = 0;
  for (const Method &method : builtin.getMethods())
    for (StringRef format :
         {"u4g32", "i4g64", "nl4", "q4_k", "t2g32", "bf16", "v4b8", "v2b6g48"})
      for (const Settings &settings : std::initializer_list<Settings>{
               {},
               {{"quantizer", "mse"}},
               {{"quantizer", "hqq"}, {"kurtosis", "2"}},
               {{"zero", "free"}}}) {
        MethodRequest request;
        request.weight = matrix.view();
        request.statistics.meanSquare = squares;
        auto ours = runMethod(builtin, method.name, format, settings, request);
        auto theirs = runMethod(plugins.getMethods(), "same." + method.name,
                                format, settings, request);
        ASSERT_EQ(bool(ours), bool(theirs)) << method.name << format.str();
        if (!ours) {
          consumeError(ours.takeError());
          consumeError(theirs.takeError());
          continue;
        }
        ++compared;
        EXPECT_EQ(ours->note, theirs->note);
        EXPECT_EQ(ours->matrix.codes, theirs->matrix.codes);
        EXPECT_EQ(ours->matrix.columnScale, theirs->matrix.columnScale);
        for (auto [a, b] :
             zip_equal(ours->matrix.chains, theirs->matrix.chains)) {
          EXPECT_EQ(a.reals, b.reals);
          EXPECT_EQ(a.codes, b.codes);
        }
      }
  EXPECT_GT(compared, 40u);
}

TEST(PluginRun, ErrorsNameWeightMethodAndFile) {
  PluginSet set;
  std::string file = pathOf("runs");
  ASSERT_EQ(loadError(set, file), "");
  Numbers matrix(6, 96);
  auto getError = [&](StringRef name) {
    MethodRequest request;
    request.weight = matrix.view();
    auto result = runMethod(set.getMethods(), name, "i4g32", {}, request);
    return result ? "" : toString(result.takeError());
  };
  EXPECT_EQ(getError("runs.right"), "");
  auto expectError = [&](const std::string &name, StringRef reason) {
    EXPECT_EQ(getError(name), "'layers.0.up': method " + name + " of '" + file +
                                  "': " + reason.str());
  };
  expectError("runs.nan_scale",
              "returned without an error, but wrote no scales of row 0; "
              "before: row 5: scale of group 1 is not a finite number");
  expectError("runs.wrong_code",
              "row 0, column 0: expected a code below 16 but got 16");
  expectError("runs.no_codes",
              "returned without an error, but wrote no codes of row 0");
  expectError("runs.skips_rows",
              "returned without an error, but wrote no scales of row 1");
  expectError("runs.does_nothing",
              "returned without an error, but wrote no scales of row 0");
  expectError("runs.silent", "returned 1 without saying why");
  expectError("runs.stops", "returned 2 without saying why");
  expectError("runs.nested",
              "expected a loop to begin outside of the bodies of others");
  // It does not say that it takes vectors.
  MethodRequest request;
  request.weight = matrix.view();
  auto result = runMethod(set.getMethods(), "runs.right", "v4b8", {}, request);
  ASSERT_FALSE(bool(result));
  EXPECT_EQ(toString(result.takeError()),
            "'layers.0.up': method runs.right makes no format of vectors, and "
            "'v4b8' has codes that stand for 4 weights; expected a format of "
            "single levels, such as i4g32, or another method, such as mse");
  expectError("runs.beyond", "expected a row from 0 to 5 but got 6");
  expectError("runs.bad_columns",
              "expected positive column scales but got -1.00 in column 95");
}

/// No exception gets through, whoever throws it, on whatever thread.
TEST(PluginRun, ExceptionsAreErrors) {
  // A copy, since the system takes a library for loaded after all.
  Scratch scratch;
  std::string copy = scratch.write("throws.so", readFile(pathOf("throws")));
  EXPECT_EQ(loadError(copy),
            "plugin '" + copy +
                "': while it was loaded, it threw an exception: not today");
  PluginSet set;
  ASSERT_EQ(loadError(set, pathOf("hostile")), "");
  Numbers matrix(400, 400);
  Workers workers(2);
  for (StringRef method : {"hostile.throws", "hostile.throws_in_row"}) {
    MethodRequest request;
    request.weight = matrix.view();
    request.parallelFor = workers;
    auto result = runMethod(set.getMethods(), method, "i4g32", {}, request);
    ASSERT_FALSE(bool(result));
    EXPECT_EQ(toString(result.takeError()),
              ("'layers.0.up': method " + method + " of '" + pathOf("hostile") +
               "': threw an exception: not today")
                  .str());
  }
}

TEST(PluginRun, ServicesDoWhatTheySay) {
  PluginSet set;
  ASSERT_EQ(loadError(set, pathOf("runs")), "");
  Numbers matrix(6, 96);
  std::vector<float> squares(matrix.columns, 2);
  std::vector<double> parts;
  auto remember = [&](double part) {
    parts.push_back(part);
    return true;
  };
  for (StringRef format : {"i4g32", "nl4", "t2g32"}) {
    MethodRequest request;
    request.weight = matrix.view();
    auto plain = runMethod(set.getMethods(), "runs.right", format, {}, request);
    parts.clear();
    request.progress = remember;
    auto own =
        runMethod(set.getMethods(), "runs.services", format, {}, request);
    ASSERT_TRUE(plain && own) << format.str();
    EXPECT_EQ(plain->matrix.codes, own->matrix.codes) << format.str();
    EXPECT_EQ(own->note, "second");
    EXPECT_EQ(parts, (std::vector<double>{0.25, 1}));
    request.statistics.meanSquare = squares;
    own = runMethod(set.getMethods(), "runs.services", format, {}, request);
    ASSERT_TRUE(bool(own));
    // Texts of plugins have no control characters.
    EXPECT_EQ(own->note, "known inputs");
  }
}

TEST(PluginCheck, FindsWhatIsWrong) {
  auto report = check(pathOf("runs"), 2);
  ASSERT_TRUE(bool(report)) << toString(report.takeError());
  EXPECT_FALSE(report->passed());
  auto find = [&](StringRef method, StringRef check) {
    for (const CheckResult &result : report->results)
      if (result.method == method && result.check == check &&
          result.status == CheckStatus::Failed)
        return result.text;
    return std::string();
  };
  for (const CheckResult &result : report->results)
    if (result.method == "runs.right" || result.method == "runs.keeps") {
      EXPECT_NE(result.status, CheckStatus::Failed)
          << result.format << " " << result.check << ": " << result.text;
      EXPECT_EQ(result.status == CheckStatus::Refused,
                result.format[0] != 'i' && result.format[0] != 't' &&
                    result.format != "nl4")
          << result.format;
    }
  auto expectFound = [&](StringRef method, StringRef check, StringRef part) {
    std::string text = find(method, check);
    EXPECT_NE(text.find(part), std::string::npos)
        << method.str() << " " << check.str() << ": " << text;
  };
  expectFound("runs.overrun", "bounds",
              "it read or wrote where it has no memory");
  expectFound("runs.chance", "threads", "expected the same codes and scales");
  expectFound("runs.crashes", "accuracy", "signal 6 (Aborted)");
  expectFound("runs.ends", "accuracy",
              "it ended the program, with exit code 0");
  expectFound("runs.hangs", "accuracy", "it did not return within 2 s");
  expectFound("runs.does_nothing", "accuracy",
              "returned without an error, but wrote no scales of row 0");
  // At least 64 KB for each of the three runs of a round.
  expectFound("runs.leaves_memory", "leaks", "but 20 of them left 39");
  expectFound("runs.leaves_at_errors", "leaks", "allocated bytes");
  expectFound("runs.leaves_files", "leaks", "left 60 open files");
  // A sanitizer maps memory as it likes, and has a result of its own.
  bool sanitized = getenv("LLMC_SANITIZED");
  if (!sanitized)
    expectFound("runs.leaves_pages", "leaks", "left 245760 mapped bytes");
  expectFound("runs.leaves_threads", "leaks", "left 60 threads");
  for (const CheckResult &result : report->results)
    if (!sanitized && result.method.starts_with("runs.leaves"))
      EXPECT_EQ(result.check == "leaks", result.status == CheckStatus::Failed)
          << result.method << " " << result.check << ": " << result.text;
  auto exits = check(pathOf("exits"), 5);
  ASSERT_FALSE(bool(exits));
  EXPECT_NE(toString(exits.takeError())
                .find("while it was loaded, it ended the program"),
            std::string::npos);
  auto crashes = check(pathOf("crashes"), 5);
  ASSERT_FALSE(bool(crashes));
  EXPECT_NE(toString(crashes.takeError())
                .find("while it was loaded, it was ended by signal 6"),
            std::string::npos);
  for (auto [name, part] :
       {std::pair("leaves", "it ended the program, with exit code 0"),
        std::pair("hangs", "it did not return within 1 s"),
        std::pair("throws", "it threw an exception: not today")}) {
    auto loading = check(pathOf(name), 1);
    ASSERT_FALSE(bool(loading));
    EXPECT_NE(toString(loading.takeError())
                  .find(std::string("while it was loaded, ") + part),
              std::string::npos)
        << name;
  }
}

/// With a trial, what a plugin does while it is loaded is an error.
TEST(PluginTrial, OutlivesWhatIsLoaded) {
  for (auto [name, part] :
       {std::pair("leaves", "it ended the program, with exit code 0"),
        std::pair("exits", "it ended the program, with exit code 0"),
        std::pair("crashes", "it was ended by signal 6 (Aborted)"),
        std::pair("hangs", "it did not return within 1 s"),
        std::pair("throws", "it threw an exception: not today")}) {
    PluginSet set;
    set.setTrial(1);
    EXPECT_EQ(loadError(set, pathOf(name)),
              "plugin '" + pathOf(name) + "': while it was loaded, " + part);
    EXPECT_EQ(loadError(set, pathOf("good")), "");
  }
}

TEST(PluginCheck, PassesTheMethodsOfLlmc) {
  auto report = check(pathOf("same"), 60);
  ASSERT_TRUE(bool(report)) << toString(report.takeError());
  for (const CheckResult &result : report->results)
    EXPECT_NE(result.status, CheckStatus::Failed)
        << result.method << " " << result.format << " " << result.check << ": "
        << result.text;
  EXPECT_GT(report->count(CheckStatus::Passed), 100u);
}
