//===- AlternatingSums.h - Scales of sums of several products --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_METHODS_ALTERNATINGSUMS_H
#define LLMC_LIB_METHODS_ALTERNATINGSUMS_H

#include "RowQuantizer.h"

namespace llmc {

/// For formats of several terms. With one candidate nothing is clipped, and scales
/// have the ratio that is the best for normal numbers; with more, the squared error
/// is made small, weighted where inputs are known.
class AlternatingSums : public GroupSolver {
public:
  AlternatingSums(const llmc_format &format, int64_t candidates,
                  int64_t refinements);
  void propose(Row &row) const override;
  void settle(Row &row, llvm::ArrayRef<float> wanted) const override;

  struct Group {
    llvm::ArrayRef<float> values;
    /// Empty: all count the same.
    llvm::ArrayRef<float> importance;

    double getWeight(size_t k) const {
      return importance.empty() ? 1 : importance[k];
    }
  };

private:
  /// Scales by term, the minimum, codes, and the weighted squared error that they
  /// leave.
  struct Fit {
    llvm::SmallVector<double, 3> scales;
    double minimum = 0, error = 0;
    llvm::SmallVector<uint8_t, 64> codes;
  };

  /// The best scales, and minimum, for the codes of `fit`.
  void improve(const Group &group, Fit &fit) const;
  void addBest(const Group &group, Fit &fit, bool withMinimum) const;
  /// The nearest codes.
  void encode(const Group &group, Fit &fit) const;
  /// Both; false, and nothing has changed, where that is no better.
  bool alternate(const Group &group, Fit &fit) const;

  /// Scales of a ratio, and what codes stand for with them.
  struct Shape {
    llvm::SmallVector<double, 3> scales;
    SumOrder order;
  };

  /// The best for a sample.
  Shape findShape(llvm::ArrayRef<float> sample) const;
  /// Scales of a shape, whose numbers reach over a part of a group.
  Fit begin(double low, double high, const Shape &shape, int sign,
            double part) const;
  Fit solveGroup(const Group &group, double low, double high) const;

  SumSearch search;
  int64_t candidates, refinements;
  bool hasMinimum, negativeMinimum;
  /// By term: whether a scale can be below 0, and the largest of all levels.
  llvm::SmallVector<bool, 3> isSigned;
  llvm::SmallVector<double, 3> largest;
  /// For normal numbers, and for even ones.
  llvm::SmallVector<Shape, 2> shapes;
};

} // namespace llmc

#endif // LLMC_LIB_METHODS_ALTERNATINGSUMS_H
