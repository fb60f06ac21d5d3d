// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is left late: loops over buffers.
func.func @rows(%x: memref<?x8xf32>, %out: memref<?x8xf32>, %begin: index, %end: index) {
  %one = arith.constant 1 : index
  scf.for %row = %begin to %end step %one {
    %from = memref.subview %x[%row, 0] [1, 8] [1, 1] : memref<?x8xf32> to memref<1x8xf32, strided<[8, 1], offset: ?>>
    %to = memref.subview %out[%row, 0] [1, 8] [1, 1] : memref<?x8xf32> to memref<1x8xf32, strided<[8, 1], offset: ?>>
    linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%from : memref<1x8xf32, strided<[8, 1], offset: ?>>) outs(%to : memref<1x8xf32, strided<[8, 1], offset: ?>>) {
    ^bb0(%a: f32, %b: f32):
      %sum = arith.addf %a, %b : f32
      linalg.yield %sum : f32
    }
  }
  return
}
