//===- RestructurePasses.td - Passes that change what a module offers -----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every example below stands in test/Passes/Restructure too.
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
    func.func @main(%ids: tensor<?x?xi64> {nn.name = "input_ids"}) -> (tensor<?x?x8xf32> {nn.name = "logits"})
    // adds
    func.func @lm(%ids: tensor<?xi64> {nn.name = "ids", nn.dims = ["seq"]}, %seq: index {nn.symbol = "seq"},
                  %past: index {nn.symbol = "past"}, ...) -> (tensor<?x?x8xf32> {nn.name = "logits"})
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
    %4 = nn.attention %1, %2, %3 {causal, scale = 1.0 : f64} : (tensor<1x?x2x4xf32>, ...)
    // becomes
    %k = nn.append %cache_k, %2 at %past
    %v = nn.append %cache_v, %3 at %past
    %4 = nn.cached_attention %1, %k, %v at %past {scale = 1.0 : f64}
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
