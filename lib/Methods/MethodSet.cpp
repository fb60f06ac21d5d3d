//===- MethodSet.cpp - Methods by name ------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a table says is checked before a name of it is known to anyone.
//
//===----------------------------------------------------------------------===//
#include "RowQuantizer.h"
#include "llmc/Formats/TableReader.h"
#include "llmc/Methods/Method.h"
#include "llmc/Support/Nearest.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace llvm;
using namespace llmc;

static constexpr size_t kMostOptions = 64, kMostMethods = 256;

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

static Error readOptions(const Twine &what, const llmc_method &from,
                         Method &method) {
  if (Error error = checkArray(what, "option", from.options, from.option_count,
                               kMostOptions))
    return error;
  for (size_t i = 0; i < from.option_count; ++i) {
    std::string which = (what + ".options[" + Twine(i) + "]").str();
    auto each = readElement(which, from.options, i, sizeof(llmc_option));
    if (!each)
      return each.takeError();
    auto option = readOption(which, **each);
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
  auto name = readName(what + ".name", from.name, vendor);
  if (!name)
    return name.takeError();
  method.name = std::move(*name);
  auto summary = readText(what + ".summary", from.summary);
  if (!summary)
    return summary.takeError();
  method.summary = std::move(*summary);
  if (Error error = readOptions(what, from, method))
    return std::move(error);
  // Bits that are not known here are of statistics that are not there.
  method.uses =
      from.uses & (LLMC_USES_MEAN_ABSOLUTE | LLMC_USES_MEAN_SQUARE |
                   LLMC_USES_GRAM | LLMC_TAKES_VECTORS | LLMC_TAKES_SUMS);
  if (!from.run)
    return createStringError(what + ".run: expected a function but got a null "
                                    "pointer");
  method.run = from.run;
  return method;
}

Error MethodSet::add(const llmc_plugin &plugin, StringRef file) {
  auto vendor = readVendor(plugin, file);
  if (!vendor)
    return vendor.takeError();
  if (Error error = checkArray("llmc_plugin", "method", plugin.methods,
                               plugin.method_count, kMostMethods))
    return error;
  std::vector<Method> read;
  for (size_t i = 0; i < plugin.method_count; ++i) {
    std::string what = "llmc_plugin.methods[" + std::to_string(i) + "]";
    auto each = readElement(what, plugin.methods, i, sizeof(llmc_method));
    if (!each)
      return each.takeError();
    auto method = readMethod(what, **each, *vendor);
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
