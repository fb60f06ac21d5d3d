//===- Outliers.h - Weights that are left out of codes ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A few weights of a matrix make groups so wide that all others lose by it. A
// format with a sparse part has numbers of their own for them, as the dense and
// sparse decomposition of SqueezeLLM (arXiv 2306.07629, section 4.2) and SpQR (arXiv
// 2306.03078, section 4) have. Which ones they are follows from the weights alone:
// the error that rounding leaves in a group is taken as the square of its width
// times the number of weights that still are in it, and of all weights of a row
// those are taken whose leaving lowers the sum of these most.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_METHODS_OUTLIERS_H
#define LLMC_METHODS_OUTLIERS_H

#include "llmc/Methods/Matrix.h"

namespace llmc {

/// The outliers of a matrix, and what is left.
struct Outliers {
  /// [rows][getSparseCount], ascending in a row.
  std::vector<uint32_t> columns;
  /// [rows][columns]: the matrix, with outliers cut to the width of the others of
  /// their group.
  std::vector<float> rest;
};

/// Finds them. `columnScale` [columns] or empty: column k is divided by
/// columnScale[k] before it is rounded. With `meanSquare` [columns], the error of a
/// group counts by the sum of these numbers over its columns. Rows with numbers
/// that are not finite are left as they are. The same for any number of threads.
Outliers takeOutliers(const MatrixView &weight, const FormatDescription &format,
                      llvm::ArrayRef<float> columnScale,
                      llvm::ArrayRef<float> meanSquare,
                      ParallelFor parallelFor);

/// Gives `matrix`, whose codes were made of outliers.rest, the format `format` and
/// for each outlier what its code leaves of the weight. Returns
/// sqrt(sum of squared errors / sum of squared weights) as it was before.
double addOutliers(QuantizedMatrix &matrix, const MatrixView &weight,
                   const FormatDescription &format, Outliers outliers,
                   ParallelFor parallelFor);

} // namespace llmc

#endif // LLMC_METHODS_OUTLIERS_H
