//===- RestructurePasses.td - Passes that change what a module offers -----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The examples are run by test/Scripts/test_examples.py.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_RESTRUCTUREPASSES
#define LLMC_PASSES_RESTRUCTUREPASSES

include "mlir/Pass/PassBase.td"

def BindLmPass : Pass<"llmc-bind-lm", "::mlir::ModuleOp"> {
  let summary = "Add the entry @lm to a causal language model, with its policy bound";
  let description = [{
    Clones `@main` to `@lm` for one sequence: the batch is 1, the attention mask
    is ones, positions are `past` plus the row, and every past is an argument
    `[1, heads, past, size]`. The fuse passes then prove masks and positions on
    `@lm`, and `llmc-derive-lm` gives it its canonical form.

    Preconditions: arguments are one `[batch, seq]` integer tensor of ids and, by
    name, an attention mask, position ids and pasts; the first result of rank 3 is
    the logits and the others are presents, as many as there are pasts. Otherwise
    no `@lm` is made and the reason is a remark, or an error with `require`.

    A module pass, since it declares a function.

    ```mlir
    func.func @main(%ids: tensor<?x?xi64> {nn.name = "input_ids"}) -> (tensor<?x?x8xf32> {nn.name = "logits"}) {
      %w = arith.constant dense<1.0> : tensor<2x8xf32>
      %0 = nn.gather %w, %ids {axis = 0 : i64} : (tensor<2x8xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
      return %0 : tensor<?x?x8xf32>
    }
    // adds
    func.func @lm(%ids: tensor<?xi64> {nn.dims = ["seq"], nn.name = "ids"}, %seq: index {nn.symbol = "seq"},
                  %past: index {nn.symbol = "past"}, ...) -> (tensor<?x?x8xf32> {nn.name = "logits"}) {
      %1 = nn.unsqueeze %ids {axes = array<i64: 0>} : (tensor<?xi64>) -> tensor<1x?xi64>
      %0 = nn.gather %w, %1 {axis = 0 : i64} : (tensor<2x8xf32>, tensor<1x?xi64>) -> tensor<?x?x8xf32>
    ```
  }];
  let options = [
    Option<"require", "require", "bool", /*default=*/"false",
           "Fail where there is no causal language model">,
  ];
  let dependentDialects = ["::llmc::nn::NNDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::func::FuncDialect"];
}

