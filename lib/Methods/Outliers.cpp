//===- Outliers.cpp - Weights that are left out of codes ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The error of a group as it loses its first, second, ... weight need not fall
// evenly: of two that are equally large, the first brings nothing. So weights are
// not taken one by one: for every number of weights the best division among the
// groups so far is known, and the next group extends it, as in any knapsack.
//
//===----------------------------------------------------------------------===//
#include "llmc/Methods/Outliers.h"
#include "llmc/Formats/Floats.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace llvm;
using namespace llmc;

namespace {

/// Rows of a task, and the part of a group that may leave it.
constexpr int64_t kTaskRows = 16, kLargestPart = 4;

/// A group of a row, its weights in ascending order.
class Group {
public:
  Group(ArrayRef<float> row, int64_t begin, int64_t end,
        const FormatDescription &format, double weight)
      : row(row), order(end - begin), weight(weight),
        symmetric(!format.hasMinimum),
        withZero(format.hasMinimum && format.minimum.negated &&
                 !format.minimum.ofScale) {
    std::iota(order.begin(), order.end(), static_cast<uint32_t>(begin));
    // By size where zero is in the middle of what codes reach.
    llvm::stable_sort(order,
                      [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
  }

  int64_t size() const { return static_cast<int64_t>(order.size()); }
  int64_t getMost(int64_t count) const {
    return std::min(
        {count, std::max<int64_t>(1, size() / kLargestPart), size() - 1});
  }

  /// The error with `count` weights less.
  double getError(int64_t count) const {
    double width = getWidth(findBelow(count), count);
    return weight * width * width * static_cast<double>(size() - count);
  }

  /// Calls `visit(column, what it is cut to)` for the best `count` weights.
  template <typename Visit> void takeOut(int64_t count, Visit visit) const {
    int64_t below = findBelow(count);
    float lowest = row[order[below]],
          highest = row[order[size() - 1 - (count - below)]];
    for (int64_t i = 0; i < below; ++i)
      visit(order[i], lowest);
    for (int64_t i = size() - (count - below); i < size(); ++i) {
      uint32_t column = order[i];
      visit(column, symmetric ? std::copysign(highest, row[column]) : highest);
    }
  }

private:
  float key(uint32_t column) const {
    return symmetric ? std::abs(row[column]) : row[column];
  }

  /// The width of what is left when `below` of `count` weights leave at the lower
  /// end of the order and the others at the upper one.
  double getWidth(int64_t below, int64_t count) const {
    double highest = key(order[size() - 1 - (count - below)]);
    if (symmetric)
      return highest;
    double lowest = key(order[below]);
    return withZero ? std::max(highest, 0.0) - std::min(lowest, 0.0)
                    : highest - lowest;
  }

  /// How many of `count` weights leave at the lower end.
  int64_t findBelow(int64_t count) const {
    int64_t best = 0;
    for (int64_t below = 1; !symmetric && below <= count; ++below)
      if (getWidth(below, count) < getWidth(best, count))
        best = below;
    return best;
  }

  ArrayRef<float> row;
  std::vector<uint32_t> order;
  double weight;
  bool symmetric, withZero;
};

} // namespace

/// How many of `count` weights each group gives, so that the sum of errors is least;
/// fewer where groups may give no more.
static std::vector<int64_t> divide(ArrayRef<Group> groups, int64_t count) {
  // [weights]: the least sum; [group][weights]: what the group gives for it.
  std::vector<double> best(count + 1, INFINITY), next;
  best[0] = 0;
  std::vector<uint32_t> gives(groups.size() * (count + 1));
  int64_t reached = 0;
  for (auto [index, group] : enumerate(groups)) {
    int64_t most = group.getMost(count);
    next.assign(count + 1, INFINITY);
    for (int64_t k = 0; k <= most; ++k) {
      double error = group.getError(k);
      for (int64_t c = k; c <= std::min(count, reached + k); ++c)
        if (best[c - k] + error < next[c]) {
          next[c] = best[c - k] + error;
          gives[index * (count + 1) + c] = static_cast<uint32_t>(k);
        }
    }
    reached = std::min(count, reached + most);
    std::swap(best, next);
  }
  std::vector<int64_t> taken(groups.size());
  for (int64_t g = std::ssize(groups) - 1; g >= 0; --g) {
    taken[g] = gives[g * (count + 1) + reached];
    reached -= taken[g];
  }
  return taken;
}

/// The outliers of a row of `count`, whose numbers they are cut in.
static void takeOutOfRow(MutableArrayRef<float> row,
                         const FormatDescription &format,
                         ArrayRef<float> meanSquare, int64_t count,
                         uint32_t *columns) {
  int64_t width = format.getGroupColumns(row.size()), total = row.size();
  std::vector<Group> groups;
  for (int64_t begin = 0; begin < total; begin += width) {
    int64_t end = std::min(begin + width, total);
    double weight = 1;
    if (!meanSquare.empty())
      weight = std::accumulate(meanSquare.begin() + begin,
                               meanSquare.begin() + end, 0.0) /
               static_cast<double>(end - begin);
    groups.emplace_back(row, begin, end, format, weight);
  }
  std::vector<int64_t> taken = divide(groups, count);
  int64_t left =
      count - std::accumulate(taken.begin(), taken.end(), int64_t(0));
  std::vector<std::pair<uint32_t, float>> cut;
  for (auto [group, number] : zip_equal(groups, taken))
    group.takeOut(number, [&](uint32_t column, float value) {
      cut.push_back({column, value});
    });
  std::vector<bool> isTaken(total);
  for (auto [column, value] : cut) {
    row[column] = value;
    isTaken[column] = true;
  }
  // Where groups may give no more.
  for (int64_t k = 0; left > 0; ++k)
    if (!isTaken[k]) {
      isTaken[k] = true;
      --left;
    }
  for (int64_t k = 0; k < total; ++k)
    if (isTaken[k])
      *columns++ = static_cast<uint32_t>(k);
}

static void forTasks(int64_t rows, ParallelFor parallelFor,
                     function_ref<void(int64_t begin, int64_t end)> body) {
  auto task = [&](int64_t index) {
    body(index * kTaskRows, std::min(rows, (index + 1) * kTaskRows));
  };
  if (parallelFor)
    parallelFor(divideCeil(rows, kTaskRows), task);
  else
    runSerially(divideCeil(rows, kTaskRows), task);
}

Outliers llmc::takeOutliers(const MatrixView &weight,
                            const FormatDescription &format,
                            ArrayRef<float> columnScale,
                            ArrayRef<float> meanSquare,
                            ParallelFor parallelFor) {
  int64_t columns = weight.columns, count = format.getSparseCount(columns);
  Outliers outliers;
  outliers.columns.resize(weight.rows * count);
  outliers.rest.resize(weight.rows * columns);
  forTasks(weight.rows, parallelFor, [&](int64_t begin, int64_t end) {
    std::vector<float> scaled(columns);
    for (int64_t index = begin; index < end; ++index) {
      MutableArrayRef<float> row(outliers.rest.data() + index * columns,
                                 columns);
      weight.read(index, 0, columns, row.data());
      uint32_t *chosen = outliers.columns.data() + index * count;
      std::copy(row.begin(), row.end(), scaled.begin());
      for (int64_t k = 0; k < columns && !columnScale.empty(); ++k)
        scaled[k] /= columnScale[k];
      if (!all_of(scaled, [](float x) { return std::isfinite(x); })) {
        // What is wrong is said where the row is compressed.
        std::iota(chosen, chosen + count, 0);
        continue;
      }
      takeOutOfRow(scaled, format, meanSquare, count, chosen);
      for (int64_t i = 0; i < count; ++i)
        row[chosen[i]] = columnScale.empty()
                             ? scaled[chosen[i]]
                             : scaled[chosen[i]] * columnScale[chosen[i]];
    }
  });
  return outliers;
}

double llmc::addOutliers(QuantizedMatrix &matrix, const MatrixView &weight,
                         const FormatDescription &format, Outliers outliers,
                         ParallelFor parallelFor) {
  int64_t columns = weight.columns, count = format.getSparseCount(columns);
  std::vector<uint16_t> values(weight.rows * count);
  std::vector<std::pair<double, double>> sums(weight.rows);
  forTasks(weight.rows, parallelFor, [&](int64_t begin, int64_t end) {
    std::vector<float> original(columns), decoded(columns);
    for (int64_t row = begin; row < end; ++row) {
      weight.read(row, 0, columns, original.data());
      decodeRows(matrix, row, row + 1, MutableArrayRef<float>(decoded));
      auto &[errors, squares] = sums[row];
      for (int64_t k = 0; k < columns; ++k) {
        double value = original[k], error = value - decoded[k];
        errors += error * error;
        squares += value * value;
      }
      for (int64_t i = row * count; i < (row + 1) * count; ++i) {
        uint32_t k = outliers.columns[i];
        double rest = static_cast<double>(original[k]) - decoded[k];
        if (!matrix.columnScale.empty())
          rest /= matrix.columnScale[k];
        // The largest bf16 has seven bits behind its point.
        constexpr double kLargest = 0x1.fep127;
        values[i] = floatToBf16(
            static_cast<float>(std::clamp(rest, -kLargest, kLargest)));
      }
    }
  });
  matrix.format = format;
  matrix.sparse = {std::move(outliers.columns), std::move(values)};
  double errors = 0, squares = 0;
  for (auto [error, square] : sums) {
    errors += error;
    squares += square;
  }
  return squares > 0 ? std::sqrt(errors / squares) : 0;
}
