//===- Options.cpp - Options of methods -----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Methods/Options.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace llvm;
using namespace llmc;

static Error parseValue(const OptionSpec &spec, StringRef owner, StringRef text,
                        double &number) {
  auto wrong = [&](const Twine &expected) {
    return createStringError("option '" + spec.name + "' of " + owner +
                             ": expected " + expected + " but got '" + text +
                             "'");
  };
  switch (spec.type) {
  case OptionType::Flag:
    if (text != "true" && text != "false")
      return wrong("true or false");
    number = text == "true";
    return Error::success();
  case OptionType::Choice: {
    SmallVector<StringRef> names;
    spec.choices.split(names, '|');
    if (!is_contained(names, text))
      return wrong("one of " + join(names, ", "));
    return Error::success();
  }
  case OptionType::Integer: {
    int64_t integer;
    std::string range =
        formatv("an integer from {0} to {1}", static_cast<int64_t>(spec.lowest),
                static_cast<int64_t>(spec.highest));
    if (text.getAsInteger(10, integer))
      return wrong(range);
    number = static_cast<double>(integer);
    return number < spec.lowest || number > spec.highest ? wrong(range)
                                                         : Error::success();
  }
  case OptionType::Real: {
    std::string range =
        formatv("a number from {0} to {1}", spec.lowest, spec.highest);
    if (text.getAsDouble(number) || std::isnan(number) ||
        number < spec.lowest || number > spec.highest)
      return wrong(range);
    return Error::success();
  }
  }
  llvm_unreachable("no such type");
}

Expected<Options>
Options::parse(StringRef owner, ArrayRef<OptionSpec> table,
               ArrayRef<std::pair<StringRef, StringRef>> settings) {
  Options options;
  for (const OptionSpec &spec : table) {
    Value &value =
        options.values.emplace_back(Value{&spec, 0, spec.defaultValue.str()});
    if (Error error = parseValue(spec, owner, value.text, value.number))
      return std::move(error);
  }
  for (auto [name, text] : settings) {
    auto *found = find_if(options.values, [name = name](const Value &value) {
      return value.spec->name == name;
    });
    if (found == options.values.end()) {
      std::string known = join(
          map_range(table, [](const OptionSpec &spec) { return spec.name; }),
          ", ");
      return createStringError("option '" + name + "' of " + owner +
                               ": expected " +
                               (known.empty() ? "none" : "one of " + known));
    }
    found->text = text.str();
    if (Error error = parseValue(*found->spec, owner, text, found->number))
      return std::move(error);
  }
  return options;
}

const Options::Value &Options::get(StringRef name, OptionType type) const {
  for (const Value &value : values)
    if (value.spec->name == name && value.spec->type == type)
      return value;
  llvm_unreachable("expected an option of the method's table");
}

int64_t Options::getInteger(StringRef name) const {
  return static_cast<int64_t>(get(name, OptionType::Integer).number);
}

double Options::getReal(StringRef name) const {
  return get(name, OptionType::Real).number;
}

bool Options::getFlag(StringRef name) const {
  return get(name, OptionType::Flag).number != 0;
}

StringRef Options::getChoice(StringRef name) const {
  return get(name, OptionType::Choice).text;
}
