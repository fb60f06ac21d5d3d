//===- CxxPluginTest.cpp - Plugins that bring passes ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CheckCxx.h"
#include "llmc/Driver/Registration.h"
#include "llmc/Plugin/Check.h"
#include "llmc/Plugin/Slots.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"

#include <gtest/gtest.h>
#include <map>

using namespace mlir;
using namespace llmc;
namespace fs = llvm::sys::fs;

static std::string pathOf(StringRef name) {
  return (LLMC_TEST_PLUGINS "/" + name + ".so").str();
}

namespace {

class CxxPlugin : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(fs::createUniqueDirectory("cxx", folder));
    registerAllDialects(registry);
    registerAllPasses();
  }
  void TearDown() override {
    unsetenv("LLMC_TEST_CXX");
    EXPECT_FALSE(fs::remove_directories(folder));
  }

  /// A copy of the plugin, which is another one for the process.
  std::string copy(StringRef name) {
    std::string path = (folder + "/" + name + ".so").str();
    EXPECT_FALSE(fs::copy_file(pathOf("cxx"), path));
    return path;
  }

  std::string load(PluginSet &set, StringRef path, const char *what = "") {
    setenv("LLMC_TEST_CXX", what, 1);
    set.setDialects(registry);
    llvm::Error error = set.load(path);
    return error ? llvm::toString(std::move(error)) : "";
  }

  void expectRefused(const char *what, StringRef reason) {
    PluginSet set;
    std::string path = copy(("bad" + Twine(count++)).str());
    std::string said = load(set, path, what);
    EXPECT_NE(said.find(reason), std::string::npos) << what << ": " << said;
    EXPECT_EQ(said.find("plugin '" + path + "': "), 0u) << said;
    EXPECT_TRUE(llvm::all_of(said, [](char c) {
      return llvm::isPrint(c) || c == '\n';
    })) << said;
    EXPECT_TRUE(set.getPlugins().empty());
  }

  SmallString<128> folder;
  DialectRegistry registry;
  unsigned count = 0;
};

TEST_F(CxxPlugin, IsOneHoweverOftenItIsLoaded) {
  std::string first = copy("first"), link = (folder + "/link.so").str();
  ASSERT_FALSE(fs::create_link(first, link));
  PluginSet set;
  for (StringRef path : {StringRef(first), StringRef(link)})
    EXPECT_EQ(load(set, path), "");
  ASSERT_EQ(set.getPlugins().size(), 1u);
  const LoadedPlugin &plugin = set.getPlugins().front();
  EXPECT_EQ(plugin.vendor + " " + plugin.version, "testing 1.0");
  ASSERT_EQ(plugin.passes.size(), 1u);
  EXPECT_EQ(plugin.passes[0].pipeline, "testing-good");
  EXPECT_EQ(plugin.dialects, std::vector<std::string>{"testing_ops"});
  EXPECT_TRUE(registry.getDialectAllocator("testing_ops"));
  EXPECT_EQ(set.listConverters().size(), 1u);
  EXPECT_TRUE(PassInfo::lookup("testing-good"));
  // Another set of the process, with dialects of its own.
  DialectRegistry others;
  registerAllDialects(others);
  PluginSet second;
  second.setDialects(others);
  EXPECT_EQ(llvm::toString(second.load(first)), "");
  EXPECT_EQ(second.getPlugins().front().passes.size(), 1u);
  // Another library with the same passes.
  PluginSet third;
  std::string said = load(third, copy("twin"));
  EXPECT_NE(said.find("pass 'testing-good': plugin '" + first +
                      "' has brought a pass of that name"),
            std::string::npos)
      << said;
}

TEST_F(CxxPlugin, IsCheckedBeforeAnythingIsRegistered) {
  expectRefused("nothing", "llmc_cxx_plugin brings nothing");
  expectRefused("vendor llmc", "vendor: 'llmc' is not for plugins");
  expectRefused("vendor letters", "vendor: expected 1 to 32 of a-z");
  expectRefused("version", "version: expected a text of 1 to 400");
  expectRefused("duplicate of llmc", "pass 'affine-loop-fusion': MLIR or llmc "
                                     "has a pass of that name");
  expectRefused("unprefixed", "pass 0: expected an argument 'testing-'");
  expectRefused("prefix of another", "but getArgument() is 'testingnote'");
  expectRefused("letters", "but getArgument() is 'testing-No.te\\0A'");
  expectRefused("twins", "pass 'testing-twin': there are two of that name");
  expectRefused("no pass", "pass 0: expected a pass but none was made");
  expectRefused("no function", "pass 0: expected a pass but none was made");
  expectRefused("dialect name", "dialect 'other': expected the namespace "
                                "'testing' or 'testing_name'");
  expectRefused("dialect of llmc", "dialect 'nn': there is one of that name");
  expectRefused("converter of llmc",
                "converter of 'ai.onnx.Relu': llmc has one");
  expectRefused("converter version", "expected a version of 1 or more");
  expectRefused("converter function", "expected a handler but got a null");
  expectRefused("converter twins", "there are two since version 1");
  expectRefused("slot pass", "'testing-none' does not refer to a registered");
  expectRefused("slot option", "slot after-fuse: expected a pipeline but got "
                               "'cse{depth=1}'");
  expectRefused("slot empty", "slot after-fuse: expected a text");
  expectRefused("slot number", "slot number 9: expected less than 5");
  for (const char *name : {"testing-twin", "note", "testingnote"})
    EXPECT_FALSE(PassInfo::lookup(name)) << name;
}

