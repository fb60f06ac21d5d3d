//===- ReadMatrix.h - Weights as numbers in memory --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_WEIGHTS_READMATRIX_H
#define LLMC_WEIGHTS_READMATRIX_H

#include "llmc/Support/ParallelFor.h"
#include "llmc/Weights/WeightStore.h"
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace llmc {

/// Runs `body(begin, end)` over parts of [0, count), of about `perPart` each. Of
/// several errors the first in order is returned.
llvm::Error forParts(ParallelFor parallelFor, int64_t count, int64_t perPart,
                     llvm::function_ref<llvm::Error(int64_t, int64_t)> body);

/// Memory for a matrix, on huge pages where the system has them: a fault for
/// every small page takes longer than reading what goes there. std::free frees it.
void *allocatePages(size_t bytes);

/// An allocator of pages that leaves numbers as the memory is: they are about to
/// be read.
template <typename T> struct Unset {
  using value_type = T;

  T *allocate(size_t count) {
    return static_cast<T *>(allocatePages(count * sizeof(T)));
  }
  void deallocate(T *at, size_t) { std::free(at); }
  bool operator==(const Unset &) const { return true; }
  void construct(T *at) noexcept { ::new (static_cast<void *>(at)) T; }
  template <typename... Values> void construct(T *at, Values &&...values) {
    std::construct_at(at, std::forward<Values>(values)...);
  }
};
using Numbers = std::vector<float, Unset<float>>;

/// All values of a source of type f32, row-major.
llvm::Expected<Numbers> readMatrix(const WeightStore &store,
                                   mlir::Attribute source,
                                   ParallelFor parallelFor);

/// Where a source is a transposed matrix, also below scales, the source whose
/// transpose it is: read in the order in which the file has it. Null for others.
mlir::Attribute findTransposed(mlir::Attribute source);

/// Whether two sources of one type yield equal bytes; stops at the first piece
/// that differs. Tensors without elements are equal to none.
llvm::Expected<bool> haveEqualBytes(const WeightStore &store, mlir::Attribute a,
                                    mlir::Attribute b,
                                    mlir::RankedTensorType type);

} // namespace llmc

#endif // LLMC_WEIGHTS_READMATRIX_H
