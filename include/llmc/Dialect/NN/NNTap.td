//===- NNTap.td - What calibration measures -------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNTAP
#define LLMC_DIALECT_NN_NNTAP

include "llmc/Dialect/NN/NNBase.td"

def NN_TapOp : NN_TensorOp<"tap"> {
  let summary = "What an input is like, by column";
  let description = [{
    Three sums over all rows, in f64: row 0 of the result holds those of |x|, row
    1 those of x^2, and row 2 those of the squared error that rounding x to 8 bits
    makes, as kernels do it: to multiples of s/127, s being the largest |x| of a
    group of 32 columns of a row. Calibration measures inputs of products with it.

    [C1] the input is of f32 and its last extent is known

    ```mlir
    %1 = nn.tap %0 : (tensor<?x4xf32>) -> tensor<3x4xf64>
    ```
  }];
  let arguments = (ins NN_Tensor:$input);
  let results = (outs RankedTensorOf<[F64]>:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}

#endif // LLMC_DIALECT_NN_NNTAP
