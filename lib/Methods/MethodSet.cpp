//===- MethodSet.cpp - Methods by name ------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a table says is checked before a name of it is known to anyone. Memory
// that a plugin points to cannot be checked, but lengths and sizes are bounded,
// so that a table of another layout is refused by what it says of itself.
//
//===----------------------------------------------------------------------===//
#include "RowQuantizer.h"
#include "llmc/Methods/Method.h"
#include "llmc/Support/Nearest.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <cstring>

using namespace llvm;
using namespace llmc;

/// No struct of the interface will ever be larger.
static constexpr size_t kLargestStruct = 4096;
static constexpr size_t kMostOptions = 64, kMostMethods = 256;
static constexpr size_t kLongestWord = 32, kLongestText = 400,
                        kLongestVersion = 64;

/// Checks the size that a struct says of itself; what version 1 has of it must
/// be there.
static Error checkSize(const Twine &what, size_t got, size_t wanted) {
  if (got >= wanted && got <= kLargestStruct && got % alignof(void *) == 0)
    return Error::success();
  return createStringError(what + ": expected a size of at least " +
                           Twine(wanted) + " bytes but got " + Twine(got));
}

static bool isWord(StringRef text) {
  return !text.empty() && text.size() <= kLongestWord && isLower(text[0]) &&
         all_of(text,
                [](char c) { return isLower(c) || isDigit(c) || c == '_'; });
}

/// Reads a text of at most `longest` bytes, without a look behind them.
static Expected<std::string> readText(const Twine &what, const char *text,
                                      size_t longest = kLongestText) {
  if (!text)
    return createStringError(what + ": expected a text but got a null pointer");
  StringRef read(text, strnlen(text, longest + 1));
  if (read.empty() || read.size() > longest)
    return createStringError(what + ": expected a text of 1 to " +
                             Twine(longest) + " bytes but got " +
                             (read.empty() ? "none" : "more"));
  const auto *bytes = reinterpret_cast<const UTF8 *>(read.begin());
  bool legal =
      isLegalUTF8String(&bytes, reinterpret_cast<const UTF8 *>(read.end()));
  for (size_t i = 0; i < read.size() && legal; ++i) {
    auto c = static_cast<unsigned char>(read[i]);
    auto next =
        static_cast<unsigned char>(i + 1 < read.size() ? read[i + 1] : 0xff);
    legal = c >= 0x20 && c != 0x7f && (c != 0xc2 || next >= 0xa0);
  }
  if (!legal)
    return createStringError(what +
                             ": expected UTF-8 without control "
                             "characters but got '" +
                             toHex(read.take_front(kLongestWord)) + "' (hex)");
  return read.str();
}

static Expected<std::string> readWord(const Twine &what, const char *text) {
  auto word = readText(what, text);
  if (!word || isWord(*word))
    return word;
  return createStringError(what + ": expected 1 to " + Twine(kLongestWord) +
                           " of a-z, 0-9 and _, a letter first, but got '" +
                           *word + "'");
}

/// Words that rules of recipes use themselves.
static bool isReserved(StringRef name) {
  return is_contained(
      {"match", "read", "method", "format", "bits", "group", "activations"},
      name);
}

static Error readNumbers(const Twine &what, const llmc_option &from,
                         MethodOption &option) {
  option.lowest = from.lowest;
  option.highest = from.highest;
  bool right = std::isfinite(from.lowest) && std::isfinite(from.highest) &&
               from.lowest <= from.highest;
  if (right && option.type == LLMC_OPTION_INTEGER)
    right = std::trunc(from.lowest) == from.lowest &&
            std::trunc(from.highest) == from.highest &&
            from.lowest >= -0x1p53 && from.highest <= 0x1p53;
  if (right)
    return Error::success();
  return createStringError(
      what + ": expected a range of " +
      (option.type == LLMC_OPTION_INTEGER ? "whole numbers within 2^53"
                                          : "finite numbers") +
      " but got " + formatv("{0} to {1}", from.lowest, from.highest).str());
}

