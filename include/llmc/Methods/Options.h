//===- Options.h - Options of methods --------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each method has a table of its options: names, types, defaults, ranges, help.
// Whatever names or sets options (recipes, the command line, plugins, the
// documentation) reads that table.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_METHODS_OPTIONS_H
#define LLMC_METHODS_OPTIONS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace llmc {

enum class OptionType : uint8_t { Integer, Real, Choice, Flag };

/// One line of the table.
struct OptionSpec {
  llvm::StringLiteral name;
  OptionType type;
  llvm::StringLiteral defaultValue;
  /// Integer and Real: the range, bounds included.
  double lowest, highest;
  /// Choice: the names, separated by '|'.
  llvm::StringLiteral choices;
  llvm::StringLiteral help;
};

/// A value for every line of a table.
class Options {
public:
  /// Checks settings (name, value) against the table and takes defaults for the
  /// rest. `owner` is named in errors.
  static llvm::Expected<Options>
  parse(llvm::StringRef owner, llvm::ArrayRef<OptionSpec> table,
        llvm::ArrayRef<std::pair<llvm::StringRef, llvm::StringRef>> settings);

  /// The option must be in the table and of the type.
  int64_t getInteger(llvm::StringRef name) const;
  double getReal(llvm::StringRef name) const;
  bool getFlag(llvm::StringRef name) const;
  llvm::StringRef getChoice(llvm::StringRef name) const;

private:
  struct Value {
    const OptionSpec *spec;
    double number;
    std::string text;
  };
  const Value &get(llvm::StringRef name, OptionType type) const;

  llvm::SmallVector<Value, 8> values;
};

} // namespace llmc

#endif // LLMC_METHODS_OPTIONS_H
