//===- Recipe.cpp - Reads recipes -----------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Recipes/Recipe.h"
#include "llmc/Formats/Format.h"
#include "llmc/Plugin/plugin.h"
#include "llmc/Support/Nearest.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLParser.h"

#include <optional>

using namespace llvm;
using namespace llmc;

/// A recipe is written by hand; a larger file is something else.
static constexpr uint64_t kMaxFileBytes = 1 << 20;

/// What `kv` may be.
static constexpr StringLiteral kCacheFormats[] = {"f32", "bf16", "i8"};

bool QuantizeRule::fits(StringRef name, unsigned weightUses) const {
  auto isFound = [&](StringRef regex) {
    return regex.empty() || Regex(regex).match(name);
  };
  return (uses & weightUses) && isFound(match) && isFound(within);
}

const QuantizeRule *Recipe::find(StringRef weight, unsigned uses) const {
  for (const QuantizeRule &rule : quantize)
    if (rule.fits(weight, uses))
      return &rule;
  return nullptr;
}

Error Recipe::restrictTo(StringRef regex) {
  if (std::string reason; !Regex(regex).isValid(reason))
    return createStringError("'" + regex +
                             "' is no regular expression: " + reason);
  if (quantize.empty())
    return createStringError("the recipe '" + name +
                             "' leaves all weights as they are");
  for (QuantizeRule &rule : quantize)
    rule.within = regex.str();
  name += (" --match " + regex).str();
  return Error::success();
}

namespace {

/// Walks the YAML nodes of one recipe. The parser of LLVM is lazy: every node
/// is looked at exactly once, in order.
class Reader {
public:
  Reader(StringRef name, StringRef text, const RecipeScope &scope)
      : scope(scope), text(text), stream(text, sources, /*ShowColors=*/false) {
    recipe.name = name.str();
    sources.setDiagHandler(
        [](const SMDiagnostic &diagnostic, void *self) {
          static_cast<Reader *>(self)->fail(diagnostic.getLineNo(),
                                            diagnostic.getMessage());
        },
        this);
  }

  Expected<Recipe> read() {
    // First whether it is YAML at all: what is indented wrongly would be missed
    // where it should be.
    yaml::Stream whole(text, sources, /*ShowColors=*/false);
    whole.skip();
    if (!message.empty())
      return createStringError(message);
    yaml::document_iterator document = stream.begin();
    yaml::Node *root = document == stream.end() ? nullptr : document->getRoot();
    auto *map = dyn_cast_or_null<yaml::MappingNode>(root);
    if (!map)
      fail(root, "expected a map with the key 'quantize'");
    else
      readRoot(*map);
    if (message.empty() && stream.failed())
      fail(0, "expected YAML");
    if (!message.empty())
      return createStringError(message);
    return std::move(recipe);
  }

private:
  /// Keeps the first error.
  void fail(int line, const Twine &text) {
    if (!message.empty())
      return;
    message = "recipe '" + recipe.name + "'";
    if (line > 0)
      message += ", line " + std::to_string(line);
    message += (": " + text).str();
  }
  void fail(const yaml::Node *node, const Twine &text) {
    fail(getLine(node), text);
  }
  int getLine(const yaml::Node *node) {
    SMLoc loc = node ? node->getSourceRange().Start : SMLoc();
    return loc.isValid() ? static_cast<int>(sources.getLineAndColumn(loc).first)
                         : 0;
  }

  /// The text of a plain or quoted value; empty after a report.
  std::string getText(yaml::Node *node, StringRef what) {
    SmallString<32> storage;
    if (auto *scalar = dyn_cast_or_null<yaml::ScalarNode>(node)) {
      std::string text = scalar->getValue(storage).str();
      if (text.empty())
        fail(node, "expected a value for '" + what + "'");
      return text;
    }
    fail(node, "expected one value for '" + what + "'");
    return "";
  }

  /// The key of an entry, which no entry before may have, and its line in `lines`;
  /// empty after a report.
  std::string getKey(yaml::KeyValueNode &entry, StringMap<int> &lines) {
    std::string key = getText(entry.getKey(), "key");
    if (message.empty() &&
        !lines.try_emplace(key, getLine(entry.getKey())).second)
      fail(entry.getKey(), "expected the key '" + key + "' once");
    return message.empty() ? key : "";
  }

