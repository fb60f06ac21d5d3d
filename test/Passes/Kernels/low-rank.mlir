// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a format with a rank adds to a product: the input itself goes through both
// matrices, the second of which adds to the product of the codes in place.
// RUN: llmc-opt %s -split-input-file -llmc-lower-to-kern | FileCheck %s
// RUN: llmc-opt %s -split-input-file -llmc-lower-to-kern -llmc-lower-nn-to-linalg -one-shot-bufferize="bufferize-function-boundaries=true function-boundary-type-conversion=identity-layout-map" | FileCheck %s --check-prefix=MEMORY
// RUN: llmc-opt %s -split-input-file -llmc-expand-kernels="cpu=x86-64-v4 triple=x86_64-linux-gnu" | FileCheck %s --check-prefix=EXPAND

!r = !pack.tensor<8x70, #pack.quantized<"u4g32.lr4">, #pack.rows<16>>

// CHECK-LABEL: func.func @bias
// CHECK-SAME: (%[[X:[^:]*]]: tensor<?x70xf32>, %[[A:[^:]*]]: !pack.tensor<{{[^>]*>[^>]*>[^>]*}}>, %[[BIAS:[^:]*]]: tensor<8xf32>)
// MEMORY-LABEL: func.func @bias
func.func @bias(%x: tensor<?x70xf32>, %a: !r, %bias: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[Y:.*]] = kern.quantized_linear ins({{.*}}, %[[A]], %[[BIAS]]
  // CHECK: %[[T:.*]] = tensor.empty({{.*}}) : tensor<?x4xf32>
  // CHECK: %[[R:.*]] = kern.side %[[A]] : ({{.*}}) -> !pack.tensor<4x70, #pack.dense<bf16>, #pack.rows<8>>
  // CHECK: %[[I:.*]] = kern.linear ins(%[[X]], %[[R]] {{.*}} outs(%[[T]] : tensor<?x4xf32>)
  // CHECK: %[[L:.*]] = kern.side %[[A]] {left} : ({{.*}}) -> !pack.tensor<8x4, #pack.dense<bf16>, #pack.rows<16>>
  // CHECK: kern.linear ins(%[[I]], %[[L]] {{.*}} outs(%[[Y]] : tensor<?x8xf32>) {adds}
  // MEMORY-NOT: memref.copy
  // MEMORY: kern.quantized_linear {{.*}} outs(%[[M:.*]] : memref<?x8xf32>)
  // MEMORY: kern.linear {{.*}} outs(%[[N:.*]] : memref<?x4xf32>)
  // MEMORY: kern.linear ins(%[[N]], {{.*}} outs(%[[M]] : memref<?x8xf32>) {adds}
  // MEMORY-NOT: memref.copy
  %0 = pack.linear %x, %a, %bias : (tensor<?x70xf32>, !r, tensor<8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// -----
!r = !pack.tensor<8x70, #pack.quantized<"u4g32.lr4">, #pack.rows<16>>

// Factors multiply the input once for all products, where both are known: before
// the first of them, so that it can be joined by the others.
// CHECK-LABEL: func.func @factors
// CHECK-SAME: (%[[X:[^:]*]]: tensor<3x70xf32>, %[[F:[^:]*]]: tensor<70xf32>
func.func @factors(%x: tensor<3x70xf32>, %f: tensor<70xf32>, %a: !r, %b: !r) -> (tensor<3x8xf32>, tensor<3x8xf32>) {
  // CHECK: %[[S:.*]] = nn.mul %[[X]], %[[F]]
  // CHECK: kern.quantize ins(%[[X]], %[[F]] :
  // CHECK: kern.linear ins(%[[S]],
  // CHECK-NOT: nn.mul
  // CHECK: kern.linear ins(%[[S]],
  %0 = pack.linear %x, %a factors(%f) : (tensor<3x70xf32>, !r, tensor<70xf32>) -> tensor<3x8xf32>
  %1 = pack.linear %x, %b factors(%f) : (tensor<3x70xf32>, !r, tensor<70xf32>) -> tensor<3x8xf32>
  return %0, %1 : tensor<3x8xf32>, tensor<3x8xf32>
}

// -----
!r = !pack.tensor<70x64, #pack.quantized<"u4g32.lr4">, #pack.rows<16>>
!left = !pack.tensor<70x4, #pack.dense<bf16>, #pack.rows<16>>
!right = !pack.tensor<4x64, #pack.dense<bf16>, #pack.rows<8>>

// The two matrices are places behind the codes: five tiles of two groups, a unit
// of 256 bytes with a scale and a minimum for each of 16 rows, are 3200 bytes;
// 64 * 8 numbers of two bytes follow.
// EXPAND-LABEL: func.func @places
func.func @places(%x: memref<?x64xf32>, %w: !r, %t: memref<?x4xf32>, %y: memref<?x70xf32>) {
  // EXPAND-NOT: kern.side
  // EXPAND: arith.index_cast %c3200{{.*}} : index to i64
  // EXPAND: func.call @kern_linear_bf16_r8_x64(
  // EXPAND: arith.index_cast %c4224{{.*}} : index to i64
  // EXPAND: func.call @kern_linear_bf16_r16_x4_add(
  // EXPAND-NOT: kern.side
  %0 = kern.side %w : (!r) -> !right
  kern.linear ins(%x, %0 : memref<?x64xf32>, !right) outs(%t : memref<?x4xf32>)
  %1 = kern.side %w {left} : (!r) -> !left
  kern.linear ins(%t, %1 : memref<?x4xf32>, !left) outs(%y : memref<?x70xf32>) {adds}
  return
}
