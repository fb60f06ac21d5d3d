//===- FusePasses.td - Recovering layers from exported graphs -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The examples are run by test/Scripts/test_examples.py, which says what names
// that nobody defines stand for: %w, %b are weights, %two is the constant 2.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_FUSEPASSES
#define LLMC_PASSES_FUSEPASSES

include "mlir/Pass/PassBase.td"

def SimplifyPass : Pass<"llmc-simplify", "::mlir::func::FuncOp"> {
  let summary = "Remove ops that do nothing";
  let description = [{
    Merges transpositions and reshapes that follow one another, drops slices,
    expansions and casts that keep everything, products with one and sums with
    zero, computes casts, roots, products and quotients of single constant
    numbers, merges equal ops and erases dead ones.

    Preconditions: none. It refuses nothing; what is not proved stays.

    ```mlir
    %1 = nn.transpose %0 {perm = array<i64: 1, 0>} : (tensor<?x4xf32>) -> tensor<4x?xf32>
    %2 = nn.transpose %1 {perm = array<i64: 1, 0>} : (tensor<4x?xf32>) -> tensor<?x4xf32>
    %3 = nn.exp %2 : (tensor<?x4xf32>) -> tensor<?x4xf32>
    // becomes
    func.func @main(%0: ...) -> tensor<?x4xf32> {
    %3 = nn.exp %0 : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let dependentDialects = ["::llmc::nn::NNDialect", "::mlir::arith::ArithDialect"];
}

def FuseLinearPass : Pass<"llmc-fuse-linear", "::mlir::func::FuncOp"> {
  let summary = "Turn products with weight matrices into nn.linear";
  let description = [{
    A matrix product whose right side is a static matrix known when compiling
    becomes `nn.linear` with the transposed matrix; a sum of a linear and a
    vector known when compiling becomes its bias. The transposition is written
    as an op on the weight and vanishes in `llmc-edit-weights`.

    Preconditions: a bias is taken in only where the linear has no other user.

    ```mlir
    %1 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
    // becomes
    %t = nn.transpose %w {perm = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
    %1 = nn.linear %x, %t : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    ```
  }];
  let dependentDialects = ["::llmc::nn::NNDialect"];
}

def SplitLinearPass : Pass<"llmc-split-linear", "::mlir::func::FuncOp"> {
  let summary = "Take apart a linear of which only slices are used";
  let description = [{
    A linear whose result is read only by slices with constant bounds along the
    last axis (a packed q, k and v, or gate and up), or along the heads after a
    split of that axis into heads, becomes one linear for each slice, with the
    rows of the weight (and of the bias) that it reads.

    Preconditions: steps of one; the weight is known when compiling.

    ```mlir
    %1 = nn.linear %x, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    %2 = nn.slice %1 [%zero, %two] {axes = array<i64: 1>, steps = array<i64: 1>}
       : (tensor<?x8xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2xf32>
    // becomes
    %r = nn.slice %w [%zero, %two] {axes = array<i64: 0>, steps = array<i64: 1>}
       : (tensor<8x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<2x4xf32>
    %2 = nn.linear %x, %r : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
    ```
  }];
  let dependentDialects = ["::llmc::nn::NNDialect", "::mlir::arith::ArithDialect"];
}

def EditWeightsPass : Pass<"llmc-edit-weights", "::mlir::ModuleOp"> {
  let summary = "Move ops on weights into the sources of the weights";
  let description = [{
    Transpositions, row slices, concatenations along axis 0, static reshapes,
    casts, and sums and products with a number whose operand is a weight become
    weights with an edited source. Floating point constants that stand as a
    parameter of a linear, a normalization, a gather or an edit become weights.
    Weights with equal sources become one symbol and unused ones vanish; a weight
    that replaces another alone takes over its name.

    A module pass, since it declares and erases symbols.

    ```mlir
    nn.weight @w : tensor<4x8xf32> from #nn.key<"w" : tensor<4x8xf32>>
    ...
    %0 = nn.get @w : tensor<4x8xf32>
    %1 = nn.transpose %0 {perm = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
    // becomes
    nn.weight @w : tensor<8x4xf32> from #nn.transpose<#nn.key<"w" : tensor<4x8xf32>>, [1, 0]>
    ...
    %1 = nn.get @w : tensor<8x4xf32>
    ```
  }];
  let dependentDialects = ["::llmc::nn::NNDialect"];
}

def TieWeightsPass : Pass<"llmc-tie-weights", "::mlir::ModuleOp"> {
  let summary = "Use one weight where an embedding and a matrix hold equal numbers";
  let description = [{
    Exporters write a tied embedding and head twice, one of them transposed. A
    table of `nn.gather` and a matrix of `nn.linear` of one type whose bytes are
    equal become one symbol.

    Preconditions: `llmc-edit-weights` ran. Only the compiler knows where keys lie:
    on textual IR the pass compares values that stand in the IR.

    A module pass, since it erases symbols.

    ```mlir
    nn.weight @embed : tensor<2x1xf32> from #nn.dense<dense<[[1.0], [2.0]]> : tensor<2x1xf32>>
    nn.weight @head : tensor<2x1xf32> from #nn.transpose<#nn.dense<dense<[[1.0, 2.0]]> : tensor<1x2xf32>>, [1, 0]>
    ...
    %0 = nn.get @embed : tensor<2x1xf32>
    %e = nn.gather %0, %ids {axis = 0 : i64} : (tensor<2x1xf32>, tensor<?xi64>) -> tensor<?x1xf32>
    %1 = nn.get @head : tensor<2x1xf32>
    %l = nn.linear %e, %1 : (tensor<?x1xf32>, tensor<2x1xf32>) -> tensor<?x2xf32>
    // becomes
    %0 = nn.get @embed : tensor<2x1xf32>
    %e = nn.gather %0, %ids {axis = 0 : i64} : (tensor<2x1xf32>, tensor<?xi64>) -> tensor<?x1xf32>
    %1 = nn.get @embed : tensor<2x1xf32>
    %l = nn.linear %e, %1 : (tensor<?x1xf32>, tensor<2x1xf32>) -> tensor<?x2xf32>
    ```
  }];
  let dependentDialects = ["::llmc::nn::NNDialect"];
}

def FuseRmsNormPass : Pass<"llmc-fuse-rms-norm", "::mlir::func::FuncOp"> {
  let summary = "Recover nn.rms_norm";
  let description = [{
    `x / sqrt(mean(x^2) + epsilon) * weight` along the last axis, whatever spells
    the square (power or product), the root (rsqrt, reciprocal, quotient), and
    with or without casts to single precision between.

    Preconditions: the weight has rank 1 and the extent of the last axis; input
    and result have one element type.

    ```mlir
    %sq = nn.mul %x, %x : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %mean = nn.reduce_mean %sq {axes = array<i64: 1>, keepdims} : (tensor<?x4xf32>) -> tensor<?x1xf32>
    %sum = nn.add %mean, %eps : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
    %r = nn.rsqrt %sum : (tensor<?x1xf32>) -> tensor<?x1xf32>
    %n = nn.mul %x, %r : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
    %y = nn.mul %n, %w : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    // becomes
    %y = nn.rms_norm %x, %w {epsilon = 1.0e-5 : f64} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let dependentDialects = ["::llmc::nn::NNDialect"];
}

def FuseLayerNormPass : Pass<"llmc-fuse-layer-norm", "::mlir::func::FuncOp"> {
  let summary = "Recover nn.layer_norm";
  let description = [{
    `(x - mean) / sqrt(mean((x - mean)^2) + epsilon) * weight + bias` along the
    last axis, with or without the bias.

    Preconditions: as for `llmc-fuse-rms-norm`, for weight and bias.

    ```mlir
    %mean = nn.reduce_mean %x {axes = array<i64: 1>, keepdims} : (tensor<?x4xf32>) -> tensor<?x1xf32>
    %c = nn.sub %x, %mean : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
    %sq = nn.mul %c, %c : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %var = nn.reduce_mean %sq {axes = array<i64: 1>, keepdims} : (tensor<?x4xf32>) -> tensor<?x1xf32>
    %sum = nn.add %var, %eps : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
    %root = nn.sqrt %sum : (tensor<?x1xf32>) -> tensor<?x1xf32>
    %n = nn.div %c, %root : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
    %s = nn.mul %n, %w : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    %y = nn.add %s, %b : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    // becomes
    %y = nn.layer_norm %x, %w, %b {epsilon = 1.0e-5 : f64}
       : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let dependentDialects = ["::llmc::nn::NNDialect"];
}

def FuseActivationPass : Pass<"llmc-fuse-activation", "::mlir::func::FuncOp"> {
  let summary = "Recover activation functions";
  let description = [{
    * `x * sigmoid(x)` becomes `nn.silu`;
    * `1 / (1 + exp(-x))` becomes `nn.sigmoid`;
    * `log(1 + exp(x))` becomes `nn.softplus`;
    * `x/2 * (1 + erf(x / sqrt 2))` becomes `nn.gelu`;
    * `x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))` becomes `nn.gelu`
      with `tanh`.
    Factors and summands may stand in any order and association; constants are
    compared within the rounding of single precision.

    Preconditions: none; another constant is another function and stays as it is.

    ```mlir
    %s = nn.sigmoid %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
    %y = nn.mul %x, %s : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    // becomes
    %y = nn.silu %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let dependentDialects = ["::llmc::nn::NNDialect"];
}

def FuseRotaryPass : Pass<"llmc-fuse-rotary", "::mlir::func::FuncOp"> {
  let summary = "Recover nn.rotary";
  let description = [{
    `x * cos + rotated * sin`, where it is proved element by element that
    `rotated` holds the channels of x with the two of each pair exchanged and the
    first negated (pairs of halves, or of neighbors), and that the tables hold
    one number for both channels of a pair.

    Preconditions: x has rank 3 or 4 and a static last extent; the tables are
    constant along the axis of the heads, which is one of the two before the
    last. What is not proved stays.

    ```mlir
    %l = nn.slice %x [%zero, %two] {axes = array<i64: 2>, steps = array<i64: 1>}
       : (tensor<?x3x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x3x2xf32>
    %h = nn.slice %x [%two, %four] {axes = array<i64: 2>, steps = array<i64: 1>}
       : (tensor<?x3x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x3x2xf32>
    %n = nn.neg %h : (tensor<?x3x2xf32>) -> tensor<?x3x2xf32>
    %r = nn.concat %n, %l {axis = 2 : i64} : (tensor<?x3x2xf32>, tensor<?x3x2xf32>) -> tensor<?x3x4xf32>
    %cos = nn.concat %c, %c {axis = 2 : i64} : (tensor<?x1x2xf32>, tensor<?x1x2xf32>) -> tensor<?x1x4xf32>
    %sin = nn.concat %s, %s {axis = 2 : i64} : (tensor<?x1x2xf32>, tensor<?x1x2xf32>) -> tensor<?x1x4xf32>
    %1 = nn.mul %x, %cos : (tensor<?x3x4xf32>, tensor<?x1x4xf32>) -> tensor<?x3x4xf32>
    %2 = nn.mul %r, %sin : (tensor<?x3x4xf32>, tensor<?x1x4xf32>) -> tensor<?x3x4xf32>
    %y = nn.add %1, %2 : (tensor<?x3x4xf32>, tensor<?x3x4xf32>) -> tensor<?x3x4xf32>
    // becomes, with one column of the tables for each pair
    %y = nn.rotary %x, ... : (tensor<?x3x4xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x3x4xf32>
    ```
  }];
  let dependentDialects = ["::llmc::nn::NNDialect", "::mlir::arith::ArithDialect"];
}

def FuseAttentionPass : Pass<"llmc-fuse-attention", "::mlir::func::FuncOp"> {
  let summary = "Recover nn.attention";
  let description = [{
    `softmax(softcap(scale * q k^T) + mask) v` of tensors of rank 4, with the
    scale anywhere (on the scores, on q, on k, split over both), with keys and
    values in any order of axes and with repeated heads, which are dropped. A
    guard `where(isnan(p), 0, p)` behind the softmax is dropped too: a row that
    sees nothing gives zeros. Masks that are proved causal, sliding windows or all
    visible become attributes, of attention ops that the graph has already too;
    others stay as the operand.

    Preconditions: keys and values are followed back through ops that move
    elements and products with constants, up to a concatenation. What is not
    proved stays.

    ```mlir
    %s = nn.matmul %q, %kt : (tensor<?x2x?x4xf32>, tensor<?x2x4x?xf32>) -> tensor<?x2x?x?xf32>
    %p = nn.softmax %s {axis = 3 : i64} : (tensor<?x2x?x?xf32>) -> tensor<?x2x?x?xf32>
    %y = nn.matmul %p, %v : (tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
    // becomes, between transpositions to [batch, time, heads, size]
    %y = nn.attention ... {scale = 1.0 : f64} : ...
    ```
  }];
  let dependentDialects = ["::llmc::nn::NNDialect", "::mlir::arith::ArithDialect"];
}

#endif // LLMC_PASSES_FUSEPASSES
