//===- RowQuantizer.cpp - Rows into codes, whatever the method ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "RowQuantizer.h"

#include <algorithm>

using namespace llvm;
using namespace llmc;

LevelGrid::LevelGrid(const llmc_format &format)
    : affine(format.even), lowest(static_cast<float>(format.lowest)),
      highest(static_cast<float>(format.highest)), bits(format.bits) {
  if (affine)
    return;
  if (LLMC_PLUGIN_HAS(&format, weights) && format.weights > 1) {
    vectors.emplace(
        ArrayRef(format.levels,
                 static_cast<size_t>(format.level_count) * format.weights),
        format.weights);
    bits /= format.weights;
    return;
  }
  std::vector<float> ordered(format.levels, format.levels + format.level_count);
  std::sort(ordered.begin(), ordered.end());
  ordered.erase(std::unique(ordered.begin(), ordered.end()), ordered.end());
  for (size_t i = 1; i < ordered.size(); ++i) {
    borders.push_back((ordered[i - 1] + ordered[i]) / 2);
    steps.push_back(ordered[i] - ordered[i - 1]);
  }
}

namespace {

/// What threads need of a job, prepared once.
struct RowWork {
  const Work &work;
  const GroupSolver &solver;
  LevelGrid grid;
  std::vector<float> importance;

  int compress(llmc_row &given) const {
    const llmc_host &host = work.host;
    const llmc_job &job = work.job;
    size_t groups = job.groups, scales = isSum(*job.format)
                                             ? groups * job.format->term_count
                                             : groups;
    Row row{*job.format,
            grid,
            job.group_columns,
            ArrayRef(given.values, job.columns),
            importance,
            MutableArrayRef(given.scales, scales),
            MutableArrayRef(given.minimums, groups)};
    solver.propose(row);
    SmallVector<float, 512> wanted(row.scales);
    if (int status = host.store_scales(work.run, given.index, given.scales))
      return status;
    if (row.hasMinimum()) {
      solver.settle(row, wanted);
      if (int status =
              host.store_minimums(work.run, given.index, given.minimums))
        return status;
    }
    return host.encode_row(work.run, given.index, given.values, given.scales,
                           given.minimums);
  }
};

} // namespace

int llmc::quantizeRows(const Work &work, const float *columnScale,
                       const GroupSolver &solver, double from) {
  RowWork rows{work, solver, LevelGrid(*work.job.format), {}};
  // An error counts as it is felt behind the product: scaled and squared.
  if (const float *squares = work.job.statistics->mean_square)
    for (int64_t k = 0; k < work.job.columns; ++k) {
      float scale = columnScale ? columnScale[k] : 1;
      rows.importance.push_back(squares[k] * scale * scale);
    }
  return work.host.each_row(
      work.run,
      [](void *context, llmc_row *row) {
        return static_cast<const RowWork *>(context)->compress(*row);
      },
      &rows, from, 1);
}

int llmc::convertRows(const Work &work, double from) {
  return work.host.each_row(
      work.run,
      [](void *context, llmc_row *row) {
        const auto &work = *static_cast<const Work *>(context);
        return work.host.write_values(work.run, row->index, row->values);
      },
      const_cast<Work *>(&work), from, 1);
}
