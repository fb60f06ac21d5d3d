//===- OnnxFile.h - An ONNX file, to be written with changes ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The file is taken apart into the fields of its model and its graph. What
// nobody changes is written again byte for byte, from the mapped file.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_EXPORT_ONNXFILE_H
#define LLMC_LIB_EXPORT_ONNXFILE_H

#include "OnnxMessage.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include <map>
#include <memory>
#include <optional>

namespace llmc::onnx {

/// "node 'name' (MatMul)".
std::string describe(const Node &node);

class OnnxFile {
public:
  /// `bytes` must outlive this.
  static llvm::Expected<OnnxFile> read(llvm::ArrayRef<char> bytes);

  const Model &getModel() const { return model; }
  const Graph &getGraph() const { return model.graph; }
  int64_t getOpset(const std::string &domain) const {
    auto found = model.opsets.find(domain);
    return found == model.opsets.end() ? 0 : found->second;
  }
  /// The fields of a node that say who it is: its name, documentation and
  /// metadata.
  llvm::Expected<std::string> getIdentity(size_t node) const;
  /// The node with another operand in a place.
  llvm::Expected<std::string> getWithInput(size_t node, size_t input,
                                           llvm::StringRef name) const;
  /// A name that nothing in the model has, from now on taken.
  std::string makeName(const llvm::Twine &wish);

  //===--------------------------------------------------------------------===//
  // Changes
  //===--------------------------------------------------------------------===//

  /// Other nodes, perhaps none, in the place of one.
  void replaceNode(size_t node, std::vector<std::string> with) {
    nodes[node] = std::move(with);
  }
  /// A node before all others.
  void addFirst(std::string node) { first.push_back(std::move(node)); }
  /// Another tensor in the place of an initializer.
  void replaceInitializer(size_t index, std::string tensor) {
    initializers[index] = std::move(tensor);
  }
  /// Drops an initializer; what is known of its type may stay where a node makes
  /// it.
  void dropInitializer(size_t index) { initializers[index] = std::nullopt; }
  bool isDropped(size_t index) const {
    auto found = initializers.find(index);
    return found != initializers.end() && !found->second;
  }
  void addInitializer(std::string tensor) {
    added.push_back(std::move(tensor));
  }
  /// What is said of the type of a value that is no longer there is left out.
  void forgetValue(llvm::StringRef name) { forgotten.insert(name); }
  void requireDomain(llvm::StringRef domain, int64_t version);

  /// The file with its changes, in pieces: views of the old file and of this.
  std::vector<llvm::StringRef> build();

private:
  llvm::StringRef view(Span span) const {
    return {bytes.data() + span.offset, span.size};
  }
  llvm::StringRef keep(std::string text);

  llvm::ArrayRef<char> bytes;
  Model model;
  /// Of the model, and of its graph.
  std::vector<WireField> modelFields, graphFields;
  /// Places in `graphFields`.
  std::vector<size_t> nodeFields, initializerFields;
  llvm::StringSet<> names, forgotten;
  std::map<size_t, std::vector<std::string>> nodes;
  std::map<size_t, std::optional<std::string>> initializers;
  std::vector<std::string> first, added;
  std::vector<std::pair<std::string, int64_t>> domains;
  /// What was made while building.
  std::vector<std::unique_ptr<std::string>> owned;
};

} // namespace llmc::onnx

#endif // LLMC_LIB_EXPORT_ONNXFILE_H
