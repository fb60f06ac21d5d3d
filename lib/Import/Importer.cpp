//===- Importer.cpp - From plain structs to a module ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Everything the file says is checked before an op is built from it, and all
// faults are collected before the import stops: a model is refused once, with
// the whole list.
//
//===----------------------------------------------------------------------===//
#include "Importer.h"

#include "Names.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/Twine.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;
using llvm::Error;
using llvm::Expected;

/// Faults that are printed; the rest is counted.
static constexpr unsigned kMaxShown = 40;

static Error fault(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

std::string llmc::onnx::shown(StringRef text) {
  std::string result;
  llvm::raw_string_ostream stream(result);
  llvm::printEscapedString(text.take_front(120), stream);
  if (text.size() > 120)
    stream << "...";
  return result;
}

/// Whether the domain is of those who made the model, not of ONNX or its
/// runtime.
static bool isForeign(StringRef domain) {
  return !llvm::is_contained({"", "ai.onnx", "ai.onnx.ml",
                              "ai.onnx.preview.training", "com.microsoft"},
                             domain);
}

static StringRef domainName(StringRef domain) {
  return domain.empty() ? "ai.onnx" : domain;
}

Importer::Importer(MLIRContext &context, const Model &model,
                   const ImportOptions &options, StringRef folder,
                   unsigned fileNumber, WeightStore &store)
    : context(context), model(model), options(options), folder(folder),
      fileNumber(fileNumber), store(store), b(&context) {
  for (const Converter &converter : options.converters)
    table.add(converter.domain, converter.op, converter.since,
              converter.handler);
}

//===----------------------------------------------------------------------===//
// Messages
//===----------------------------------------------------------------------===//

void Importer::error(const Twine &message) {
  if (++errorCount > kMaxShown)
    return;
  if (!errors.empty())
    errors += '\n';
  errors += message.str();
}

void Importer::nodeError(const Node &node, const Scope &scope,
                         const Twine &message) {
  std::string name = node.name;
  if (name.empty() && !node.outputs.empty())
    name = node.outputs[0];
  int64_t opset = opsetOf(node.domain, scope);
  error("node '" + shown(scope.prefix + name) + "' (" + shown(node.op) + ", " +
        shown(domainName(node.domain)) +
        (opset ? " opset " + std::to_string(opset) : std::string()) +
        "): " + message);
}

std::string Importer::takeDiagnostic() {
  std::string message = std::move(pending);
  pending.clear();
  return message.empty() ? "cannot be built" : message;
}

//===----------------------------------------------------------------------===//
// Types and tensors
//===----------------------------------------------------------------------===//

Type Importer::elementType(int32_t number) {
  switch (number) {
  case kFloat:
    return b.getF32Type();
  case kDouble:
    return b.getF64Type();
  case kFloat16:
    return b.getF16Type();
  case kBfloat16:
    return b.getBF16Type();
  case kBool:
    return b.getI1Type();
  case kInt8:
    return b.getI8Type();
  case kInt16:
    return b.getI16Type();
  case kInt32:
    return b.getI32Type();
  case kInt64:
    return b.getI64Type();
  case kUint8:
    return IntegerType::get(&context, 8, IntegerType::Unsigned);
  case kUint16:
    return IntegerType::get(&context, 16, IntegerType::Unsigned);
  case kUint32:
    return IntegerType::get(&context, 32, IntegerType::Unsigned);
  case kUint64:
    return IntegerType::get(&context, 64, IntegerType::Unsigned);
  default:
    return {};
  }
}

/// Bits of the integers that ONNX packs into bytes; 0 for other types.
static int64_t packedBits(int32_t type) {
  if (type == kInt4 || type == kUint4)
    return 4;
  return type == kInt2 || type == kUint2 ? 2 : 0;
}

Expected<RankedTensorType> Importer::typeOf(const Tensor &tensor) {
  if (!tensor.fault.empty())
    return fault(tensor.fault);
  if (tensor.type == kString)
    return fault("strings are not supported by this version");
  Type element = elementType(tensor.type);
  // Integers of a few bits are read as the same integers of eight.
  if (packedBits(tensor.type))
    element = elementType(
        tensor.type == kInt4 || tensor.type == kInt2 ? kInt8 : kUint8);
  if (!element)
    return fault("element type number " + Twine(tensor.type) +
                 " is not supported by this version");
  if (static_cast<int64_t>(tensor.dims.size()) > kMaxRank)
    return fault("expected rank " + Twine(kMaxRank) + " or less but got " +
                 Twine(tensor.dims.size()));
  for (int64_t extent : tensor.dims)
    if (extent < 0)
      return fault("expected extents of 0 or more but got " + Twine(extent));
  for (int64_t extent : tensor.dims)
    if (extent > kMaxElements)
      return fault("expected a shape whose size fits 64 bits");
  auto type = RankedTensorType::get(tensor.dims, element);
  if (!getTensorBytes(type))
    return fault("expected a shape whose size fits 64 bits");
  return type;
}

std::string Importer::problemOf(const Tensor &tensor) {
  Expected<RankedTensorType> type = typeOf(tensor);
  return type ? std::string() : llvm::toString(type.takeError());
}

/// A number in decimal; empty where the text is anything else.
static std::optional<uint64_t> parseNumber(StringRef text) {
  uint64_t value;
  if (text.empty() || !llvm::all_of(text, llvm::isDigit) ||
      text.getAsInteger(10, value))
    return std::nullopt;
  return value;
}

/// The type of the bytes: a vector of them where integers are packed.
static RankedTensorType storedType(const Tensor &tensor,
                                   RankedTensorType type) {
  int64_t bits = packedBits(tensor.type);
  if (!bits)
    return type;
  return RankedTensorType::get(
      {static_cast<int64_t>(llvm::divideCeil(type.getNumElements(), 8 / bits))},
      IntegerType::get(type.getContext(), 8, IntegerType::Unsigned));
}

Error Importer::declare(const Tensor &tensor, StringRef key,
                        RankedTensorType type) {
  type = storedType(tensor, type);
  switch (tensor.place) {
  case Tensor::Place::Inline:
    return store.addKey(key, type, fileNumber, tensor.span.offset,
                        tensor.span.size);
  case Tensor::Place::Owned:
    return store.addOwned(key, type, tensor.bytes);
  case Tensor::Place::Strings:
    return fault("tensor '" + key + "': strings are not supported");
  case Tensor::Place::External:
    break;
  }
  std::optional<StringRef> location;
  uint64_t offset = 0, length = *getTensorBytes(type);
  llvm::StringSet<> seen;
  for (const auto &[name, value] : tensor.external) {
    if (!seen.insert(name).second)
      return fault("tensor '" + key + "': external data says '" + shown(name) +
                   "' twice");
    if (name == "location") {
      location = value;
    } else if (name == "offset" || name == "length") {
      std::optional<uint64_t> number = parseNumber(value);
      if (!number)
        return fault("tensor '" + key + "': expected external '" + name +
                     "' to be a number but got '" + shown(value) + "'");
      (name == "offset" ? offset : length) = *number;
    } else if (name != "checksum") {
      return fault("tensor '" + key + "': unknown entry '" + shown(name) +
                   "' of external data");
    }
  }
  if (!location)
    return fault("tensor '" + key + "': external data without a location");
  Expected<unsigned> file = store.addExternalFile(folder, *location);
  if (!file)
    return fault("tensor '" + key + "': " + llvm::toString(file.takeError()));
  return store.addKey(key, type, *file, offset, length);
}

nn::WeightOp Importer::weightOf(Value value) {
  auto get = value ? value.getDefiningOp<nn::GetOp>() : nn::GetOp();
  if (!get)
    return {};
  return symbols.lookup(get.getWeight());
}

SymbolicElements &Importer::symbolic() {
  if (!elements)
    elements = std::make_unique<SymbolicElements>(main);
  return *elements;
}

Value Importer::getWeight(::mlir::Attribute source, RankedTensorType type,
                          StringRef wish, Location loc) {
  nn::WeightOp &weight = weights[source];
  if (!weight) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(main);
    // Names are given at the end, when it is known which weights stay.
    std::string symbol = "w" + std::to_string(weights.size());
    weight = nn::WeightOp::create(b, loc, symbol, type, source);
    wishes[symbol] = wish.str();
    symbols[symbol] = weight;
  }
  return nn::GetOp::create(b, loc, type, weight.getSymName());
}

