//===- Conventions.cpp - What the code generation passes share ===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Conventions.h"
#include "llmc/Dialect/NN/NNDialect.h"
#include "llmc/Passes/Dims.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace llmc;

static void visit(ModuleOp module, func::FuncOp function,
                  llvm::SetVector<Operation *> &order,
                  llvm::DenseSet<Operation *> &seen) {
  if (!seen.insert(function).second)
    return;
  function.walk([&](func::CallOp call) {
    if (auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee()))
      visit(module, callee, order, seen);
  });
  order.insert(function);
}

SmallVector<func::FuncOp> llmc::getFunctionsPostOrder(ModuleOp module) {
  llvm::SetVector<Operation *> order;
  llvm::DenseSet<Operation *> seen;
  for (auto function : module.getOps<func::FuncOp>())
    visit(module, function, order, seen);
  SmallVector<func::FuncOp> result;
  for (Operation *op : order)
    if (auto function = cast<func::FuncOp>(op);
        !function.isExternal() && !function->hasAttr(kKernel))
      result.push_back(function);
  return result;
}

Value llmc::getSymbolArgument(func::FuncOp function, StringRef name) {
  for (BlockArgument argument : function.getArguments()) {
    auto symbol = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                        nn::NNDialect::kSymbol);
    if (symbol && symbol.getValue() == name)
      return argument;
  }
  return {};
}

Value llmc::buildDim(OpBuilder &builder, Location loc, Attribute dim,
                     SymbolLookup lookup) {
  if (auto value = dyn_cast<IntegerAttr>(dim))
    return arith::ConstantIndexOp::create(builder, loc, value.getInt());
  SymContext context;
  return SymExprBuilder(builder, loc, context, lookup)
      .build(context.parse(cast<StringAttr>(dim).getValue()));
}

LogicalResult llmc::buildDynamicDims(OpBuilder &builder, Location loc,
                                     func::FuncOp function, ShapedType type,
                                     ArrayAttr dims,
                                     SmallVectorImpl<Value> &values) {
  if (type.hasStaticShape())
    return success();
  if (!dims || static_cast<int64_t>(dims.size()) != type.getRank())
    return function.emitError("expected 'nn.dims' with ")
           << type.getRank() << " entries for " << type << " but got " << dims;
  for (auto [extent, dim] : llvm::zip(type.getShape(), dims)) {
    if (!ShapedType::isDynamic(extent))
      continue;
    Value value = buildDim(builder, loc, dim, [&](StringRef name) {
      return getSymbolArgument(function, name);
    });
    if (!value)
      return function.emitError("extent ")
             << dim << " is no expression over the symbol arguments of @"
             << function.getName();
    values.push_back(value);
  }
  return success();
}
