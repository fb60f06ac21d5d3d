//===- RecipeTest.cpp - Reading recipes -----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Recipes/Recipe.h"
#include "gtest/gtest.h"

using namespace llvm;
using namespace llmc;

static const MethodSet &getBuiltin() {
  static const MethodSet methods = MethodSet::makeBuiltin();
  return methods;
}

static Recipe parse(StringRef yaml) {
  auto recipe = parseRecipe("r", yaml, {getBuiltin()});
  if (recipe)
    return std::move(*recipe);
  ADD_FAILURE() << toString(recipe.takeError());
  return {};
}

static std::string getError(StringRef yaml) {
  auto recipe = parseRecipe("r", yaml, {getBuiltin()});
  return recipe ? "" : toString(recipe.takeError());
}

TEST(Recipe, TakesTheFirstRuleThatFits) {
  Recipe recipe =
      parse("summary: two rules\n"
            "quantize:\n"
            "  - {read: gather, method: mse, format: q8_0}\n"
            "  - {match: 'mlp\\.', method: rtn, bits: 3, group: 32, "
            "activations: bf16}\n"
            "  - {match: q_proj$, method: sinq, bits: 4, "
            "quantizer: mse, activations: i16}\n");
  EXPECT_EQ(recipe.summary, "two rules");
  ASSERT_EQ(recipe.quantize.size(), 3u);
  const QuantizeRule *rule =
      recipe.find("embed", kReadByGather | kReadByLinear);
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->method, "mse");
  EXPECT_EQ(rule->format, "i8g32");
  rule = recipe.find("layers.0.mlp.up", kReadByLinear);
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->format, "u3g32");
  rule = recipe.find("layers.0.q_proj", kReadByLinear);
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->format, "u4g64");
  ASSERT_EQ(rule->settings.size(), 1u);
  EXPECT_EQ(rule->settings[0].second, "mse");
  EXPECT_EQ(rule->activations, ActivationRule::I16);
  EXPECT_EQ(recipe.quantize[1].activations, ActivationRule::BF16);
  EXPECT_EQ(recipe.quantize[0].activations, ActivationRule::I8);
  EXPECT_FALSE(recipe.find("layers.0.q_proj.x", kReadByLinear));
}

TEST(Recipe, FormatsOfNumbersNeedNoMethod) {
  Recipe recipe = parse("quantize:\n"
                        "  - {match: a, format: bf16}\n"
                        "  - {read: gather, format: f16, activations: f32}\n"
                        "  - {match: c, method: rtn, format: f32}\n"
                        "  - {method: rtn, format: bf16, activations: auto}\n"
                        "  - {method: rtn, format: i4g32}\n");
  ASSERT_EQ(recipe.quantize.size(), 5u);
  for (const QuantizeRule &rule : recipe.quantize)
    EXPECT_EQ(rule.method, "rtn");
  EXPECT_EQ(recipe.quantize[0].format, "bf16");
  EXPECT_EQ(recipe.quantize[0].description.dense, RealType::BF16);
  EXPECT_EQ(recipe.quantize[1].description.dense, RealType::F16);
  EXPECT_EQ(recipe.quantize[2].description.dense, RealType::F32);
  for (int i = 0; i < 4; ++i)
    EXPECT_TRUE(recipe.quantize[i].isRounding());
  EXPECT_FALSE(recipe.quantize[4].isRounding());
  auto builtin = loadRecipe("bf16", {getBuiltin()});
  ASSERT_TRUE(bool(builtin)) << toString(builtin.takeError());
  const QuantizeRule *rule = builtin->find("any", kReadByLinear);
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->format, "bf16");
  EXPECT_EQ(builtin->find("any", kReadByGather), rule);
  EXPECT_EQ(builtin->kv, "f32");
}

TEST(Recipe, TransformsColumns) {
  Recipe recipe = parse("quantize:\n"
                        "  - {read: gather, method: mse, format: i8g32.h64}\n"
                        "  - {match: a, method: sinq, bits: 4, group: 32, "
                        "hadamard: 128, quantizer: mse}\n"
                        "  - {method: rtn, hadamard: 16, format: nl4}\n");
  ASSERT_EQ(recipe.quantize.size(), 3u);
  EXPECT_EQ(recipe.quantize[0].format, "i8g32.h64");
  EXPECT_EQ(recipe.quantize[1].format, "u4g32.h128");
  EXPECT_EQ(recipe.quantize[1].description.hadamard, 128);
  ASSERT_EQ(recipe.quantize[1].settings.size(), 1u);
  EXPECT_EQ(recipe.quantize[1].settings[0].first, "quantizer");
  EXPECT_EQ(recipe.quantize[2].format, "nl4g32.f32r-i8.h16");
}

