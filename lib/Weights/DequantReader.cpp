//===- DequantReader.cpp - Evaluates quantized sources --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values are formed as the decoder of llmc's own formats forms them, in f64
// with one rounding at the end, so that a weight that is kept as it is stored
// has the very same values.
//
//===----------------------------------------------------------------------===//
#include "SourceReader.h"

#include "llmc/Formats/Ggml.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;
using namespace llmc;
using namespace llmc::nn;

Expected<std::vector<double>>
SourceReader::readNumbers(Attribute source, int64_t begin, int64_t end) {
  auto at = layout(source);
  if (!at)
    return at.takeError();
  Type type = at->type.getElementType();
  int64_t width = at->rowBytes / at->elementBytes;
  std::vector<double> numbers((end - begin) * width);
  bool known = true;
  Error error = forChunks(
      source, begin, end, [&](int64_t row, int64_t stop, ArrayRef<char> bytes) {
        double *to = numbers.data() + (row - begin) * width;
        known = withLoader(type, [&](auto loader) {
          for (int64_t i = 0, count = (stop - row) * width; i < count; ++i)
            to[i] = static_cast<double>(
                loader(bytes.data() + i * at->elementBytes));
        });
      });
  if (error)
    return std::move(error);
  if (!known)
    return createStringError("weight source: no arithmetic on this type");
  return numbers;
}

//===----------------------------------------------------------------------===//
// Unpack
//===----------------------------------------------------------------------===//

/// Fields `first .. first+count-1` of a row of bytes.
static void unpackFields(const char *bytes, int64_t bits, int64_t first,
                         int64_t count, bool isSigned, char *out) {
  int64_t each = 8 / bits;
  unsigned mask = (1u << bits) - 1, sign = isSigned ? 1u << (bits - 1) : 0;
  for (int64_t i = 0; i < count; ++i) {
    int64_t field = first + i;
    unsigned value =
        static_cast<uint8_t>(bytes[field / each]) >> (field % each * bits) &
        mask;
    out[i] = static_cast<char>((value ^ sign) - sign);
  }
}

Error SourceReader::readUnpack(UnpackSourceAttr source, const SourceLayout &at,
                               int64_t begin, int64_t end,
                               MutableArrayRef<char> out) {
  auto inner = layout(source.getSource());
  if (!inner)
    return inner.takeError();
  int64_t bits = source.getBits();
  bool isSigned = !source.getType().isUnsignedInteger();
  if (at.type.getRank() == 1) {
    // Rows are single integers; those of a byte come together.
    int64_t each = 8 / bits;
    return forChunks(
        source.getSource(), begin / each, llvm::divideCeil(end, each),
        [&](int64_t byte, int64_t stop, ArrayRef<char> bytes) {
          int64_t from = std::max(begin, byte * each),
                  to = std::min(end, stop * each);
          unpackFields(bytes.data(), bits, from - byte * each, to - from,
                       isSigned, out.data() + (from - begin));
        });
  }
  int64_t count = source.getCount(), rowBytes = inner->type.getShape().back();
  if (count == 0 || rowBytes == 0)
    return Error::success();
  int64_t lines = inner->rowBytes / rowBytes;
  return forChunks(source.getSource(), begin, end,
                   [&](int64_t row, int64_t stop, ArrayRef<char> bytes) {
                     char *to = out.data() + (row - begin) * lines * count;
                     for (int64_t i = 0; i < (stop - row) * lines; ++i)
                       unpackFields(bytes.data() + i * rowBytes, bits, 0, count,
                                    isSigned, to + i * count);
                   });
}

