// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Round trip of the kernel ops on tensors and on memrefs.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s

!w = !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>

// CHECK-LABEL: func.func @tensors
func.func @tensors(%x: tensor<?x4xf32>, %w: !w, %b: tensor<8xf32>, %i: tensor<?xi64>, %y: tensor<?x8xf32>,
                   %c: tensor<2x?x4xf32>, %r: tensor<?x2x4xf32>, %p: index) {
  // CHECK: kern.gather ins(%{{.*}}, %{{.*}} : !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>, tensor<?xi64>) outs(%{{.*}} : tensor<?x4xf32>) -> tensor<?x4xf32>
  %0 = kern.gather ins(%w, %i : !w, tensor<?xi64>) outs(%x : tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: kern.linear ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x4xf32>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>, tensor<8xf32>) outs(%{{.*}} : tensor<?x8xf32>) -> tensor<?x8xf32>
  %1 = kern.linear ins(%0, %w, %b : tensor<?x4xf32>, !w, tensor<8xf32>) outs(%y : tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: kern.append ins(%{{.*}}, %{{.*}} : tensor<?x2x4xf32>) outs(%{{.*}} : tensor<2x?x4xf32>) {keys} -> tensor<2x?x4xf32>
  %2 = kern.append ins(%r, %p : tensor<?x2x4xf32>) outs(%c : tensor<2x?x4xf32>) {keys} -> tensor<2x?x4xf32>
  // CHECK: kern.rotate ins(%{{.*}}, %{{.*}} : tensor<?x8xf32>, tensor<8xf32>) outs(%{{.*}} : tensor<?x8xf32>) {size = 64 : i64} -> tensor<?x8xf32>
  %5 = kern.rotate ins(%1, %b : tensor<?x8xf32>, tensor<8xf32>) outs(%y : tensor<?x8xf32>) {size = 64} -> tensor<?x8xf32>
  // CHECK: kern.attention ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x2x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>) outs(%{{.*}} : tensor<?x2x4xf32>) {scale = 5.000000e-01 : f64, softcap = 3.000000e+01 : f64, window = 8 : i64} -> tensor<?x2x4xf32>
  %3 = kern.attention ins(%r, %2, %c, %p : tensor<?x2x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>) outs(%r : tensor<?x2x4xf32>) {scale = 0.5, window = 8, softcap = 30.0} -> tensor<?x2x4xf32>
  return
}

// CHECK-LABEL: func.func @memrefs
func.func @memrefs(%x: memref<?x4xf32>, %w: !w, %y: memref<?x8xf32, strided<[?, 1], offset: ?>>, %z: memref<?x8xf32>) {
  // CHECK: kern.linear ins(%{{.*}}, %{{.*}} : memref<?x4xf32>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) outs(%{{.*}} : memref<?x8xf32, strided<[?, 1], offset: ?>>)
  kern.linear ins(%x, %w : memref<?x4xf32>, !w) outs(%y : memref<?x8xf32, strided<[?, 1], offset: ?>>)
  // CHECK: kern.rotate ins(%{{.*}} : memref<?x8xf32, strided<[?, 1], offset: ?>>) outs(%{{.*}} : memref<?x8xf32>) {size = 16 : i64}
  kern.rotate ins(%y : memref<?x8xf32, strided<[?, 1], offset: ?>>) outs(%z : memref<?x8xf32>) {size = 16}
  return
}

!p = !pack.tensor<8x70, #pack.quantized<"u4g32.p">, #pack.rows<16>>

// CHECK-LABEL: func.func @permute
func.func @permute(%x: tensor<?x70xf32>, %w: !p, %f: tensor<70xf32>, %y: tensor<?x70xf32>, %mx: memref<3x70xf32, strided<[?, 1], offset: ?>>, %my: memref<3x70xf32>) -> tensor<?x70xf32> {
  // CHECK: kern.permute ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x70xf32>, !pack.tensor<8x70, #pack.quantized<"u4g32.p">, #pack.rows<16>>, tensor<70xf32>) outs(%{{.*}} : tensor<?x70xf32>) -> tensor<?x70xf32>
  %0 = kern.permute ins(%x, %w, %f : tensor<?x70xf32>, !p, tensor<70xf32>) outs(%y : tensor<?x70xf32>) -> tensor<?x70xf32>
  // CHECK: kern.permute ins(%{{.*}}, %{{.*}} : memref<3x70xf32, strided<[?, 1], offset: ?>>, !pack.tensor<{{.*}}>) outs(%{{.*}} : memref<3x70xf32>)
  kern.permute ins(%mx, %w : memref<3x70xf32, strided<[?, 1], offset: ?>>, !p) outs(%my : memref<3x70xf32>)
  return %0 : tensor<?x70xf32>
}

!s = !pack.tensor<8x70, #pack.quantized<"u4g32.sp20">, #pack.rows<16>>

// CHECK-LABEL: func.func @sparse
func.func @sparse(%x: tensor<?x70xf32>, %w: !s, %y: tensor<?x8xf32>, %mx: memref<3x70xf32>, %my: memref<3x8xf32, strided<[?, 1], offset: ?>>) -> tensor<?x8xf32> {
  // CHECK: kern.sparse_linear ins(%{{.*}}, %{{.*}} : tensor<?x70xf32>, !pack.tensor<8x70, #pack.quantized<"u4g32.sp20">, #pack.rows<16>>) outs(%{{.*}} : tensor<?x8xf32>) {joined} -> tensor<?x8xf32>
  %0 = kern.sparse_linear ins(%x, %w : tensor<?x70xf32>, !s) outs(%y : tensor<?x8xf32>) {joined} -> tensor<?x8xf32>
  // CHECK: kern.sparse_linear ins(%{{.*}}, %{{.*}} : memref<3x70xf32>, !pack.tensor<{{.*}}>) outs(%{{.*}} : memref<3x8xf32, strided<[?, 1], offset: ?>>)
  kern.sparse_linear ins(%mx, %w : memref<3x70xf32>, !s) outs(%my : memref<3x8xf32, strided<[?, 1], offset: ?>>)
  return %0 : tensor<?x8xf32>
}

!r = !pack.tensor<8x70, #pack.quantized<"u4g32.lr12">, #pack.rows<16>>
!left = !pack.tensor<8x12, #pack.dense<bf16>, #pack.rows<16>>
!right = !pack.tensor<12x70, #pack.dense<bf16>, #pack.rows<16>>

// CHECK-LABEL: func.func @added
func.func @added(%x: tensor<?x70xf32>, %w: !r, %t: tensor<?x12xf32>, %y: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: kern.side %{{.*}} : (!pack.tensor<8x70, #pack.quantized<"u4g32.lr12">, #pack.rows<16>>) -> !pack.tensor<12x70, #pack.dense<bf16>, #pack.rows<16>>
  %0 = kern.side %w : (!r) -> !right
  %1 = kern.linear ins(%x, %0 : tensor<?x70xf32>, !right) outs(%t : tensor<?x12xf32>) -> tensor<?x12xf32>
  // CHECK: kern.side %{{.*}} {left} : (!pack.tensor<8x70, #pack.quantized<"u4g32.lr12">, #pack.rows<16>>) -> !pack.tensor<8x12, #pack.dense<bf16>, #pack.rows<16>>
  %2 = kern.side %w {left} : (!r) -> !left
  // CHECK: kern.linear ins({{.*}}) outs(%{{.*}} : tensor<?x8xf32>) {adds} -> tensor<?x8xf32>
  %3 = kern.linear ins(%1, %2 : tensor<?x12xf32>, !left) outs(%y : tensor<?x8xf32>) {adds} -> tensor<?x8xf32>
  return %3 : tensor<?x8xf32>
}
