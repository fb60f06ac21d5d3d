//===- StoredStatistics.cpp - Inputs under a transform --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MethodRun.h"
#include "llmc/Formats/Hadamard.h"

using namespace llvm;
using namespace llmc;

StoredStatistics::StoredStatistics(const MethodRequest &request) {
  int64_t hadamard = request.format->hadamard, n = request.weight.columns;
  if (!hadamard) {
    static_cast<Statistics &>(*this) = request.statistics;
    return;
  }
  ArrayRef<float> scale = request.columnScale;
  if (request.statistics.gram.empty() || scale.empty())
    return;
  // The input is H (c * x), its Gram matrix H C G C H. Columns go before rows, so
  // that both are runs in memory: G is symmetric.
  ownGram = request.statistics.gram.vec();
  auto rotateRows = [&] {
    for (int64_t i = 0; i < n; ++i)
      rotateColumns(hadamard, n, 0, MutableArrayRef(ownGram).slice(i * n, n));
  };
  auto transpose = [&] {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < i; ++j)
        std::swap(ownGram[i * n + j], ownGram[j * n + i]);
  };
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      ownGram[i * n + j] *= scale[i] * scale[j];
  rotateRows();
  transpose();
  rotateRows();
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      ownGram[i * n + j] /= scale[i] * scale[j];
  for (int64_t k = 0; k < n; ++k)
    ownSquares.push_back(std::max(ownGram[k * n + k], 0.0f));
  gram = ownGram;
  meanSquare = ownSquares;
}