static Error readChoices(const Twine &what, const char *text,
                         MethodOption &option) {
  auto choices = readText(what + ".choices", text);
  if (!choices)
    return choices.takeError();
  SmallVector<StringRef> words;
  StringRef(*choices).split(words, '|');
  StringSet<> seen;
  for (StringRef word : words) {
    if (!isWord(word) || !seen.insert(word).second)
      return createStringError(what +
                               ".choices: expected words that differ, "
                               "separated by '|', but got '" +
                               *choices + "'");
    option.choices.push_back(word.str());
  }
  return Error::success();
}

static Expected<MethodOption> readOption(const Twine &what,
                                         const llmc_option &from) {
  MethodOption option;
  auto name = readWord(what + ".name", from.name);
  if (!name)
    return name.takeError();
  if (isReserved(*name))
    return createStringError(what + ".name: '" + *name +
                             "' is a word of the rules of recipes");
  option.name = std::move(*name);
  std::string owner = (what + " '" + option.name + "'").str();
  auto help = readText(owner + ".help", from.help);
  if (!help)
    return help.takeError();
  option.help = std::move(*help);
  auto fallback = readText(owner + ".fallback", from.fallback);
  if (!fallback)
    return fallback.takeError();
  option.fallback = std::move(*fallback);
  if (from.type < LLMC_OPTION_INTEGER || from.type > LLMC_OPTION_FLAG)
    return createStringError(owner + ".type: expected 1 to 4 but got " +
                             Twine(from.type));
  if (from.reserved)
    return createStringError(owner + ".reserved: expected 0 but got " +
                             Twine(from.reserved));
  option.type = static_cast<llmc_option_type>(from.type);
  Error error = Error::success();
  if (option.type == LLMC_OPTION_CHOICE)
    error =
        joinErrors(std::move(error), readChoices(owner, from.choices, option));
  else if (option.type != LLMC_OPTION_FLAG)
    error = joinErrors(std::move(error), readNumbers(owner, from, option));
  if (error)
    return std::move(error);
  // The default must be what a person could write.
  auto parsed = Options::parse("the table", option, {});
  if (!parsed)
    return createStringError(owner +
                             ".fallback: " + toString(parsed.takeError()));
  return option;
}

/// The element of an array whose elements are of the size that they say.
template <typename T> static const T &getElement(const T *array, size_t index) {
  return *reinterpret_cast<const T *>(reinterpret_cast<const char *>(array) +
                                      index * array->size);
}

static Error readOptions(const Twine &what, const llmc_method &from,
                         Method &method) {
  if (from.option_count > kMostOptions)
    return createStringError(what + ".option_count: expected at most " +
                             Twine(kMostOptions) + " but got " +
                             Twine(from.option_count));
  if (from.option_count && !from.options)
    return createStringError(what + ".options: expected " +
                             Twine(from.option_count) +
                             " options but got a null pointer");
  for (size_t i = 0; i < from.option_count; ++i) {
    std::string which = (what + ".options[" + Twine(i) + "]").str();
    if (Error error = checkSize(which, from.options->size, sizeof(llmc_option)))
      return error;
    const llmc_option &each = getElement(from.options, i);
    if (each.size != from.options->size)
      return createStringError(which + ": expected the size of the first, " +
                               Twine(from.options->size) + ", but got " +
                               Twine(each.size));
    auto option = readOption(which, each);
    if (!option)
      return option.takeError();
    if (any_of(method.options, [&](const MethodOption &other) {
          return other.name == option->name;
        }))
      return createStringError(which + ": there is another option '" +
                               option->name + "'");
    method.options.push_back(std::move(*option));
  }
  return Error::success();
}

