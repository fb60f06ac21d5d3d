//===- WriteQuantized.cpp - Compresses a weight into its file -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "WriteQuantized.h"
#include "llmc/Codegen/CompressWeight.h"
#include "llmc/Formats/Layout.h"
#include "llmc/Weights/ReadMatrix.h"

using namespace mlir;
using namespace llmc;

/// Bytes that one task packs, about.
static constexpr int64_t kTaskBytes = 1 << 20;

llvm::Error llmc::writeQuantized(PlacedWeight &weight, const WeightStore &store,
                                 Workers &workers,
                                 llvm::MutableArrayRef<char> out) {
  auto type = cast<pack::TensorType>(weight.type);
  auto method = dyn_cast_or_null<pack::MethodAttr>(weight.method);
  if (!method)
    return llvm::createStringError("weight '" + weight.name +
                                   "' has a compressed type but no method");
  auto matrix =
      compressWeight(weight.name, weight.source, type.getRows(),
                     type.getColumns(), method, store, workers, weight.outcome);
  if (!matrix)
    return matrix.takeError();
  auto layout =
      PackedLayout::create(matrix->format, type.getRows(), type.getColumns(),
                           type.getLayout().getCount());
  if (!layout)
    return layout.takeError();
  if (llvm::Error error =
          forParts(workers, layout->tiles, kTaskBytes / layout->tileBytes,
                   [&](int64_t begin, int64_t end) {
                     return packTiles(*matrix, *layout, begin, end, out);
                   }))
    return error;
  return llvm::Error::success();
}