/// An option of that name goes to the method that has it.
TEST(Recipe, LeavesOptionsToTheirMethod) {
  static const llmc_option option = {sizeof(llmc_option),
                                     "hadamard",
                                     "turns rows",
                                     LLMC_OPTION_INTEGER,
                                     0,
                                     "1",
                                     0,
                                     9,
                                     nullptr};
  static const llmc_method method = {
      sizeof(llmc_method),
      "old.turn",
      "turns",
      &option,
      1,
      0,
      [](const llmc_host *, llmc_run *, const llmc_job *) {
        return static_cast<int>(LLMC_METHOD_OK);
      }};
  static const llmc_plugin plugin = {sizeof(llmc_plugin),
                                     LLMC_PLUGIN_ABI,
                                     1,
                                     "old",
                                     "1",
                                     &method,
                                     1,
                                     nullptr,
                                     0,
                                     nullptr,
                                     0};
  MethodSet methods;
  cantFail(methods.add(plugin, "old.so"));
  auto recipe = parseRecipe(
      "r", "quantize: [{method: old.turn, bits: 4, hadamard: 5}]", {methods});
  ASSERT_TRUE(bool(recipe)) << toString(recipe.takeError());
  EXPECT_EQ(recipe->quantize[0].format, "u4g64");
  ASSERT_EQ(recipe->quantize[0].settings.size(), 1u);
  EXPECT_EQ(recipe->quantize[0].settings[0].second, "5");
}

TEST(Recipe, ARankIsAPartOfTheFormat) {
  auto getFormat = [](StringRef rule) {
    return parse(("quantize: [" + rule + "]\n").str()).quantize[0].format;
  };
  EXPECT_EQ(getFormat("{method: rtn, bits: 4, group: 32, rank: 8}"),
            "u4g32.lr8");
  EXPECT_EQ(getFormat("{method: rtn, rank: 16, format: nl3}"),
            "nl3g32.f32r-i8.lr16");
  EXPECT_EQ(getFormat("{method: rtn, format: nl3.lr16}"),
            "nl3g32.f32r-i8.lr16");
  auto getReason = [](StringRef rule) {
    return getError(("quantize: [" + rule + "]\n").str());
  };
  EXPECT_EQ(getReason("{method: rtn, bits: 4, rank: few}"),
            "recipe 'r', line 1: expected a number after 'rank' but got 'few'");
  EXPECT_NE(getReason("{method: rtn, bits: 4, rank: 300}")
                .find("expected a rank of 1 to 256"),
            std::string::npos);
  EXPECT_EQ(getFormat("{method: rtn, bits: 3, group: 64, sparse: 5}"),
            "u3g64.sp5");
  EXPECT_EQ(getFormat("{method: rtn, sparse: 5, format: nl3}"),
            "nl3g32.f32r-i8.sp5");
  EXPECT_EQ(
      getReason("{method: rtn, bits: 4, sparse: few}"),
      "recipe 'r', line 1: expected a number after 'sparse' but got 'few'");
  EXPECT_NE(getReason("{method: rtn, bits: 4, sparse: 101}")
                .find("expected 1 to 100 of 1,000 weights"),
            std::string::npos);
  EXPECT_NE(getReason("{method: rtn, bits: 4, sparse: 5, rank: 8}")
                .find("not several of them"),
            std::string::npos);
  EXPECT_EQ(getFormat("{method: rtn, bits: 3, group: 64, permute: true}"),
            "u3g64.p");
  EXPECT_EQ(getFormat("{method: rtn, bits: 3, group: 64, permute: false}"),
            "u3g64");
  EXPECT_EQ(
      getReason("{method: rtn, bits: 4, permute: 1}"),
      "recipe 'r', line 1: expected true or false after 'permute' but got "
      "'1'");
  EXPECT_NE(getReason("{method: rtn, format: bf16, rank: 8}")
                .find("a dense format has no error"),
            std::string::npos);
}

TEST(Recipe, SaysInWhatKeysAndValuesAreKept) {
  EXPECT_EQ(parse("quantize: []\n").kv, "f32");
  EXPECT_EQ(parse("kv: bf16\nquantize: []\n").kv, "bf16");
  EXPECT_EQ(getError("quantize: []\nkv: i4\n"),
            "recipe 'r', line 2: expected kv of f32, bf16, i8 but got 'i4'");
}

