//===- Recipe.h - What should happen to which weights ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A recipe says how the weights of a model are stored. It is a name of a recipe
// that llmc brings, or a YAML file:
//
//     summary: linear layers at 4 bits, tables at 8
//     quantize:
//       - {read: gather, method: mse, format: i8g32}
//       - {match: "layers\\.0\\.", method: keep}
//       - {method: sinq, bits: 4, group: 64, quantizer: mse, activations: i16}
//
// `plugins`, before `quantize`, is a list of files of plugins whose methods and
// formats the rules name; a path is relative to the recipe.
//
// `format: bf16`, or f16, needs no method: every number is rounded to the nearest,
// halves to even, and kernels compute with it in f32. `format: f32` leaves a matrix
// in f32.
//
// `rank: 16`, beside `bits` or `format`, adds to the codes a product of two matrices
// of that rank, as `.lr16` at the end of the format does; `sparse: 5` leaves 5 of
// 1,000 weights out of the codes, as `.sp5` does.
//
// `kv: i8` says in what a language model keeps keys and values: f32 (the default),
// bf16 or i8.
//
// `hadamard: 64` beside a format, or bits and a group, is ".h64" behind its name
// (llmc/Formats/Hadamard.h).
//
// `permute: true` beside a format is ".p" behind its name: columns are stored in an
// order of their own (llmc/Methods/ColumnOrder.h).
//
// `activations` says to what kernels round the input of a product with the matrix:
// i8 (the default) or i16, in groups of 32 with a scale each, bf16, f32 for not, or
// auto.
//
// `calibration: {data: FILE, samples: 32, length: 256}` runs a language model on
// so many windows of that many tokens of a text before it is compressed. Methods
// that can, weigh errors by what the inputs of a matrix were, and auto goes by what
// rounding did to them. A path is relative to the recipe.
//
// Rules are tried in order; the first that fits a weight decides. A weight that
// no rule fits stays as it is. What a recipe says is checked when it is read:
// names of methods and formats, and options of methods with their ranges.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_RECIPES_RECIPE_H
#define LLMC_RECIPES_RECIPE_H

#include "llmc/Formats/FormatSet.h"
#include "llmc/Methods/Method.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>
#include <vector>

namespace llmc {

/// How a model reads a matrix, as bits: as the weight of a linear layer, or row
/// by row, by index.
enum WeightUse : unsigned { kReadByLinear = 1, kReadByGather = 2 };

/// What the input of a product with a compressed matrix is rounded to.
enum class ActivationRule {
  /// With a calibration, i16 where rounding to i8 was measured to be off by more
  /// than the bound of `llmc-choose-activations`. Without one, i16 where it is a
  /// gated product, which can have outliers of hundreds of times its deviation.
  /// Else i8.
  Auto,
  I8,
  I16,
  BF16,
  F32
};

/// The method that leaves a weight as the model has it: compressed where it came
/// compressed, else in f32.
inline constexpr llvm::StringLiteral kKeepMethod = "keep";
/// The method that rounds to the nearest: that of a rule which names a format of
/// numbers, such as bf16, and no method.
inline constexpr llvm::StringLiteral kRoundMethod = "rtn";

/// One rule of `quantize`.
struct QuantizeRule {
  /// A regular expression that is searched in the names of weights; empty fits
  /// all.
  std::string match;
  /// Another one that must be found there, too; empty fits all.
  std::string within;
  /// WeightUse bits: a weight fits if it is read in one of these ways.
  unsigned uses = kReadByLinear | kReadByGather;
  /// The name of a method, or `keep`.
  std::string method;
  /// The long name of the format, and what it is; empty with `keep`.
  std::string format;
  FormatDescription description;
  ActivationRule activations = ActivationRule::I8;
  /// Options of the method, as written.
  std::vector<std::pair<std::string, std::string>> settings;

  bool fits(llvm::StringRef name, unsigned weightUses) const;
  /// Whether every number is rounded by itself, whatever the model computes.
  bool isRounding() const {
    return method == kRoundMethod && description.isDense();
  }
};

/// What a model is run on to see what the inputs of its matrices are like.
struct CalibrationRule {
  /// A text, UTF-8.
  std::string data;
  /// Windows that are spread over the text, and tokens of each, the begin token
  /// counted; a text that has fewer is used whole.
  int64_t samples = 32, length = 256;
  /// Whether the length was asked for; else a shorter context is one, too.
  bool hasLength = false;
};

struct Recipe {
  /// The name of a built-in one, or the path of the file.
  std::string name;
  std::string summary;
  std::vector<QuantizeRule> quantize;
  /// What a language model stores keys and values in: "f32", "bf16" or "i8".
  std::string kv = "f32";
  std::optional<CalibrationRule> calibration;

  /// The first rule that fits, or null.
  const QuantizeRule *find(llvm::StringRef weight, unsigned uses) const;

  /// Leaves out weights in whose name a regular expression is found nowhere; the
  /// name of the recipe says so. Fails where it is none, or there is no rule.
  llvm::Error restrictTo(llvm::StringRef regex);
};

/// What names in recipes may mean.
struct RecipeScope {
  const MethodSet &methods;
  /// Loads the plugin in a file, whose methods are then among `methods`, and its
  /// formats among `formats`. Null: recipes may not name plugins.
  llvm::function_ref<llvm::Error(llvm::StringRef file)> loadPlugin = nullptr;
  const FormatSet &formats = FormatSet::getBuiltin();
};

/// Reads a recipe from YAML. Errors name the file, the line and what would be
/// right. `name` is the path of the file, to which plugins are relative.
llvm::Expected<Recipe> parseRecipe(llvm::StringRef name, llvm::StringRef yaml,
                                   const RecipeScope &scope);

/// A built-in recipe by name; otherwise the file of that path, if it ends with
/// .yaml or .yml.
llvm::Expected<Recipe> loadRecipe(llvm::StringRef name,
                                  const RecipeScope &scope);

/// A recipe that llmc brings, as YAML.
struct BuiltinRecipe {
  llvm::StringLiteral name, yaml;
};
llvm::ArrayRef<BuiltinRecipe> getBuiltinRecipes();

} // namespace llmc

#endif // LLMC_RECIPES_RECIPE_H
