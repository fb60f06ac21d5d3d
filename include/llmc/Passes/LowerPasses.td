//===- LowerPasses.td - From nn to structured loops -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_LOWERPASSES
#define LLMC_PASSES_LOWERPASSES

include "mlir/Pass/PassBase.td"

def AddSymbolArgs : Pass<"llmc-add-symbol-args", "mlir::ModuleOp"> {
  let summary = "Pass the values of symbols that extents need as arguments";
  let description = [{
    Appends to each function an argument of type index with `nn.symbol` for each
    symbol that an extent of one of its tensors needs and that it does not have
    yet, passes it at call sites, and writes `nn.dims` on tensor arguments and
    results that lack it. An extent that depends on an element of an integer
    argument is a symbol as well, named `INPUT[i]` (row-major). Refuses an extent
    that depends on values which only exist while the model runs. A module pass,
    since callers and callees change together.

    ```mlir
    func.func @f(%x: tensor<?x4xf32> {nn.dims = ["n", 4]}) -> tensor<?x4xf32> {
      %0 = nn.relu %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
      return %0 : tensor<?x4xf32>
    }
    // becomes
    func.func @f(%x: tensor<?x4xf32> {nn.dims = ["n", 4]}, %n: index {nn.symbol = "n"})
        -> (tensor<?x4xf32> {nn.dims = ["n", 4]}) {
      %0 = nn.relu %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
      return %0 : tensor<?x4xf32>
    }
    ```
  }];
  let dependentDialects = ["mlir::arith::ArithDialect"];
}

def LowerNNToLinalg : Pass<"llmc-lower-nn-to-linalg", "mlir::func::FuncOp"> {
  let summary = "Lower the tensor ops of nn to linalg, tensor and arith";
  let description = [{
    Every op of nn but `nn.get` and `nn.weight`. Extents come from the analysis
    SymbolicElements and are computed from the function's index arguments at its
    top, never by `tensor.dim`, so that bufferization and arena planning see one
    value for one extent. Slices keep their rank. Ops that only computed shapes
    vanish. Refuses, naming the op, one without a lowering, an unsigned element
    type, and an extent that no symbol argument tells; run
    `llmc-add-symbol-args` first.

    ```mlir
    func.func @f(%x: tensor<?xf32> {nn.dims = ["n"]}, %n: index {nn.symbol = "n"}) -> tensor<?xf32> {
      %0 = nn.neg %x : (tensor<?xf32>) -> tensor<?xf32>
      return %0 : tensor<?xf32>
    }
    // becomes
    #map = affine_map<(d0) -> (d0)>
    func.func @f(%x: tensor<?xf32> {nn.dims = ["n"]}, %n: index {nn.symbol = "n"}) -> tensor<?xf32> {
      %0 = tensor.empty(%n) : tensor<?xf32>
      %1 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
          ins(%x : tensor<?xf32>) outs(%0 : tensor<?xf32>) {
      ^bb0(%a: f32, %out: f32):
        %2 = arith.negf %a : f32
        linalg.yield %2 : f32
      } -> tensor<?xf32>
      return %1 : tensor<?xf32>
    }
    ```
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::linalg::LinalgDialect",
                           "mlir::math::MathDialect", "mlir::scf::SCFDialect",
                           "mlir::tensor::TensorDialect"];
}

#endif // LLMC_PASSES_LOWERPASSES
