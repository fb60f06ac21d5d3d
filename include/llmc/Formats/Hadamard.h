//===- Hadamard.h - The transform of columns of a format -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A format whose `hadamard` is B stores S = W·H for a matrix W. H has blocks on
// its diagonal: the Hadamard matrices of Sylvester's order, times 1/sqrt(B). They
// are symmetric and their own inverse, so W = S·H, and a product with W is one
// with S of an input x·H.
//
// It spreads what single columns have over all columns of their block: outliers,
// which a group would spend its range on, become a little of each number. No data
// is needed. QuIP# (arXiv 2402.04396, section 3) makes weights incoherent by such
// transforms; QuaRot (arXiv 2404.00456, sections 3 and 4) turns activations so,
// which gain by it, too. Both also draw signs at random; here the matrix is fixed,
// and there is nothing to store.
//
// Where columns are no multiple of B, what is left is cut into blocks of B/2, B/4
// and so on down to 16, each at most once. Fewer than 16 columns stay as they are.
//
// One order of operations, for the reference and for kernels: x becomes x[j] +
// x[j+h] and x[j] - x[j+h] for h = 1, 2, 4 ... in turn, and at last every number
// is multiplied by 1/sqrt(B), rounded to the type of the numbers. So all give the
// same bits, however wide their vectors are.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_FORMATS_HADAMARD_H
#define LLMC_FORMATS_HADAMARD_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <string>

namespace llmc {

/// The sizes that blocks may have: powers of two between these.
constexpr int64_t kSmallestHadamard = 16, kLargestHadamard = 256;

constexpr bool isHadamardSize(int64_t columns) {
  return columns >= kSmallestHadamard && columns <= kLargestHadamard &&
         (columns & (columns - 1)) == 0;
}

/// Columns that are mixed with each other; one where a column stays as it is.
struct HadamardBlock {
  int64_t begin, size;
};

/// The block of a column in rows of `columns`, under the transform of a format.
HadamardBlock getHadamardBlock(int64_t hadamard, int64_t columns,
                               int64_t column);

/// x·H of a row, or of neighboring whole blocks from column `begin` on, of rows of
/// `columns`, in place. Without a transform, nothing. Numbers near the largest of
/// their type may leave its range.
void rotateColumns(int64_t hadamard, int64_t columns, int64_t begin,
                   llvm::MutableArrayRef<float> values);
void rotateColumns(int64_t hadamard, int64_t columns, int64_t begin,
                   llvm::MutableArrayRef<double> values);

/// The end of a format's name: ".h64"; empty for 0.
std::string getHadamardName(int64_t hadamard);

} // namespace llmc

#endif // LLMC_FORMATS_HADAMARD_H
