//===- FormatsTest.cpp - Formats of plugins -------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What tables of formats may say, and that those of llmc are such a table: loaded
// as a plugin, in a set without those of llmc, they give the same bytes. That
// kernels agree is shown by test/Unit/Kernels.
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/Hadamard.h"
#include "llmc/Formats/Layout.h"
#include "llmc/Plugin/PluginSet.h"
#include "llmc/Support/SplitMix.h"
#include "llvm/ADT/StringExtras.h"

#include <chrono>
#include <gtest/gtest.h>

using namespace llvm;
using namespace llmc;

static std::string pathOf(StringRef name) {
  return (LLMC_TEST_PLUGINS "/" + name + ".so").str();
}

static std::string loadError(PluginSet &set, StringRef name) {
  Error error = set.load(pathOf(name));
  return error ? toString(std::move(error)) : "";
}

/// The text must have the part, name the file, and leave nothing behind.
static void expectRefused(StringRef name, StringRef part) {
  PluginSet set;
  size_t known = set.getFormats().getFamilies().size();
  std::string text = loadError(set, name);
  EXPECT_NE(text.find(part), std::string::npos) << name.str() << ": " << text;
  EXPECT_EQ(text.find("plugin '" + pathOf(name) + "': "), 0u) << text;
  EXPECT_TRUE(all_of(text, isPrint)) << text;
  EXPECT_EQ(set.getFormats().getFamilies().size(), known);
  EXPECT_TRUE(set.getPlugins().empty());
}

TEST(PluginFormats, AreKnownByName) {
  for (StringRef name : {"formats_good", "formats_extended"}) {
    PluginSet set;
    ASSERT_EQ(loadError(set, name), "");
    EXPECT_EQ(set.getPlugins()[0].formats,
              (std::vector<std::string>{"forms.four", "forms.sum"}));
    auto format = set.getFormats().parse("forms.four");
    ASSERT_TRUE(bool(format)) << toString(format.takeError());
    EXPECT_EQ(format->name, "forms.fourg64");
    EXPECT_EQ(getCanonicalName(*format), "forms.fourg64");
    EXPECT_TRUE(*format == cantFail(parseFormat("i4g64")));
    EXPECT_NE(format->terms[0].levels.function.find("arith.addi"),
              std::string::npos);
    auto sum = set.getFormats().parse("forms.sum");
    ASSERT_TRUE(bool(sum)) << toString(sum.takeError());
    EXPECT_EQ(sum->terms.size(), 2u);
    EXPECT_TRUE(sum->hasMinimum);
    // What names say, and the long name of each.
    for (auto [given, full, known] :
         {std::tuple("forms.fourg32", "forms.fourg32", "i4g32"),
          std::tuple("forms.fourrow", "forms.fourrow", "i4row"),
          std::tuple("forms.fourg64.f16", "forms.fourg64", "i4g64"),
          std::tuple("forms.four.f32r-u8", "forms.fourg64.f32r-u8",
                     "i4g64.f32r-u8"),
          std::tuple("forms.fourg16.mf32", "forms.fourg16.f16.mf32",
                     "i4g16.f16.mf32"),
          std::tuple("forms.four.bf16.mf16", "forms.fourg64.bf16.mf16",
                     "i4g64.bf16.mf16")}) {
      auto other = set.getFormats().parse(given);
      ASSERT_TRUE(bool(other)) << toString(other.takeError());
      EXPECT_EQ(other->name, full);
      EXPECT_TRUE(*other == cantFail(parseFormat(known))) << given;
      EXPECT_EQ(cantFail(set.getFormats().parse(full)).name, full);
    }
    // The formats of llmc are there, too.
    EXPECT_TRUE(bool(set.getFormats().parse("q4_k")));
  }
}

