//===- RowQuantizer.h - Rows into codes, whatever the method ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the methods of llmc share: they differ in the scale and the minimum they
// want for a group. A GroupSolver says what; the rest (reading, guards, storing
// scales, codes, threads) are services of llmc_host, and the order of them is
// here, once. These files know llmc by its plugin interface alone, and a search
// that needs nothing else of it, so that they are a plugin if they are compiled as
// one.
//
// The order matters. Scales are stored first; with what they decode to, the
// solver settles the minimums; those are stored; codes come last and are the
// nearest to what was stored. So no rounding is left uncorrected but that of the
// minimums.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_METHODS_ROWQUANTIZER_H
#define LLMC_LIB_METHODS_ROWQUANTIZER_H

#include "llmc/Formats/SumSearch.h"
#include "llmc/Formats/VectorSearch.h"
#include "llmc/Plugin/plugin.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <optional>
#include <vector>

namespace llmc {

/// Whether a format is a sum of several products.
inline bool isSum(const llmc_format &format) {
  return LLMC_PLUGIN_HAS(&format, term_scales) && format.term_count > 1;
}

/// The levels of a format, as solvers need them; of several terms, of the first.
class LevelGrid {
public:
  explicit LevelGrid(const llmc_format &format);

  float getLowest() const { return lowest; }
  float getHighest() const { return highest; }
  /// A level is its code plus a number.
  bool isAffine() const { return affine; }
  /// A code stands for several weights; null if it does not.
  const VectorSearch *getVectors() const {
    return vectors ? &*vectors : nullptr;
  }
  /// Bits of a code for each of its weights.
  unsigned getBits() const { return bits; }
  /// Of single levels that are not affine: the points half-way between neighboring levels, and
  /// how much higher the upper one is.
  llvm::ArrayRef<float> getBorders() const { return borders; }
  llvm::ArrayRef<float> getSteps() const { return steps; }

private:
  bool affine;
  float lowest, highest;
  unsigned bits;
  std::optional<VectorSearch> vectors;
  std::vector<float> borders, steps;
};

/// One row, on one thread.
struct Row {
  const llmc_format &format;
  const LevelGrid &grid;
  /// Columns of a group; the last of the row may be narrower.
  int64_t width;
  /// The numbers to compress: column scales are divided out.
  llvm::ArrayRef<float> values;
  /// How much the square of an error counts in each column; empty is the same
  /// for all.
  llvm::ArrayRef<float> importance;
  /// [groups] each, scales of several terms [terms][groups]. Minimums are zeros
  /// where the format has none.
  llvm::MutableArrayRef<float> scales, minimums;

  int64_t getGroups() const { return static_cast<int64_t>(minimums.size()); }
  llvm::ArrayRef<float> getGroup(int64_t group) const {
    return values.slice(group * width).take_front(width);
  }
  llvm::ArrayRef<float> getImportance(int64_t group) const {
    return importance.empty()
               ? importance
               : importance.slice(group * width).take_front(width);
  }
  bool hasMinimum() const { return format.minimum != nullptr; }
  /// The minimum cannot be above 0.
  bool isMinimumNegative() const {
    return format.minimum && format.minimum->negated;
  }
};

/// Decides about groups. Used by many threads at once.
class GroupSolver {
public:
  virtual ~GroupSolver() = default;
  /// Writes the scales and the minimums that the groups should have.
  virtual void propose(Row &row) const = 0;
  /// `row.scales` are now what is stored, `wanted` what was proposed: corrects
  /// the minimums. Called only where the format has minimums.
  virtual void settle(Row &row, llvm::ArrayRef<float> wanted) const = 0;
};

/// Where the zero of an asymmetric format may lie.
enum class ZeroPoint { Integer, Free };

/// Smallest to largest number of a group. With an integer zero, the number 0 has
/// a code of its own where it lies inside.
class RoundToNearest : public GroupSolver {
public:
  explicit RoundToNearest(ZeroPoint zero) : zero(zero) {}
  void propose(Row &row) const override;
  void settle(Row &row, llvm::ArrayRef<float> wanted) const override;

private:
  ZeroPoint zero;
};

/// Scales of RoundToNearest, minimums by half-quadratic steps that make the
/// l_p norm of the error small, p < 1. For affine formats with a minimum.
class HalfQuadratic : public GroupSolver {
public:
  HalfQuadratic(int64_t steps, double norm, double beta)
      : start(ZeroPoint::Integer), steps(steps), norm(norm), beta(beta) {}
  void propose(Row &row) const override { start.propose(row); }
  void settle(Row &row, llvm::ArrayRef<float> wanted) const override;

private:
  RoundToNearest start;
  int64_t steps;
  double norm, beta;
};

class TableSearch;

/// Searches the scale and the minimum of the smallest squared error.
class LeastSquares : public GroupSolver {
public:
  /// `candidates` scales are tried; the best is improved `refinements` times.
  LeastSquares(int64_t candidates, int64_t refinements)
      : candidates(candidates), refinements(refinements) {}
  void propose(Row &row) const override;
  void settle(Row &row, llvm::ArrayRef<float> wanted) const override;

private:
  /// `parts` of the scale that reaches over the group are tried, largest first.
  void solveSymmetric(Row &row, const TableSearch &search,
                      llvm::ArrayRef<float> parts, int64_t group) const;
  void solveAffine(Row &row, int64_t group) const;

  int64_t candidates, refinements;
};

/// Smallest and largest number of every group of a row. `width` is a multiple of
/// 16, or the whole row.
void findExtremes(llvm::ArrayRef<float> values, int64_t width, float *lows,
                  float *highs);

/// A method at work.
struct Work {
  const llmc_host &host;
  llmc_run *run;
  const llmc_job &job;
};

/// Compresses all rows of a format with codes. `columnScale` [columns] is what
/// they are divided by; null: nothing. Progress goes from `from` to 1.
int quantizeRows(const Work &work, const float *columnScale,
                 const GroupSolver &solver, double from = 0);

/// Any float format: every number by itself.
int convertRows(const Work &work, double from = 0);

/// rtn, sinq, hqq, mse.
const llmc_plugin &getBuiltinMethods();

} // namespace llmc

#endif // LLMC_LIB_METHODS_ROWQUANTIZER_H
