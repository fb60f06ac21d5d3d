//===- LowRank.h - The largest part of an error ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What codes leave of a matrix, E = W - decode(codes), is approximated by a
// product of two small matrices, as in LoRC (ZeroQuant-V2, arXiv 2303.08302,
// section 5) and LQER (arXiv 2402.02446, section 3): the singular value
// decomposition of E, cut at a rank, is the best there is.
//
// The singular vectors come from a randomized range finder with power iterations
// (Halko, Martinsson, Tropp 2011, arXiv 0909.4061, algorithm 4.4). E is never
// stored: its rows are computed again in every pass, so this needs memory for the
// two small matrices alone.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_METHODS_LOWRANK_H
#define LLMC_METHODS_LOWRANK_H

#include "llmc/Methods/Matrix.h"

namespace llmc {

/// What was found, and what it was found in.
struct LowRankResult {
  LowRank matrices;
  /// The rank of E is this or less; numbers beyond it are zeros.
  int64_t rank = 0;
  /// sqrt(sum of E^2 / sum of W^2), without weights.
  double relativeError = 0;
};

/// The product of rank `rank` that is nearest to weight - decode(codes), whose
/// format has no rank. With `meanSquare` [columns], errors of a column count by
/// the root of that number (LQER, section 3.2), but not less than by a thousandth
/// of the largest. The same bits for any number of threads. Numbers must be finite.
LowRankResult findLowRank(const MatrixView &weight,
                          const QuantizedMatrix &codes, int64_t rank,
                          llvm::ArrayRef<float> meanSquare,
                          ParallelFor parallelFor);

} // namespace llmc

#endif // LLMC_METHODS_LOWRANK_H
