// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The whole way from linalg on tensors to the binary contract.
// RUN: llmc-opt %s --llmc-bufferize --llmc-to-llvm | FileCheck %s

// CHECK-DAG: llvm.func internal @main_body_thunk(
// CHECK-DAG: llvm.func internal @main_body(
// CHECK-DAG: llvm.func @llmc_shape_main(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr)
// CHECK-DAG: llvm.func @llmc_arena_main(%{{.*}}: !llvm.ptr) -> i64
// CHECK-DAG: llvm.func @llmc_run_main(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr)
// CHECK-NOT: llvm.func @malloc
func.func @main(%n: index {nn.symbol = "n"}, %x: tensor<?x8xf32> {nn.name = "x", nn.dims = ["n", 8]})
    -> (tensor<?x8xf32> {nn.name = "y", nn.dims = ["n", 8]}) {
  %c0 = arith.constant 0.0 : f32
  %e = tensor.empty(%n) : tensor<?xf32>
  %f = linalg.fill ins(%c0 : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %s = linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> (a)>],
                       iterator_types = ["parallel", "reduction"]} ins(%x : tensor<?x8xf32>) outs(%f : tensor<?xf32>) {
  ^bb0(%a: f32, %b: f32):
    %q = arith.addf %a, %b : f32
    linalg.yield %q : f32
  } -> tensor<?xf32>
  %e2 = tensor.empty(%n) : tensor<?x8xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> (a)>, affine_map<(a, b) -> (a, b)>],
                       iterator_types = ["parallel", "parallel"]} ins(%x, %s : tensor<?x8xf32>, tensor<?xf32>) outs(%e2 : tensor<?x8xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %r = math.exp %b : f32
    %m = arith.mulf %a, %r : f32
    linalg.yield %m : f32
  } -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