TEST_F(CxxPlugin, BringsNoSecondMlir) {
  PluginSet set;
  std::string said = load(set, pathOf("cxx_archives"));
  EXPECT_NE(said.find("it has MLIR or LLVM linked into it ('mlir::"),
            std::string::npos)
      << said;
  said = load(set, pathOf("cxx_other"));
  EXPECT_NE(said.find("it needs 'libMLIR.so.21.1', but this llmc has "
                      "'libMLIR.so.22.1'"),
            std::string::npos)
      << said;
}

using CxxPluginDeath = CxxPlugin;

TEST_F(CxxPluginDeath, NeverEndsAsIfAllWentWell) {
  std::string path = copy("ends");
  PluginSet set;
  EXPECT_EXIT(load(set, path, "exits"), ::testing::ExitedWithCode(2),
              "plugin '.*ends.so': it ended the program while it was loaded");
  EXPECT_EXIT(load(set, path, "fatal"), ::testing::ExitedWithCode(2),
              "plugin '.*ends.so': beyond repair");
}

TEST_F(CxxPlugin, RunsInSlots) {
  PluginSet set;
  std::string path = copy("runs");
  ASSERT_EQ(load(set, path, "runs"), "");
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(
      "nn.weight @w : tensor<4x8xf32> from #nn.key<\"w\" : tensor<4x8xf32>>\n"
      "func.func @main() { return }",
      &context);
  ASSERT_TRUE(module);
  std::vector<std::string> said;
  context.getDiagEngine().registerHandler([&](Diagnostic &diagnostic) {
    said.push_back(diagnostic.str());
    return success();
  });
  std::vector<PassLine> lines;
  std::vector<std::string> began;
  auto run = [&](Slot slot) {
    llvm::Error error =
        runSlot(set, slot, *module, lines,
                [&](StringRef pipeline) { began.push_back(pipeline.str()); });
    return error ? llvm::toString(std::move(error)) : "";
  };
  EXPECT_EQ(run(Slot::BeforeCodegen), "");
  EXPECT_TRUE(lines.empty());
  EXPECT_EQ(run(Slot::AfterImport), "");
  EXPECT_EQ(began,
            std::vector<std::string>{"builtin.module(running-nothing,cse)"});
  EXPECT_EQ(run(Slot::AfterFuse), "");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].pass, "running-nothing");
  EXPECT_EQ(lines[1].pass, "cse");
  EXPECT_EQ(lines[1].plugin, path);
  EXPECT_EQ(lines[1].after.getAll().bytes, 128);
  EXPECT_EQ(lines[2].step, "after-fuse");
  EXPECT_EQ(lines[2].before.getAll().bytes, 128);
  EXPECT_EQ(lines[2].after.getAll().bytes, 0);
  EXPECT_EQ(run(Slot::Compress), "pass 'running-fail' of plugin '" + path +
                                     "' failed in slot compress");
  EXPECT_TRUE(said.empty());
  // What is left behind is looked at after every pass.
  EXPECT_EQ(run(Slot::BeforeLower), "pass 'running-damage' of plugin '" + path +
                                        "' failed in slot before-lower");
  EXPECT_FALSE(said.empty());
}

/// What `plugin check` finds in passes and importers that are right, and in those
/// that are wrong in one way each.
TEST_F(CxxPlugin, IsChecked) {
  setenv("LLMC_TEST_CXX", "checked", 1);
  auto report =
      checkPlugin(copy("checked"), 20, registry, [](const CheckResult &) {});
  ASSERT_TRUE(static_cast<bool>(report)) << toString(report.takeError());
  std::map<std::string, std::string> failures, passes;
  for (const CheckResult &result : report->results)
    (result.status == CheckStatus::Failed
         ? failures
         : passes)[result.method + " " + result.check] = result.text;
  auto expectFailure = [&](const std::string &check, StringRef text) {
    EXPECT_NE(failures[check].find(text), std::string::npos)
        << check << ": " << failures[check] << passes[check];
    failures.erase(check);
  };
  for (StringRef check : {"modules", "same"}) {
    std::string name = (" " + check).str();
    expectFailure("checked-fail" + name, "fails and does not say why");
    expectFailure("checked-damage" + name, "what it leaves is not valid");
    expectFailure("checked-crash" + name, "signal 6");
  }
  expectFailure("checked-number same", "two runs leave different modules");
  expectFailure("checked-option pipeline", "as it is printed");
  expectFailure("compress modules", "what it leaves is not valid");
  expectFailure("compress same", "what it leaves is not valid");
  expectFailure("checked.ops.Crash nodes", "signal 6");
  expectFailure("checked.ops.Crash same", "signal 6");
  expectFailure("checked.ops.Often same", "different modules");
  for (const auto &[check, text] : failures)
    ADD_FAILURE() << check << ": " << text;
  EXPECT_EQ(passes["checked-good modules"], "changes 0 of 4 modules, leaves 4");
  EXPECT_NE(passes["checked-refuse modules"].find("not such a module"),
            std::string::npos);
  EXPECT_EQ(passes["checked.ops.Flip nodes"],
            "takes 8 of 100 nodes, refuses the others with a reason");
  EXPECT_EQ(passes.count("after-fuse modules"), 1u);
}

TEST_F(CxxPlugin, IsCheckedOnWhatIsValid) {
  ASSERT_GE(getSampleModules().size(), 4u);
  for (const SampleModule &sample : getSampleModules()) {
    MLIRContext context(registry);
    EXPECT_TRUE(parseSourceString<ModuleOp>(sample.text, &context))
        << sample.name.str();
  }
}

} // namespace