static Expected<Method> readMethod(const Twine &what, const llmc_method &from,
                                   StringRef vendor) {
  Method method;
  auto name = readText(what + ".name", from.name);
  if (!name)
    return name.takeError();
  StringRef own = *name;
  if (!vendor.empty() &&
      (!own.consume_front(vendor) || !own.consume_front(".")))
    return createStringError(what + ".name: expected '" + vendor +
                             ".' before the name but got '" + *name + "'");
  if (!isWord(own))
    return createStringError(
        what + ".name: expected 1 to " + Twine(kLongestWord) +
        " of a-z, 0-9 and _, a letter first, but got '" + own + "'");
  method.name = std::move(*name);
  auto summary = readText(what + ".summary", from.summary);
  if (!summary)
    return summary.takeError();
  method.summary = std::move(*summary);
  if (Error error = readOptions(what, from, method))
    return std::move(error);
  // Bits that are not known here are of statistics that are not there.
  method.uses = from.uses & (LLMC_USES_MEAN_ABSOLUTE | LLMC_USES_MEAN_SQUARE |
                             LLMC_USES_GRAM);
  if (!from.run)
    return createStringError(what + ".run: expected a function but got a null "
                                    "pointer");
  method.run = from.run;
  return method;
}

Error MethodSet::add(const llmc_plugin &plugin, StringRef file) {
  if (Error error = checkSize("llmc_plugin", plugin.size, sizeof(llmc_plugin)))
    return error;
  if (plugin.abi < 1)
    return createStringError("llmc_plugin.abi: expected at least 1 but got 0");
  if (plugin.needs < 1 || plugin.needs > LLMC_PLUGIN_ABI)
    return createStringError(
        "llmc_plugin.needs: this llmc has plugin interface " +
        Twine(LLMC_PLUGIN_ABI) + ", but the plugin needs " +
        Twine(plugin.needs) + "; a newer llmc runs it");
  std::string vendor;
  if (!file.empty()) {
    auto word = readWord("llmc_plugin.vendor", plugin.vendor);
    if (!word)
      return word.takeError();
    vendor = std::move(*word);
    if (vendor == "llmc")
      return createStringError("llmc_plugin.vendor: 'llmc' is not for plugins");
  }
  auto version =
      readText("llmc_plugin.version", plugin.version, kLongestVersion);
  if (!version)
    return version.takeError();
  if (plugin.method_count < 1 || plugin.method_count > kMostMethods)
    return createStringError("llmc_plugin.method_count: expected 1 to " +
                             Twine(kMostMethods) + " but got " +
                             Twine(plugin.method_count));
  if (!plugin.methods)
    return createStringError(
        "llmc_plugin.methods: expected methods but got a null pointer");
  std::vector<Method> read;
  for (size_t i = 0; i < plugin.method_count; ++i) {
    std::string what = "llmc_plugin.methods[" + std::to_string(i) + "]";
    if (Error error =
            checkSize(what, plugin.methods->size, sizeof(llmc_method)))
      return error;
    const llmc_method &each = getElement(plugin.methods, i);
    if (each.size != plugin.methods->size)
      return createStringError(what + ": expected the size of the first, " +
                               Twine(plugin.methods->size) + ", but got " +
                               Twine(each.size));
    auto method = readMethod(what, each, vendor);
    if (!method)
      return method.takeError();
    const Method *other = find(method->name);
    for (const Method &sibling : read)
      if (sibling.name == method->name)
        other = &sibling;
    if (other)
      return createStringError(
          what + ".name: there is another method '" + method->name + "'" +
          (other->plugin.empty() ? "" : ", of '" + other->plugin + "'"));
    method->plugin = file.str();
    read.push_back(std::move(*method));
  }
  for (Method &method : read)
    methods.push_back(std::move(method));
  return Error::success();
}

MethodSet MethodSet::makeBuiltin() {
  MethodSet methods;
  cantFail(methods.add(getBuiltinMethods(), ""));
  return methods;
}

const Method *MethodSet::find(StringRef name) const {
  auto found = find_if(
      methods, [&](const Method &method) { return method.name == name; });
  return found == methods.end() ? nullptr : &*found;
}

std::string MethodSet::describeUnknown(StringRef name,
                                       ArrayRef<StringRef> others) const {
  SmallVector<StringRef> names(others);
  for (const Method &method : methods)
    names.push_back(method.name);
  StringRef best = findNearest(name, names);
  std::string text = "unknown method '" + name.str() + "'";
  if (!best.empty())
    return text + "; did you mean '" + best.str() + "'?";
  text += "; expected " + join(names, ", ");
  if (name.contains('.'))
    text += "; --plugin FILE loads those of a plugin";
  return text;
}
