//===- OnnxDecode.cpp - protobuf to plain structs -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one unit that sees protobuf, built with exceptions. The weights are not
// in the message any more, so what is copied here is small.
//
//===----------------------------------------------------------------------===//
#include "llmc/Import/OnnxModel.h"

#include "onnx.pb.h"
#include <cstring>
#include <google/protobuf/io/coded_stream.h>

namespace pb = ::onnx;
using namespace llmc::onnx;

namespace {

Pairs pairs(const google::protobuf::RepeatedPtrField<pb::StringStringEntryProto>
                &entries) {
  Pairs result;
  for (const pb::StringStringEntryProto &entry : entries)
    result.emplace_back(entry.key(), entry.value());
  return result;
}

class Decoder {
public:
  explicit Decoder(const std::vector<Span> &spans) : spans(spans) {}

  Tensor tensor(const pb::TensorProto &proto);
  Graph graph(const pb::GraphProto &proto);
  Node node(const pb::NodeProto &proto);
  Attribute attribute(const pb::AttributeProto &proto);
  ValueInfo value(const pb::ValueInfoProto &proto);
  Function function(const pb::FunctionProto &proto);

private:
  const std::vector<Span> &spans;
};

template <typename To, typename From>
void append(std::vector<char> &bytes, const From &values) {
  size_t at = bytes.size();
  bytes.resize(at + values.size() * sizeof(To));
  for (auto value : values) {
    To narrow = static_cast<To>(value);
    std::memcpy(bytes.data() + at, &narrow, sizeof(To));
    at += sizeof(To);
  }
}

Tensor Decoder::tensor(const pb::TensorProto &proto) {
  Tensor result;
  result.name = proto.name();
  result.type = proto.data_type();
  result.dims.assign(proto.dims().begin(), proto.dims().end());
  if (proto.has_segment()) {
    result.fault = "tensors in segments are not supported";
    return result;
  }
  if (proto.data_location() == pb::TensorProto::EXTERNAL) {
    result.place = Tensor::Place::External;
    result.external = pairs(proto.external_data());
    return result;
  }
  if (result.type == kString) {
    result.place = Tensor::Place::Strings;
    return result;
  }
  if (proto.has_raw_data()) {
    // The walker wrote these eight bytes.
    uint64_t number = 0;
    if (proto.raw_data().size() == 8)
      std::memcpy(&number, proto.raw_data().data(), 8);
    if (proto.raw_data().size() != 8 || number >= spans.size()) {
      result.fault = "unreadable raw data";
      return result;
    }
    result.place = Tensor::Place::Inline;
    result.span = spans[number];
    return result;
  }
  switch (result.type) {
  case kFloat:
    append<float>(result.bytes, proto.float_data());
    break;
  case kDouble:
    append<double>(result.bytes, proto.double_data());
    break;
  case kInt64:
    append<int64_t>(result.bytes, proto.int64_data());
    break;
  case kUint64:
    append<uint64_t>(result.bytes, proto.uint64_data());
    break;
  case kUint32:
    append<uint32_t>(result.bytes, proto.uint64_data());
    break;
  case kInt32:
    append<int32_t>(result.bytes, proto.int32_data());
    break;
  case kInt16:
    append<int16_t>(result.bytes, proto.int32_data());
    break;
  case kUint16: // and the bits of the two 16-bit floating point types
  case kFloat16:
  case kBfloat16:
    append<uint16_t>(result.bytes, proto.int32_data());
    break;
  case kInt8:
    append<int8_t>(result.bytes, proto.int32_data());
    break;
  case kUint8:
  case kBool:
  case kUint4: // packed in each entry
  case kInt4:
  case kUint2:
  case kInt2:
    append<uint8_t>(result.bytes, proto.int32_data());
    break;
  default: // the importer refuses the type by its number
    break;
  }
  return result;
}

Attribute Decoder::attribute(const pb::AttributeProto &proto) {
  Attribute result;
  result.name = proto.name();
  result.reference = proto.ref_attr_name();
  result.type = proto.type();
  // Files of IR version 1 have no type: it shows in what is set.
  if (result.type == pb::AttributeProto::UNDEFINED) {
    result.type = proto.has_f()          ? kAttrFloat
                  : proto.has_i()        ? kAttrInt
                  : proto.has_s()        ? kAttrString
                  : proto.has_t()        ? kAttrTensor
                  : proto.has_g()        ? kAttrGraph
                  : proto.floats_size()  ? kAttrFloats
                  : proto.ints_size()    ? kAttrInts
                  : proto.strings_size() ? kAttrStrings
                                         : 0;
  }
  result.f = proto.f();
  result.i = proto.i();
  result.s = proto.s();
  result.floats.assign(proto.floats().begin(), proto.floats().end());
  result.ints.assign(proto.ints().begin(), proto.ints().end());
  result.strings.assign(proto.strings().begin(), proto.strings().end());
  if (proto.has_t())
    result.tensor = std::make_shared<Tensor>(tensor(proto.t()));
  if (proto.has_g())
    result.graph = std::make_shared<Graph>(graph(proto.g()));
  return result;
}

Node Decoder::node(const pb::NodeProto &proto) {
  Node result;
  result.name = proto.name();
  result.op = proto.op_type();
  result.domain = proto.domain() == "ai.onnx" ? "" : proto.domain();
  result.overload = proto.overload();
  result.inputs.assign(proto.input().begin(), proto.input().end());
  result.outputs.assign(proto.output().begin(), proto.output().end());
  for (const pb::AttributeProto &entry : proto.attribute())
    result.attributes.push_back(attribute(entry));
  result.metadata = pairs(proto.metadata_props());
  return result;
}

ValueInfo Decoder::value(const pb::ValueInfoProto &proto) {
  ValueInfo result;
  result.name = proto.name();
  const pb::TypeProto &type = proto.type();
  switch (type.value_case()) {
  case pb::TypeProto::kTensorType:
    result.kind = "tensor";
    break;
  case pb::TypeProto::kSequenceType:
    result.kind = "sequence";
    return result;
  case pb::TypeProto::kMapType:
    result.kind = "map";
    return result;
  case pb::TypeProto::kOptionalType:
    result.kind = "optional";
    return result;
  case pb::TypeProto::kSparseTensorType:
    result.kind = "sparse tensor";
    return result;
  default:
    return result;
  }
  result.type = type.tensor_type().elem_type();
  result.hasShape = type.tensor_type().has_shape();
  for (const auto &dim : type.tensor_type().shape().dim()) {
    Dim extent;
    extent.hasValue = dim.has_dim_value();
    extent.value = dim.dim_value();
    extent.param = dim.dim_param();
    result.dims.push_back(extent);
  }
  return result;
}

Graph Decoder::graph(const pb::GraphProto &proto) {
  Graph result;
  result.name = proto.name();
  for (const pb::NodeProto &entry : proto.node())
    result.nodes.push_back(node(entry));
  for (const pb::TensorProto &entry : proto.initializer())
    result.initializers.push_back(tensor(entry));
  result.sparseInitializers = proto.sparse_initializer_size();
  for (const pb::ValueInfoProto &entry : proto.input())
    result.inputs.push_back(value(entry));
  for (const pb::ValueInfoProto &entry : proto.output())
    result.outputs.push_back(value(entry));
  for (const pb::ValueInfoProto &entry : proto.value_info())
    result.values.push_back(value(entry));
  return result;
}

std::string readOpsets(
    const google::protobuf::RepeatedPtrField<pb::OperatorSetIdProto> &imports,
    std::map<std::string, int64_t> &opsets) {
  for (const pb::OperatorSetIdProto &entry : imports) {
    std::string domain = entry.domain() == "ai.onnx" ? "" : entry.domain();
    if (!opsets.emplace(domain, entry.version()).second)
      return "operator set '" + (domain.empty() ? "ai.onnx" : domain) +
             "' is imported twice";
  }
  return "";
}

Function Decoder::function(const pb::FunctionProto &proto) {
  Function result;
  result.name = proto.name();
  result.domain = proto.domain() == "ai.onnx" ? "" : proto.domain();
  result.overload = proto.overload();
  result.inputs.assign(proto.input().begin(), proto.input().end());
  result.outputs.assign(proto.output().begin(), proto.output().end());
  result.attributes.assign(proto.attribute().begin(), proto.attribute().end());
  for (const pb::AttributeProto &entry : proto.attribute_proto())
    result.defaults.push_back(attribute(entry));
  for (const pb::NodeProto &entry : proto.node())
    result.nodes.push_back(node(entry));
  return result;
}

} // namespace