void Importer::noteStored(const Scope &scope, const Node &node, Value weight,
                          Type element) {
  bool isMain = !scope.parent && !scope.call;
  nn::WeightOp held = weightOf(weight);
  if (held && isMain && !node.outputs.empty())
    stored[node.outputs[0]] = {held.getSource(), element};
}

Value Importer::materialize(const Tensor &tensor, StringRef key, StringRef wish,
                            Location loc) {
  Expected<RankedTensorType> type = typeOf(tensor);
  if (!type) {
    setDiagnostic("tensor '" + shown(key) +
                  "': " + llvm::toString(type.takeError()));
    return {};
  }
  if (!store.contains(key))
    if (Error problem = declare(tensor, key, *type)) {
      setDiagnostic(llvm::toString(std::move(problem)));
      return {};
    }
  if (int64_t bits = packedBits(tensor.type);
      bits && type->getNumElements() > 0) {
    RankedTensorType stored = storedType(tensor, *type);
    ::mlir::Attribute source = nn::KeyAttr::get(&context, key, stored);
    int64_t count = type->getNumElements(), each = 8 / bits;
    if (type->getRank() > 1 && type->getShape().back() % each == 0) {
      // Rows begin with a byte of their own.
      SmallVector<int64_t> shape(type->getShape());
      count = shape.back();
      shape.back() /= each;
      source = nn::ReshapeSourceAttr::get(&context, source, shape);
    }
    source = nn::UnpackSourceAttr::get(&context, source, bits, count,
                                       type->getElementType());
    if (count == type->getNumElements() && type->getRank() != 1)
      source = nn::ReshapeSourceAttr::get(&context, source, type->getShape());
    return getWeight(source, *type, wish, loc);
  }
  ArrayRef<char> bytes = llvm::cantFail(store.getBytes(key));
  Type element = type->getElementType();
  bool number = isa<IntegerType>(element) &&
                static_cast<int64_t>(bytes.size()) <= kMaxInlineBytes;
  if (!number && type->getNumElements() > 1)
    return getWeight(nn::KeyAttr::get(&context, key, *type), *type, wish, loc);
  DenseElementsAttr values;
  if (type->getNumElements() == 0) {
    values = DenseElementsAttr::get(*type, ArrayRef<::mlir::Attribute>());
  } else if (element.isInteger(1)) {
    SmallVector<bool> flags(
        llvm::map_range(bytes, [](char byte) { return byte != 0; }));
    values = DenseElementsAttr::get(*type, flags);
  } else {
    // The bytes of the file have no alignment.
    SmallVector<char> copy(bytes);
    values = DenseElementsAttr::getFromRawBuffer(*type, copy);
  }
  return arith::ConstantOp::create(b, loc, values);
}

