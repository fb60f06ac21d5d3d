//===- CompressWeight.cpp - A weight in the format of its method ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/CompressWeight.h"
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Recipes/Recipe.h"
#include "llmc/Weights/ReadMatrix.h"
#include "llmc/Weights/StoredFormat.h"

#include <chrono>

using namespace mlir;
using namespace llmc;

using Clock = std::chrono::steady_clock;

/// Seconds since `start`, which becomes now.
static double lap(Clock::time_point &start) {
  auto now = Clock::now();
  return std::chrono::duration<double>(now - std::exchange(start, now)).count();
}

/// What a method makes of the weight: its matrix, and how far it is off.
static llvm::Expected<QuantizedMatrix>
compress(StringRef name, Attribute source, int64_t rows, int64_t columns,
         pack::MethodAttr method, const MethodSet &methods,
         const WeightStore &store, ParallelFor parallel, Attribute statistics,
         CompressionOutcome &outcome, WorkSeconds &seconds) {
  auto clock = Clock::now();
  auto values = readMatrix(store, source, parallel);
  if (!values)
    return values.takeError();
  seconds.reading += lap(clock);
  MethodRequest request;
  request.weight = {name, values->data(), RealType::F32,
                    rows, columns,        columns};
  request.parallelFor = parallel;
  std::vector<float> ones(columns, 1.0f);
  request.columnScale = ones;
  SmallVector<float> known;
  if (auto means = dyn_cast_or_null<DenseElementsAttr>(statistics)) {
    known = llvm::to_vector(means.getValues<float>());
    ArrayRef<float> all(known);
    request.statistics.meanAbsolute = all.take_front(columns);
    request.statistics.meanSquare = all.drop_front(columns);
  }
  auto result = runMethod(methods, method.getName(), pack::getFormat(method),
                          pack::getSettings(method), request);
  if (!result)
    return result.takeError();
  result->matrix.columnScale.clear();
  seconds.compressing += lap(clock);
  outcome.relativeError =
      measureError(request.weight, result->matrix, parallel).getRelative();
  if (!result->note.empty())
    outcome.note = std::move(result->note);
  outcome.method = std::move(result->method);
  seconds.checking += lap(clock);
  return std::move(result->matrix);
}

/// The codes and scales that a weight comes with.
static llvm::Expected<QuantizedMatrix>
readKept(StringRef name, Attribute source, pack::MethodAttr method,
         const WeightStore &store, CompressionOutcome &outcome) {
  auto matrix = readStored(store, source);
  if (!matrix)
    return llvm::createStringError("weight '" + name +
                                   "': " + llvm::toString(matrix.takeError()));
  if (!(matrix->format == pack::getFormat(method)))
    return llvm::createStringError(
        "weight '" + name + "': expected to come in format '" +
        method.getFormat() + "' but got '" + matrix->format.name + "'");
  outcome.note = "kept as it comes";
  return matrix;
}

/// The numbers of a weight that comes in few bits without codes: those of the
/// format, so that nothing is rounded.
static llvm::Expected<QuantizedMatrix>
readNumbers(Attribute source, int64_t rows, int64_t columns,
            const FormatDescription &format, const WeightStore &store,
            ParallelFor parallel, CompressionOutcome &outcome) {
  auto values = readMatrix(store, source, parallel);
  if (!values)
    return values.takeError();
  auto matrix = QuantizedMatrix::create(format, rows, columns);
  if (!matrix)
    return matrix.takeError();
  for (auto [i, value] : llvm::enumerate(*values))
    storeReal(format.dense, value, matrix->codes.data() + 2 * i);
  outcome.note = "kept as it comes";
  return matrix;
}

llvm::Expected<QuantizedMatrix>
llmc::compressWeight(StringRef name, Attribute source, int64_t rows,
                     int64_t columns, pack::MethodAttr method,
                     const MethodSet &methods, const WeightStore &store,
                     ParallelFor parallelFor, CompressionOutcome &outcome,
                     WorkSeconds *seconds, Attribute statistics) {
  auto started = Clock::now();
  WorkSeconds unasked;
  FormatDescription format = pack::getFormat(method);
  bool isKept = method.getName() == kKeepMethod;
  auto matrix = isKept && format.isDense()
                    ? readNumbers(source, rows, columns, format, store,
                                  parallelFor, outcome)
                : isKept ? readKept(name, source, method, store, outcome)
                         : compress(name, source, rows, columns, method,
                                    methods, store, parallelFor, statistics,
                                    outcome, seconds ? *seconds : unasked);
  outcome.seconds = lap(started);
  return matrix;
}

void llmc::describe(LedgerLine &line, pack::MethodAttr method,
                    const CompressionOutcome &outcome) {
  line.format = method.getFormat().str();
  line.method =
      outcome.method.empty() ? method.getName().str() : outcome.method;
  line.relativeError = outcome.relativeError;
  line.seconds = outcome.seconds;
  line.note = outcome.note;
}
