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
#include "llmc/Weights/StoredFormat.h"

#include <chrono>
#include <mutex>

using namespace mlir;
using namespace llmc;

/// Bytes that one task reads or packs, about.
static constexpr int64_t kTaskBytes = 1 << 20;

/// Runs `body(begin, end)` over parts of [0, count), each of about `perTask`;
/// the first error in order is returned, whichever came first in time.
static llvm::Error
forParts(Workers &workers, int64_t count, int64_t perTask,
         llvm::function_ref<llvm::Error(int64_t, int64_t)> body) {
  perTask = std::max<int64_t>(1, perTask);
  int64_t parts = llvm::divideCeil(count, perTask);
  std::vector<std::string> failures(parts);
  workers(parts, [&](int64_t part) {
    int64_t begin = part * perTask;
    if (llvm::Error error = body(begin, std::min(count, begin + perTask)))
      failures[part] = llvm::toString(std::move(error));
  });
  for (std::string &text : failures)
    if (!text.empty())
      return llvm::createStringError(text);
  return llvm::Error::success();
}

/// Packs all tiles of a compressed matrix.
static llvm::Error packAllTiles(const QuantizedMatrix &matrix,
                                pack::TensorType type, Workers &workers,
                                llvm::MutableArrayRef<char> out) {
  auto layout =
      PackedLayout::create(matrix.format, type.getRows(), type.getColumns(),
                           type.getLayout().getCount());
  if (!layout)
    return layout.takeError();
  return forParts(workers, layout->tiles, kTaskBytes / layout->tileBytes,
                  [&](int64_t begin, int64_t end) {
                    return packTiles(matrix, *layout, begin, end, out);
                  });
}

/// Packs the codes and scales that a weight comes with.
static llvm::Error writeStored(PlacedWeight &weight, StringRef format,
                               const WeightStore &store, Workers &workers,
                               llvm::MutableArrayRef<char> out) {
  auto matrix = readStored(store, weight.source);
  if (!matrix)
    return llvm::createStringError("weight '" + weight.name +
                                   "': " + llvm::toString(matrix.takeError()));
  auto wanted = parseFormat(format);
  if (!wanted)
    return wanted.takeError();
  if (!(matrix->format == *wanted))
    return llvm::createStringError("weight '" + weight.name +
                                   "': expected to come in format '" + format +
                                   "' but got '" + matrix->format.name + "'");
  return packAllTiles(*matrix, cast<pack::TensorType>(weight.type), workers,
                      out);
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
  auto finish = [&] {
    weight.outcome.seconds = std::chrono::duration<double>(
                                 std::chrono::steady_clock::now() - started)
                                 .count();
    return llvm::Error::success();
  };
  if (method.getName() == kKeepMethod) {
    if (llvm::Error error =
            writeStored(weight, method.getFormat(), store, workers, out))
      return error;
    weight.outcome.note = "kept as it comes";
    return finish();
  }
  int64_t rows = type.getRows(), columns = type.getColumns();
  std::vector<float> values(rows * columns);
  if (llvm::Error error = forParts(
          workers, rows, kTaskBytes / (columns * sizeof(float)),
          [&](int64_t begin, int64_t end) {
            auto *first = reinterpret_cast<char *>(&values[begin * columns]);
            return store.readRows(weight.source, begin, end,
                                  {first, static_cast<size_t>(end - begin) *
                                              columns * sizeof(float)});
          }))
    return error;

  MethodRequest request;
  request.weight = {weight.name, values.data(), RealType::F32,
                    rows,        columns,       columns};
  auto parallel = [&](int64_t count, llvm::function_ref<void(int64_t)> body) {
    workers(count, body);
  };
  request.parallelFor = parallel;
  llvm::SmallVector<std::pair<StringRef, StringRef>> settings;
  if (method.getSettings())
    for (NamedAttribute setting : method.getSettings())
      settings.emplace_back(setting.getName().getValue(),
                            cast<StringAttr>(setting.getValue()).getValue());
  auto result =
      runMethod(method.getName(), method.getFormat(), settings, request);
  if (!result)
    return result.takeError();
  if (!result->matrix.columnScale.empty())
    return llvm::createStringError("weight '" + weight.name + "': method '" +
                                   method.getName() +
                                   "' scales columns, and nothing undoes it");
  if (llvm::Error error = packAllTiles(result->matrix, type, workers, out))
    return error;
  weight.outcome.relativeError =
      measureError(request.weight, result->matrix, parallel).getRelative();
  weight.outcome.note = std::move(result->note);
  return finish();
}