Value Importer::lookup(Scope &scope, StringRef name, const Node &user,
                       size_t index, Location loc) {
  for (Scope *at = &scope; at; at = at->parent) {
    if (Value value = at->values.lookup(name))
      return value;
    if (const Tensor *tensor = at->tensors.lookup(name)) {
      Value value = materialize(*tensor, at->prefix + name.str(),
                                weightName(name, user, index), loc);
      if (value)
        at->values[name] = value;
      return value;
    }
    if (at->defined.contains(name)) {
      setDiagnostic("input '" + shown(name) +
                    "' is computed by a later node; the graph has a cycle or "
                    "its nodes are out of order");
      return {};
    }
  }
  setDiagnostic("input '" + shown(name) + "' is not defined");
  return {};
}

//===----------------------------------------------------------------------===//
// Checks before the first op
//===----------------------------------------------------------------------===//

int64_t Importer::opsetOf(StringRef domain, const Scope &scope) const {
  if (!scope.opsets)
    return 0;
  auto found = scope.opsets->find(domain.str());
  if (found != scope.opsets->end())
    return found->second;
  // A function may leave out what the model says.
  found = model.opsets.find(domain.str());
  return found == model.opsets.end() ? 0 : found->second;
}

void Importer::checkModel() {
  if (model.irVersion < 1 || model.irVersion > kMaxIrVersion)
    error("expected IR version 1 to " + Twine(kMaxIrVersion) + " but got " +
          Twine(model.irVersion));
  if (!model.hasGraph)
    error("expected a model with a graph; the file may not be ONNX");
  auto opset = model.opsets.find("");
  if (opset == model.opsets.end())
    error("the model imports no operator set of ai.onnx");
  else if (opset->second < kMinOpset || opset->second > kMaxOpset)
    error("expected operator set ai.onnx " + Twine(kMinOpset) + " to " +
          Twine(kMaxOpset) + " but got " + Twine(opset->second) +
          "; convert the model with a version converter");
  for (const Function &function : model.functions)
    if (!functions
             .try_emplace(function.domain + "::" + function.name +
                              "::" + function.overload,
                          &function)
             .second)
      error("function '" + shown(function.name) + "' is defined twice");
}

