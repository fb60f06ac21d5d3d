//===- Signature.cpp - Inputs, outputs and their dimensions ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The arguments and results of `main` are those of the graph, in its order and
// with its names. Dimensions keep the expressions that the exporter wrote,
// but for names that the user, or an operator, gave a value.
//
//===----------------------------------------------------------------------===//
#include "Importer.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

/// An expression of numbers and + - * //, from left to right; empty where it
/// holds anything else.
static std::optional<int64_t> evaluate(StringRef expression) {
  std::optional<int64_t> result;
  char op = '+';
  while (!(expression = expression.ltrim()).empty()) {
    int64_t number;
    if (expression.consumeInteger(10, number))
      return std::nullopt;
    int64_t left = result.value_or(0), value;
    if (op == '/'   ? number <= 0
        : op == '+' ? llvm::AddOverflow(left, number, value)
        : op == '-' ? llvm::SubOverflow(left, number, value)
                    : llvm::MulOverflow(left, number, value))
      return std::nullopt;
    result = op == '/' ? left / number : value;
    expression = expression.ltrim();
    if (expression.empty())
      return result;
    // Products bind stronger than sums: without a full parser only one kind
    // of operator is read.
    char next = expression[0];
    bool product = next == '*' || next == '/';
    if (!StringRef("+-*/").contains(next))
      return std::nullopt;
    if (product && (op == '-' || (op == '+' && result != number)))
      return std::nullopt;
    op = next;
    expression = expression.drop_front();
    if (op == '/' && !expression.consume_front("/"))
      return std::nullopt;
  }
  return std::nullopt;
}

std::string Importer::substitute(StringRef expression) {
  std::string result;
  auto isWord = [](char c) { return llvm::isAlnum(c) || c == '_' || c == '.'; };
  while (!expression.empty()) {
    StringRef word = expression.take_while(isWord);
    if (word.empty()) {
      result += expression[0];
      expression = expression.drop_front();
      continue;
    }
    expression = expression.drop_front(word.size());
    auto bound = boundDims.find(word);
    if (bound == boundDims.end()) {
      result += word;
      continue;
    }
    usedDims.insert(word);
    result += std::to_string(bound->second);
  }
  return result;
}

ArrayAttr Importer::dimsAttr(const ValueInfo &info) {
  SmallVector<::mlir::Attribute> dims;
  for (auto [i, dim] : llvm::enumerate(info.dims)) {
    if (dim.hasValue) {
      dims.push_back(b.getI64IntegerAttr(dim.value));
      continue;
    }
    std::string name =
        dim.param.empty() ? info.name + "_d" + std::to_string(i) : dim.param;
    auto exact = boundDims.find(name);
    if (exact != boundDims.end()) {
      usedDims.insert(name);
      dims.push_back(b.getI64IntegerAttr(exact->second));
      continue;
    }
    std::string text = substitute(name);
    if (auto value = evaluate(text))
      dims.push_back(b.getI64IntegerAttr(*value));
    else
      dims.push_back(b.getStringAttr(text));
  }
  return b.getArrayAttr(dims);
}

void Importer::importInputs(const Graph &graph, Scope &scope) {
  for (const ValueInfo &info : graph.inputs) {
    if (scope.tensors.contains(info.name))
      continue; // files before IR version 4 list initializers as inputs
    std::string name = "input '" + shown(info.name) + "': ";
    if (info.kind != "tensor") {
      error(name + "expected a tensor but got " + info.kind +
            "; this version reads tensors alone");
      continue;
    }
    Type element = elementType(info.type);
    if (!element) {
      error(name + (info.type == kString
                        ? Twine("strings are not supported")
                        : "element type number " + Twine(info.type) +
                              " is not supported by this version"));
      continue;
    }
    if (!info.hasShape) {
      error(name + "the rank is not known; export the model with shapes");
      continue;
    }
    if (static_cast<int64_t>(info.dims.size()) > kMaxRank) {
      error(name + "expected rank " + Twine(kMaxRank) + " or less but got " +
            Twine(info.dims.size()));
      continue;
    }
    ArrayAttr dims = dimsAttr(info);
    SmallVector<int64_t> shape;
    bool good = true;
    for (::mlir::Attribute dim : dims) {
      auto value = dyn_cast<IntegerAttr>(dim);
      shape.push_back(value ? value.getInt() : ShapedType::kDynamic);
      if (value && (value.getInt() < 0 || value.getInt() > INT32_MAX)) {
        error(name + "expected extents of 0 to 2^31 but got " +
              Twine(value.getInt()));
        good = false;
      }
    }
    if (!good)
      continue;
    auto type = RankedTensorType::get(shape, element);
    if (scope.values.contains(info.name)) {
      error(name + "is defined twice");
      continue;
    }
    unsigned number = main.getNumArguments();
    if (failed(main.insertArgument(
            number, type,
            b.getDictionaryAttr({b.getNamedAttr(nn::NNDialect::kName,
                                                b.getStringAttr(info.name)),
                                 b.getNamedAttr(nn::NNDialect::kDims, dims)}),
            NameLoc::get(b.getStringAttr(info.name)))))
      error(name + "cannot become an argument");
    else
      scope.values[info.name] = main.getArgument(number);
  }
}