  void readRoot(yaml::MappingNode &map) {
    bool found = false;
    StringMap<int> lines;
    for (yaml::KeyValueNode &entry : map) {
      std::string key = getKey(entry, lines);
      if (!message.empty())
        return;
      if (key == "summary") {
        recipe.summary = getText(entry.getValue(), key);
      } else if (key == "kv") {
        recipe.kv = getText(entry.getValue(), key);
        if (message.empty() &&
            !is_contained(kCacheFormats, StringRef(recipe.kv)))
          fail(entry.getValue(), "expected kv of " +
                                     join(ArrayRef(kCacheFormats), ", ") +
                                     " but got '" + recipe.kv + "'");
      } else if (key == "calibration") {
        readCalibration(entry.getValue());
        if (!message.empty())
          return;
      } else if (key == "plugins") {
        if (found)
          return fail(entry.getKey(),
                      "expected the key 'plugins' before 'quantize'");
        readPlugins(entry.getValue());
        if (!message.empty())
          return;
      } else if (key == "quantize") {
        found = true;
        auto *list = dyn_cast_or_null<yaml::SequenceNode>(entry.getValue());
        if (!list)
          return fail(entry.getValue(), "expected a list of rules after "
                                        "'quantize'");
        for (yaml::Node &rule : *list) {
          readRule(rule);
          if (!message.empty())
            return;
        }
      } else {
        return fail(entry.getKey(),
                    "unknown key '" + key + "'" +
                        suggest(key, {"summary", "plugins", "kv", "calibration",
                                      "quantize"}));
      }
    }
    if (!found)
      fail(&map, "expected the key 'quantize'");
  }

  void readPlugins(yaml::Node *node) {
    auto *list = dyn_cast_or_null<yaml::SequenceNode>(node);
    if (!list)
      return fail(node, "expected a list of files after 'plugins'");
    for (yaml::Node &entry : *list) {
      std::string file = getText(&entry, "plugins");
      if (!message.empty())
        return;
      if (!scope.loadPlugin)
        return fail(&entry, "plugins cannot be loaded here");
      if (Error error = scope.loadPlugin(fromRecipe(file)))
        return fail(&entry, toString(std::move(error)));
    }
  }

  /// A path that the recipe names.
  std::string fromRecipe(StringRef file) {
    if (!sys::path::is_relative(file))
      return file.str();
    SmallString<128> path(sys::path::parent_path(recipe.name));
    sys::path::append(path, file);
    return path.str().str();
  }

  void readCalibration(yaml::Node *node) {
    auto *map = dyn_cast_or_null<yaml::MappingNode>(node);
    if (!map)
      return fail(node, "expected {data: FILE, samples: N, length: N} after "
                        "'calibration'");
    CalibrationRule rule;
    StringMap<int> lines;
    for (yaml::KeyValueNode &entry : *map) {
      std::string key = getKey(entry, lines);
      if (!message.empty())
        return;
      std::string value = getText(entry.getValue(), key);
      if (!message.empty())
        return;
      if (key == "data")
        rule.data = fromRecipe(value);
      else if (key == "samples")
        readCount(entry.getValue(), key, value, 1, rule.samples);
      else if (key == "length") {
        readCount(entry.getValue(), key, value, 2, rule.length);
        rule.hasLength = true;
      } else
        fail(entry.getKey(), "unknown key '" + key + "' of 'calibration'" +
                                 suggest(key, {"data", "samples", "length"}));
    }
    if (rule.data.empty())
      fail(node, "expected the key 'data' in 'calibration', a text");
    recipe.calibration = std::move(rule);
  }

  void readCount(yaml::Node *node, StringRef key, StringRef value,
                 int64_t least, int64_t &count) {
    constexpr int64_t kMost = 1 << 20;
    if (value.getAsInteger(10, count) || count < least || count > kMost)
      fail(node, "expected a number from " + Twine(least) + " to " +
                     Twine(kMost) + " after '" + key + "' but got '" + value +
                     "'");
  }

  static std::string suggest(StringRef word, ArrayRef<StringRef> known) {
    StringRef best = findNearest(word, known);
    return best.empty() ? "; expected " + join(known, ", ")
                        : ("; did you mean '" + best + "'?").str();
  }

