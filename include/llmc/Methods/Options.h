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

#include "llmc/Plugin/plugin.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace llmc {

/// One line of the table, copied from an llmc_option that was checked.
struct MethodOption {
  std::string name, help, fallback;
  llmc_option_type type = LLMC_OPTION_INTEGER;
  /// INTEGER and REAL: the range, bounds included.
  double lowest = 0, highest = 0;
  /// CHOICE: the words.
  std::vector<std::string> choices;

  /// What the value has to be: "an integer from 2 to 1000".
  std::string getRange() const;
};

/// A value for every line of a table, as llmc_job has them.
class Options {
public:
  /// Values that were checked before.
  Options(llvm::ArrayRef<int64_t> integers, llvm::ArrayRef<double> reals)
      : integers(integers.vec()), reals(reals.vec()) {}

  /// Checks settings (name, value) against the table and takes defaults for the
  /// rest. `owner` is named in errors, which show the help of the option.
  static llvm::Expected<Options>
  parse(llvm::StringRef owner, llvm::ArrayRef<MethodOption> table,
        llvm::ArrayRef<std::pair<llvm::StringRef, llvm::StringRef>> settings);

  /// [lines of the table].
  llvm::ArrayRef<int64_t> getIntegers() const { return integers; }
  llvm::ArrayRef<double> getReals() const { return reals; }

private:
  Options() = default;
  llvm::Error set(llvm::StringRef owner, const MethodOption &option,
                  size_t index, llvm::StringRef text);

  std::vector<int64_t> integers;
  std::vector<double> reals;
};

} // namespace llmc

#endif // LLMC_METHODS_OPTIONS_H
