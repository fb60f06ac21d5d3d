// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-simplify | FileCheck %s

// CHECK-LABEL: func.func @transposes_cancel
func.func @transposes_cancel(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK-NEXT: return %arg0
  %1 = nn.transpose %x {perm = array<i64: 1, 0>} : (tensor<?x4xf32>) -> tensor<4x?xf32>
  %2 = nn.transpose %1 {perm = array<i64: 1, 0>} : (tensor<4x?xf32>) -> tensor<?x4xf32>
  return %2 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @transposes_merge
func.func @transposes_merge(%x: tensor<2x3x4xf32>) -> tensor<4x2x3xf32> {
  // CHECK-NEXT: nn.transpose %arg0 {perm = array<i64: 2, 0, 1>}
  // CHECK-NEXT: return
  %1 = nn.transpose %x {perm = array<i64: 1, 2, 0>} : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
  %2 = nn.transpose %1 {perm = array<i64: 1, 2, 0>} : (tensor<3x4x2xf32>) -> tensor<4x2x3xf32>
  return %2 : tensor<4x2x3xf32>
}

// CHECK-LABEL: func.func @slice_to_the_end
func.func @slice_to_the_end(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK-NEXT: return %arg0
  %zero = arith.constant dense<0> : tensor<1xi64>
  %end = arith.constant dense<9223372036854775807> : tensor<1xi64>
  %1 = nn.slice %x [%zero, %end] {axes = array<i64: 0>, steps = array<i64: 1>} : (tensor<?x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @slice_of_a_part_stays
func.func @slice_of_a_part_stays(%x: tensor<?x4xf32>) -> tensor<?x3xf32> {
  // CHECK: nn.slice
  %zero = arith.constant dense<0> : tensor<1xi64>
  %end = arith.constant dense<3> : tensor<1xi64>
  %1 = nn.slice %x [%zero, %end] {axes = array<i64: 1>, steps = array<i64: 1>} : (tensor<?x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x3xf32>
  return %1 : tensor<?x3xf32>
}

// CHECK-LABEL: func.func @neutral_operands
func.func @neutral_operands(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK-NEXT: return %arg0
  %one = arith.constant dense<1.0> : tensor<f32>
  %zero = arith.constant dense<0.0> : tensor<f32>
  %1 = nn.mul %one, %x : (tensor<f32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %2 = nn.add %1, %zero : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  return %2 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @one_less_is_not_neutral
func.func @one_less_is_not_neutral(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: nn.sub
  %zero = arith.constant dense<0.0> : tensor<f32>
  %1 = nn.sub %zero, %x : (tensor<f32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// The scale of attention, computed from a head size.
// CHECK-LABEL: func.func @numbers
func.func @numbers() -> tensor<f32> {
  // CHECK-NEXT: %[[S:.*]] = arith.constant dense<5.000000e-01> : tensor<f32>
  // CHECK-NEXT: return %[[S]]
  %size = arith.constant dense<4> : tensor<i64>
  %one = arith.constant dense<1.0> : tensor<f32>
  %0 = nn.cast %size : (tensor<i64>) -> tensor<f32>
  %1 = nn.sqrt %0 : (tensor<f32>) -> tensor<f32>
  %2 = nn.div %one, %1 : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return %2 : tensor<f32>
}

// CHECK-LABEL: func.func @quotient_by_zero_stays
func.func @quotient_by_zero_stays() -> tensor<f32> {
  // CHECK: nn.div
  %zero = arith.constant dense<0.0> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %0 = nn.div %one, %zero : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