const Function *Importer::functionOf(const Node &node) const {
  return functions.lookup(node.domain + "::" + node.op + "::" + node.overload);
}

void Importer::scan(ArrayRef<Node> nodes, Scope &scope, unsigned depth) {
  for (const Node &node : nodes) {
    int64_t version = opsetOf(node.domain, scope), oldest = 0;
    if (++nodeCount > kMaxNodes) {
      error("expected at most " + Twine(kMaxNodes) +
            " nodes after functions are expanded");
      return;
    }
    if (table.find(node.domain, node.op, version, &oldest))
      continue;
    if (const Function *function = functionOf(node)) {
      if (depth >= kMaxCallDepth) {
        nodeError(node, scope,
                  "functions call themselves, or more than " +
                      Twine(kMaxCallDepth) + " deep");
        return;
      }
      Scope body;
      body.opsets = &function->opsets;
      body.prefix = scope.prefix + function->name + "/";
      scan(function->nodes, body, depth + 1);
      if (errorCount > kMaxShown)
        return;
      continue;
    }
    if (!version)
      nodeError(node, scope,
                "the model does not import an operator set of this domain");
    else if (oldest)
      nodeError(node, scope,
                "the operator is known from opset " + Twine(oldest) +
                    " on; convert the model to it");
    else if (node.op == "QuantizeLinear" ||
             node.op == "DynamicQuantizeLinear" || node.op == "MatMulInteger" ||
             node.op == "ConvInteger" ||
             StringRef(node.op).starts_with("QLinear"))
      nodeError(node, scope,
                "operators that quantize what they compute are not read by "
                "this version; export the model with quantized weights alone "
                "(MatMulNBits, DequantizeLinear), or in f32");
    else if (node.op == "Loop" || node.op == "Scan")
      nodeError(node, scope,
                "control flow is not read yet by this version; export the "
                "model without loops");
    else if (StringRef(node.op).contains("Sequence") ||
             StringRef(node.op).contains("Optional"))
      nodeError(node, scope,
                "sequences and optionals are not read yet by this version; "
                "export the model with tensors alone");
    else if (StringRef(node.op).contains("String") ||
             node.op == "TfIdfVectorizer" || node.op == "LabelEncoder")
      nodeError(node, scope,
                "strings are not supported; move this step out of the model");
    else
      nodeError(node, scope,
                "the operator is not supported by this version; export the "
                "model without it, or with operators it is made of" +
                    Twine(isForeign(node.domain)
                              ? ", or load a plugin that brings it (--plugin "
                                "FILE)"
                              : ""));
  }
}

//===----------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------===//

Location Importer::locationOf(const Node &node, const Scope &scope) {
  StringRef name = node.name;
  if (name.empty() && !node.outputs.empty())
    name = node.outputs[0];
  if (name.empty())
    name = node.op;
  return NameLoc::get(b.getStringAttr(scope.prefix + name.str()));
}

