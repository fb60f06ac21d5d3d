//===- PackDense.cpp - Matrices into and out of dense packed form ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/PackDense.h"
#include "llmc/Formats/Floats.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>

using namespace llvm;
using namespace llmc;

static mlir::Type getStorage(pack::TensorType type) {
  return cast<pack::DenseAttr>(type.getFormat()).getStorage();
}

static int64_t storedBytes(pack::TensorType type) {
  return getStorage(type).getIntOrFloatBitWidth() / 8;
}

int64_t llmc::getPackedBlocks(pack::TensorType type) {
  return divideCeil(type.getRows(), type.getLayout().getCount());
}

int64_t llmc::getPackedOffset(pack::TensorType type, int64_t block) {
  if (block >= getPackedBlocks(type))
    return type.getBytes();
  return block * type.getLayout().getCount() * type.getColumns() *
         storedBytes(type);
}

/// Writes `rows` rows of `columns` values as `[columns][blockRows]`.
template <typename T, typename Convert>
static void packBlock(const float *from, int64_t rows, int64_t columns,
                      int64_t blockRows, char *out, Convert convert) {
  // Sixteen columns at a time: one cache line of each row.
  constexpr int64_t kColumns = 16;
  for (int64_t first = 0; first < columns; first += kColumns) {
    int64_t last = std::min(columns, first + kColumns);
    for (int64_t r = 0; r < blockRows; ++r)
      for (int64_t c = first; c < last; ++c) {
        T value = r < rows ? convert(from[r * columns + c]) : T(0);
        std::memcpy(out + (c * blockRows + r) * sizeof(T), &value, sizeof(T));
      }
  }
}

static Error checkArguments(pack::TensorType type, size_t bytes) {
  if (!isa<pack::DenseAttr>(type.getFormat()))
    return createStringError("expected a dense packed format");
  if (bytes != static_cast<size_t>(type.getBytes()))
    return createStringError("expected " + Twine(type.getBytes()) +
                             " bytes of packed matrix but got " + Twine(bytes));
  return Error::success();
}

Error llmc::packDense(pack::TensorType type, int64_t begin, int64_t end,
                      ReadRows rows, MutableArrayRef<char> out) {
  if (Error error = checkArguments(type, out.size()))
    return error;
  int64_t blocks = getPackedBlocks(type), columns = type.getColumns(),
          blockRows = type.getLayout().getCount();
  if (begin < 0 || end < begin || end > blocks)
    return createStringError("expected blocks inside 0 to " + Twine(blocks));
  bool isF16 = getStorage(type).isF16();
  std::vector<float> buffer(std::min(blockRows, type.getRows()) * columns);
  for (int64_t block = begin; block < end; ++block) {
    int64_t first = block * blockRows,
            last = std::min(first + blockRows, type.getRows());
    if (Error error = rows(first, last, buffer.data()))
      return error;
    char *to = out.data() + getPackedOffset(type, block);
    if (storedBytes(type) == 4)
      packBlock<float>(buffer.data(), last - first, columns, blockRows, to,
                       [](float value) { return value; });
    else
      packBlock<uint16_t>(buffer.data(), last - first, columns, blockRows, to,
                          isF16 ? floatToF16 : floatToBf16);
  }
  if (end == blocks) {
    int64_t used = blocks * blockRows * columns * storedBytes(type);
    std::memset(out.data() + used, 0, out.size() - used);
  }
  return Error::success();
}

Expected<std::vector<float>> llmc::unpackDense(pack::TensorType type,
                                               ArrayRef<char> packed) {
  if (Error error = checkArguments(type, packed.size()))
    return std::move(error);
  int64_t columns = type.getColumns(), blockRows = type.getLayout().getCount(),
          width = storedBytes(type);
  bool isF16 = getStorage(type).isF16();
  std::vector<float> result(type.getRows() * columns);
  for (int64_t r = 0; r < type.getRows(); ++r)
    for (int64_t c = 0; c < columns; ++c) {
      int64_t block = r / blockRows;
      const char *from =
          packed.data() +
          ((block * columns + c) * blockRows + r % blockRows) * width;
      float &value = result[r * columns + c];
      if (width == 4) {
        std::memcpy(&value, from, 4);
      } else {
        uint16_t half;
        std::memcpy(&half, from, 2);
        value = isF16 ? f16ToFloat(half) : bf16ToFloat(half);
      }
    }
  return result;
}
