//===- NNDialect.cpp - Registration and attributes of the nn dialect ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/NNOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace llmc::nn;

#include "llmc/Dialect/NN/NNDialect.cpp.inc"
#include "llmc/Dialect/NN/NNEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "llmc/Dialect/NN/NNAttributes.cpp.inc"

void NNDialect::initialize() {
  registerAttributes();
  registerElementwiseOps();
  registerUnaryOps();
  registerActivationOps();
  registerShapeOps();
  registerGatherOps();
  registerReduceOps();
  registerLinearOps();
  registerAttentionOps();
  registerConvOps();
  registerWeightOps();
}

void NNDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "llmc/Dialect/NN/NNAttributes.cpp.inc"
      >();
}

Operation *NNDialect::materializeConstant(OpBuilder &builder, Attribute value,
                                          Type type, Location loc) {
  return arith::ConstantOp::materialize(builder, value, type, loc);
}

LogicalResult NNDialect::verifyOperationAttribute(Operation *op,
                                                  NamedAttribute attr) {
  // [C1]
  return op->emitOpError() << "attribute '" << attr.getName().getValue()
                           << "' belongs on arguments and results of functions";
}

/// Whether `value` can be the attribute `nn.dims` of something of this type.
static bool areDims(Attribute value, Type type) {
  auto dims = dyn_cast<ArrayAttr>(value);
  // A tensor that became memory may have become raw memory: it keeps its dims.
  auto tensor = dyn_cast<RankedTensorType>(type);
  return dims &&
         (tensor ? static_cast<int64_t>(dims.size()) == tensor.getRank()
                 : isa<MemRefType>(type)) &&
         llvm::all_of(dims, llvm::IsaPred<StringAttr, IntegerAttr>);
}

LogicalResult NNDialect::verifyRegionArgAttribute(Operation *op,
                                                  unsigned region, unsigned arg,
                                                  NamedAttribute attr) {
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!function) // [C1]
    return op->emitOpError() << "attribute '" << attr.getName().getValue()
                             << "' belongs on functions";
  Type type = function.getArgumentTypes()[arg];
  StringRef name = attr.getName();
  auto refuse = [&](StringRef what) {
    return op->emitOpError()
           << "argument " << arg << ": '" << name << "' " << what << " but got "
           << attr.getValue() << " on " << type;
  };
  if (name == kName || name == kSymbol) {
    if (!isa<StringAttr>(attr.getValue())) // [C2]
      return refuse("expected a string");
    if (name == kSymbol && !type.isIndex()) // [C2]
      return refuse("expected an argument of type index");
    return success();
  }
  if (name == kDims) {
    if (!areDims(attr.getValue(), type)) // [C3]
      return refuse("expected one integer or string per extent");
    return success();
  }
  if (name == kState) {
    auto index = dyn_cast<IntegerAttr>(attr.getValue());
    // In memory form, results that are the state itself have been dropped.
    if (!index || index.getInt() < -1 ||
        (isa<TensorType>(type) &&
         index.getInt() >=
             static_cast<int64_t>(function.getNumResults()))) // [C4]
      return refuse("expected the number of a result");
    return success();
  }
  // [C5]
  return op->emitOpError() << "argument " << arg << ": unknown attribute '"
                           << name << "'";
}

LogicalResult NNDialect::verifyRegionResultAttribute(Operation *op, unsigned,
                                                     unsigned result,
                                                     NamedAttribute attr) {
  StringRef name = attr.getName();
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!function) // [C1]
    return op->emitOpError()
           << "attribute '" << name << "' belongs on functions";
  if (name == kName && isa<StringAttr>(attr.getValue()))
    return success();
  if (name == kDims) {
    if (areDims(attr.getValue(), function.getResultTypes()[result])) // [C3]
      return success();
    return op->emitOpError()
           << "result " << result << ": '" << name
           << "' expected one integer or string per extent but got "
           << attr.getValue() << " on " << function.getResultTypes()[result];
  }
  // [C5]
  return op->emitOpError() << "result " << result << ": unknown attribute '"
                           << name << "'";
}