void Importer::declareTensors(const Graph &graph, Scope &scope) {
  if (graph.sparseInitializers)
    error("sparse initializers are not supported by this version");
  for (const Tensor &tensor : graph.initializers) {
    std::string what = "tensor '" + shown(tensor.name) + "': ";
    if (tensor.name.empty())
      error("an initializer has no name");
    else if (!scope.tensors.try_emplace(tensor.name, &tensor).second)
      error(what + "is defined twice");
    else if (Expected<RankedTensorType> type = typeOf(tensor); !type)
      error(what + llvm::toString(type.takeError()));
    else if (Error problem = declare(tensor, scope.prefix + tensor.name, *type))
      error(llvm::toString(std::move(problem)));
  }
}

void Importer::importNodes(ArrayRef<Node> nodes, Scope &scope) {
  for (const Node &node : nodes)
    for (const std::string &output : node.outputs)
      if (!output.empty() &&
          (!scope.defined.insert(output).second ||
           scope.values.contains(output) || scope.tensors.contains(output)))
        nodeError(node, scope,
                  "output '" + shown(output) + "' is defined twice");
  if (hasErrors())
    return;
  for (const Node &node : nodes) {
    importNode(node, scope);
    if (errorCount > kMaxShown)
      return;
  }
}

void Importer::importNode(const Node &node, Scope &scope) {
  auto fails = [&] {
    for (const std::string &output : node.outputs)
      scope.failed.insert(output);
  };
  for (const std::string &input : node.inputs)
    for (Scope *at = &scope; at; at = at->parent)
      if (!input.empty() && at->failed.contains(input))
        return fails();
  Location loc = locationOf(node, scope);
  int64_t version = opsetOf(node.domain, scope);
  Handler handler = table.find(node.domain, node.op, version);
  unsigned before = errorCount;
  if (!handler) {
    const Function *function = functionOf(node);
    if (function)
      importCall(node, *function, scope, loc);
    else
      nodeError(node, scope, "the operator is not supported by this version");
    if (errorCount != before)
      fails();
    return;
  }
  // The attributes of a body may stand in the call.
  Node resolved;
  const Node *use = &node;
  if (llvm::any_of(node.attributes, [](const Attribute &attribute) {
        return !attribute.reference.empty();
      })) {
    resolved = node;
    resolved.attributes.clear();
    for (const Attribute &attribute : node.attributes) {
      if (attribute.reference.empty()) {
        resolved.attributes.push_back(attribute);
        continue;
      }
      for (const auto *list : {scope.call, scope.defaults}) {
        if (!list)
          continue;
        auto found = llvm::find_if(*list, [&](const Attribute &entry) {
          return entry.name == attribute.reference;
        });
        if (found == list->end())
          continue;
        resolved.attributes.push_back(*found);
        resolved.attributes.back().name = attribute.name;
        break;
      }
    }
    use = &resolved;
  }
  llvm::StringSet<> names;
  NodeReader reader(*this, scope, *use, version, b, loc);
  for (const Attribute &attribute : use->attributes)
    if (!names.insert(attribute.name).second)
      reader.fail("attribute '" + shown(attribute.name) + "' is given twice");
  if (!reader.failed())
    handler(reader);
  if (!reader.failed())
    if (auto unread = reader.unreadAttributes(); !unread.empty())
      reader.fail("unknown attribute '" + shown(unread[0]) + "'");
  if (!reader.failed())
    for (auto [i, output] : llvm::enumerate(use->outputs))
      if (!output.empty() && !reader.results()[i] &&
          !scope.tensors.contains(output))
        reader.fail("output " + Twine(i) + " is not supported");
  if (reader.failed()) {
    nodeError(node, scope, reader.faultText());
    return fails();
  }
  for (auto [output, value] : llvm::zip(use->outputs, reader.results()))
    if (!output.empty() && value)
      scope.values[output] = value;
}

