// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ops on weights move into sources; equal sources become one symbol.
// RUN: llmc-opt %s --llmc-edit-weights | FileCheck %s

// CHECK-NOT: @unused
// CHECK-DAG: nn.weight @head : tensor<8x4xf32> from #nn.transpose<#nn.key<"head" : tensor<4x8xf32>>, [1, 0]>
// CHECK-DAG: nn.weight @norm : tensor<4xf32> from #nn.affine<#nn.key<"norm" : tensor<4xf32>>, 1.000000e+00 : f64, 1.000000e+00 : f64>
// CHECK-DAG: nn.weight @constant : tensor<2xf32> from #nn.dense<dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>>
nn.weight @unused : tensor<4xf32> from #nn.key<"unused" : tensor<4xf32>>
nn.weight @head : tensor<4x8xf32> from #nn.key<"head" : tensor<4x8xf32>>
nn.weight @norm : tensor<4xf32> from #nn.key<"norm" : tensor<4xf32>>

// The embedding and the head are one tensor.
// CHECK-LABEL: func.func @tied
func.func @tied(%ids: tensor<?xi64>) -> tensor<?x8xf32> {
  // CHECK: %[[E:.*]] = nn.get @head : tensor<8x4xf32>
  // CHECK: nn.gather %[[E]]
  // CHECK: %[[H:.*]] = nn.get @head : tensor<8x4xf32>
  // CHECK: nn.linear %{{.*}}, %[[H]]
  %w = nn.get @head : tensor<4x8xf32>
  %e = nn.transpose %w {perm = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %x = nn.gather %e, %ids {axis = 0 : i64} : (tensor<8x4xf32>, tensor<?xi64>) -> tensor<?x4xf32>
  %h = nn.transpose %w {perm = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %y = nn.linear %x, %h : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @one_plus_weight
func.func @one_plus_weight(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[W:.*]] = nn.get @norm
  // CHECK: nn.rms_norm %arg0, %[[W]]
  %w = nn.get @norm : tensor<4xf32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %1 = nn.add %w, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %y = nn.rms_norm %x, %1 {epsilon = 1.0e-5 : f64} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @constant_parameter
func.func @constant_parameter(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  // CHECK: nn.get @constant
  %w = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = nn.rms_norm %x, %w {epsilon = 1.0e-5 : f64} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