  void readRule(yaml::Node &node) {
    auto *map = dyn_cast<yaml::MappingNode>(&node);
    if (!map)
      return fail(&node, "expected a rule: {match: ..., method: ...}");
    QuantizeRule rule;
    std::string bits, group = "64";
    bool grouped = false;
    // Also of settings, which may be keys that are misspelt.
    StringMap<int> lines;
    for (yaml::KeyValueNode &entry : *map) {
      std::string key = getKey(entry, lines);
      if (!message.empty())
        return;
      std::string value = getText(entry.getValue(), key);
      if (!message.empty())
        return;
      if (key == "match")
        rule.match = value;
      else if (key == "read")
        readUse(entry.getValue(), value, rule);
      else if (key == "method")
        rule.method = value;
      else if (key == "activations")
        readActivations(entry.getValue(), value, rule);
      else if (key == "format")
        rule.format = value;
      else if (key == "bits")
        bits = value;
      else if (key == "group")
        group = value, grouped = true;
      else
        rule.settings.emplace_back(key, value);
    }
    if (std::string reason;
        !rule.match.empty() && !Regex(rule.match).isValid(reason))
      return fail(&node,
                  "'" + rule.match + "' is no regular expression: " + reason);
    const Method *method = scope.methods.find(rule.method);
    if (rule.method.empty() || method)
      for (const auto &[key, value] : rule.settings)
        if (!isKnown(key, method))
          return fail(lines[key], describeUnknown(key, method));
    if (rule.method.empty() && !rule.format.empty()) {
      auto format = scope.formats.parse(rule.format);
      if (!format)
        return fail(&node, toString(format.takeError()));
      if (format->isDense())
        rule.method = kRoundMethod;
    }
    if (rule.method.empty())
      return fail(&node, "expected the key 'method'");
    if (!rule.format.empty() && (!bits.empty() || grouped))
      return fail(&node, "expected either 'format' or 'bits' and 'group'");
    if (rule.method == kKeepMethod && grouped)
      return fail(&node, "the method 'keep' has no format");
    if (bits == "16")
      return fail(&node, "16 bits have neither codes nor groups; expected "
                         "'format: bf16' or 'format: f16' in place of 'bits'");
    if (!bits.empty())
      rule.format = "u" + bits + "g" + group;
    checkRule(node, rule, lines.contains("activations"));
    recipe.quantize.push_back(std::move(rule));
  }

  /// Keys of any rule.
  static constexpr StringLiteral kRuleKeys[] = {
      "match",       "read",     "method",  "format", "bits",  "group",
      "activations", "hadamard", "permute", "rank",   "sparse"};

  static bool isKnown(StringRef key, const Method *method) {
    return is_contained(kRuleKeys, key) ||
           (method && any_of(method->options, [&](const MethodOption &option) {
              return option.name == key;
            }));
  }

  /// A key that neither rules nor the method have; null: no method is named.
  std::string describeUnknown(StringRef key, const Method *method) const {
    SmallVector<StringRef> known(kRuleKeys, std::end(kRuleKeys)), options;
    if (method)
      for (const MethodOption &option : method->options)
        options.push_back(option.name);
    known.append(options);
    std::string text = "unknown key '" + key.str() + "'";
    if (StringRef best = findNearest(key, known); !best.empty())
      return text + "; did you mean '" + best.str() + "'?";
    text += "; expected " + join(ArrayRef(kRuleKeys), ", ");
    if (!options.empty())
      text += ", or of " + method->name + " " + join(options, ", ");
    return text;
  }

  void readUse(yaml::Node *node, StringRef value, QuantizeRule &rule) {
    if (value == "gather")
      rule.uses = kReadByGather;
    else if (value == "linear")
      rule.uses = kReadByLinear;
    else
      fail(node, "expected 'gather' or 'linear' after 'read' but got '" +
                     value + "'");
  }

  void readActivations(yaml::Node *node, StringRef value, QuantizeRule &rule) {
    static constexpr std::pair<StringLiteral, ActivationRule> kNames[] = {
        {"auto", ActivationRule::Auto},
        {"i8", ActivationRule::I8},
        {"i16", ActivationRule::I16},
        {"bf16", ActivationRule::BF16},
        {"f32", ActivationRule::F32}};
    for (const auto &[name, meaning] : kNames)
      if (value == name) {
        rule.activations = meaning;
        return;
      }
    fail(node,
         "expected auto, i8, i16, bf16 or f32 after 'activations' but got '" +
             value + "'");
  }

  void checkKeep(const yaml::Node &node, const QuantizeRule &rule) {
    if (!rule.format.empty())
      return fail(&node, "the method 'keep' has no format");
    for (const auto &[key, value] : rule.settings) {
      std::string what = "the method 'keep' has no option '" + key + "'";
      if (key == "hadamard")
        what += ": it leaves codes as they come, and those of transformed "
                "columns would be others";
      else if (key == "rank")
        what += ": it leaves codes as they come, without an error that a "
                "product of low rank could take";
      else
        return fail(&node, what);
      return fail(&node, what +
                             "; leave the key out, or name a method and a "
                             "format, such as {method: rtn, format: "
                             "i4g32, " +
                             key + ": " + value + "}");
    }
  }

  /// Methods of plugins may make what they like of numbers; those of llmc make
  /// codes.
  void checkDense(const yaml::Node &node, const QuantizeRule &rule,
                  const Method &method, const FormatDescription &format,
                  bool hasActivations) {
    if (method.plugin.empty() && rule.method != kRoundMethod)
      return fail(&node, "format '" + format.name +
                             "' has no codes for method '" + rule.method +
                             "' to make: its numbers are rounded to the "
                             "nearest; leave the key 'method' out");
    if (hasActivations && rule.activations != ActivationRule::F32 &&
        rule.activations != ActivationRule::Auto)
      return fail(&node, "products with a matrix of format '" + format.name +
                             "' take their inputs as they are, in f32; leave "
                             "the key 'activations' out");
  }

