//===- NNConv.td - Convolution and pooling --------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layout is [batch, channels, spatial...], as in ONNX.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNCONV
#define LLMC_DIALECT_NN_NNCONV

include "llmc/Dialect/NN/NNBase.td"

def NN_ConvOp : NN_TensorOp<"conv"> {
  let summary = "Convolution";
  let description = [{
    Cross-correlation of `input` `[batch, channels, ...]` with `weight`
    `[out channels, channels / groups, ...]` plus `bias`. `pads` holds the zeros
    before each spatial axis, then those after.

    [C1] input and weight have one rank of 3 or more and one element type
    [C2] `strides`, `dilations` have one positive entry, `pads` two entries of 0 or more, per spatial axis
    [C3] channels = groups * second extent of weight; groups divides out channels
    [C4] `bias` has rank 1 and as many entries as there are out channels
    [C5] the extents of the result fit 64 bits

    ```mlir
    %1 = nn.conv %0, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>,
         dilations = array<i64: 1, 1>, groups = 1 : i64}
       : (tensor<?x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<?x4x8x8xf32>
    ```
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$weight, Optional<NN_FloatTensor>:$bias,
                   DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
                   DenseI64ArrayAttr:$dilations, I64Attr:$groups);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = "$input `,` $weight (`,` $bias^)? attr-dict `:` functional-type(operands, results)";
}

class NN_PoolOp<string mnemonic, string what, dag extra> : NN_TensorOp<mnemonic> {
  let summary = what # " over windows";
  let description = what # [{ of the elements of each window of extents `kernel` that lie
    inside the input. `ceil` rounds the number of windows up.

    [C1] `kernel`, `strides`, `dilations` have one positive entry, `pads` two entries of 0 or more, per spatial axis
    [C2] each pad is less than its window
    [C3] the extents of windows and of the result fit 64 bits

    ```mlir
    %1 = nn.}] # mnemonic # [{ %0 {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
         pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
       : (tensor<?x3x8x8xf32>) -> tensor<?x3x4x4xf32>
    ```
  }];
  let arguments = !con((ins NN_Tensor:$input, DenseI64ArrayAttr:$kernel,
                        DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
                        DenseI64ArrayAttr:$dilations, UnitAttr:$ceil), extra);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let extraClassDefinition = commonDefinition # [{
    llvm::LogicalResult $cppClass::inferReturnTypes(
        mlir::MLIRContext *, std::optional<mlir::Location> loc,
        mlir::ValueRange operands, mlir::DictionaryAttr attrs,
        mlir::OpaqueProperties props, mlir::RegionRange regions,
        llvm::SmallVectorImpl<mlir::Type> &types) {
      Adaptor adaptor(operands, attrs, props, regions);
      return llmc::nn::inferPool(loc, getOperationName(), adaptor.getInput(),
                                 adaptor.getKernel(), adaptor.getStrides(),
                                 adaptor.getPads(), adaptor.getDilations(),
                                 adaptor.getCeil(), types);
    }
  }];
}
def NN_MaxPoolOp : NN_PoolOp<"max_pool", "Largest", (ins)>;
// `include_pad`: the mean counts the padding as zeros.
def NN_AvgPoolOp : NN_PoolOp<"avg_pool", "Mean", (ins UnitAttr:$include_pad)>;

#endif // LLMC_DIALECT_NN_NNCONV
