//===- OnnxWriter.h - Writes ONNX files byte by byte -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tests of the importer need files that no library would write: lengths that
// lie, fields in odd places, paths that lead away. So they are made from the
// wire format itself: a message is a string of fields.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_TEST_UNIT_IMPORT_ONNXWRITER_H
#define LLMC_TEST_UNIT_IMPORT_ONNXWRITER_H

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace llmc::test {

inline std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 128; value >>= 7)
    out += static_cast<char>(value | 128);
  return out + static_cast<char>(value);
}
/// Field `number` with a number.
inline std::string num(unsigned number, uint64_t value) {
  return varint(number << 3) + varint(value);
}
/// Field `number` with a text or message.
inline std::string msg(unsigned number, const std::string &body) {
  return varint(number << 3 | 2) + varint(body.size()) + body;
}

template <typename T> std::string bytesOf(const std::vector<T> &values) {
  return std::string(reinterpret_cast<const char *>(values.data()),
                     values.size() * sizeof(T));
}

using Dims = std::vector<int64_t>;

/// A TensorProto without data.
inline std::string tensorHead(const std::string &name, int type,
                              const Dims &dims) {
  std::string out;
  for (int64_t extent : dims)
    out += num(1, static_cast<uint64_t>(extent));
  return out + num(2, type) + msg(8, name);
}
/// A TensorProto with raw_data.
inline std::string tensor(const std::string &name, int type, const Dims &dims,
                          const std::string &raw) {
  return tensorHead(name, type, dims) + msg(9, raw);
}
inline std::string floats(const std::string &name, const Dims &dims,
                          const std::vector<float> &values) {
  return tensor(name, 1, dims, bytesOf(values));
}
inline std::string ints(const std::string &name, const Dims &dims,
                        const std::vector<int64_t> &values) {
  return tensor(name, 7, dims, bytesOf(values));
}
/// A TensorProto with its bytes elsewhere.
inline std::string
external(const std::string &name, const Dims &dims,
         const std::vector<std::pair<std::string, std::string>> &entries) {
  std::string out = tensorHead(name, 1, dims) + num(14, 1);
  for (const auto &[key, value] : entries)
    out += msg(13, msg(1, key) + msg(2, value));
  return out;
}

/// A ValueInfoProto of a tensor; an extent is a number or a name.
inline std::string value(const std::string &name, int type,
                         const std::vector<std::string> &dims) {
  std::string shape;
  for (const std::string &extent : dims)
    shape += msg(1, extent.empty() ? ""
                    : (extent[0] >= '0' && extent[0] <= '9') || extent[0] == '-'
                        ? num(1, static_cast<uint64_t>(std::stoll(extent)))
                        : msg(2, extent));
  return msg(1, name) + msg(2, msg(1, num(1, type) + msg(2, shape)));
}

inline std::string attrInt(const std::string &name, int64_t i) {
  return msg(5, msg(1, name) + num(3, static_cast<uint64_t>(i)) + num(20, 2));
}
inline std::string attrFloat(const std::string &name, float f) {
  std::string bits(4, '\0');
  std::memcpy(bits.data(), &f, 4);
  return msg(5, msg(1, name) + varint(2 << 3 | 5) + bits + num(20, 1));
}
inline std::string attrInts(const std::string &name, const Dims &values) {
  std::string body = msg(1, name) + num(20, 7);
  for (int64_t entry : values)
    body += num(8, static_cast<uint64_t>(entry));
  return msg(5, body);
}
inline std::string attrTensor(const std::string &name,
                              const std::string &tensor) {
  return msg(5, msg(1, name) + msg(5, tensor) + num(20, 4));
}
inline std::string attrGraph(const std::string &name,
                             const std::string &graph) {
  return msg(5, msg(1, name) + msg(6, graph) + num(20, 5));
}

/// A NodeProto; `more` holds attributes and a domain.
inline std::string node(const std::string &op,
                        const std::vector<std::string> &inputs,
                        const std::vector<std::string> &outputs,
                        const std::string &more = "",
                        const std::string &name = "") {
  std::string out;
  for (const std::string &input : inputs)
    out += msg(1, input);
  for (const std::string &output : outputs)
    out += msg(2, output);
  return out + msg(3, name.empty() ? op : name) + msg(4, op) + more;
}
inline std::string domain(const std::string &name) { return msg(7, name); }

/// A graph, its parts in any order.
struct Graph {
  std::string body;
  Graph &add(const std::string &node) {
    body += msg(1, node);
    return *this;
  }
  Graph &weight(const std::string &tensor) {
    body += msg(5, tensor);
    return *this;
  }
  Graph &input(const std::string &name, int type,
               const std::vector<std::string> &dims) {
    body += msg(11, value(name, type, dims));
    return *this;
  }
  Graph &output(const std::string &name) {
    body += msg(12, msg(1, name));
    return *this;
  }
  Graph &output(const std::string &name, int type,
                const std::vector<std::string> &dims) {
    body += msg(12, value(name, type, dims));
    return *this;
  }
};

/// A ModelProto of IR version 10.
inline std::string model(const std::string &graph, int64_t opset = 18,
                         const std::string &more = "") {
  return num(1, 10) + msg(2, "test") + msg(7, graph) +
         msg(8, msg(1, "") + num(2, static_cast<uint64_t>(opset))) +
         msg(8, msg(1, "com.microsoft") + num(2, 1)) + more;
}
inline std::string model(const Graph &graph, int64_t opset = 18,
                         const std::string &more = "") {
  return model(graph.body, opset, more);
}

} // namespace llmc::test

#endif // LLMC_TEST_UNIT_IMPORT_ONNXWRITER_H