void Importer::bindExtent(Value argument, int64_t axis, int64_t value) {
  auto block = dyn_cast_or_null<BlockArgument>(argument);
  if (!block || block.getOwner() != &main.getBody().front())
    return;
  auto type = cast<RankedTensorType>(argument.getType());
  auto dims = main.getArgAttrOfType<ArrayAttr>(block.getArgNumber(),
                                               nn::NNDialect::kDims);
  auto name = dyn_cast<StringAttr>(dims[axis]);
  if (!name || !type.isDynamicDim(axis) ||
      !llvm::all_of(name.getValue(),
                    [](char c) { return llvm::isAlnum(c) || c == '_'; }))
    return;
  // One name cannot be two extents: such a file is wrong, and stays dynamic.
  if (!boundDims.try_emplace(name.getValue(), value).second &&
      boundDims.lookup(name.getValue()) != value)
    return;
  SmallVector<int64_t> shape(type.getShape());
  shape[axis] = value;
  argument.setType(type.clone(shape));
  elements.reset();
}

void Importer::importOutputs(const Graph &graph, Scope &scope) {
  SmallVector<Value> values;
  SmallVector<DictionaryAttr> attributes;
  llvm::StringSet<> seen;
  if (graph.outputs.empty())
    error("the model has no outputs");
  for (const ValueInfo &info : graph.outputs) {
    std::string name = "output '" + shown(info.name) + "': ";
    if (!seen.insert(info.name).second) {
      error(name + "is defined twice");
      continue;
    }
    if (scope.failed.contains(info.name))
      continue;
    Node user;
    user.name = info.name;
    Value value = lookup(scope, info.name, user, 0,
                         NameLoc::get(b.getStringAttr(info.name)));
    takeDiagnostic();
    if (!value) {
      error(name + "no node computes it");
      continue;
    }
    auto type = cast<RankedTensorType>(value.getType());
    NamedAttrList list;
    list.set(nn::NNDialect::kName, b.getStringAttr(info.name));
    if (info.kind == "tensor") {
      if (info.type && elementType(info.type) != type.getElementType()) {
        std::string got;
        llvm::raw_string_ostream(got) << type.getElementType();
        error(name + "expected element type number " + Twine(info.type) +
              " but the graph computes " + got);
      }
      if (info.hasShape &&
          static_cast<int64_t>(info.dims.size()) == type.getRank()) {
        ArrayAttr dims = dimsAttr(info);
        for (auto [i, dim] : llvm::enumerate(dims))
          if (auto extent = dyn_cast<IntegerAttr>(dim);
              extent &&
              (extent.getInt() < 0 || (!type.isDynamicDim(i) &&
                                       extent.getInt() != type.getDimSize(i))))
            error(name + "expected extent " + Twine(extent.getInt()) +
                  " at axis " + Twine(i) + " but the graph computes " +
                  Twine(type.getDimSize(i)));
        list.set(nn::NNDialect::kDims, dims);
      } else if (info.hasShape) {
        error(name + "expected rank " + Twine(info.dims.size()) +
              " but the graph computes rank " + Twine(type.getRank()));
      }
    } else if (info.kind != "nothing") {
      error(name + "expected a tensor but got " + info.kind);
    }
    values.push_back(value);
    attributes.push_back(list.getDictionary(&context));
  }
  func::ReturnOp::create(b, main.getLoc(), values);
  Block &body = main.getBody().front();
  // Names bound since the arguments were made.
  for (auto [i, argument] : llvm::enumerate(body.getArguments())) {
    auto type = cast<RankedTensorType>(argument.getType());
    SmallVector<int64_t> shape(type.getShape());
    SmallVector<::mlir::Attribute> dims(
        main.getArgAttrOfType<ArrayAttr>(i, nn::NNDialect::kDims).getValue());
    for (auto [axis, dim] : llvm::enumerate(dims))
      if (auto text = dyn_cast<StringAttr>(dim)) {
        std::string now = substitute(text.getValue());
        auto value = evaluate(now);
        if (value && (*value < 0 || *value > INT32_MAX)) {
          error("input " + Twine(i) +
                ": expected extents of 0 to 2^31 but got " + Twine(*value));
          continue;
        }
        dims[axis] = value ? ::mlir::Attribute(b.getI64IntegerAttr(*value))
                           : b.getStringAttr(now);
        if (value && type.isDynamicDim(axis))
          shape[axis] = *value;
      }
    argument.setType(type.clone(shape));
    main.setArgAttr(i, nn::NNDialect::kDims, b.getArrayAttr(dims));
  }
  main.setFunctionType(FunctionType::get(&context, body.getArgumentTypes(),
                                         ValueRange(values).getTypes()));
  for (auto [i, dictionary] : llvm::enumerate(attributes))
    main.setResultAttrs(i, dictionary);
}
