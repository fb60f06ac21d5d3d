//===- OnnxMessage.h - Messages of an ONNX file, written --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The few messages that an export adds to a model, in the wire format. Field
// numbers are those of third_party/onnx/onnx.proto.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_EXPORT_ONNXMESSAGE_H
#define LLMC_LIB_EXPORT_ONNXMESSAGE_H

#include "llmc/Import/OnnxMessage.h"

namespace llmc::onnx {

/// A place in the file of external data.
struct Place {
  uint64_t offset = 0, size = 0;
};

/// TensorProto with external data.
std::string buildTensor(llvm::StringRef name, int32_t type,
                        llvm::ArrayRef<int64_t> dims, llvm::StringRef location,
                        Place place);

/// AttributeProto with an integer.
std::string buildAttribute(llvm::StringRef name, int64_t value);

/// NodeProto. `kept` are whole fields that stay as they were: the name of the
/// node, its documentation and its metadata.
std::string buildNode(llvm::StringRef op, llvm::StringRef domain,
                      llvm::ArrayRef<std::string> inputs,
                      llvm::ArrayRef<std::string> outputs,
                      llvm::ArrayRef<std::pair<llvm::StringRef, int64_t>> attrs,
                      llvm::StringRef kept);

} // namespace llmc::onnx

#endif // LLMC_LIB_EXPORT_ONNXMESSAGE_H
