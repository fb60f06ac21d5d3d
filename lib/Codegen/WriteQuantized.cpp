//===- WriteQuantized.cpp - Compresses a weight into its file -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "WriteQuantized.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Formats/Layout.h"
#include "llmc/Methods/Method.h"
#include "llmc/Recipes/Recipe.h"
#include "llmc/Weights/ReadMatrix.h"
#include "llmc/Weights/StoredFormat.h"

#include <chrono>

using namespace mlir;
using namespace llmc;

/// Bytes that one task packs, about.
static constexpr int64_t kTaskBytes = 1 << 20;

/// What a method makes of the weight: its matrix, and how far it is off.
static llvm::Expected<QuantizedMatrix> compress(PlacedWeight &weight,
                                                pack::MethodAttr method,
                                                const WeightStore &store,
                                                ParallelFor parallel) {
  auto type = cast<pack::TensorType>(weight.type);
  int64_t rows = type.getRows(), columns = type.getColumns();
  auto values = readMatrix(store, weight.source, parallel);
  if (!values)
    return values.takeError();
  MethodRequest request;
  request.weight = {weight.name, values->data(), RealType::F32,
                    rows,        columns,        columns};
  request.parallelFor = parallel;
  // Columns have been scaled as they should be: the source says how.
  std::vector<float> ones(columns, 1.0f);
  request.columnScale = ones;
  auto result = runMethod(method.getName(), method.getFormat(),
                          pack::getSettings(method), request);
  if (!result)
    return result.takeError();
  result->matrix.columnScale.clear();
  weight.outcome.relativeError =
      measureError(request.weight, result->matrix, parallel).getRelative();
  if (!result->note.empty())
    weight.outcome.note = std::move(result->note);
  return std::move(result->matrix);
}

/// The codes and scales that a weight comes with.
static llvm::Expected<QuantizedMatrix> readKept(PlacedWeight &weight,
                                                pack::MethodAttr method,
                                                const WeightStore &store) {
  auto matrix = readStored(store, weight.source);
  if (!matrix)
    return llvm::createStringError("weight '" + weight.name +
                                   "': " + llvm::toString(matrix.takeError()));
  auto wanted = parseFormat(method.getFormat());
  if (!wanted)
    return wanted.takeError();
  if (!(matrix->format == *wanted))
    return llvm::createStringError(
        "weight '" + weight.name + "': expected to come in format '" +
        method.getFormat() + "' but got '" + matrix->format.name + "'");
  weight.outcome.note = "kept as it comes";
  return matrix;
}

llvm::Error llmc::writeQuantized(PlacedWeight &weight, const WeightStore &store,
                                 Workers &workers,
                                 llvm::MutableArrayRef<char> out) {
  auto started = std::chrono::steady_clock::now();
  auto type = cast<pack::TensorType>(weight.type);
  auto method = dyn_cast_or_null<pack::MethodAttr>(weight.method);
  if (!method)
    return llvm::createStringError("weight '" + weight.name +
                                   "' has a compressed type but no method");
  auto matrix = method.getName() == kKeepMethod
                    ? readKept(weight, method, store)
                    : compress(weight, method, store, workers);
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
  weight.outcome.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started)
          .count();
  return llvm::Error::success();
}