def DeriveLmPass : Pass<"llmc-derive-lm", "::mlir::ModuleOp"> {
  let summary = "Give the bound and fused @lm its canonical form";
  let description = [{
    Writes `@lm` anew, without the axis of the batch and with rows of time first:
    `(ids, seq, past, n_logits, context, caches...) -> (logits, caches...)`.
    * A concatenation of a past and new rows that attention reads becomes
      `nn.append` on a cache; where the export has no pasts, the new keys and
      values are appended to derived caches, and positions are shifted by `past`.
    * Attention becomes `nn.cached_attention`, rotary tables become rows
      `past .. past + seq` of a table of positions.
    * Only the last `n_logits` rows go through the final normalization and head.

    Preconditions: the fuse passes ran. Every op on the way from ids to logits
    must treat each row of time by itself, except attention that was proved
    causal; otherwise `@lm` is removed, with a remark (an error with `require`)
    that names the op. `@main` is not touched.

    A module pass, since it declares the tables as weights.

    ```mlir
    nn.weight @w : tensor<6x8xf32> from #nn.key<"w" : tensor<6x8xf32>>
    func.func @lm(%ids: tensor<?xi64> {nn.dims = ["seq"], nn.name = "ids"}, %seq: index {nn.symbol = "seq"},
                  %past: index {nn.symbol = "past"}, %count: index {nn.symbol = "n_logits"},
                  %context: index {nn.symbol = "context"}) -> (tensor<1x?x6xf32> {nn.name = "logits"}) {
      %w = nn.get @w : tensor<6x8xf32>
      %rows = nn.gather %w, %ids {axis = 0 : i64} : (tensor<6x8xf32>, tensor<?xi64>) -> tensor<?x8xf32>
      %heads = arith.constant dense<[1, -1, 2, 4]> : tensor<4xi64>
      %x = nn.reshape %rows, %heads : (tensor<?x8xf32>, tensor<4xi64>) -> tensor<1x?x2x4xf32>
      %n = nn.neg %x : (tensor<1x?x2x4xf32>) -> tensor<1x?x2x4xf32>
      %a = nn.attention %x, %x, %n {causal, scale = 0.5 : f64}
         : (tensor<1x?x2x4xf32>, tensor<1x?x2x4xf32>, tensor<1x?x2x4xf32>) -> tensor<1x?x2x4xf32>
      %flat = arith.constant dense<[1, -1, 8]> : tensor<3xi64>
      %y = nn.reshape %a, %flat : (tensor<1x?x2x4xf32>, tensor<3xi64>) -> tensor<1x?x8xf32>
      %logits = nn.linear %y, %w : (tensor<1x?x8xf32>, tensor<6x8xf32>) -> tensor<1x?x6xf32>
      return %logits : tensor<1x?x6xf32>
    }
    // becomes
    func.func @lm(%ids: tensor<?xi64> {nn.dims = ["seq"], nn.name = "ids"}, %seq: index {nn.symbol = "seq"},
                  %past: index {nn.symbol = "past"}, %count: index {nn.symbol = "n_logits"},
                  %context: index {nn.symbol = "context"},
                  %keys: tensor<2x?x4xf32> {nn.dims = [2, "context", 4], nn.name = "layers.0.key", nn.state = 1 : i64},
                  %values: tensor<2x?x4xf32> {nn.dims = [2, "context", 4], nn.name = "layers.0.value", nn.state = 2 : i64})
      %n = nn.neg %x : (tensor<?x2x4xf32>) -> tensor<?x2x4xf32>
      %k = nn.append %keys, %x at %past : ...
      %v = nn.append %values, %n at %past : ...
      %a = nn.cached_attention %x, %k, %v at %past {scale = 0.5 : f64} : ...
    ```
  }];
  let options = [
    Option<"context", "context", "int64_t", /*default=*/"0",
           "Rows of rotary tables that the model does not bring itself, in tokens; 0: refuse to make one">,
    Option<"require", "require", "bool", /*default=*/"false",
           "Fail where @lm cannot be derived">,
  ];
  let dependentDialects = ["::llmc::nn::NNDialect", "::mlir::arith::ArithDialect",
                           "::mlir::func::FuncDialect"];
}

def NarrowRowsPass : Pass<"llmc-narrow-rows", "::mlir::func::FuncOp"> {
  let summary = "Compute only the rows that are read";
  let description = [{
    Where all that is read of a value is the `nn.rows` of it, what comes before is
    computed for these rows alone, as far back as each row depends on no other.
    Of the last layer of a language model, the keys and values of every token are
    needed, but the query, the attention and all that follows only for the
    tokens whose logits somebody wants: in a prompt the last one, in the pieces
    before the last one none. Every row has the same bits as before.

    Values whose rows are a known number, as in the clone for one token, stay as
    they are, and so does a value of which nothing costly can be left out.

    ```mlir
    %2 = nn.linear %0, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    %3 = nn.silu %2 : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %4 = nn.rows %3[%start, %count] : (tensor<?x8xf32>, index, index) -> tensor<?x8xf32>
    // becomes
    %1 = nn.rows %0[%start, %count] : (tensor<?x4xf32>, index, index) -> tensor<?x4xf32>
    %2 = nn.linear %1, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    %4 = nn.silu %2 : (tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
  }];
  let dependentDialects = ["::llmc::nn::NNDialect", "::mlir::arith::ArithDialect"];
}

def OpHistogramPass : Pass<"llmc-op-histogram", "::mlir::ModuleOp"> {
  let summary = "Print how many ops of each name every function has";
  let description = [{
    One line for each function in the order of the module, then one for each op
    name in alphabetic order. Constants are not counted: how many there are says
    nothing about the model. Changes nothing.

    A module pass, so that functions come out in order.

    ```
    @lm
      nn.add 6
      nn.append 6
    ```
  }];
}

#endif // LLMC_PASSES_RESTRUCTUREPASSES