TEST(PluginFormats, WrongNamesSayWhatWouldBeRight) {
  PluginSet set;
  ASSERT_EQ(loadError(set, "formats_good"), "");
  auto textOf = [&](StringRef name) {
    auto format = set.getFormats().parse(name);
    return format ? "" : toString(format.takeError());
  };
  EXPECT_NE(textOf("forms.fuor").find("did you mean 'forms.four'?"),
            std::string::npos);
  EXPECT_NE(textOf("acme.four").find("--plugin FILE loads those of a plugin"),
            std::string::npos);
  EXPECT_NE(textOf("forms.fourg24").find("a multiple of 16 columns after 'g'"),
            std::string::npos);
  EXPECT_NE(textOf("forms.four.f17").find("but got 'f17'"), std::string::npos);
  EXPECT_NE(textOf("forms.fourier").find("but got 'ier'"), std::string::npos);
  EXPECT_NE(textOf("forms.sumg64.f32").find("of several terms"),
            std::string::npos);
  EXPECT_EQ(textOf("forms.sumg64"), "");
  // A set without plugins does not know them.
  auto format = parseFormat("forms.four");
  EXPECT_FALSE(bool(format));
  consumeError(format.takeError());
}

TEST(PluginFormats, MayTransformColumns) {
  PluginSet set;
  ASSERT_EQ(loadError(set, "formats_hadamard"), "");
  for (auto [given, full, known] :
       {std::tuple("forms.four", "forms.fourg64.h64", "i4g64.h64"),
        std::tuple("forms.fourg32.bf16", "forms.fourg32.bf16.h64",
                   "i4g32.bf16.h64"),
        std::tuple("forms.four.h16", "forms.fourg64.h16", "i4g64.h16")}) {
    auto format = set.getFormats().parse(given);
    ASSERT_TRUE(bool(format)) << toString(format.takeError());
    EXPECT_EQ(format->name, full);
    EXPECT_TRUE(*format == cantFail(parseFormat(known))) << given;
    EXPECT_TRUE(cantFail(set.getFormats().parse(full)) == *format);
    // The stored matrix has the kernels of the format without it.
    EXPECT_EQ(format->getStored().name + getHadamardName(format->hadamard),
              full);
    EXPECT_TRUE(format->getStored().fromPlugin);
  }
  // Any name may say it.
  PluginSet plain;
  ASSERT_EQ(loadError(plain, "formats_good"), "");
  EXPECT_EQ(cantFail(plain.getFormats().parse("forms.four.h32")).hadamard, 32);
  EXPECT_EQ(cantFail(plain.getFormats().parse("forms.sum.h32")).hadamard, 32);
  expectRefused("bad_hadamard", "formats[0]: expected a Hadamard transform of "
                                "16, 32, 64, 128 or 256 columns but got 24");
  expectRefused("reserved_format", "formats[0].reserved: expected 0 but got 1");
}

TEST(PluginFormats, MayBeOfVectors) {
  PluginSet set;
  ASSERT_EQ(loadError(set, "vector_formats"), "");
  auto format = set.getFormats().parse("forms.four");
  ASSERT_TRUE(bool(format)) << toString(format.takeError());
  EXPECT_EQ(format->weightsPerIndex, 2u);
  EXPECT_EQ(format->indexBits, 4u);
  EXPECT_EQ(format->terms[0].levels.table.size(), 32u);
  EXPECT_EQ(cantFail(set.getFormats().parse("forms.fourg32.bf16.h16")).name,
            "forms.fourg32.bf16.h16");
  expectRefused("old_vectors", "llmc_plugin.needs: expected at least 4, since "
                               "llmc_plugin.formats[0] is of vectors, but got "
                               "2");
  expectRefused(
      "vector_function",
      "formats[0].terms[0].levels: expected a table of 32 levels, and "
      "no function, as codes stand for 2 weights");
  expectRefused("odd_vectors", "formats[0].bits: expected a multiple of the "
                               "weights of a code, 8, but got 4");
  expectRefused("bad_weights",
                "formats[0].weights: expected 0, 1, 2, 4 or 8 but got 3");
  expectRefused("reserved_weights",
                "formats[0].reserved_too: expected 0 but got 1");
}

