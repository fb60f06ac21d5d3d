//===- WriteQuantized.cpp - Compresses a weight into its file -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "WriteQuantized.h"
#include "llmc/Codegen/CompressWeight.h"
#include "llmc/Formats/Layout.h"
#include "llmc/Support/Hash.h"
#include "llmc/Weights/ReadMatrix.h"

#include <chrono>

using namespace mlir;
using namespace llmc;

/// Bytes that one task packs, about.
static constexpr int64_t kTaskBytes = 1 << 20;

llvm::Error llmc::writeQuantized(PlacedWeight &weight, const MethodSet &methods,
                                 const WeightStore &store, ParallelFor parallel,
                                 const TensorFile &output,
                                 WorkSeconds &seconds) {
  auto type = cast<pack::TensorType>(weight.type);
  auto method = dyn_cast_or_null<pack::MethodAttr>(weight.method);
  if (!method)
    return llvm::createStringError("weight '" + weight.name +
                                   "' has a compressed type but no method");
  auto matrix = compressWeight(
      weight.name, weight.source, type.getRows(), type.getColumns(), method,
      methods, store, parallel, weight.outcome, &seconds, weight.statistics);
  if (!matrix)
    return matrix.takeError();
  auto layout =
      PackedLayout::create(matrix->format, type.getRows(), type.getColumns(),
                           type.getLayout().getCount());
  if (!layout)
    return layout.takeError();
  auto started = std::chrono::steady_clock::now();
  std::unique_ptr<char[]> memory(new char[layout->bytes]);
  llvm::MutableArrayRef<char> packed(memory.get(), layout->bytes);
  auto part = [&](int64_t begin, int64_t end) -> llvm::Error {
    if (llvm::Error error = packTiles(*matrix, *layout, begin, end, packed))
      return error;
    int64_t from = begin * layout->tileBytes, to = end * layout->tileBytes;
    return output.write(
        packed.slice(from, (end == layout->tiles ? layout->bytes : to) - from),
        weight.offset + from);
  };
  if (llvm::Error error = forParts(parallel, layout->tiles,
                                   kTaskBytes / layout->tileBytes, part))
    return error;
  weight.hash = hashText(packed.data(), weight.bytes);
  std::chrono::duration<double> writing =
      std::chrono::steady_clock::now() - started;
  seconds.writing += writing.count();
  return llvm::Error::success();
}
