//===- OnnxMessage.cpp - Messages of an ONNX file, written ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "OnnxMessage.h"

using namespace llmc::onnx;
using llvm::ArrayRef;
using llvm::StringRef;

std::string llmc::onnx::buildTensor(StringRef name, int32_t type,
                                    ArrayRef<int64_t> dims, StringRef location,
                                    Place place) {
  Message tensor;
  for (int64_t extent : dims)
    tensor.number(1, extent);
  tensor.number(2, type).text(8, name);
  auto entry = [&](StringRef key, StringRef value) {
    tensor.text(13, Message().text(1, key).text(2, value).bytes);
  };
  entry("location", location);
  entry("offset", std::to_string(place.offset));
  entry("length", std::to_string(place.size));
  return tensor.number(14, 1).bytes;
}

std::string llmc::onnx::buildAttribute(StringRef name, int64_t value) {
  return Message().text(1, name).number(3, value).number(20, kAttrInt).bytes;
}

std::string llmc::onnx::buildNode(StringRef op, StringRef domain,
                                  ArrayRef<std::string> inputs,
                                  ArrayRef<std::string> outputs,
                                  ArrayRef<std::pair<StringRef, int64_t>> attrs,
                                  StringRef kept) {
  Message node;
  for (const std::string &input : inputs)
    node.text(1, input);
  for (const std::string &output : outputs)
    node.text(2, output);
  node.text(4, op);
  for (const auto &[name, value] : attrs)
    node.text(5, buildAttribute(name, value));
  if (!domain.empty())
    node.text(7, domain);
  return node.raw(kept).bytes;
}
