//===- NNShape.td - Ops that move elements or speak of shapes -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shapes, bounds and repeats are one-dimensional i64 tensors, as in ONNX; what
// they hold is found by the analysis SymbolicElements.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNSHAPE
#define LLMC_DIALECT_NN_NNSHAPE

include "llmc/Dialect/NN/NNBase.td"

def NN_ReshapeOp : NN_TensorOp<"reshape"> {
  let summary = "The same elements in another shape";
  let description = [{
    Elements keep their row-major order. One entry of `shape` may be -1: it is
    what remains. A 0 copies the extent of the input at that place, unless
    `allowzero` is set.

    [C1] `shape` has a static length
    [C2] where everything is static, the numbers of elements are equal
    [C3] an entry 0 of a constant `shape`, unless `allowzero`, has an extent to copy
    [C4] a constant `shape` has one entry -1 at most, and none below
    [C5] the product of the entries fits 64 bits

    ```mlir
    %1 = nn.reshape %0, %s : (tensor<?x8xf32>, tensor<3xi64>) -> tensor<?x2x4xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, NN_IndexVector:$shape, UnitAttr:$allowzero);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $shape attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def NN_TransposeOp : NN_TensorOp<"transpose"> {
  let summary = "Permutation of the axes";
  let description = [{
    Axis i of the result is axis `perm[i]` of the input.

    [C1] `perm` is a permutation of 0 .. rank-1

    ```mlir
    %1 = nn.transpose %0 {perm = array<i64: 1, 0>} : (tensor<?x4xf32>) -> tensor<4x?xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$perm);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def NN_SqueezeOp : NN_TensorOp<"squeeze"> {
  let summary = "Drops axes of extent one";
  let description = [{
    [C1] `axes` are ascending and inside the rank of the input
    [C2] each dropped extent is one or not known

    ```mlir
    %1 = nn.squeeze %0 {axes = array<i64: 0>} : (tensor<1x?xf32>) -> tensor<?xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$axes);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}

def NN_UnsqueezeOp : NN_TensorOp<"unsqueeze"> {
  let summary = "Inserts axes of extent one";
  let description = [{
    `axes` are places in the result.

    [C1] `axes` are ascending and inside the rank of the result

    ```mlir
    %1 = nn.unsqueeze %0 {axes = array<i64: 0>} : (tensor<?xf32>) -> tensor<1x?xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$axes);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}

def NN_SliceOp : NN_TensorOp<"slice"> {
  let summary = "A regular part of a tensor";
  let description = [{
    Along `axes[i]` the elements `starts[i], starts[i] + steps[i], ...` before
    `ends[i]`. Negative bounds count from the end; bounds outside are clamped,
    as in ONNX Slice.

    [C1] `starts`, `ends` have as many entries as `axes`, and `steps` too
    [C2] `axes` are different and inside the rank
    [C3] no step is zero

    ```mlir
    %1 = nn.slice %0 [%b, %e] {axes = array<i64: 1>, steps = array<i64: 1>}
       : (tensor<?x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, NN_IndexVector:$starts, NN_IndexVector:$ends,
                   DenseI64ArrayAttr:$axes, DenseI64ArrayAttr:$steps);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `[` $starts `,` $ends `]` attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def NN_RowsOp : NN_TensorOp<"rows"> {
  let summary = "Consecutive rows, given as index values";
  let description = [{
    Rows `start .. start + count - 1` along axis 0. The rows must exist.

    [C1] the input has rank 1 or more

    ```mlir
    %1 = nn.rows %0 [%start, %count] : (tensor<?x4xf32>, index, index) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, Index:$start, Index:$count);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `[` $start `,` $count `]` attr-dict `:` functional-type(operands, results)";
}

def NN_ConcatOp : NN_TensorOp<"concat"> {
  let summary = "Tensors one after the other";
  let description = [{
    [C1] at least one operand; equal element types and ranks
    [C2] 0 <= axis < rank
    [C3] extents other than that of `axis` agree
    [C4] the extent of the result fits 64 bits

    ```mlir
    %2 = nn.concat %0, %1 {axis = 0 : i64} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins Variadic<NN_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$inputs attr-dict `:` functional-type(operands, results)";
}

def NN_ExpandOp : NN_TensorOp<"expand"> {
  let summary = "Broadcast to a shape";
  let description = [{
    Broadcasts the input and `shape` with each other, as ONNX Expand does: an
    entry 1 of `shape` keeps the extent of the input.

    [C1] `shape` has a static length
    [C2] what is known of `shape` broadcasts with the input

    ```mlir
    %1 = nn.expand %0, %s : (tensor<1x4xf32>, tensor<2xi64>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, NN_IndexVector:$shape);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $shape attr-dict `:` functional-type(operands, results)";
}

def NN_PadMode : I32EnumAttr<"PadMode", "what fills the border", [
    I32EnumAttrCase<"constant", 0>, I32EnumAttrCase<"reflect", 1>,
    I32EnumAttrCase<"edge", 2>, I32EnumAttrCase<"wrap", 3>]> {
  let cppNamespace = "::llmc::nn";
  let genSpecializedAttr = 0;
}
def NN_PadModeAttr : EnumAttr<NN_Dialect, NN_PadMode, "pad_mode">;

def NN_PadOp : NN_TensorOp<"pad"> {
  let summary = "A border around a tensor";
  let description = [{
    `pads` holds the extents before each axis, then those after each axis; they
    may be negative. `value` fills the border in mode `constant`.

    [C1] `pads` has twice as many entries as the rank
    [C2] `value` has rank 0 and the element type of the input
    [C3] the extents of the result fit 64 bits

    ```mlir
    %1 = nn.pad constant %0, %p, %v : (tensor<2x4xf32>, tensor<4xi64>, tensor<f32>) -> tensor<?x?xf32>
    ```
  }];
  let arguments = (ins NN_PadModeAttr:$mode, NN_Tensor:$input, NN_IndexVector:$pads, NN_Tensor:$value);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$mode $input `,` $pads `,` $value attr-dict `:` functional-type(operands, results)";
}

def NN_TileOp : NN_TensorOp<"tile"> {
  let summary = "Repetition along each axis";
  let description = [{
    [C1] `repeats` has one entry per axis
    [C2] the extents of the result fit 64 bits

    ```mlir
    %1 = nn.tile %0, %r : (tensor<2x4xf32>, tensor<2xi64>) -> tensor<?x?xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, NN_IndexVector:$repeats);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $repeats attr-dict `:` functional-type(operands, results)";
}

def NN_ShapeOfOp : NN_TensorOp<"shape_of"> {
  let summary = "The extents of a tensor";
  let description = [{
    ```mlir
    %1 = nn.shape_of %0 : (tensor<?x4xf32>) -> tensor<2xi64>
    ```
  }];
  let arguments = (ins NN_Tensor:$input);
  let results = (outs NN_IndexVector:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}

def NN_RangeOp : NN_TensorOp<"range"> {
  let summary = "Numbers in arithmetic progression";
  let description = [{
    `start, start + delta, ...` before `limit`.

    [C1] the operands have rank 0 and one element type
    [C2] the extent of the result fits 64 bits

    ```mlir
    %3 = nn.range %0, %1, %2 : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
    ```
  }];
  let arguments = (ins NN_Tensor:$start, NN_Tensor:$limit, NN_Tensor:$delta);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$start `,` $limit `,` $delta attr-dict `:` functional-type(operands, results)";
}

def NN_FullOp : NN_TensorOp<"full"> {
  let summary = "One value everywhere";
  let description = [{
    [C1] `shape` has a static length
    [C2] `value` has rank 0
    [C3] a constant `shape` has entries of 0 or more

    ```mlir
    %1 = nn.full %s, %v : (tensor<2xi64>, tensor<f32>) -> tensor<?x?xf32>
    ```
  }];
  let arguments = (ins NN_IndexVector:$shape, NN_Tensor:$value);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$shape `,` $value attr-dict `:` functional-type(operands, results)";
}

def NN_TrilOp : NN_TensorOp<"tril"> {
  let summary = "Lower (or upper) triangle of the last two axes";
  let description = [{
    Keeps the elements with column <= row + k (`upper`: column >= row + k), sets
    the others to zero.

    [C1] the input has rank 2 or more
    [C2] `k` has rank 0 and element type i64

    ```mlir
    %1 = nn.tril %0, %k : (tensor<?x?xf32>, tensor<i64>) -> tensor<?x?xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$k, UnitAttr:$upper);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $k attr-dict `:` functional-type(operands, results)";
}

#endif // LLMC_DIALECT_NN_NNSHAPE
