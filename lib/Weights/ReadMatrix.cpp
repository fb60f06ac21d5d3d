//===- ReadMatrix.cpp - A whole weight in single precision ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Weights/ReadMatrix.h"
#include "SourceReader.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>
#include <sys/mman.h>

using namespace llmc;

/// Bytes that one task reads, about.
static constexpr int64_t kPartBytes = 1 << 20;
/// A huge page, and from how many bytes on they are asked for.
static constexpr size_t kHugePage = 2 << 20, kManyBytes = 2 * kHugePage;

void *llmc::allocatePages(size_t bytes) {
  bool many = bytes >= kManyBytes;
  void *memory =
      many ? std::aligned_alloc(kHugePage, llvm::alignTo(bytes, kHugePage))
           : std::malloc(bytes);
  if (!memory && bytes)
    llvm::report_bad_alloc_error("no memory for the numbers of a matrix");
#ifdef MADV_HUGEPAGE
  if (many)
    madvise(memory, bytes, MADV_HUGEPAGE); // a wish
#endif
  return memory;
}

llvm::Error
llmc::forParts(ParallelFor parallelFor, int64_t count, int64_t perPart,
               llvm::function_ref<llvm::Error(int64_t, int64_t)> body) {
  perPart = std::max<int64_t>(1, perPart);
  int64_t parts = llvm::divideCeil(count, perPart);
  std::vector<std::pair<std::string, std::error_code>> failures(parts);
  parallelFor(parts, [&](int64_t part) {
    int64_t begin = part * perPart;
    llvm::handleAllErrors(
        body(begin, std::min(count, begin + perPart)),
        [&](const llvm::ErrorInfoBase &error) {
          failures[part] = {error.message(), error.convertToErrorCode()};
        });
  });
  for (const auto &[text, code] : failures)
    if (code)
      return llvm::createStringError(code, llvm::Twine(text));
  return llvm::Error::success();
}

llvm::Expected<Numbers> llmc::readMatrix(const WeightStore &store,
                                         mlir::Attribute source,
                                         ParallelFor parallelFor) {
  auto at = SourceReader(store).layout(source);
  if (!at)
    return at.takeError();
  if (!at->type.getElementType().isF32())
    return llvm::createStringError("weight source: expected values of f32");
  Numbers values(at->rows * (at->rowBytes / sizeof(float)));
  auto *bytes = reinterpret_cast<char *>(values.data());
  auto read = [&](int64_t begin, int64_t end) {
    size_t size = (end - begin) * at->rowBytes;
    return store.readRows(source, begin, end,
                          {bytes + begin * at->rowBytes, size});
  };
  if (llvm::Error error =
          forParts(parallelFor, at->rows,
                   kPartBytes / std::max<int64_t>(1, at->rowBytes), read))
    return error;
  return values;
}

mlir::Attribute llmc::findTransposed(mlir::Attribute source) {
  if (auto transpose = llvm::dyn_cast<nn::TransposeSourceAttr>(source))
    return transpose.getPerm() == llvm::ArrayRef<int64_t>{1, 0}
               ? transpose.getSource()
               : mlir::Attribute();
  auto scale = llvm::dyn_cast<nn::ScaleSourceAttr>(source);
  if (!scale || scale.getAxis() > 1)
    return {};
  mlir::Attribute inner = findTransposed(scale.getSource());
  return inner
             ? nn::ScaleSourceAttr::get(source.getContext(), inner,
                                        scale.getFactors(), 1 - scale.getAxis(),
                                        scale.getInverse())
             : mlir::Attribute();
}

llvm::Expected<bool> llmc::haveEqualBytes(const WeightStore &store,
                                          mlir::Attribute a, mlir::Attribute b,
                                          mlir::RankedTensorType type) {
  constexpr int64_t kPieceBytes = 1 << 20;
  auto bytes = getTensorBytes(type);
  int64_t count = type.getRank() ? type.getDimSize(0) : 1;
  if (!bytes || *bytes == 0 || count == 0)
    return false;
  int64_t rowBytes = *bytes / count;
  int64_t step = std::max<int64_t>(1, kPieceBytes / rowBytes);
  std::vector<char> left, right;
  for (int64_t begin = 0; begin < count; begin += step) {
    int64_t end = std::min(count, begin + step);
    left.resize((end - begin) * rowBytes);
    right.resize(left.size());
    if (llvm::Error error = store.readRows(a, begin, end, left))
      return error;
    if (llvm::Error error = store.readRows(b, begin, end, right))
      return error;
    if (std::memcmp(left.data(), right.data(), left.size()) != 0)
      return false;
  }
  return true;
}
