//===- WireWalker.h - Takes the weights out of an ONNX file ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_IMPORT_WIREWALKER_H
#define LLMC_LIB_IMPORT_WIREWALKER_H

#include "OnnxModel.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

namespace llmc::onnx {

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

#endif // LLMC_LIB_IMPORT_WIREWALKER_H
