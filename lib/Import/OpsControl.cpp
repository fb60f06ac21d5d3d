//===- OpsControl.cpp - Constants, copies and conditions ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Handlers.h"

#include "Importer.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

namespace {

void constant(NodeReader &n) {
  OpBuilder &b = n.builder();
  if (const onnx::Attribute *value = n.attr("value")) {
    if (!value->tensor)
      return n.fail("expected attribute 'value' to be a tensor");
    return n.defer(0, *value->tensor);
  }
  auto vector = [&](size_t count, Type type) {
    return RankedTensorType::get({static_cast<int64_t>(count)}, type);
  };
  DenseElementsAttr values;
  if (const onnx::Attribute *number = n.attr("value_float"))
    values = DenseElementsAttr::get(RankedTensorType::get({}, b.getF32Type()),
                                    ArrayRef<float>(number->f));
  else if (const onnx::Attribute *number = n.attr("value_int"))
    values = DenseElementsAttr::get(RankedTensorType::get({}, b.getI64Type()),
                                    ArrayRef<int64_t>(number->i));
  else if (const onnx::Attribute *numbers = n.attr("value_floats"))
    values =
        DenseElementsAttr::get(vector(numbers->floats.size(), b.getF32Type()),
                               ArrayRef<float>(numbers->floats));
  else if (const onnx::Attribute *numbers = n.attr("value_ints"))
    values =
        DenseElementsAttr::get(vector(numbers->ints.size(), b.getI64Type()),
                               ArrayRef<int64_t>(numbers->ints));
  else if (n.hasAttr("sparse_value"))
    return n.fail("sparse tensors are not supported by this version");
  else if (n.hasAttr("value_string") || n.hasAttr("value_strings"))
    return n.fail("strings are not supported; move this step out of the model");
  else
    return n.fail("expected an attribute with a value");
  n.result(0, arith::ConstantOp::create(b, n.loc(), values));
}

void identity(NodeReader &n) { n.result(0, n.input(0)); }

/// Inference alone: nothing is dropped.
void dropout(NodeReader &n) {
  n.ignoreAttr("ratio");
  n.ignoreAttr("seed");
  n.ignoreAttr("is_test");
  Value x = n.input(0);
  if (n.hasInput(2)) {
    std::optional<double> training = n.constantNumber(2),
                          ratio = n.constantNumber(1);
    if (!training)
      return n.fail("expected constant 'training_mode'; a computed one is not "
                    "supported by this version");
    if (*training != 0 && (!ratio || *ratio != 0))
      return n.fail("training drops elements at random; export the model for "
                    "inference");
  }
  n.result(0, x);
  if (!n.hasOutput(1))
    return;
  Type type = n.builder().getI1Type();
  if (n.version() < 10 && x)
    type = n.elementType(x);
  n.result(
      1, n.create<nn::FullOp>({n.create<nn::ShapeOfOp>(x), n.scalar(1, type)}));
}

/// A condition that is known chooses its graph now.
void conditional(NodeReader &n) {
  const onnx::Attribute *onTrue = n.attr("then_branch"),
                        *onFalse = n.attr("else_branch");
  n.input(0);
  std::optional<double> condition = n.constantNumber(0);
  if (n.failed())
    return;
  if (!onTrue || !onFalse || !onTrue->graph || !onFalse->graph)
    return n.fail("expected attributes 'then_branch' and 'else_branch'");
  if (!condition)
    return n.fail("expected a constant condition; other control flow is not "
                  "read yet by this version");
  SmallVector<Value> values;
  if (!n.importer().importSubgraph(*(*condition != 0 ? onTrue : onFalse)->graph,
                                   n.scope(), n.loc(), values))
    return n.fail(n.importer().takeDiagnostic());
  if (values.size() != n.numOutputs())
    return n.fail("expected " + Twine(n.numOutputs()) +
                  " outputs of the branch but got " + Twine(values.size()));
  for (auto [i, value] : llvm::enumerate(values))
    n.result(i, value);
}

} // namespace

void llmc::onnx::addControlHandlers(HandlerTable &table) {
  table.add("", "Constant", 1, constant);
  table.add("", "Identity", 1, identity);
  table.add("", "Dropout", 7, dropout);
  table.add("", "If", 1, conditional);
}
