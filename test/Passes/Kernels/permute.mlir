// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The input of a product goes into the order of columns of its matrix before it is
// rounded, and so does each of two that share it; rows that are gathered are put back
// by the kernel itself.
// RUN: llmc-opt %s -split-input-file -llmc-lower-to-kern -llmc-join-products | FileCheck %s
// RUN: llmc-opt %s -split-input-file -llmc-expand-kernels="cpu=x86-64-v4 triple=x86_64-linux-gnu" | FileCheck %s --check-prefix=EXPAND

!p = !pack.tensor<8x70, #pack.quantized<"u4g32.p">, #pack.rows<16>>

// CHECK-LABEL: func.func @products
// CHECK-SAME: (%[[X:[^:]*]]: tensor<3x70xf32>, %[[F:[^:]*]]: tensor<70xf32>, %[[A:[^:]*]]: !pack.tensor<{{[^>]*>[^>]*>[^>]*}}>, %[[B:[^:]*]]: !pack.tensor
func.func @products(%x: tensor<3x70xf32>, %f: tensor<70xf32>, %a: !p, %b: !p) -> (tensor<3x8xf32>, tensor<3x8xf32>) {
  // CHECK-DAG: %[[XA:.*]] = kern.permute ins(%[[X]], %[[A]], %[[F]] :
  // CHECK-DAG: %[[XB:.*]] = kern.permute ins(%[[X]], %[[B]], %[[F]] :
  // CHECK-DAG: %[[QA:.*]] = kern.quantize ins(%[[XA]] :
  // CHECK-DAG: %[[QB:.*]] = kern.quantize ins(%[[XB]] :
  // CHECK: kern.quantized_linear ins(%[[QA]], %[[A]]
  // CHECK-NEXT: kern.quantized_linear ins(%[[QB]], %[[B]] {{.*}} {joined}
  %0 = pack.linear %x, %a factors(%f) : (tensor<3x70xf32>, !p, tensor<70xf32>) -> tensor<3x8xf32>
  %1 = pack.linear %x, %b factors(%f) : (tensor<3x70xf32>, !p, tensor<70xf32>) -> tensor<3x8xf32>
  return %0, %1 : tensor<3x8xf32>, tensor<3x8xf32>
}

// CHECK-LABEL: func.func @rows
func.func @rows(%w: !p, %i: tensor<4xi64>) -> tensor<4x70xf32> {
  // CHECK: %[[R:.*]] = kern.gather
  // CHECK-NEXT: return %[[R]]
  %0 = pack.gather %w, %i : (!p, tensor<4xi64>) -> tensor<4x70xf32>
  return %0 : tensor<4x70xf32>
}

// -----
!p = !pack.tensor<70x64, #pack.quantized<"u4g32.p">, #pack.rows<16>>

// The order lies behind the codes: five tiles of two groups, a unit of 256 bytes with
// a scale and a minimum for each of 16 rows, are 3200 bytes.
// EXPAND-LABEL: func.func @places
func.func @places(%x: memref<?x64xf32>, %w: !p, %f: memref<64xf32>, %y: memref<?x64xf32>) {
  // EXPAND: %c3200
  // EXPAND: func.call @kern_permute_scaled_c2(
  kern.permute ins(%x, %w, %f : memref<?x64xf32>, !p, memref<64xf32>) outs(%y : memref<?x64xf32>)
  return
}
