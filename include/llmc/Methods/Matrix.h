//===- Matrix.h - What a method sees of a model ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A method knows nothing of a model or of the IR: it sees one matrix, how large
// the inputs of that matrix are, and threads it may use.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_METHODS_MATRIX_H
#define LLMC_METHODS_MATRIX_H

#include "llmc/Formats/QuantizedMatrix.h"
#include "llmc/Support/ParallelFor.h"
#include <memory>

namespace llmc {

/// A weight matrix in memory: `y = W x`, so a row is an output.
struct MatrixView {
  /// Named in errors.
  llvm::StringRef name;
  /// F32, F16 or BF16, aligned as the numbers are.
  const void *data = nullptr;
  RealType type = RealType::F32;
  int64_t rows = 0, columns = 0;
  /// Numbers from one row to the next, at least `columns`.
  int64_t stride = 0;
  /// Whether columns lie one after the other instead, `stride` numbers from one
  /// to the next.
  bool transposed = false;

  /// Columns [begin, end) of a row in f32.
  void read(int64_t row, int64_t begin, int64_t end, float *out) const;
  /// Rows [begin, end) of a column in f32.
  void readColumn(int64_t column, int64_t begin, int64_t end, float *out) const;
};

/// What is known of the inputs of a matrix, by column; empty where it is not.
struct Statistics {
  llvm::ArrayRef<float> meanAbsolute, meanSquare;
  /// [columns][columns]: mean of x xᵀ.
  llvm::ArrayRef<float> gram;
};

/// Threads for methods.
class Workers {
public:
  /// 0 is as many as the machine has cores.
  explicit Workers(unsigned threads = 0);
  ~Workers();
  Workers(const Workers &) = delete;
  Workers &operator=(const Workers &) = delete;

  /// A ParallelFor. One caller at a time, and not from within a body.
  void operator()(int64_t count, llvm::function_ref<void(int64_t)> body);

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace llmc

#endif // LLMC_METHODS_MATRIX_H
