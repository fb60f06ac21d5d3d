//===- PassLine.h - What became of the weights after a pass ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_REPORT_PASSLINE_H
#define LLMC_REPORT_PASSLINE_H

#include "llvm/Support/JSON.h"
#include <array>
#include <string>
#include <vector>

namespace llmc {

/// What the code does with a tensor.
enum class TensorRole : uint8_t {
  /// The matrix of a linear layer.
  Linear,
  /// A matrix of which rows are read by index, also where it is the matrix of a
  /// linear layer, too.
  Table,
  /// Norms, biases, scales of columns and everything else.
  Other
};

llvm::StringRef getName(TensorRole role);

/// Bytes or weights in millions.
inline double toMega(int64_t value) { return static_cast<double>(value) / 1e6; }

/// What all weights of a module come to, by role.
struct WeightTotals {
  struct Sum {
    int64_t tensors = 0, weights = 0, bytes = 0;

    void add(const Sum &other);
    double getBits() const {
      return weights ? 8.0 * static_cast<double>(bytes) /
                           static_cast<double>(weights)
                     : 0;
    }
  };
  std::array<Sum, 3> roles;

  Sum &operator[](TensorRole role) { return roles[static_cast<size_t>(role)]; }
  const Sum &operator[](TensorRole role) const {
    return roles[static_cast<size_t>(role)];
  }
  Sum getAll() const;
};

/// A pass, or a step of the compiler that is no pass, and the weights that the
/// module declares before and after it. One that has a method counts as what its
/// format takes, though its numbers are rounded when the file is written.
struct PassLine {
  /// The step that ran the pass: one of the compiler, or the slot of a plugin.
  std::string step;
  /// Its name in a textual pipeline; empty where the step itself is meant.
  std::string pass;
  /// The file of the plugin that had it run; empty: it is the compiler's own.
  std::string plugin;
  /// The op whose pipeline it stood in, where that is not the module.
  std::string anchor = {};
  /// On all ops together.
  double seconds = 0;
  /// Of work that it asked for, which was done while weights were written.
  double laterSeconds = 0;
  WeightTotals before = {}, after = {};
  /// Names of the weights that it gave their method.
  std::vector<std::string> asked = {};
  /// Where numbers were rounded as it asked: the relative error of these
  /// matrices, by role; below 0 where there are none.
  double linearError = -1, tableError = -1;

  llvm::StringRef getName() const { return pass.empty() ? step : pass; }
  double getSeconds() const { return seconds + laterSeconds; }
  bool changesBytes() const {
    return before.getAll().bytes != after.getAll().bytes;
  }
};

/// Those that changed bytes, asked for rounding, or took more than 5 % of the
/// time of all.
std::vector<PassLine> selectPasses(llvm::ArrayRef<PassLine> passes);
/// The passes as a table; nothing for none.
std::string printPassTable(llvm::ArrayRef<PassLine> passes);
/// A line for each pass, for those of plugins, as they run.
std::string printPasses(llvm::ArrayRef<PassLine> passes);
/// With all that is known.
llvm::json::Value toJson(const PassLine &line);

} // namespace llmc

#endif // LLMC_REPORT_PASSLINE_H
