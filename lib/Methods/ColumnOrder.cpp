//===- ColumnOrder.cpp - Columns in groups with their like ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Methods/ColumnOrder.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <numeric>

using namespace llvm;
using namespace llmc;

/// Rows of a task, and columns whose sums one has.
static constexpr int64_t kTaskRows = 64;

/// What columns are ordered by.
static std::vector<double> getSizes(const MethodRequest &request,
                                    ArrayRef<float> weight,
                                    ParallelFor forEach) {
  const MatrixView &view = request.weight;
  ArrayRef<float> known = request.statistics.meanSquare;
  if (!known.empty())
    return std::vector<double>(known.begin(), known.end());
  // Sums of tasks are added in their order.
  int64_t columns = view.columns, tasks = divideCeil(view.rows, kTaskRows);
  std::vector<std::vector<double>> parts(tasks);
  forEach(tasks, [&](int64_t task) {
    std::vector<double> sums(columns);
    int64_t end = std::min(view.rows, (task + 1) * kTaskRows);
    for (int64_t row = task * kTaskRows; row < end; ++row)
      for (int64_t k = 0; k < columns; ++k) {
        double value = weight[row * columns + k];
        sums[k] += value * value;
      }
    parts[task] = std::move(sums);
  });
  std::vector<double> sizes(columns);
  for (const std::vector<double> &sums : parts)
    for (int64_t k = 0; k < columns; ++k)
      sizes[k] += sums[k];
  for (int64_t k = 0; k < columns && !request.columnScale.empty(); ++k)
    sizes[k] /= static_cast<double>(request.columnScale[k]) *
                static_cast<double>(request.columnScale[k]);
  return sizes;
}

OrderedRequest::OrderedRequest(const MethodRequest &from)
    : request(from), order(from.weight.columns),
      weight(from.weight.rows * from.weight.columns) {
  const MatrixView &view = from.weight;
  int64_t columns = view.columns, tasks = divideCeil(view.rows, kTaskRows);
  ParallelFor forEach = from.parallelFor;
  if (!forEach)
    forEach = runSerially;
  auto forRows = [&](function_ref<void(int64_t, MutableArrayRef<float>)> body) {
    forEach(tasks, [&](int64_t task) {
      int64_t end = std::min(view.rows, (task + 1) * kTaskRows);
      for (int64_t row = task * kTaskRows; row < end; ++row)
        body(row, MutableArrayRef(weight).slice(row * columns, columns));
    });
  };
  forRows([&](int64_t row, MutableArrayRef<float> out) {
    view.read(row, 0, columns, out.data());
  });
  std::vector<double> sizes = getSizes(from, weight, forEach);
  std::iota(order.begin(), order.end(), 0);
  if (all_of(sizes, [](double size) { return std::isfinite(size); }))
    llvm::stable_sort(
        order, [&](uint32_t a, uint32_t b) { return sizes[a] > sizes[b]; });
  forRows([&](int64_t, MutableArrayRef<float> row) {
    std::vector<float> values(row.begin(), row.end());
    for (int64_t j = 0; j < columns; ++j)
      row[j] = values[order[j]];
  });
  request.weight.data = weight.data();
  request.weight.type = RealType::F32;
  request.weight.stride = columns;
  request.weight.transposed = false;

  auto reorder = [&](ArrayRef<float> &values, std::vector<float> &own) {
    for (int64_t j = 0; j < columns && !values.empty(); ++j)
      own.push_back(values[order[j]]);
    values = own;
  };
  Statistics &statistics = request.statistics;
  reorder(statistics.meanAbsolute, meanAbsolute);
  reorder(statistics.meanSquare, meanSquare);
  reorder(request.columnScale, columnScale);
  if (!statistics.gram.empty()) {
    gram.resize(columns * columns);
    for (int64_t i = 0; i < columns; ++i)
      for (int64_t j = 0; j < columns; ++j)
        gram[i * columns + j] =
            from.statistics.gram[order[i] * columns + order[j]];
    statistics.gram = gram;
  }
}

void OrderedRequest::finish(MethodResult &result,
                            const FormatDescription &format) const {
  QuantizedMatrix &matrix = result.matrix;
  std::vector<float> scale(matrix.columnScale.size());
  for (size_t j = 0; j < scale.size(); ++j)
    scale[order[j]] = matrix.columnScale[j];
  matrix.columnScale = std::move(scale);
  matrix.format = format;
  matrix.order = order;
}
