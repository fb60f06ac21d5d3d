//===- NNGather.td - Ops that read elements by index ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNGATHER
#define LLMC_DIALECT_NN_NNGATHER

include "llmc/Dialect/NN/NNBase.td"

def NN_AnyIndexTensor : RankedTensorOf<[I32, I64]>;

def NN_GatherOp : NN_TensorOp<"gather"> {
  let summary = "Slices of a tensor, chosen by index";
  let description = [{
    The axis `axis` of the input is replaced by the axes of `indices`. Negative
    indices count from the end; an index outside reads the nearest row that
    exists.

    [C1] 0 <= axis < rank of the input

    ```mlir
    %1 = nn.gather %0, %i {axis = 0 : i64} : (tensor<512x64xf32>, tensor<?xi64>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, NN_AnyIndexTensor:$indices, I64Attr:$axis);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $indices attr-dict `:` functional-type(operands, results)";
}

def NN_GatherElementsOp : NN_TensorOp<"gather_elements"> {
  let summary = "Elements of a tensor, chosen by index along one axis";
  let description = [{
    `result[i][j] = input[indices[i][j]][j]` for axis 0.

    [C1] 0 <= axis < rank, and `indices` has the same rank

    ```mlir
    %1 = nn.gather_elements %0, %i {axis = 1 : i64} : (tensor<3x4xf32>, tensor<3x2xi64>) -> tensor<3x2xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, NN_AnyIndexTensor:$indices, I64Attr:$axis);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $indices attr-dict `:` functional-type(operands, results)";
}

def NN_GatherNdOp : NN_TensorOp<"gather_nd"> {
  let summary = "Slices of a tensor, chosen by index tuples";
  let description = [{
    The last axis of `indices` holds tuples that address the axes of the input
    after the first `batch_dims`, which both share.

    [C1] the last extent of `indices` is static, and with `batch_dims` not larger than the rank of the input
    [C2] `batch_dims` is less than both ranks

    ```mlir
    %1 = nn.gather_nd %0, %i {batch_dims = 0 : i64} : (tensor<3x4xf32>, tensor<?x2xi64>) -> tensor<?xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, NN_AnyIndexTensor:$indices, I64Attr:$batch_dims);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $indices attr-dict `:` functional-type(operands, results)";
}

#endif // LLMC_DIALECT_NN_NNGATHER
