//===- OnnxCodes.cpp - Matrices as operators of ONNX have them ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Export/OnnxCodes.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <cstring>

using namespace llvm;
using namespace llmc;

std::optional<OnnxLack> llmc::findOnnxLack(const FormatDescription &format) {
  auto lack = [&](const Twine &why, const Twine &instead) {
    return OnnxLack{("format '" + format.name + "' " + why).str(),
                    instead.str()};
  };
  if (format.isDense() || format.terms.size() != 1)
    return lack("is no matrix of codes with one scale for each group",
                "i4g32, for example");
  if (format.hadamard)
    return lack("transforms columns, which no operator of ONNX undoes",
                "'" + format.getStored().name + "'");
  if (format.permuted)
    return lack("orders columns, which no operator of ONNX undoes",
                "'" + format.getStored().name + "'");
  if (format.rank)
    return lack("adds a product of rank " + Twine(format.rank) +
                    " to its codes, which ONNX has no place for",
                format.withoutSides().name);
  if (format.sparse)
    return lack("adds numbers of their own to " + Twine(format.sparse) +
                    " of 1,000 weights, which ONNX has no place for",
                format.withoutSides().name);
  if (format.isVector())
    return lack("has codes that stand for " + Twine(format.weightsPerIndex) +
                    " weights each, and ONNX has one for each weight",
                "i4g32, for example");
  if (!is_contained({2u, 4u, 8u}, format.indexBits))
    return lack("has codes of " + Twine(format.indexBits) +
                    " bits, and ONNX has those of 2, 4 and 8",
                "i4g32, for example");
  const Levels &levels = format.terms[0].levels;
  int half = 1 << (format.indexBits - 1);
  if (!levels.table.empty() || (!format.hasMinimum && levels.offset != -half))
    return lack("has levels that are not even, and ONNX has integers",
                "i" + Twine(format.indexBits) + "g32, for example");
  if (format.hasMinimum && !format.minimum.ofScale)
    return lack(
        "has minimums, and ONNX has zero points that are codes",
        "i" + Twine(format.indexBits) +
            (format.groupSize ? "g" + Twine(format.groupSize) : Twine("row")));
  return std::nullopt;
}

Expected<bool> llmc::hasOnnxZeros(const FormatDescription &format) {
  if (auto lack = findOnnxLack(format))
    return createStringError(lack->why + "; use " + lack->instead);
  return format.hasMinimum;
}

Expected<OnnxCodes> llmc::toOnnxCodes(const QuantizedMatrix &matrix) {
  const FormatDescription &format = matrix.format;
  auto hasZeros = hasOnnxZeros(format);
  if (!hasZeros)
    return hasZeros.takeError();
  OnnxCodes result;
  result.rows = matrix.rows;
  result.columns = matrix.columns;
  result.bits = format.indexBits;
  result.block = format.getGroupColumns(matrix.columns);
  result.codes = matrix.codes;
  int64_t groups = matrix.getGroups();
  result.scales.resize(matrix.rows * groups);
  if (*hasZeros)
    result.zeros.resize(result.scales.size());
  for (int64_t row = 0; row < matrix.rows; ++row)
    for (int64_t g = 0; g < groups; ++g) {
      auto refuse = [&](const Twine &what) {
        return createStringError("row " + Twine(row) + ", group " + Twine(g) +
                                 ": " + what);
      };
      double scale = matrix.getChainValue(0, row, g);
      int64_t at = row * groups + g;
      result.scales[at] = static_cast<float>(scale);
      if (static_cast<double>(result.scales[at]) != scale)
        return refuse("expected a scale that f32 holds, as ONNX has it");
      if (!*hasZeros)
        continue;
      uint8_t code = matrix.chains[1].codes[at];
      int64_t zero = format.minimum.code == ScaleCode::I8
                         ? static_cast<int8_t>(code)
                         : code;
      zero -= format.terms[0].levels.offset;
      if (zero < 0 || zero >= int64_t(1) << result.bits)
        return refuse("expected a zero point from 0 to " +
                      Twine((1 << result.bits) - 1) + " but got " +
                      Twine(zero));
      result.zeros[at] = static_cast<uint8_t>(zero);
    }
  return result;
}

void llmc::appendRows(OnnxCodes &to, const OnnxCodes &more) {
  // Only one of them may have zeros of its own.
  uint8_t middle = 1 << (to.bits - 1);
  if (to.zeros.empty() && !more.zeros.empty())
    to.zeros.assign(to.scales.size(), middle);
  if (!to.zeros.empty()) {
    if (more.zeros.empty())
      to.zeros.resize(to.zeros.size() + more.scales.size(), middle);
    else
      append_range(to.zeros, more.zeros);
  }
  append_range(to.codes, more.codes);
  append_range(to.scales, more.scales);
  to.rows += more.rows;
}

std::vector<char> llmc::packIntegers(ArrayRef<uint8_t> values, int64_t rows,
                                     int64_t count, int64_t bits,
                                     int64_t rowBytes) {
  std::vector<char> bytes(rows * rowBytes);
  int64_t each = 8 / bits;
  for (int64_t row = 0; row < rows; ++row) {
    char *to = bytes.data() + row * rowBytes;
    const uint8_t *from = values.data() + row * count;
    for (int64_t i = 0; i < count; ++i)
      to[i / each] |= static_cast<char>(from[i] << (i % each * bits));
  }
  return bytes;
}

std::vector<char> llmc::packMatMulNBits(const OnnxCodes &matrix) {
  int64_t rowBytes = matrix.getGroups() * (matrix.block * matrix.bits / 8);
  return packIntegers(matrix.codes, matrix.rows, matrix.columns, matrix.bits,
                      rowBytes);
}

std::vector<char> llmc::packGather(const OnnxCodes &matrix) {
  return packIntegers(matrix.codes, matrix.rows, matrix.columns, matrix.bits,
                      divideCeil(matrix.columns * matrix.bits, 8));
}

std::vector<char> llmc::packZeros(const OnnxCodes &matrix) {
  int64_t groups = matrix.getGroups();
  return packIntegers(matrix.zeros, matrix.rows, groups, matrix.bits,
                      divideCeil(groups * matrix.bits, 8));
}

std::vector<char> llmc::packTensor(ArrayRef<uint8_t> values, int64_t rows,
                                   int64_t count, int64_t bits, bool isSigned,
                                   bool transposed) {
  std::vector<char> bytes(divideCeil(values.size() * bits, 8));
  int64_t each = 8 / bits;
  unsigned mask = (1u << bits) - 1, half = isSigned ? 1u << (bits - 1) : 0;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < count; ++i) {
      int64_t at = transposed ? i * rows + row : row * count + i;
      unsigned value = (values[row * count + i] - half) & mask;
      bytes[at / each] |= static_cast<char>(value << (at % each * bits));
    }
  return bytes;
}

std::vector<char> llmc::packScales(ArrayRef<float> values, int64_t rows,
                                   int64_t count, bool transposed) {
  std::vector<char> bytes(values.size() * sizeof(float));
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < count; ++i)
      std::memcpy(bytes.data() + sizeof(float) * (transposed ? i * rows + row
                                                             : row * count + i),
                  &values[row * count + i], sizeof(float));
  return bytes;
}