void Importer::importCall(const Node &node, const Function &function,
                          Scope &scope, Location loc) {
  if (callStack.size() >= kMaxCallDepth ||
      llvm::is_contained(callStack, StringRef(function.name)))
    return nodeError(node, scope, "functions call themselves");
  if (node.inputs.size() > function.inputs.size() ||
      node.outputs.size() > function.outputs.size())
    return nodeError(node, scope,
                     "expected at most " + Twine(function.inputs.size()) +
                         " inputs and " + Twine(function.outputs.size()) +
                         " outputs but got " + Twine(node.inputs.size()) +
                         " and " + Twine(node.outputs.size()));
  Scope body;
  body.prefix = scope.prefix + (node.name.empty() ? function.name : node.name) +
                "#" + std::to_string(++bodies) + "/";
  body.opsets = &function.opsets;
  body.call = &node.attributes;
  body.defaults = &function.defaults;
  for (auto [formal, actual] : llvm::zip(function.inputs, node.inputs)) {
    if (actual.empty())
      continue;
    Value value = lookup(scope, actual, node, 0, loc);
    if (!value)
      return nodeError(node, scope, takeDiagnostic());
    body.values[formal] = value;
  }
  callStack.push_back(function.name);
  importNodes(function.nodes, body);
  callStack.pop_back();
  if (hasErrors())
    return;
  for (auto [formal, actual] : llvm::zip(function.outputs, node.outputs)) {
    if (actual.empty())
      continue;
    Value value = body.values.lookup(formal);
    if (!value)
      return nodeError(node, scope,
                       "the function does not compute '" + shown(formal) + "'");
    scope.values[actual] = value;
  }
}

bool Importer::importSubgraph(const Graph &graph, Scope &outer, Location loc,
                              SmallVectorImpl<Value> &results) {
  unsigned before = errorCount;
  if (graphDepth >= kMaxCallDepth) {
    setDiagnostic("graphs are nested too deeply");
    return false;
  }
  Scope scope;
  scope.parent = &outer;
  scope.prefix =
      outer.prefix + graph.name + "#" + std::to_string(++bodies) + "/";
  scope.opsets = outer.opsets;
  scope.call = outer.call;
  scope.defaults = outer.defaults;
  declareTensors(graph, scope);
  scan(graph.nodes, scope, callStack.size());
  if (errorCount == before) {
    ++graphDepth;
    importNodes(graph.nodes, scope);
    --graphDepth;
  }
  if (errorCount != before) {
    setDiagnostic("its graph cannot be imported");
    return false;
  }
  for (const ValueInfo &output : graph.outputs) {
    Node user;
    user.name = output.name;
    Value value = lookup(scope, output.name, user, 0, loc);
    if (!value)
      return false;
    results.push_back(value);
  }
  return true;
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

Expected<OwningOpRef<ModuleOp>> Importer::run() {
  // What inference and verifiers report becomes part of the error.
  ScopedDiagnosticHandler listen(&context, [&](Diagnostic &diagnostic) {
    if (pending.empty())
      pending = diagnostic.str();
    return success();
  });
  auto stop = [&]() -> Error {
    if (errorCount > kMaxShown)
      errors += "\nand " + std::to_string(errorCount - kMaxShown) + " more";
    return fault(errors);
  };
  checkModel();
  if (hasErrors())
    return stop();

  for (const auto &[name, value] : options.dims) {
    if (value < 0 || value > INT32_MAX)
      error("dimension '" + name + "': expected 0 to 2^31 but got " +
            Twine(value));
    boundDims[name] = value;
  }
  module = ModuleOp::create(UnknownLoc::get(&context));
  b.setInsertionPointToEnd(module->getBody());
  main = func::FuncOp::create(b, UnknownLoc::get(&context), "main",
                              b.getFunctionType({}, {}));
  b.setInsertionPointToStart(main.addEntryBlock());

  Scope scope;
  scope.opsets = &model.opsets;
  declareTensors(model.graph, scope);
  importInputs(model.graph, scope);
  for (const auto &entry : options.dims)
    if (!usedDims.contains(entry.first)) {
      std::string known;
      for (const ValueInfo &info : model.graph.inputs)
        for (const Dim &dim : info.dims)
          if (!dim.param.empty() && !StringRef(known).contains(dim.param))
            known += (known.empty() ? "" : ", ") + dim.param;
      error("no input has a dimension '" + entry.first +
            "'; the dimensions are " + shown(known));
    }
  scan(model.graph.nodes, scope, 0);
  if (hasErrors())
    return stop();
  importNodes(model.graph.nodes, scope);
  importOutputs(model.graph, scope);
  if (hasErrors())
    return stop();
  finishNames();
  pending.clear();
  if (failed(verify(*module)))
    return fault("the imported model is not valid: " + takeDiagnostic());
  return std::move(module);
}
