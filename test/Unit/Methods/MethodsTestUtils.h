//===- MethodsTestUtils.h - What tests of methods share --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_TEST_UNIT_METHODS_METHODSTESTUTILS_H
#define LLMC_TEST_UNIT_METHODS_METHODSTESTUTILS_H

#include "llmc/Methods/Method.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace llmc::test {

using Settings = std::vector<std::pair<llvm::StringRef, llvm::StringRef>>;

/// A matrix that owns its numbers.
struct TestMatrix {
  int64_t rows, columns;
  std::vector<float> values;

  TestMatrix(int64_t rows, int64_t columns)
      : rows(rows), columns(columns), values(rows * columns) {}

  float &at(int64_t row, int64_t column) {
    return values[row * columns + column];
  }
  MatrixView view() const {
    return {"layers.0.mlp.up", values.data(), RealType::F32, rows,
            columns,           columns};
  }
};

/// Divides columns by 0.5 and 4 in turn, which is exact; returns these scales.
inline std::vector<float> divideColumns(TestMatrix &matrix) {
  std::vector<float> scale(matrix.columns);
  for (int64_t k = 0; k < matrix.columns; ++k)
    scale[k] = k % 2 ? 4.0f : 0.5f;
  for (int64_t row = 0; row < matrix.rows; ++row)
    for (int64_t k = 0; k < matrix.columns; ++k)
      matrix.at(row, k) /= scale[k];
  return scale;
}

/// Normal numbers with a scale for each row and column.
inline TestMatrix makeMatrix(int64_t rows, int64_t columns, uint32_t seed = 1,
                             float spread = 0.5f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  TestMatrix matrix(rows, columns);
  std::vector<float> scale(columns);
  for (float &value : scale)
    value = 0.02f * std::exp(spread * normal(random));
  for (int64_t row = 0; row < rows; ++row) {
    float factor = std::exp(0.3f * normal(random));
    for (int64_t k = 0; k < columns; ++k)
      matrix.at(row, k) = normal(random) * scale[k] * factor;
  }
  return matrix;
}

/// The methods of llmc.
inline const MethodSet &getBuiltin() {
  static const MethodSet methods = MethodSet::makeBuiltin();
  return methods;
}

/// Runs a method; `change` may alter the request.
inline llvm::Expected<MethodResult>
tryMethod(llvm::StringRef name, llvm::StringRef format, const MatrixView &view,
          const Settings &settings = {},
          llvm::function_ref<void(MethodRequest &)> change = nullptr) {
  MethodRequest request;
  request.weight = view;
  if (change)
    change(request);
  auto result = runMethod(getBuiltin(), name, format, settings, request);
  if (result)
    if (llvm::Error error = verify(result->matrix))
      return std::move(error);
  return result;
}

inline QuantizedMatrix
run(llvm::StringRef name, llvm::StringRef format, const MatrixView &view,
    const Settings &settings = {},
    llvm::function_ref<void(MethodRequest &)> change = nullptr) {
  auto result = tryMethod(name, format, view, settings, change);
  if (!result) {
    ADD_FAILURE() << name.str() << " " << format.str() << ": "
                  << llvm::toString(result.takeError());
    // Something that can be looked at.
    return llvm::cantFail(QuantizedMatrix::create(
        llvm::cantFail(parseFormat(format)), view.rows, view.columns));
  }
  return std::move(result->matrix);
}

inline void expectError(llvm::Expected<MethodResult> result,
                        llvm::StringRef part) {
  ASSERT_FALSE(static_cast<bool>(result)) << part.str();
  std::string text = llvm::toString(result.takeError());
  EXPECT_NE(text.find(part), std::string::npos) << text;
  // Whatever goes wrong, the tensor is named.
  EXPECT_EQ(text.find("'layers.0.mlp.up': "), size_t(0)) << text;
}

} // namespace llmc::test

#endif // LLMC_TEST_UNIT_METHODS_METHODSTESTUTILS_H
