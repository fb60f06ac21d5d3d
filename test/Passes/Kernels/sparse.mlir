// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a format with a sparse part adds to a product, of the input itself, in place;
// with products that are joined it makes a loop of its own behind them.
// RUN: llmc-opt %s -split-input-file -llmc-lower-to-kern -llmc-join-products | FileCheck %s
// RUN: llmc-opt %s -split-input-file -llmc-lower-to-kern -llmc-lower-nn-to-linalg -one-shot-bufferize="bufferize-function-boundaries=true function-boundary-type-conversion=identity-layout-map" | FileCheck %s --check-prefix=MEMORY
// RUN: llmc-opt %s -split-input-file -llmc-expand-kernels="cpu=x86-64-v4 triple=x86_64-linux-gnu" | FileCheck %s --check-prefix=EXPAND

!s = !pack.tensor<8x70, #pack.quantized<"u4g32.sp20">, #pack.rows<16>>

// CHECK-LABEL: func.func @bias
// CHECK-SAME: (%[[X:[^:]*]]: tensor<?x70xf32>, %[[A:[^:]*]]: !pack.tensor<{{[^>]*>[^>]*>[^>]*}}>, %[[BIAS:[^:]*]]: tensor<8xf32>)
// MEMORY-LABEL: func.func @bias
func.func @bias(%x: tensor<?x70xf32>, %a: !s, %bias: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[Y:.*]] = kern.quantized_linear ins({{.*}}, %[[A]], %[[BIAS]]
  // CHECK: %[[Z:.*]] = kern.sparse_linear ins(%[[X]], %[[A]] {{.*}} outs(%[[Y]] : tensor<?x8xf32>) ->
  // CHECK: return %[[Z]]
  // MEMORY-NOT: memref.copy
  // MEMORY: kern.quantized_linear {{.*}} outs(%[[M:.*]] : memref<?x8xf32>)
  // MEMORY: kern.sparse_linear {{.*}} outs(%[[M]] : memref<?x8xf32>)
  // MEMORY-NOT: memref.copy
  %0 = pack.linear %x, %a, %bias : (tensor<?x70xf32>, !s, tensor<8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// -----
!s = !pack.tensor<8x70, #pack.quantized<"u4g32.sp20">, #pack.rows<16>>

// CHECK-LABEL: func.func @joined
// CHECK-SAME: (%[[X:[^:]*]]: tensor<3x70xf32>, %[[F:[^:]*]]: tensor<70xf32>
func.func @joined(%x: tensor<3x70xf32>, %f: tensor<70xf32>, %a: !s, %b: !s) -> (tensor<3x8xf32>, tensor<3x8xf32>) {
  // CHECK: %[[S:.*]] = nn.mul %[[X]], %[[F]]
  // CHECK: %[[A:.*]] = kern.quantized_linear
  // CHECK: %[[B:.*]] = kern.quantized_linear {{.*}} {joined}
  // CHECK: kern.sparse_linear ins(%[[S]], {{.*}} outs(%[[A]] : tensor<3x8xf32>) ->
  // CHECK: kern.sparse_linear ins(%[[S]], {{.*}} outs(%[[B]] : tensor<3x8xf32>) {joined} ->
  %0 = pack.linear %x, %a factors(%f) : (tensor<3x70xf32>, !s, tensor<70xf32>) -> tensor<3x8xf32>
  %1 = pack.linear %x, %b factors(%f) : (tensor<3x70xf32>, !s, tensor<70xf32>) -> tensor<3x8xf32>
  return %0, %1 : tensor<3x8xf32>, tensor<3x8xf32>
}

// -----
!s = !pack.tensor<70x64, #pack.quantized<"u4g32.sp50">, #pack.rows<16>>

// The numbers lie behind the codes: five tiles of two groups, a unit of 256 bytes
// with a scale and a minimum for each of 16 rows, are 3200 bytes.
// EXPAND-LABEL: func.func @places
func.func @places(%x: memref<?x64xf32>, %w: !s, %y: memref<?x70xf32>) {
  // EXPAND: arith.index_cast %c3200{{.*}} : index to i64
  // EXPAND: func.call @kern_sparse_r16_c2(
  kern.sparse_linear ins(%x, %w : memref<?x64xf32>, !s) outs(%y : memref<?x70xf32>)
  return
}
