//===- Hadamard.cpp - The transform of columns of a format ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/Hadamard.h"
#include "llmc/Support/Vectorized.h"

#include <cmath>

using namespace llvm;
using namespace llmc;

HadamardBlock llmc::getHadamardBlock(int64_t hadamard, int64_t columns,
                                     int64_t column) {
  if (hadamard == 0)
    return {column, 1};
  if (column < columns / hadamard * hadamard)
    return {column / hadamard * hadamard, hadamard};
  // What is left in binary says which smaller blocks there are.
  for (int64_t size = hadamard / 2; size >= kSmallestHadamard; size /= 2) {
    int64_t begin = columns / (2 * size) * (2 * size);
    if (columns % (2 * size) >= size && column >= begin &&
        column < begin + size)
      return {begin, size};
  }
  return {column, 1};
}

/// Sums and differences of lanes that are 1, 2, 4 and 8 apart, of sixteen
/// numbers. A difference is the sum of the first and -1 times the second.
template <typename Value> static inline void mixSixteen(Value *values) {
  typedef Value Lanes __attribute__((vector_size(16 * sizeof(Value))));
  typedef Value Unaligned
      __attribute__((vector_size(16 * sizeof(Value)), aligned(sizeof(Value))));
  Lanes v = *reinterpret_cast<Unaligned *>(values);
  v = __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13,
                              12, 15, 14) +
      v * Lanes{1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1};
  v = __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14,
                              15, 12, 13) +
      v * Lanes{1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1};
  v = __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8,
                              9, 10, 11) +
      v * Lanes{1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1};
  v = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4,
                              5, 6, 7) +
      v * Lanes{1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1};
  *reinterpret_cast<Unaligned *>(values) = v;
}

template <typename Value>
static inline void rotate(Value *values, int64_t size, Value factor) {
  for (int64_t i = 0; i < size; i += 16)
    mixSixteen(values + i);
  for (int64_t h = 16; h < size; h *= 2)
    for (int64_t i = 0; i < size; i += 2 * h)
      for (int64_t j = i; j < i + h; ++j) {
        Value a = values[j], b = values[j + h];
        values[j] = a + b;
        values[j + h] = a - b;
      }
  for (int64_t i = 0; i < size; ++i)
    values[i] *= factor;
}

LLMC_VECTORIZED
static void rotateBlock(float *values, int64_t size, float factor) {
  rotate(values, size, factor);
}

LLMC_VECTORIZED
static void rotateBlock(double *values, int64_t size, double factor) {
  rotate(values, size, factor);
}

template <typename Value>
static void rotateAll(int64_t hadamard, int64_t columns, int64_t begin,
                      MutableArrayRef<Value> values) {
  if (hadamard == 0)
    return;
  for (int64_t at = 0, end = static_cast<int64_t>(values.size()); at < end;) {
    int64_t size = getHadamardBlock(hadamard, columns, begin + at).size;
    if (size > 1)
      rotateBlock(values.data() + at, size,
                  static_cast<Value>(1 / std::sqrt(static_cast<double>(size))));
    at += size;
  }
}

void llmc::rotateColumns(int64_t hadamard, int64_t columns, int64_t begin,
                         MutableArrayRef<float> values) {
  rotateAll(hadamard, columns, begin, values);
}

void llmc::rotateColumns(int64_t hadamard, int64_t columns, int64_t begin,
                         MutableArrayRef<double> values) {
  rotateAll(hadamard, columns, begin, values);
}
