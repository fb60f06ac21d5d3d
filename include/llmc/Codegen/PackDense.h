//===- PackDense.h - Matrices into and out of dense packed form -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_PACKDENSE_H
#define LLMC_CODEGEN_PACKDENSE_H

#include "llmc/Dialect/Pack/PackOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include <vector>

namespace llmc {

/// Gives the rows [begin, end) of a matrix, row-major, in f32. Called by as
/// many threads as call packDense.
using ReadRows =
    llvm::function_ref<llvm::Error(int64_t begin, int64_t end, float *out)>;

/// Blocks of rows of a packed matrix.
int64_t getPackedBlocks(pack::TensorType type);
/// Where block `block` begins, in bytes; for the number of blocks, the end.
int64_t getPackedOffset(pack::TensorType type, int64_t block);

/// Packs the blocks [begin, end) into `out`, which is the memory of the whole
/// packed matrix (type.getBytes()). Different ranges may be packed at the same
/// time. Takes one block of rows in f32 of memory. The format must be
/// `#pack.dense`.
llvm::Error packDense(pack::TensorType type, int64_t begin, int64_t end,
                      ReadRows rows, llvm::MutableArrayRef<char> out);

/// The matrix, row-major, in f32.
llvm::Expected<std::vector<float>> unpackDense(pack::TensorType type,
                                               llvm::ArrayRef<char> packed);

} // namespace llmc

#endif // LLMC_CODEGEN_PACKDENSE_H
