//===- OnnxFile.cpp - An ONNX file, to be written with changes ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "OnnxFile.h"

#include "llvm/ADT/Twine.h"

using namespace llvm;
using namespace llmc::onnx;

/// Fields of messages.
constexpr uint64_t kModelOpset = 8, kModelGraph = 7, kGraphNode = 1,
                   kGraphInitializer = 5, kGraphInput = 11,
                   kGraphValueInfo = 13;
constexpr unsigned kBytesKind = 2;

std::string llmc::onnx::describe(const Node &node) {
  bool isNamed = !node.name.empty() || node.outputs.empty();
  return "node '" + (isNamed ? node.name : node.outputs[0]) + "' (" + node.op +
         ")";
}

static Expected<std::vector<WireField>> readFields(ArrayRef<char> bytes,
                                                   Span message) {
  WireReader reader(bytes, message.offset, message.offset + message.size);
  std::vector<WireField> fields;
  WireField field;
  while (true) {
    auto more = reader.next(field);
    if (!more)
      return more.takeError();
    if (!*more)
      return fields;
    fields.push_back(field);
  }
}

/// All names of values and nodes, also in graphs inside graphs.
static void addNames(const Graph &graph, StringSet<> &names) {
  for (const Tensor &tensor : graph.initializers)
    names.insert(tensor.name);
  for (const ValueInfo &value : graph.inputs)
    names.insert(value.name);
  for (const Node &node : graph.nodes) {
    names.insert(node.name);
    for (const std::string &output : node.outputs)
      names.insert(output);
    for (const Attribute &attribute : node.attributes)
      if (attribute.graph)
        addNames(*attribute.graph, names);
  }
}

static bool isGraph(const WireField &field) {
  return field.number == kModelGraph && field.kind == kBytesKind;
}

Expected<OnnxFile> OnnxFile::read(ArrayRef<char> bytes) {
  OnnxFile file;
  file.bytes = bytes;
  auto stripped = stripModel(bytes);
  if (!stripped)
    return stripped.takeError();
  std::string what = decodeModel(stripped->bytes, stripped->spans, file.model);
  if (!what.empty())
    return createStringError(what);
  auto fields = readFields(bytes, {0, bytes.size()});
  if (!fields)
    return fields.takeError();
  std::optional<Span> graph;
  for (const WireField &field : *fields) {
    if (!isGraph(field))
      continue;
    if (graph)
      return createStringError("expected one graph but the file has its graph "
                               "in several parts; save it again first");
    graph = field.body;
  }
  if (!graph)
    return createStringError("expected a model with a graph");
  file.modelFields = std::move(*fields);
  auto inner = readFields(bytes, *graph);
  if (!inner)
    return inner.takeError();
  file.graphFields = std::move(*inner);
  for (auto [i, field] : enumerate(file.graphFields)) {
    if (field.kind != kBytesKind)
      continue;
    if (field.number == kGraphNode)
      file.nodeFields.push_back(i);
    if (field.number == kGraphInitializer)
      file.initializerFields.push_back(i);
  }
  if (file.nodeFields.size() != file.model.graph.nodes.size() ||
      file.initializerFields.size() != file.model.graph.initializers.size())
    return createStringError("expected nodes and tensors as whole fields");
  addNames(file.model.graph, file.names);
  return file;
}

std::string OnnxFile::makeName(const Twine &wish) {
  std::string name = wish.str(), unique = name;
  for (unsigned i = 1; !names.insert(unique).second; ++i)
    unique = name + "_" + std::to_string(i);
  return unique;
}

Expected<std::string> OnnxFile::getIdentity(size_t node) const {
  auto fields = readFields(bytes, graphFields[nodeFields[node]].body);
  if (!fields)
    return fields.takeError();
  std::string kept;
  for (const WireField &field : *fields)
    if (is_contained({3, 6, 9}, field.number))
      kept += view(field.whole);
  return kept;
}

Expected<std::string> OnnxFile::getWithInput(size_t node, size_t input,
                                             StringRef name) const {
  auto fields = readFields(bytes, graphFields[nodeFields[node]].body);
  if (!fields)
    return fields.takeError();
  Message changed;
  size_t count = 0;
  for (const WireField &field : *fields)
    if (field.number == 1 && count++ == input)
      changed.text(1, name);
    else
      changed.raw(view(field.whole));
  return changed.bytes;
}

void OnnxFile::requireDomain(StringRef domain, int64_t version) {
  if (!getOpset(domain.str()) && !any_of(domains, [&](const auto &entry) {
        return entry.first == domain;
      }))
    domains.emplace_back(domain.str(), version);
}

StringRef OnnxFile::keep(std::string text) {
  owned.push_back(std::make_unique<std::string>(std::move(text)));
  return *owned.back();
}

/// The name of a ValueInfoProto.
static StringRef findName(ArrayRef<char> bytes, Span message) {
  auto fields = readFields(bytes, message);
  if (!fields) {
    consumeError(fields.takeError());
    return "";
  }
  for (const WireField &field : *fields)
    if (field.number == 1 && field.kind == kBytesKind)
      return {bytes.data() + field.body.offset,
              static_cast<size_t>(field.body.size)};
  return "";
}

std::vector<StringRef> OnnxFile::build() {
  std::vector<StringRef> graph;
  auto field = [&](uint64_t number, StringRef body) {
    graph.push_back(keep(Message().text(number, body).bytes));
  };
  for (const std::string &node : first)
    field(kGraphNode, node);
  size_t node = 0, initializer = 0;
  for (const WireField &old : graphFields) {
    bool isMessage = old.kind == kBytesKind;
    if (isMessage && old.number == kGraphNode) {
      if (auto found = nodes.find(node++); found != nodes.end()) {
        for (const std::string &with : found->second)
          field(kGraphNode, with);
        continue;
      }
    } else if (isMessage && old.number == kGraphInitializer) {
      if (auto found = initializers.find(initializer++);
          found != initializers.end()) {
        if (found->second)
          field(kGraphInitializer, *found->second);
        continue;
      }
    } else if (isMessage &&
               is_contained({kGraphInput, kGraphValueInfo}, old.number) &&
               forgotten.contains(findName(bytes, old.body))) {
      continue;
    }
    graph.push_back(view(old.whole));
  }
  for (const std::string &tensor : added)
    field(kGraphInitializer, tensor);

  uint64_t size = 0;
  for (StringRef piece : graph)
    size += piece.size();
  std::string head;
  appendVarint(head, kModelGraph << 3 | kBytesKind);
  appendVarint(head, size);
  StringRef begin = keep(std::move(head));
  std::vector<StringRef> pieces;
  for (const WireField &old : modelFields) {
    if (isGraph(old)) {
      pieces.push_back(begin);
      pieces.insert(pieces.end(), graph.begin(), graph.end());
    } else {
      pieces.push_back(view(old.whole));
    }
  }
  for (const auto &[domain, version] : domains)
    pieces.push_back(
        keep(Message()
                 .text(kModelOpset,
                       Message().text(1, domain).number(2, version).bytes)
                 .bytes));
  return pieces;
}
