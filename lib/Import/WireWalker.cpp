//===- WireWalker.cpp - Takes the weights out of an ONNX file -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// protobuf copies every bytes field to the heap and ends at 2 GB. So the file
// is walked first: of each message on the way to a TensorProto the fields are
// copied, raw_data is replaced by a number, and protobuf parses the small rest.
// This is the first code that sees a foreign file: every length is checked
// against what is left of the message around it.
//
//===----------------------------------------------------------------------===//
#include "llmc/Import/WireWalker.h"

#include "llvm/ADT/Twine.h"

using namespace llvm;
using namespace llmc::onnx;

namespace {

/// The message kinds that lead to tensors; Other is copied as it is.
enum class Kind {
  Model,
  Graph,
  Node,
  Attribute,
  Tensor,
  SparseTensor,
  Function,
  Training,
  Other
};

/// The kind of the message in field `field` of a message of kind `kind`.
Kind childKind(Kind kind, uint64_t field) {
  switch (kind) {
  case Kind::Model:
    return field == 7    ? Kind::Graph
           : field == 20 ? Kind::Training
           : field == 25 ? Kind::Function
                         : Kind::Other;
  case Kind::Graph:
    return field == 1    ? Kind::Node
           : field == 5  ? Kind::Tensor
           : field == 15 ? Kind::SparseTensor
                         : Kind::Other;
  case Kind::Node:
    return field == 5 ? Kind::Attribute : Kind::Other;
  case Kind::Attribute:
    return field == 5 || field == 10    ? Kind::Tensor
           : field == 6 || field == 11  ? Kind::Graph
           : field == 22 || field == 23 ? Kind::SparseTensor
                                        : Kind::Other;
  case Kind::SparseTensor:
    return field == 1 || field == 2 ? Kind::Tensor : Kind::Other;
  case Kind::Function:
    return field == 7    ? Kind::Node
           : field == 11 ? Kind::Attribute
                         : Kind::Other;
  case Kind::Training:
    return field == 1 || field == 2 ? Kind::Graph : Kind::Other;
  case Kind::Tensor:
  case Kind::Other:
    return Kind::Other;
  }
  return Kind::Other;
}

constexpr uint64_t kRawData = 9; // field of TensorProto
constexpr unsigned kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;
/// Bytes that protobuf may get; more is no graph but data in typed fields.
constexpr uint64_t kMaxStripped = uint64_t(1) << 30;

class Walker {
public:
  explicit Walker(ArrayRef<char> file) : file(file) {}

  Error walk(Kind kind, uint64_t begin, uint64_t end, unsigned depth,
             std::string &out);
  std::vector<Span> spans;

private:
  ArrayRef<char> file;
};

Error Walker::walk(Kind kind, uint64_t begin, uint64_t end, unsigned depth,
                   std::string &out) {
  if (kind == Kind::Graph && ++depth > kMaxGraphDepth + 1)
    return WireReader::malformed(begin, "expected at most " +
                                            Twine(kMaxGraphDepth) +
                                            " graphs inside graphs");
  WireReader reader(file, begin, end);
  WireField field;
  while (true) {
    Expected<bool> more = reader.next(field);
    if (!more)
      return more.takeError();
    if (!*more)
      return Error::success();
    if (field.kind == kBytes) {
      uint64_t tag = field.number << 3 | kBytes;
      Span body = field.body;
      if (kind == Kind::Tensor && field.number == kRawData) {
        appendVarint(out, tag);
        appendVarint(out, 8);
        for (unsigned i = 0; i < 8; ++i)
          out.push_back(static_cast<char>(spans.size() >> 8 * i));
        spans.push_back(body);
        continue;
      }
      Kind child = childKind(kind, field.number);
      if (child != Kind::Other) {
        std::string inner;
        if (Error error =
                walk(child, body.offset, body.offset + body.size, depth, inner))
          return error;
        appendVarint(out, tag);
        appendVarint(out, inner.size());
        out += inner;
        continue;
      }
    }
    if (out.size() + field.whole.size > kMaxStripped)
      return WireReader::malformed(field.whole.offset,
                                   "expected at most " + Twine(kMaxStripped) +
                                       " bytes beside raw tensors");
    out.append(file.data() + field.whole.offset, field.whole.size);
  }
}

} // namespace

void llmc::onnx::appendVarint(std::string &out, uint64_t value) {
  for (; value >= 128; value >>= 7)
    out.push_back(static_cast<char>(value | 128));
  out.push_back(static_cast<char>(value));
}

Error WireReader::malformed(uint64_t at, const Twine &what) {
  return createStringError(inconvertibleErrorCode(),
                           "not a readable ONNX file: at byte " + Twine(at) +
                               ": " + what);
}

/// Reads a number of at most ten bytes; `at` moves behind it.
bool WireReader::varint(uint64_t &value) {
  value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (at >= end)
      return false;
    uint8_t byte = file[at++];
    if (shift == 63 && byte > 1)
      return false;
    value |= uint64_t(byte & 127) << shift;
    if (byte < 128)
      return true;
  }
  return false;
}

Expected<bool> WireReader::next(WireField &field) {
  if (at >= end)
    return false;
  uint64_t start = at, tag, size = 0;
  if (!varint(tag) || tag >> 3 == 0 || tag >> 3 > 536870911)
    return malformed(start, "expected a field");
  field = {};
  field.number = tag >> 3;
  field.kind = tag & 7;
  field.body.offset = at;
  switch (field.kind) {
  case kVarint:
    if (!varint(field.value))
      return malformed(start, "expected a number");
    break;
  case kFixed64:
  case kFixed32:
    size = field.kind == kFixed64 ? 8 : 4;
    if (size > end - at)
      return malformed(start, "expected " + Twine(size) + " bytes but got " +
                                  Twine(end - at));
    at += size;
    break;
  case kBytes:
    if (!varint(size))
      return malformed(start, "expected a length");
    if (size > end - at)
      return malformed(start, "expected a field of " + Twine(size) +
                                  " bytes but got " + Twine(end - at));
    field.body.offset = at;
    at += size;
    break;
  default:
    return malformed(start, "unknown kind of field");
  }
  field.body.size = at - field.body.offset;
  field.whole = {start, at - start};
  return true;
}

Expected<StrippedModel> llmc::onnx::stripModel(ArrayRef<char> file) {
  if (file.empty())
    return createStringError(inconvertibleErrorCode(),
                             "expected an ONNX model but the file is empty");
  Walker walker(file);
  StrippedModel model;
  if (Error error = walker.walk(Kind::Model, 0, file.size(), 0, model.bytes))
    return std::move(error);
  model.spans = std::move(walker.spans);
  return model;
}
