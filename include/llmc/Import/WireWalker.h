//===- WireWalker.h - Takes the weights out of an ONNX file ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_IMPORT_WIREWALKER_H
#define LLMC_IMPORT_WIREWALKER_H

#include "llmc/Import/OnnxModel.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

namespace llmc::onnx {

/// One field of a message, as it lies in the file.
struct WireField {
  uint64_t number = 0;
  /// 0: a number, `value`; 1 and 5: eight and four bytes; 2: bytes.
  unsigned kind = 0;
  /// With its tag, and without tag and length.
  Span whole, body;
  uint64_t value = 0;
};

/// Reads the fields of one message of the protobuf wire format, in order. Every
/// length is checked against what is left of the message.
class WireReader {
public:
  WireReader(llvm::ArrayRef<char> file, uint64_t begin, uint64_t end)
      : file(file), at(begin), end(end) {}

  /// False at the end of the message.
  llvm::Expected<bool> next(WireField &field);
  /// An error that names a place in the file.
  static llvm::Error malformed(uint64_t at, const llvm::Twine &what);

private:
  bool varint(uint64_t &value);

  llvm::ArrayRef<char> file;
  uint64_t at, end;
};

/// Appends a number as the wire format has it.
void appendVarint(std::string &out, uint64_t value);

/// A model without the bytes of its tensors.
struct StrippedModel {
  /// The same message; every TensorProto.raw_data holds the eight bytes of a
  /// number (little-endian), its place in `spans`.
  std::string bytes;
  std::vector<Span> spans;
};

/// Graphs in graphs that are accepted; as many as other engines take.
constexpr unsigned kMaxGraphDepth = 32;

/// Walks the protobuf wire format of a ModelProto. Copies everything but
/// raw_data; reads nothing outside `file`.
llvm::Expected<StrippedModel> stripModel(llvm::ArrayRef<char> file);

} // namespace llmc::onnx

#endif // LLMC_IMPORT_WIREWALKER_H