TEST(PluginFormats, AreCheckedBeforeTheirNamesAreKnown) {
  std::string formats = "llmc_plugin.formats";
  expectRefused("nothing",
                "expected a method, a format or a metric but got none");
  expectRefused("null_formats", "formats: expected 2 but got a null pointer");
  expectRefused("many_formats", "format_count: expected at most 256");
  expectRefused("small_format",
                formats + "[0]: expected a size of at least 56 bytes");
  expectRefused("null_format_name",
                formats + "[0].name: expected a text but got a null pointer");
  expectRefused("unprefixed_format",
                formats + "[0].name: expected 'forms.' before the name");
  expectRefused("control_format", formats + "[0].name: expected UTF-8");
  expectRefused("twin_formats",
                formats + "[1].name: there is another format 'forms.four'");
  expectRefused("twin_names", formats +
                                  "[1].name: 'forms.fourg32' may be read as "
                                  "'forms.four' with 'g32' behind it");
  expectRefused("vendor_like_format", formats + "[0].name: 'u4.f16' may be "
                                                "read as 'u4' with '.f16'");
  for (auto [file, name, end] :
       {std::tuple("like_a_rank", "forms", ".lr16"),
        std::tuple("like_a_bad_rank", "forms", ".lr0"),
        std::tuple("like_a_transform", "forms", ".h64"),
        std::tuple("like_a_bad_transform", "forms", ".h5"),
        std::tuple("like_an_alias", "ternary", ".lr8")})
    expectRefused(file, formats + "[0].name: '" + name + end +
                            "' is read as '" + name + "' with '" + end +
                            "' behind it, as in 'i4g32" + end +
                            "'; choose another name");
  PluginSet named;
  ASSERT_EQ(loadError(named, "not_like_an_option"), "");
  EXPECT_EQ(cantFail(named.getFormats().parse("forms.lrh64g32.lr16")).name,
            "forms.lrh64g32.lr16");
  expectRefused("seven_bits", "[0].bits: expected 1 to 6, or 8, but got 7");
  expectRefused("no_bits", "[0].bits: expected 1 to 6, or 8, but got 0");
  expectRefused("odd_group", "[0]: expected groups of a multiple of 16 columns "
                             "but got 24");
  expectRefused("null_terms", "terms: expected 1 but got a null pointer");
  expectRefused("no_terms", "term_count: expected at least 1");
  expectRefused("many_terms", "term_count: expected at most 3 but got 4");
  expectRefused("positive_minimum", "minimum.negated: expected 1, as the code "
                                    "has no sign, but got 0");
  expectRefused("small_term", "terms[0]: expected a size of at least 40 bytes");
  expectRefused("null_levels",
                "terms[0].levels: expected 16 levels, or a function");
  expectRefused("beyond_range", "expected levels from -8 to 6, as the table "
                                "says, but got 7 for code 15");
  expectRefused("no_range", "expected a range inside -128 to 127 but got -200");
  expectRefused("null_scale", "scale: expected a chain but got a null pointer");
  expectRefused("small_chain", "scale: expected a size of at least 24 bytes");
  expectRefused("bad_real", "scale.real: expected 0 to 3 but got 9");
  expectRefused("no_chain", "scale: expected a real for each group");
  expectRefused("row_without_code", "scale: expected a real for each group");
  expectRefused("block_chain",
                "expected a group that divides 256 under a scale "
                "chain with a real for each block, but got 48");
  expectRefused("negated", "scale.negated: expected 0 of a scale, but got 1");
}

