//===- OnnxModel.h - An ONNX file as plain structs -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The borders of the import: protobuf (which throws) fills these structs and is
// seen nowhere else. Standard library only.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_IMPORT_ONNXMODEL_H
#define LLMC_IMPORT_ONNXMODEL_H

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace llmc::onnx {

/// Numbers of TensorProto.DataType.
enum ElementType : int32_t {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kBfloat16 = 16,
  // Several in a byte, the low bits first.
  kUint4 = 21,
  kInt4 = 22,
  kUint2 = 25,
  kInt2 = 26,
};

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// A range of bytes of the model's file.
struct Span {
  uint64_t offset = 0, size = 0;
};

struct Tensor {
  enum class Place {
    /// `span` of the model's file.
    Inline,
    /// `bytes`, converted from typed fields.
    Owned,
    /// `external` names the file.
    External,
    /// Strings, which have no bytes.
    Strings,
  };
  std::string name;
  int32_t type = 0;
  std::vector<int64_t> dims;
  Place place = Place::Owned;
  Span span;
  std::vector<char> bytes;
  Pairs external;
  /// Why the tensor cannot be read; empty where it can.
  std::string fault;
};

struct Graph;

struct Attribute {
  std::string name;
  /// The attribute of the surrounding function that stands here.
  std::string reference;
  /// AttributeProto.AttributeType.
  int32_t type = 0;
  float f = 0;
  int64_t i = 0;
  std::string s;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;
  std::shared_ptr<Tensor> tensor;
  std::shared_ptr<Graph> graph;
};
enum AttributeType : int32_t {
  kAttrFloat = 1,
  kAttrInt = 2,
  kAttrString = 3,
  kAttrTensor = 4,
  kAttrGraph = 5,
  kAttrFloats = 6,
  kAttrInts = 7,
  kAttrStrings = 8,
};

struct Node {
  std::string name, op, domain, overload;
  std::vector<std::string> inputs, outputs;
  std::vector<Attribute> attributes;
  Pairs metadata;
};

struct Dim {
  bool hasValue = false;
  int64_t value = 0;
  std::string param;
};

struct ValueInfo {
  std::string name;
  /// "tensor", "sequence", "map", "optional", "sparse tensor" or "nothing".
  std::string kind = "nothing";
  int32_t type = 0;
  bool hasShape = false;
  std::vector<Dim> dims;
};

struct Graph {
  std::string name;
  std::vector<Node> nodes;
  std::vector<Tensor> initializers;
  size_t sparseInitializers = 0;
  std::vector<ValueInfo> inputs, outputs, values;
};

struct Function {
  std::string name, domain, overload;
  std::vector<std::string> inputs, outputs, attributes;
  std::vector<Attribute> defaults;
  std::vector<Node> nodes;
  std::map<std::string, int64_t> opsets;
};

struct Model {
  int64_t irVersion = 0;
  std::string producer, producerVersion;
  /// Domain to version; ai.onnx is "".
  std::map<std::string, int64_t> opsets;
  bool hasGraph = false;
  Graph graph;
  std::vector<Function> functions;
  Pairs metadata;
};

/// Decodes a model whose raw_data fields were replaced by their numbers in
/// `spans` (see WireWalker.h). Returns an empty string, or what is wrong.
std::string decodeModel(const std::string &bytes,
                        const std::vector<Span> &spans, Model &model);

} // namespace llmc::onnx

#endif // LLMC_IMPORT_ONNXMODEL_H
