//===- OnnxMessage.h - Writes messages of ONNX -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_IMPORT_ONNXMESSAGE_H
#define LLMC_IMPORT_ONNXMESSAGE_H

#include "llmc/Import/WireWalker.h"

namespace llmc::onnx {

/// A message under construction: fields in the order of the calls.
class Message {
public:
  Message &number(unsigned field, uint64_t value) {
    appendVarint(bytes, uint64_t(field) << 3);
    appendVarint(bytes, value);
    return *this;
  }
  /// Text, bytes, or a message.
  Message &text(unsigned field, llvm::StringRef value) {
    appendVarint(bytes, uint64_t(field) << 3 | 2);
    appendVarint(bytes, value.size());
    bytes += value;
    return *this;
  }
  /// A field as it lies elsewhere.
  Message &raw(llvm::StringRef field) {
    bytes += field;
    return *this;
  }

  std::string bytes;
};

} // namespace llmc::onnx

#endif // LLMC_IMPORT_ONNXMESSAGE_H