TEST(PluginFormats, FunctionsAreReadWithCare) {
  std::string function = "terms[0].function: ";
  expectRefused("not_mlir", function + "line 1: ");
  expectRefused("not_parsed", function + "line 3: use of undeclared SSA value");
  expectRefused("unknown_dialect",
                function + "line 2: Dialect `llvm' not found");
  expectRefused("two_blocks", function + "line 2: Dialect `cf' not found");
  expectRefused("forbidden_op",
                function + "line 3: expected one of arith.constant, addi");
  expectRefused("forbidden_op", "but got 'arith.divsi'");
  expectRefused("calls", function + "line 2: expected one of");
  expectRefused("wide_type",
                function + "line 2: expected i1, i8, i16 or i32 but got i64");
  expectRefused("vectors", function + "line 2: expected a number of i1");
  expectRefused("loops", function + "line 1: expected func.func @levels");
  expectRefused("other_name", function + "line 1: expected func.func @levels");
  expectRefused("other_type", function + "line 1: expected func.func @levels");
  expectRefused("two_functions", function + "expected one function");
  expectRefused("wide_shift", function + "line 4: for code 5, 'arith.shli' is "
                                         "not defined: it shifts by the width");
  expectRefused("short_table", function + "line 4: for code 3, "
                                          "'vector.extract' is not defined: it "
                                          "reads outside of the table");
  expectRefused("table_against_function",
                function + "expected the levels of the table, such as -8 for "
                           "code 0, but got -7");
  expectRefused(
      "function_beyond_range",
      "expected levels from -8 to 7, as the table says, but got 9 for "
      "code 1");
  expectRefused("deep", function + "expected at most 16 brackets");
  expectRefused("long_function", function + "expected a text of 1 to 8192");
  expectRefused("many_ops",
                function + "line 1: expected at most 64 ops but got 65");
  expectRefused("control_function", function + "expected UTF-8");
}

/// A matrix of random codes under scales that are powers of two.
static QuantizedMatrix makeMatrix(const FormatDescription &format, int64_t rows,
                                  int64_t columns) {
  auto matrix = cantFail(QuantizedMatrix::create(format, rows, columns));
  SplitMix random{11};
  for (uint8_t &code : matrix.codes)
    code = random.below(format.getCodeCount());
  for (ChainValues &chain : matrix.chains)
    for (float &real : chain.reals)
      real = random.below(2) ? 0.5f : 2;
  cantFail(verify(matrix));
  return matrix;
}

TEST(PluginFormats, SameSourceSameBytes) {
  PluginSet set(MethodSet(), FormatSet{});
  EXPECT_FALSE(bool(set.getFormats().parse("nf4g64")));
  ASSERT_EQ(loadError(set, "same_formats"), "");
  auto builtin = FormatSet::getBuiltin().getFamilies();
  ASSERT_EQ(set.getFormats().getFamilies().size(), builtin.size());
  EXPECT_GT(builtin.size(), 15u);
  for (const FormatFamily &family : builtin)
    for (StringRef rest : {"g32", "row.f32", "g64.bf16.mf32"}) {
      SCOPED_TRACE(family.name + rest.str());
      auto ours = cantFail(parseFormat(family.name + rest.str()));
      auto theirs = set.getFormats().parse("same." + family.name + rest.str());
      ASSERT_TRUE(bool(theirs)) << toString(theirs.takeError());
      EXPECT_TRUE(theirs->fromPlugin);
      EXPECT_TRUE(ours == *theirs);
      QuantizedMatrix a = makeMatrix(ours, 37, 200),
                      b = makeMatrix(*theirs, 37, 200);
      EXPECT_EQ(cantFail(packMatrix(a, 16)), cantFail(packMatrix(b, 16)));
      std::vector<float> x(37 * 200), y(37 * 200);
      decodeRows(a, 0, 37, MutableArrayRef(x));
      decodeRows(b, 0, 37, MutableArrayRef(y));
      EXPECT_EQ(x, y);
    }
}

/// Reading the table, MLIR's parser and all codes: at most 5 ms, the best of
/// some.
TEST(PluginFormats, LoadInLittleTime) {
  double best = 1;
  for (int turn = 0; turn < 10; ++turn) {
    PluginSet set;
    auto start = std::chrono::steady_clock::now();
    ASSERT_EQ(loadError(set, "formats_good"), "");
    std::chrono::duration<double> time =
        std::chrono::steady_clock::now() - start;
    best = std::min(best, time.count());
  }
  EXPECT_LT(best, 0.005);
  RecordProperty("seconds", std::to_string(best));
}
