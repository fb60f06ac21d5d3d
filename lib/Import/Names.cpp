//===- Names.cpp - Names of weights that a person would use ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Recipes match weights by name, so one model must have one set of names
// whichever exporter wrote it. Exporters that fold a transposition into a
// weight give it a number for a name; where it belongs stands in the node then:
// in its path (TorchScript) or in its metadata (dynamo).
//
//===----------------------------------------------------------------------===//
#include "Names.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;

bool llmc::onnx::isMachineName(StringRef name) {
  if (name.empty() || name.starts_with("onnx::") || name.starts_with("/") ||
      name.contains("_output_") || name.contains("onnx::"))
    return true;
  if (name.contains('.'))
    return false;
  // Letters and a number: val_109, t_3, 1234, Constant_7.
  StringRef word = name.rtrim("0123456789");
  return word.size() < name.size() &&
         (word.empty() || word.ends_with("_") || word.size() <= 2);
}

std::string llmc::onnx::normalizePath(StringRef path) {
  std::string result;
  SmallVector<StringRef> parts;
  path.split(parts, '/', -1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    if (!result.empty())
      result += '.';
    for (char c : part)
      result += isAlnum(c) || c == '.' || c == '_' || c == '-' ? c : '_';
  }
  return result;
}

/// The last dotted module path of torch's list of scopes,
/// `['', 'm', 'm.layers.0', 'm.layers.0.q_proj', 'linear']`: the entry before
/// the last, which names the operation.
static std::string scopePath(StringRef list) {
  SmallVector<StringRef> entries;
  while (!list.empty()) {
    size_t begin = list.find_first_of("'\"");
    if (begin == StringRef::npos)
      break;
    size_t end = list.find(list[begin], begin + 1);
    if (end == StringRef::npos)
      break;
    entries.push_back(list.slice(begin + 1, end));
    list = list.drop_front(end + 1);
  }
  if (entries.size() < 2 ||
      entries[entries.size() - 2].contains("_module_stack"))
    return "";
  return llmc::onnx::normalizePath(entries[entries.size() - 2]);
}

/// The same from older exporters: `: Model/layers.0: Layer/layers.0.q_proj:
/// Linear/linear: aten.linear.default`, where the last entry is the operation.
static std::string namespacePath(StringRef list) {
  SmallVector<StringRef> entries;
  list.split(entries, '/');
  if (entries.size() < 2)
    return "";
  return llmc::onnx::normalizePath(
      entries[entries.size() - 2].split(':').first.trim());
}

/// What operand `index` of an operator is to it.
static StringRef role(StringRef op, size_t index) {
  if (op == "Add" || op == "Sub" || op == "BiasGelu")
    return "bias";
  if (op == "SkipLayerNormalization")
    return index == 2 ? "weight" : "bias";
  if (op == "SkipSimplifiedLayerNormalization")
    return index == 3 ? "bias" : "weight";
  if (op == "BatchNormalization")
    return index == 1   ? "weight"
           : index == 2 ? "bias"
           : index == 3 ? "running_mean"
                        : "running_var";
  if (op == "GroupQueryAttention" || op == "RotaryEmbedding")
    return index % 2 ? "cos" : "sin";
  return index == 2 ? "bias" : "weight";
}

std::string llmc::onnx::weightName(StringRef tensor, const Node &node,
                                   size_t index) {
  std::string name;
  if (!isMachineName(tensor)) {
    name = normalizePath(tensor);
  } else {
    for (const auto &[key, value] : node.metadata)
      if (StringRef(key).ends_with("name_scopes"))
        name = scopePath(value);
      else if (key == "namespace" && name.empty())
        name = namespacePath(value);
    if (name.empty()) {
      StringRef path = node.name;
      if (path.contains('/'))
        path = path.rsplit('/').first; // the rest names the operation
      name = normalizePath(path);
    }
    if (name.empty())
      name = normalizePath(tensor);
    else
      name += ("." + role(node.op, index)).str();
  }
  // The builder of ONNX Runtime GenAI puts the operator between.
  for (StringRef middle : {".MatMul.", ".Add.", ".Gemm."})
    if (size_t at = name.find(middle.str()); at != std::string::npos)
      name.erase(at, middle.size() - 1);
  return name;
}

std::string llmc::onnx::dequantizedName(StringRef name) {
  for (StringRef ending : {"_quantized", "_quant", "_blocks"})
    if (name.consume_back(ending))
      return name.str();
  auto [before, after] = name.rsplit('_');
  StringRef digits = after;
  if (!digits.consume_front("Q") || digits.empty() ||
      !isDigit(digits.front()) ||
      !all_of(digits, [](char c) { return isDigit(c) || c == 'G'; }))
    return name.str();
  before.consume_back("_DQ");
  return before.str();
}

std::string llmc::onnx::commonWrapper(ArrayRef<std::string> names) {
  StringRef wrapper;
  for (const std::string &name : names) {
    StringRef first = StringRef(name).split('.').first;
    if (first.size() == name.size() || (!wrapper.empty() && first != wrapper))
      return "";
    wrapper = first;
  }
  bool known = StringSwitch<bool>(wrapper)
                   .Cases({"m", "module", "self", "wrapper", "_orig_mod"}, true)
                   .Default(false);
  return known ? wrapper.str() : "";
}
