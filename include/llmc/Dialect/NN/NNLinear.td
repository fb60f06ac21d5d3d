//===- NNLinear.td - Matrix products and normalizations -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNLINEAR
#define LLMC_DIALECT_NN_NNLINEAR

include "llmc/Dialect/NN/NNBase.td"

def NN_MatmulOp : NN_TensorOp<"matmul"> {
  let summary = "Matrix product of two tensors";
  let description = [{
    As NumPy's matmul: the last two axes are matrices, the others broadcast; an
    operand of rank 1 is a row (left) or a column (right) and its axis vanishes.

    [C1] equal element types, ranks of 1 or more
    [C2] the inner extents agree
    [C3] the outer extents broadcast

    ```mlir
    %2 = nn.matmul %0, %1 : (tensor<?x4x8xf32>, tensor<8x3xf32>) -> tensor<?x4x3xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
}

def NN_LinearOp : NN_TensorOp<"linear"> {
  let summary = "Product with a weight matrix, and a bias";
  let description = [{
    `result[..., n] = sum_k input[..., k] * weight[n, k] + bias[n]`. The weight
    is stored `[out, in]`.

    [C1] `weight` has rank 2, and its second extent is the last of the input
    [C2] `bias` has rank 1 and the first extent of `weight`
    [C3] equal element types

    ```mlir
    %2 = nn.linear %x, %w : (tensor<?x64xf32>, tensor<172x64xf32>) -> tensor<?x172xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$weight, Optional<NN_Tensor>:$bias);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $weight (`,` $bias^)? attr-dict `:` functional-type(operands, results)";
}

def NN_RmsNormOp : NN_TensorOp<"rms_norm"> {
  let summary = "Root-mean-square normalization of the last axis";
  let description = [{
    `x / sqrt(mean(x^2) + epsilon) * weight` (Zhang and Sennrich 2019, eq. 4).

    [C1] `weight` has rank 1 and the last extent of the input
    [C2] `epsilon` is not negative

    ```mlir
    %1 = nn.rms_norm %0, %w {epsilon = 1.0e-5 : f64} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$weight, F64Attr:$epsilon);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = "$input `,` $weight attr-dict `:` functional-type(operands, results)";
}

def NN_LayerNormOp : NN_TensorOp<"layer_norm"> {
  let summary = "Layer normalization of the last axis";
  let description = [{
    `(x - mean) / sqrt(variance + epsilon) * weight + bias` (Ba, Kiros and Hinton
    2016, section 3).

    [C1] `weight`, and `bias` where present, have rank 1 and the last extent of the input
    [C2] `epsilon` is not negative

    ```mlir
    %1 = nn.layer_norm %0, %w, %b {epsilon = 1.0e-5 : f64}
       : (tensor<?x64xf32>, tensor<64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$weight,
                   Optional<NN_FloatTensor>:$bias, F64Attr:$epsilon);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = "$input `,` $weight (`,` $bias^)? attr-dict `:` functional-type(operands, results)";
}

#endif // LLMC_DIALECT_NN_NNLINEAR
