//===- NNReduce.td - Reductions -------------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNREDUCE
#define LLMC_DIALECT_NN_NNREDUCE

include "llmc/Dialect/NN/NNBase.td"

class NN_ReduceOp<string mnemonic, string what> : NN_TensorOp<mnemonic> {
  let summary = what # " along axes";
  let description = what # [{ of the elements along `axes`, which vanish, or stay
    with extent one where `keepdims` is set.

    [C1] `axes` are ascending and inside the rank

    ```mlir
    %1 = nn.}] # mnemonic # [{ %0 {axes = array<i64: 1>, keepdims} : (tensor<?x4xf32>) -> tensor<?x1xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$axes, UnitAttr:$keepdims);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let extraClassDefinition = commonDefinition # [{
    llvm::LogicalResult $cppClass::inferReturnTypes(
        mlir::MLIRContext *, std::optional<mlir::Location> loc,
        mlir::ValueRange operands, mlir::DictionaryAttr attrs,
        mlir::OpaqueProperties props, mlir::RegionRange regions,
        llvm::SmallVectorImpl<mlir::Type> &types) {
      Adaptor adaptor(operands, attrs, props, regions);
      return llmc::nn::inferReduce(loc, getOperationName(), adaptor.getInput(),
                                   adaptor.getAxes(), adaptor.getKeepdims(), types);
    }
  }];
}

def NN_ReduceSumOp : NN_ReduceOp<"reduce_sum", "Sum">;
def NN_ReduceMeanOp : NN_ReduceOp<"reduce_mean", "Mean">;
def NN_ReduceProdOp : NN_ReduceOp<"reduce_prod", "Product">;
def NN_ReduceMaxOp : NN_ReduceOp<"reduce_max", "Largest">;
def NN_ReduceMinOp : NN_ReduceOp<"reduce_min", "Smallest">;

class NN_ArgReduceOp<string mnemonic, string what> : NN_TensorOp<mnemonic> {
  let summary = "Place of the " # what # " element along an axis";
  let description = [{
    The first of equal elements, or the last where `select_last` is set.

    [C1] 0 <= axis < rank

    ```mlir
    %1 = nn.}] # mnemonic # [{ %0 {axis = 1 : i64} : (tensor<?x4xf32>) -> tensor<?xi64>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, I64Attr:$axis, UnitAttr:$keepdims, UnitAttr:$select_last);
  let results = (outs RankedTensorOf<[I64]>:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let extraClassDefinition = commonDefinition # [{
    llvm::LogicalResult $cppClass::inferReturnTypes(
        mlir::MLIRContext *, std::optional<mlir::Location> loc,
        mlir::ValueRange operands, mlir::DictionaryAttr attrs,
        mlir::OpaqueProperties props, mlir::RegionRange regions,
        llvm::SmallVectorImpl<mlir::Type> &types) {
      Adaptor adaptor(operands, attrs, props, regions);
      return llmc::nn::inferArgReduce(loc, getOperationName(), adaptor.getInput(),
                                      adaptor.getAxis(), adaptor.getKeepdims(), types);
    }
  }];
}
def NN_ArgMaxOp : NN_ArgReduceOp<"argmax", "largest">;
def NN_ArgMinOp : NN_ArgReduceOp<"argmin", "smallest">;

def NN_CumSumOp : NN_TensorOp<"cumsum"> {
  let summary = "Running sum along an axis";
  let description = [{
    `exclusive` leaves the element itself out; `reverse` runs from the end.

    [C1] 0 <= axis < rank

    ```mlir
    %1 = nn.cumsum %0 {axis = 1 : i64} : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, I64Attr:$axis, UnitAttr:$exclusive, UnitAttr:$reverse);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}

#endif // LLMC_DIALECT_NN_NNREDUCE