  void checkRule(const yaml::Node &node, QuantizeRule &rule,
                 bool hasActivations) {
    if (rule.method == kKeepMethod)
      return checkKeep(node, rule);
    const Method *method = scope.methods.find(rule.method);
    if (!method)
      return fail(&node,
                  scope.methods.describeUnknown(rule.method, {kKeepMethod}));
    if (rule.format.empty())
      return fail(&node, "expected the key 'format', or 'bits' and 'group'");
    if (!takeEndOfName(node, *method, rule))
      return;
    auto format = scope.formats.parse(rule.format);
    if (!format)
      return fail(&node, toString(format.takeError()));
    if (format->terms.size() > 1 && !(method->uses & LLMC_TAKES_SUMS))
      return fail(&node, "format '" + format->name + "' is a sum of " +
                             std::to_string(format->terms.size()) +
                             " products, which method '" + rule.method +
                             "' does not make; expected a format of one, or "
                             "another method, such as mse");
    if (format->isDense()) {
      checkDense(node, rule, *method, *format, hasActivations);
      if (!message.empty())
        return;
    }
    rule.format = getCanonicalName(*format);
    rule.description = std::move(*format);
    SmallVector<std::pair<StringRef, StringRef>> settings;
    for (const auto &[key, value] : rule.settings)
      settings.emplace_back(key, value);
    auto options = Options::parse(rule.method, method->options, settings);
    if (!options)
      fail(&node, toString(options.takeError()));
  }

  /// Takes a key that is a part of the format out of the settings, but where the
  /// method has an option of that name.
  static std::optional<std::string>
  takeKey(QuantizeRule &rule, const Method &method, StringRef key) {
    auto found = find_if(rule.settings,
                         [&](const auto &each) { return each.first == key; });
    if (found == rule.settings.end() ||
        any_of(method.options,
               [&](const MethodOption &option) { return option.name == key; }))
      return std::nullopt;
    std::string value = std::move(found->second);
    rule.settings.erase(found);
    return value;
  }

  /// Keys that are the end of the format's name. False after a report.
  bool takeEndOfName(const yaml::Node &node, const Method &method,
                     QuantizeRule &rule) {
    if (auto hadamard = takeKey(rule, method, "hadamard"))
      rule.format += ".h" + *hadamard;
    if (auto permute = takeKey(rule, method, "permute")) {
      if (*permute != "true" && *permute != "false") {
        fail(&node, "expected true or false after 'permute' but got '" +
                        *permute + "'");
        return false;
      }
      if (*permute == "true")
        rule.format += ".p";
    }
    for (auto [key, mark] : {std::pair(StringRef("rank"), StringRef(".lr")),
                             {StringRef("sparse"), StringRef(".sp")}}) {
      auto number = takeKey(rule, method, key);
      if (!number)
        continue;
      if (!all_of(*number, isDigit)) {
        fail(&node,
             "expected a number after '" + key + "' but got '" + *number + "'");
        return false;
      }
      rule.format += (mark + *number).str();
    }
    return true;
  }

  const RecipeScope &scope;
  StringRef text;
  SourceMgr sources;
  yaml::Stream stream;
  Recipe recipe;
  std::string message;
};

} // namespace

Expected<Recipe> llmc::parseRecipe(StringRef name, StringRef text,
                                   const RecipeScope &scope) {
  return Reader(name, text, scope).read();
}

Expected<Recipe> llmc::loadRecipe(StringRef name, const RecipeScope &scope) {
  for (const BuiltinRecipe &builtin : getBuiltinRecipes())
    if (builtin.name == name)
      return parseRecipe(name, builtin.yaml, scope);
  if (!name.ends_with(".yaml") && !name.ends_with(".yml")) {
    SmallVector<StringRef> names;
    for (const BuiltinRecipe &builtin : getBuiltinRecipes())
      names.push_back(builtin.name);
    return createStringError("unknown recipe '" + name + "'; expected one of " +
                             join(names, ", ") +
                             ", or the path of a .yaml file");
  }
  auto file = MemoryBuffer::getFile(name, /*IsText=*/true);
  if (!file)
    return createStringError("cannot read recipe '" + name +
                             "': " + file.getError().message());
  if ((*file)->getBufferSize() > kMaxFileBytes)
    return createStringError("recipe '" + name + "': expected at most " +
                             Twine(kMaxFileBytes) + " bytes but got " +
                             Twine((*file)->getBufferSize()));
  return parseRecipe(name, (*file)->getBuffer(), scope);
}