std::string llmc::onnx::decodeModel(const std::string &bytes,
                                    const std::vector<Span> &spans,
                                    Model &model) {
  try {
    google::protobuf::io::CodedInputStream stream(
        reinterpret_cast<const uint8_t *>(bytes.data()),
        static_cast<int>(bytes.size()));
    // Three messages for each graph in a graph, and a few around them.
    stream.SetRecursionLimit(160);
    pb::ModelProto proto;
    if (!proto.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage())
      return "not a readable ONNX file: malformed message";
    model.irVersion = proto.ir_version();
    model.producer = proto.producer_name();
    model.producerVersion = proto.producer_version();
    if (std::string what = readOpsets(proto.opset_import(), model.opsets);
        !what.empty())
      return what;
    Decoder decoder(spans);
    model.hasGraph = proto.has_graph();
    model.graph = decoder.graph(proto.graph());
    for (const pb::FunctionProto &entry : proto.functions()) {
      model.functions.push_back(decoder.function(entry));
      if (std::string what =
              readOpsets(entry.opset_import(), model.functions.back().opsets);
          !what.empty())
        return "function '" + entry.name() + "': " + what;
    }
    model.metadata = pairs(proto.metadata_props());
  } catch (const std::exception &error) {
    return std::string("not a readable ONNX file: ") + error.what();
  }
  return "";
}
