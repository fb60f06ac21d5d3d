//===- DecodeBlocks.cpp - Decodes blocks of GGUF files --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `DecodeBlocks TYPE ROWS COLUMNS` reads blocks from standard input and writes
// the values as f32: once of the components, once after packing and unpacking.
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/Ggml.h"
#include "llmc/Formats/Layout.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace llmc;

static Error decode(ArrayRef<char *> arguments) {
  int64_t rows, columns;
  const GgmlType *type =
      arguments.size() == 4 ? findGgmlType(StringRef(arguments[1])) : nullptr;
  if (!type || StringRef(arguments[2]).getAsInteger(10, rows) ||
      StringRef(arguments[3]).getAsInteger(10, columns))
    return createStringError("expected TYPE ROWS COLUMNS");
  auto input = MemoryBuffer::getSTDIN();
  if (!input)
    return errorCodeToError(input.getError());
  auto matrix =
      readGgml(*type, rows, columns,
               ArrayRef((*input)->getBufferStart(), (*input)->getBufferSize()));
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
