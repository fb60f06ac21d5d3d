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

std::string MethodOption::getRange() const {
  switch (type) {
  case LLMC_OPTION_FLAG:
    return "true or false";
  case LLMC_OPTION_CHOICE:
    return "one of " + join(choices, ", ");
  case LLMC_OPTION_INTEGER:
    return formatv("an integer from {0} to {1}", static_cast<int64_t>(lowest),
                   static_cast<int64_t>(highest));
  case LLMC_OPTION_REAL:
    return formatv("a number from {0} to {1}", lowest, highest);
  }
  llvm_unreachable("no such type");
}

Error Options::set(StringRef owner, const MethodOption &option, size_t index,
                   StringRef text) {
  int64_t &integer = integers[index];
  double &real = reals[index];
  bool right = false;
  switch (option.type) {
  case LLMC_OPTION_FLAG:
    integer = text == "true";
    right = integer || text == "false";
    break;
  case LLMC_OPTION_CHOICE: {
    auto found = find(option.choices, text);
    integer = found - option.choices.begin();
    right = found != option.choices.end();
    break;
  }
  case LLMC_OPTION_INTEGER:
    right = !text.getAsInteger(10, integer);
    real = static_cast<double>(integer);
    right = right && real >= option.lowest && real <= option.highest;
    break;
  case LLMC_OPTION_REAL:
    right = !text.getAsDouble(real) && real >= option.lowest &&
            real <= option.highest;
    break;
  }
  if (right)
    return Error::success();
  return createStringError("option '" + option.name + "' of " + owner +
                           ": expected " + option.getRange() + " but got '" +
                           text + "' (" + option.help + ")");
}

Expected<Options>
Options::parse(StringRef owner, ArrayRef<MethodOption> table,
               ArrayRef<std::pair<StringRef, StringRef>> settings) {
  Options options;
  options.integers.resize(table.size());
  options.reals.resize(table.size());
  for (auto [index, option] : enumerate(table))
    if (Error error = options.set(owner, option, index, option.fallback))
      return std::move(error);
  for (auto [name, text] : settings) {
    const auto *found =
        find_if(table, [name = name](const MethodOption &option) {
          return option.name == name;
        });
    if (found == table.end()) {
      std::string known = join(map_range(table,
                                         [](const MethodOption &option) {
                                           return StringRef(option.name);
                                         }),
                               ", ");
      return createStringError("option '" + name + "' of " + owner +
                               ": expected " +
                               (known.empty() ? "none" : "one of " + known));
    }
    if (Error error = options.set(owner, *found, found - table.begin(), text))
      return std::move(error);
  }
  return options;
}