TEST(Recipe, LoadsPluginsBeforeItsRules) {
  std::vector<std::string> asked;
  auto load = [&](StringRef file) -> Error {
    asked.push_back(file.str());
    return file.ends_with("bad.so") ? createStringError("it is bad")
                                    : Error::success();
  };
  RecipeScope scope{getBuiltin(), load};
  StringRef rules = "quantize: [{method: rtn, bits: 4}]\n";
  auto recipe = parseRecipe(
      "a/b.yaml", ("plugins: [x.so, ../y.so, /z.so]\n" + rules).str(), scope);
  ASSERT_TRUE(bool(recipe)) << toString(recipe.takeError());
  EXPECT_EQ(asked, (std::vector<std::string>{"a/x.so", "a/../y.so", "/z.so"}));
  auto getText = [&](StringRef yaml, const RecipeScope &scope) {
    auto recipe = parseRecipe("a/b.yaml", yaml, scope);
    return recipe ? "" : toString(recipe.takeError());
  };
  EXPECT_EQ(getText(("plugins: [bad.so]\n" + rules).str(), scope),
            "recipe 'a/b.yaml', line 1: it is bad");
  EXPECT_EQ(getText((rules + "plugins: [x.so]\n").str(), scope),
            "recipe 'a/b.yaml', line 2: expected the key 'plugins' before "
            "'quantize'");
  EXPECT_EQ(getText(("plugins: x.so\n" + rules).str(), scope),
            "recipe 'a/b.yaml', line 1: expected a list of files after "
            "'plugins'");
  EXPECT_EQ(getText(("plugins: [x.so]\n" + rules).str(), {getBuiltin()}),
            "recipe 'a/b.yaml', line 1: plugins cannot be loaded here");
}

TEST(Recipe, BuiltinOnesAreValid) {
  for (const BuiltinRecipe &builtin : getBuiltinRecipes()) {
    auto recipe = loadRecipe(builtin.name, {getBuiltin()});
    ASSERT_TRUE(bool(recipe)) << toString(recipe.takeError());
    EXPECT_FALSE(recipe->summary.empty()) << builtin.name.str();
  }
}

