// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-fuse-layer-norm | FileCheck %s

// CHECK-LABEL: func.func @with_bias
func.func @with_bias(%x: tensor<?x4xf32>, %w: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<?x4xf32> {
  // CHECK: nn.layer_norm %arg0, %arg1, %arg2 {epsilon = 1.250000e-01 : f64}
  // CHECK-NEXT: return
  %eps = arith.constant dense<0.125> : tensor<f32>
  %mean = nn.reduce_mean %x {axes = array<i64: 1>, keepdims} : (tensor<?x4xf32>) -> tensor<?x1xf32>
  %c = nn.sub %x, %mean : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %sq = nn.mul %c, %c : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %var = nn.reduce_mean %sq {axes = array<i64: 1>, keepdims} : (tensor<?x4xf32>) -> tensor<?x1xf32>
  %sum = nn.add %var, %eps : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %root = nn.sqrt %sum : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %n = nn.div %c, %root : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %s = nn.mul %n, %w : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %y = nn.add %s, %b : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @variance_without_mean
func.func @variance_without_mean(%x: tensor<?x4xf32>, %w: tensor<4xf32>) -> tensor<?x4xf32> {
  // CHECK-NOT: nn.layer_norm
  %eps = arith.constant dense<0.125> : tensor<f32>
  %mean = nn.reduce_mean %x {axes = array<i64: 1>, keepdims} : (tensor<?x4xf32>) -> tensor<?x1xf32>
  %c = nn.sub %x, %mean : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %sq = nn.mul %x, %x : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %var = nn.reduce_mean %sq {axes = array<i64: 1>, keepdims} : (tensor<?x4xf32>) -> tensor<?x1xf32>
  %sum = nn.add %var, %eps : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %root = nn.sqrt %sum : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %n = nn.div %c, %root : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %s = nn.mul %n, %w : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %s : tensor<?x4xf32>
}
