//===- DecodeBlocks.cpp - Decodes blocks and components of matrices -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `DecodeBlocks TYPE ROWS COLUMNS` reads blocks of GGUF files from standard input
// and writes the values as f32: once of the components, once after packing and
// unpacking. TYPE may also be a format whose scale is a code alone: then codes
// and codes of scales are read, a byte for each.
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/Ggml.h"
#include "llmc/Formats/Layout.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace llmc;

static Expected<QuantizedMatrix> readComponents(StringRef name, int64_t rows,
                                                int64_t columns,
                                                ArrayRef<char> bytes) {
  auto format = parseFormat(name);
  if (!format)
    return format.takeError();
  auto matrix = QuantizedMatrix::create(*format, rows, columns);
  if (!matrix)
    return matrix;
  if (matrix->chains.size() != 1 || !matrix->chains[0].reals.empty())
    return createStringError("expected a format whose scale is a code alone");
  std::vector<uint8_t> &codes = matrix->codes,
                       &scales = matrix->chains[0].codes;
  if (bytes.size() != codes.size() + scales.size())
    return createStringError("expected " + Twine(codes.size()) + " codes and " +
                             Twine(scales.size()) + " of scales but got " +
                             Twine(bytes.size()) + " bytes");
  llvm::copy(bytes.take_front(codes.size()), codes.begin());
  llvm::copy(bytes.drop_front(codes.size()), scales.begin());
  if (Error error = verify(*matrix))
    return std::move(error);
  return matrix;
}

static Error decode(ArrayRef<char *> arguments) {
  int64_t rows, columns;
  if (arguments.size() != 4 || StringRef(arguments[2]).getAsInteger(10, rows) ||
      StringRef(arguments[3]).getAsInteger(10, columns))
    return createStringError("expected TYPE ROWS COLUMNS");
  auto input = MemoryBuffer::getSTDIN();
  if (!input)
    return errorCodeToError(input.getError());
  ArrayRef bytes((*input)->getBufferStart(), (*input)->getBufferSize());
  const GgmlType *type = findGgmlType(StringRef(arguments[1]));
  auto matrix = type ? readGgml(*type, rows, columns, bytes)
                     : readComponents(arguments[1], rows, columns, bytes);
  if (!matrix)
    return matrix.takeError();
  auto packed = packMatrix(*matrix);
  if (!packed)
    return packed.takeError();
  auto layout = PackedLayout::create(matrix->format, rows, columns);
  if (!layout)
    return layout.takeError();
  auto again = unpackMatrix(matrix->format, *layout, *packed);
  if (!again)
    return again.takeError();
  for (const QuantizedMatrix *each : {&*matrix, &*again}) {
    std::vector<float> values(rows * columns);
    decodeRows(*each, 0, rows, values);
    outs() << StringRef(reinterpret_cast<const char *>(values.data()),
                        values.size() * sizeof(float));
  }
  outs().flush();
  return Error::success();
}

int main(int count, char **arguments) {
  if (Error error = decode(ArrayRef(arguments, count))) {
    errs() << "DecodeBlocks: " << toString(std::move(error)) << '\n';
    return 1;
  }
  return 0;
}