TEST(Recipe, ErrorsNameTheLineAndTheRemedy) {
  struct Case {
    StringRef yaml, error;
  };
  for (const Case &c : std::initializer_list<Case>{
           {"", "recipe 'r', line 1: expected a map with the key 'quantize'"},
           {"[]", "recipe 'r', line 1: expected a map with the key 'quantize'"},
           {"summary: x", "recipe 'r', line 1: expected the key 'quantize'"},
           {"summary: x\nquantise: []",
            "recipe 'r', line 2: unknown key 'quantise'; did you mean "
            "'quantize'?"},
           {"quantize: 4", "recipe 'r', line 1: expected a list of rules after "
                           "'quantize'"},
           {"calibration: c.txt", "recipe 'r', line 1: expected {data: FILE, "
                                  "samples: N, length: N} after 'calibration'"},
           {"calibration: {samples: 4}",
            "recipe 'r', line 1: expected the key 'data' in 'calibration', a "
            "text"},
           {"calibration: {data: c.txt, sample: 4}",
            "recipe 'r', line 1: unknown key 'sample' of 'calibration'; did "
            "you mean 'samples'?"},
           {"calibration: {data: c.txt, samples: 0}",
            "recipe 'r', line 1: expected a number from 1 to 1048576 after "
            "'samples' but got '0'"},
           {"calibration: {data: c.txt, length: 1}",
            "recipe 'r', line 1: expected a number from 2 to 1048576 after "
            "'length' but got '1'"},
           {"calibration: {data: c.txt, length: many}",
            "recipe 'r', line 1: expected a number from 2 to 1048576 after "
            "'length' but got 'many'"},
           {"quantize:\n  - sinq",
            "recipe 'r', line 2: expected a rule: {match: ..., method: ...}"},
           {"quantize:\n  - {bits: 4}",
            "recipe 'r', line 2: expected the key 'method'"},
           {"quantize:\n  - {mehod: rtn, bits: 4}",
            "recipe 'r', line 2: unknown key 'mehod'; did you mean 'method'?"},
           {"quantize:\n  - method: rtn\n    bits: 4\n    activatons: i16",
            "recipe 'r', line 4: unknown key 'activatons'; did you mean "
            "'activations'?"},
           {"quantize:\n  - {method: mse, bits: 4, candidate: 9}",
            "recipe 'r', line 2: unknown key 'candidate'; did you mean "
            "'candidates'?"},
           {"quantize:\n  - {method: rtn, bits: 4, speed: 9}",
            "recipe 'r', line 2: unknown key 'speed'; expected match, read, "
            "method, format, bits, group, activations, hadamard, permute, "
            "rank, sparse, or of rtn "},
           {"quantize:\n  - {method: rtn, bits: 4, bits: 5}",
            "recipe 'r', line 2: expected the key 'bits' once"},
           {"quantize: []\nkv: i8\nquantize: []",
            "recipe 'r', line 3: expected the key 'quantize' once"},
           {"calibration: {data: a, data: b}",
            "recipe 'r', line 1: expected the key 'data' once"},
           // What is indented wrongly is not in the rule.
           {"quantize:\n  - method: rtn\n   bits: 4\n", "recipe 'r', line 3: "},
           {"quantize:\n  - {method: sinq, format: bf16}",
            "recipe 'r', line 2: format 'bf16' has no codes for method 'sinq' "
            "to make: its numbers are rounded to the nearest; leave the key "
            "'method' out"},
           {"quantize:\n  - {method: mse, format: f32}",
            "recipe 'r', line 2: format 'f32' has no codes"},
           {"quantize:\n  - {method: keep, format: bf16}",
            "recipe 'r', line 2: the method 'keep' has no format"},
           {"quantize:\n  - {format: f16, activations: i16}",
            "recipe 'r', line 2: products with a matrix of format 'f16' take "
            "their inputs as they are, in f32; leave the key 'activations' "
            "out"},
           {"quantize:\n  - {format: bf16, candidates: 3}",
            "recipe 'r', line 2: unknown key 'candidates'; expected match"},
           {"quantize:\n  - {format: bf16, bits: 4}",
            "recipe 'r', line 2: expected either 'format' or 'bits' and "
            "'group'"},
           {"quantize:\n  - {format: bf16, hadamard: 64}",
            "recipe 'r', line 2: format 'bf16.h64': expected a dense format "
            "without a Hadamard transform"},
           {"quantize:\n  - {format: bf16, rank: 4}",
            "recipe 'r', line 2: format 'bf16.lr4': a dense format has no "
            "error to add"},
           {"quantize:\n  - {format: i4g32}",
            "recipe 'r', line 2: expected the key 'method'"},
           {"quantize:\n  - {format: bf61}",
            "recipe 'r', line 2: format 'bf61': expected levels u1 to u6"},
           {"quantize:\n  - {method: rtn, bits: 16}",
            "recipe 'r', line 2: 16 bits have neither codes nor groups; "
            "expected 'format: bf16' or 'format: f16' in place of 'bits'"},
           {"quantize:\n  - {method: rtn, bits: 4, group: 32, rank: 8, "
            "sparse: 5, hadamard: 32, permute: true}",
            "recipe 'r', line 2: format 'u4g32.h32.p.lr8.sp5': expected a "
            "Hadamard transform, an order of columns, a rank or a sparse part, "
            "not several of them"},
           {"quantize:\n  - {method: rtn, bits: 4, hadamard: 48}",
            "recipe 'r', line 2: format 'u4g64.h48': expected a Hadamard "
            "transform of 16, 32, 64, 128 or 256 columns after '.h'"},
           {"quantize:\n  - {method: keep, hadamard: 64}",
            "recipe 'r', line 2: the method 'keep' has no option 'hadamard': "
            "it leaves codes as they come, and those of transformed columns "
            "would be others; leave the key out, or name a method and a "
            "format, such as {method: rtn, format: i4g32, hadamard: 64}"},
           {"quantize:\n  - {method: keep, rank: 16}",
            "recipe 'r', line 2: the method 'keep' has no option 'rank': it "
            "leaves codes as they come, without an error that a product of "
            "low rank could take; leave the key out, or name a method and a "
            "format, such as {method: rtn, format: i4g32, rank: 16}"},
           {"quantize:\n  - {method: keep, group: 32}",
            "recipe 'r', line 2: the method 'keep' has no format"},
           {"quantize:\n  - {method: rtn, format: i4g32.h64, hadamard: 64}",
            "recipe 'r', line 2: format 'i4g32.h64.h64': expected a scale "
            "chain like f16, f32r-u8, f16b-u6 or e8m0 but got 'h64'"},
           {"quantize:\n  - {method: [rtn]}",
            "recipe 'r', line 2: expected one value for 'method'"},
           {"quantize:\n  - {method: sink, bits: 4}",
            "recipe 'r', line 2: unknown method 'sink'; did you mean 'sinq'?"},
           {"quantize:\n  - {method: example.ternary, format: t2}",
            "recipe 'r', line 2: unknown method 'example.ternary'; expected "
            "keep, rtn, sinq, hqq, mse; --plugin FILE loads those of a plugin"},
           {"quantize:\n  - {method: wanda, bits: 4}",
            "recipe 'r', line 2: unknown method 'wanda'; expected keep, rtn, "
            "sinq, hqq, mse"},
           {"quantize:\n  - {method: rtn}", "recipe 'r', line 2: expected the "
                                            "key 'format', or 'bits' and "
                                            "'group'"},
           {"quantize:\n  - {method: rtn, bits: 4, format: u4}",
            "recipe 'r', line 2: expected either 'format' or 'bits' and "
            "'group'"},
           {"quantize:\n  - {method: rtn, bits: 7}",
            "recipe 'r', line 2: format 'u7g64': expected levels u1 to u6"},
           {"quantize:\n  - {method: keep, bits: 4}",
            "recipe 'r', line 2: the method 'keep' has no format"},
           {"quantize:\n  - {method: keep, zero: free}",
            "recipe 'r', line 2: the method 'keep' has no option 'zero'"},
           {"quantize:\n  - {method: rtn, bits: 4, read: conv}",
            "recipe 'r', line 2: expected 'gather' or 'linear' after 'read' "
            "but "
            "got 'conv'"},
           {"quantize:\n  - {method: keep, activations: i4}",
            "recipe 'r', line 2: expected auto, i8, i16, bf16 or f32 after "
            "'activations' but got 'i4'"},
           {"quantize:\n  - {match: '(', method: rtn, bits: 4}",
            "recipe 'r', line 2: '(' is no regular expression"},
           {"quantize:\n  - {method: rtn, bits: 4, group: 32, zero: maybe}",
            "recipe 'r', line 2: "},
           {"quantize: [", "recipe 'r'"},
           {"a: b: c: d", "recipe 'r'"}}) {
    std::string error = getError(c.yaml);
    EXPECT_TRUE(StringRef(error).starts_with(c.error) && !error.empty())
        << c.yaml.str() << "\n  expected " << c.error.str() << "\n  but got  "
        << error;
  }
}

