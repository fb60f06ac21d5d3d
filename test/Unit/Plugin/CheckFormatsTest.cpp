//===- CheckFormatsTest.cpp - Does `plugin check` find wrong formats? -----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A format that was loaded agrees with itself, so most of the descriptions here
// are put together wrongly by hand.
//
//===----------------------------------------------------------------------===//
#include "CheckFormats.h"
#include "llmc/Plugin/PluginSet.h"
#include "llvm/ADT/STLExtras.h"

#include <gtest/gtest.h>
#include <map>
#include <set>

using namespace llvm;
using namespace llmc;

/// By name, what each check that fails says.
static std::map<std::string, std::string>
findFailures(const FormatDescription &format) {
  std::map<std::string, std::string> failures;
  for (const FormatCheck &check : getFormatChecks())
    if (auto said = check.run(format); !said)
      failures[check.name.str()] = toString(said.takeError());
  return failures;
}

static std::set<std::string>
namesOf(const std::map<std::string, std::string> &failures) {
  std::set<std::string> names;
  for (const auto &[name, text] : failures)
    names.insert(name);
  return names;
}

static const std::set<std::string> kOfKernels = {"int8", "int16", "float",
                                                 "rows"};

TEST(CheckFormats, PassesWhatIsRight) {
  EXPECT_TRUE(findFailures(cantFail(parseFormat("u4g32"))).empty());
  EXPECT_TRUE(findFailures(cantFail(parseFormat("v4b8"))).empty());
}

/// The decoder has one level of sixteen that is one more than that of the kernels,
/// which have the levels of the name.
TEST(CheckFormats, FindsOneWrongLevel) {
  FormatDescription format = cantFail(parseFormat("nl4"));
  ++format.terms[0].levels.table[7];
  auto failures = findFailures(format);
  EXPECT_EQ(namesOf(failures), kOfKernels);
  for (const auto &[name, text] : failures)
    EXPECT_EQ(text.find(name == "rows" ? "row 20, column " : "row 0, output 0"),
              0u)
        << name << ": " << text;
}

/// The same with one level of a vector: no vector that is made is near then.
TEST(CheckFormats, FindsOneWrongLevelOfAVector) {
  FormatDescription format = cantFail(parseFormat("v2b6"));
  format.terms[0].levels.table[21] += 5;
  EXPECT_EQ(namesOf(findFailures(format)), kOfKernels);
}

/// A text that is not what the table says.
TEST(CheckFormats, FindsFunctionsOfOtherLevels) {
  PluginSet set;
  ASSERT_FALSE(bool(set.load(LLMC_TEST_PLUGINS "/formats_good.so")));
  FormatDescription format = cantFail(set.getFormats().parse("forms.four"));
  std::string &function = format.terms[0].levels.function;
  size_t place = function.find("-8");
  ASSERT_NE(place, std::string::npos);
  function.replace(place, 2, "-7");
  auto failures = findFailures(format);
  EXPECT_EQ(namesOf(failures), kOfKernels);
  for (const auto &[name, text] : failures)
    EXPECT_EQ(text, "the kernels do not expand") << name;
}

/// This one is loaded: no scale makes a number of zeros.
TEST(CheckFormats, FindsFormatsThatStoreNothing) {
  PluginSet set;
  ASSERT_FALSE(bool(set.load(LLMC_TEST_PLUGINS "/zero_levels.so")));
  FormatDescription format = cantFail(set.getFormats().parse("forms.four"));
  const FormatCheck &values = getFormatChecks().front();
  EXPECT_EQ(values.name, "values");
  auto said = values.run(format);
  ASSERT_FALSE(bool(said));
  std::string text = toString(said.takeError());
  EXPECT_NE(text.find("scale of group 0 is not a finite number"),
            std::string::npos)
      << text;
}
