//===- OnnxCodes.h - Matrices as operators of ONNX have them ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MatMulNBits, GatherBlockQuantized and DequantizeLinear know one kind of
// compressed matrix: `(code - zero) * scale` with codes of 2, 4 or 8 bits and a
// scale for each group of columns. Here a matrix in one of llmc's formats
// becomes such codes and scales, with the very same values, and those become
// the bytes that each operator wants.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_EXPORT_ONNXCODES_H
#define LLMC_EXPORT_ONNXCODES_H

#include "llmc/Formats/QuantizedMatrix.h"
#include <optional>

namespace llmc {

/// `(code - zero) * scale`, codes and zeros counted from 0.
struct OnnxCodes {
  int64_t rows = 0, columns = 0;
  /// 2, 4 or 8.
  int64_t bits = 0;
  /// Columns of a group; at least `columns` where a row has one scale.
  int64_t block = 0;
  /// [rows][columns].
  std::vector<uint8_t> codes;
  /// [rows][groups].
  std::vector<float> scales;
  /// [rows][groups]; empty where all are 2^(bits-1).
  std::vector<uint8_t> zeros;

  int64_t getGroups() const { return (columns + block - 1) / block; }
};

/// Why matrices of a format are no such codes.
struct OnnxLack {
  /// "format 'NAME' has ..., and ONNX has ..."
  std::string why;
  /// A format that would do, for "use ...".
  std::string instead;
};
std::optional<OnnxLack> findOnnxLack(const FormatDescription &format);

/// Whether matrices of this format have zeros other than 2^(bits-1). An error
/// says what the format has that ONNX lacks, and which one would do.
llvm::Expected<bool> hasOnnxZeros(const FormatDescription &format);

/// Takes a matrix without column scale apart. Fails as hasOnnxZeros does, and
/// where a scale is no f32 number or a zero point is outside of the codes.
llvm::Expected<OnnxCodes> toOnnxCodes(const QuantizedMatrix &matrix);

/// The rows of the one below those of the other. Both must agree in bits,
/// columns and block.
void appendRows(OnnxCodes &to, const OnnxCodes &more);

/// Integers of few bits in bytes, low bits first; each of `rows` rows of `count`
/// begins with a byte of its own and has `rowBytes`, what is left zeros.
std::vector<char> packIntegers(llvm::ArrayRef<uint8_t> values, int64_t rows,
                               int64_t count, int64_t bits, int64_t rowBytes);

/// The codes as input B of MatMulNBits, [rows][groups][block * bits / 8]; its
/// last block may be padded.
std::vector<char> packMatMulNBits(const OnnxCodes &matrix);
/// The codes as data of GatherBlockQuantized, [rows][columns * bits / 8].
std::vector<char> packGather(const OnnxCodes &matrix);
/// The zeros of both, [rows][ceil(groups * bits / 8)].
std::vector<char> packZeros(const OnnxCodes &matrix);

/// A tensor of the type (u)int2, (u)int4 or (u)int8, row-major without gaps.
/// With `isSigned`, 2^(bits-1) is taken from each. `transposed`: [count][rows].
std::vector<char> packTensor(llvm::ArrayRef<uint8_t> values, int64_t rows,
                             int64_t count, int64_t bits, bool isSigned,
                             bool transposed);
/// [rows][count] or, transposed, [count][rows].
std::vector<char> packScales(llvm::ArrayRef<float> values, int64_t rows,
                             int64_t count, bool transposed);

} // namespace llmc

#endif // LLMC_EXPORT_ONNXCODES_H
