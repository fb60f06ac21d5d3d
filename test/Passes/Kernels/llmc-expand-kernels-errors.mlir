// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the expansion of kernels refuses.
// RUN: llmc-opt %s -llmc-expand-kernels -split-input-file -verify-diagnostics

!w = !pack.tensor<70x4, #pack.dense<f32>, #pack.rows<16>>
func.func @tensors(%x: tensor<?x4xf32>, %w: !w, %y: tensor<?x70xf32>) -> tensor<?x70xf32> {
  // expected-error @+1 {{'kern.linear' op expected memrefs but got 'tensor<?x4xf32>'}}
  %0 = kern.linear ins(%x, %w : tensor<?x4xf32>, !w) outs(%y : tensor<?x70xf32>) -> tensor<?x70xf32>
  return %0 : tensor<?x70xf32>
}

// -----
!w = !pack.tensor<70x4, #pack.dense<f32>, #pack.rows<16>>
func.func @columns_apart(%x: memref<?x4xf32, strided<[8, 2]>>, %w: !w, %y: memref<?x70xf32>) {
  // expected-error @+1 {{'kern.linear' op expected contiguous rows but got 'memref<?x4xf32, strided<[8, 2]>>'}}
  kern.linear ins(%x, %w : memref<?x4xf32, strided<[8, 2]>>, !w) outs(%y : memref<?x70xf32>)
  return
}

// -----
func.func @sliced_cache(%k: memref<2x?x4xf32, strided<[?, 4, 1]>>, %x: memref<?x2x4xf32>, %p: index) {
  // expected-error @+1 {{'kern.append' op expected contiguous rows}}
  kern.append ins(%x, %p : memref<?x2x4xf32>) outs(%k : memref<2x?x4xf32, strided<[?, 4, 1]>>)
  return
}