Error SourceReader::readColumns(Attribute source, int64_t begin, int64_t end,
                                MutableArrayRef<char> out) {
  auto at = layout(source);
  if (!at)
    return at.takeError();
  int64_t width = end - begin;
  if (at->type.getRank() != 2 || at->elementBytes != 1 || begin < 0 ||
      end < begin || end > at->rowBytes ||
      static_cast<int64_t>(out.size()) != at->rows * width)
    return createStringError("weight source: expected columns of a matrix of "
                             "bytes");
  auto unpack = dyn_cast<UnpackSourceAttr>(source);
  if (!unpack)
    return forChunks(
        source, 0, at->rows,
        [&](int64_t row, int64_t stop, ArrayRef<char> bytes) {
          for (int64_t r = row; r < stop; ++r)
            std::memcpy(out.data() + r * width,
                        bytes.data() + (r - row) * at->rowBytes + begin, width);
        });
  // The bytes that hold these integers, and nothing beside them.
  int64_t each = 8 / unpack.getBits(), first = begin / each,
          last = llvm::divideCeil(end, each), rowBytes = last - first;
  std::vector<char> bytes(at->rows * rowBytes);
  if (Error error = readColumns(unpack.getSource(), first, last, bytes))
    return error;
  for (int64_t row = 0; row < at->rows; ++row)
    unpackFields(
        bytes.data() + row * rowBytes, unpack.getBits(), begin - first * each,
        width, !unpack.getType().isUnsignedInteger(), out.data() + row * width);
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Dequant
//===----------------------------------------------------------------------===//

Error SourceReader::readDequant(DequantSourceAttr source,
                                const SourceLayout &at, int64_t begin,
                                int64_t end, MutableArrayRef<char> out) {
  auto codes = layout(source.getCodes());
  if (!codes)
    return codes.takeError();
  // Codes of rank 0 are one row of one code.
  SmallVector<int64_t> shape(at.type.getShape()), blocks(source.getBlocks());
  if (shape.empty()) {
    shape.push_back(1);
    blocks.push_back(1);
  }
  SmallVector<int64_t> counts;
  for (auto [extent, block] : llvm::zip(shape, blocks))
    counts.push_back(llvm::divideCeil(extent, block));
  SmallVector<int64_t> strides = computeStrides(counts);
  int64_t last = shape.size() - 1;
  auto one = dyn_cast<IntegerAttr>(source.getZeros());
  double zero = one ? static_cast<double>(one.getValue().getSExtValue()) : 0;
  Error problem = Error::success();

  auto useChunk = [&](int64_t row, int64_t stop, ArrayRef<char> bytes) {
    int64_t firstBlock = row / blocks[0];
    int64_t stopBlock = llvm::divideCeil(stop, blocks[0]);
    auto scales = readNumbers(source.getScales(), firstBlock, stopBlock);
    std::vector<double> zeros;
    if (scales && !one) {
      auto read = readNumbers(source.getZeros(), firstBlock, stopBlock);
      if (read)
        zeros = std::move(*read);
      else
        scales = read.takeError();
    }
    if (!scales) {
      problem = llvm::joinErrors(std::move(problem), scales.takeError());
      return;
    }
    // A line is what lies along the last axis; `index` counts lines over the
    // axes before it.
    int64_t width = last == 0 ? stop - row : shape[last];
    int64_t first = last == 0 ? row : 0;
    int64_t lines = static_cast<int64_t>(bytes.size()) / codes->elementBytes /
                    std::max<int64_t>(1, width);
    SmallVector<int64_t> index(last, 0);
    if (last > 0)
      index[0] = row;
    const char *from = bytes.data();
    char *to = out.data() + (row - begin) * at.rowBytes;
    for (int64_t line = 0; line < lines; ++line) {
      int64_t place = -firstBlock * strides[0];
      for (int64_t axis = 0; axis < last; ++axis)
        place += index[axis] / blocks[axis] * strides[axis];
      withLoader(codes->type.getElementType(), [&](auto loader) {
        for (int64_t k = 0; k < width;) {
          int64_t block = (first + k) / blocks[last];
          int64_t until =
              std::min(width - k, blocks[last] - (first + k) % blocks[last]);
          double scale = (*scales)[place + block];
          double z = one ? zero : zeros[place + block];
          for (int64_t i = 0; i < until; ++i) {
            // Plus 0: there is one zero, as in the formats.
            double value =
                0.0 + scale * (static_cast<double>(loader(from)) - z);
            float rounded = static_cast<float>(value);
            std::memcpy(to, &rounded, sizeof(float));
            from += codes->elementBytes;
            to += sizeof(float);
          }
          k += until;
        }
      });
      for (int64_t axis = last - 1; axis >= 0; --axis) {
        if (++index[axis] < shape[axis] || axis == 0)
          break;
        index[axis] = 0;
      }
    }
  };
  if (Error error = forChunks(source.getCodes(), begin, end, useChunk))
    return llvm::joinErrors(std::move(problem), std::move(error));
  return problem;
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

Error SourceReader::readBlocks(BlocksSourceAttr source, const SourceLayout &at,
                               int64_t begin, int64_t end,
                               MutableArrayRef<char> out) {
  const GgmlType *type = findGgmlType(source.getType());
  Error problem = Error::success();
  auto useChunk = [&](int64_t row, int64_t stop, ArrayRef<char> bytes) {
    auto matrix = readGgml(*type, stop - row, at.type.getDimSize(1), bytes);
    if (!matrix) {
      problem = llvm::joinErrors(std::move(problem), matrix.takeError());
      return;
    }
    std::vector<float> values(matrix->rows * matrix->columns);
    decodeRows(*matrix, 0, matrix->rows, values);
    std::memcpy(out.data() + (row - begin) * at.rowBytes, values.data(),
                values.size() * sizeof(float));
  };
  // Decoding takes several times the bytes of the result: few rows at a time.
  constexpr int64_t kRows = 64;
  for (int64_t row = begin; row < end; row += kRows)
    if (Error error = forChunks(source.getSource(), row,
                                std::min(end, row + kRows), useChunk))
      return llvm::joinErrors(std::move(problem), std::move(error));
  return problem;
}