TEST(Recipe, IsForSomeWeightsAlone) {
  Recipe recipe = parse("quantize:\n"
                        "  - {match: down, method: keep}\n"
                        "  - {read: linear, method: rtn, bits: 4}\n");
  ASSERT_FALSE(bool(recipe.restrictTo("layers\\.[01]\\.")));
  EXPECT_EQ(recipe.name, "r --match layers\\.[01]\\.");
  EXPECT_EQ(recipe.find("layers.1.down", kReadByLinear), &recipe.quantize[0]);
  EXPECT_EQ(recipe.find("layers.0.up", kReadByLinear), &recipe.quantize[1]);
  EXPECT_EQ(recipe.find("layers.0.up", kReadByGather), nullptr);
  EXPECT_EQ(recipe.find("layers.2.down", kReadByLinear), nullptr);
  EXPECT_EQ(recipe.find("layers.2.up", kReadByLinear), nullptr);
  EXPECT_EQ(toString(recipe.restrictTo("(")),
            "'(' is no regular expression: parentheses not balanced");
  EXPECT_EQ(toString(parse("quantize: []").restrictTo("down")),
            "the recipe 'r' leaves all weights as they are");
}

TEST(Recipe, ACalibrationIsAText) {
  auto read = [](StringRef name, StringRef map) {
    auto recipe = parseRecipe(
        name, ("calibration: " + map + "\nquantize: [{method: keep}]\n").str(),
        {getBuiltin()});
    EXPECT_TRUE(bool(recipe));
    return *recipe->calibration;
  };
  EXPECT_FALSE(parse("quantize: [{method: keep}]\n").calibration);
  CalibrationRule plain = read("a/b.yaml", "{data: c.txt}");
  EXPECT_EQ(plain.data, "a/c.txt");
  EXPECT_EQ(plain.samples, 32);
  EXPECT_EQ(plain.length, 256);
  CalibrationRule full =
      read("b.yaml", "{data: /d/c.txt, samples: 1, length: 1048576}");
  EXPECT_EQ(full.data, "/d/c.txt");
  EXPECT_EQ(full.samples, 1);
  EXPECT_EQ(full.length, 1 << 20);
}

TEST(Recipe, NamesThatAreNone) {
  auto recipe = loadRecipe("w5", {getBuiltin()});
  ASSERT_FALSE(bool(recipe));
  EXPECT_EQ(toString(recipe.takeError()).substr(0, 37),
            "unknown recipe 'w5'; expected one of ");
  auto file = loadRecipe("no-such-file.yaml", {getBuiltin()});
  ASSERT_FALSE(bool(file));
  EXPECT_EQ(toString(file.takeError()), "cannot read recipe "
                                        "'no-such-file.yaml': No such file or "
                                        "directory");
}
