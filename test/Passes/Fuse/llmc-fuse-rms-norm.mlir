// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The spellings of three exporters, and what is no such normalization.
// RUN: llmc-opt %s --llmc-fuse-rms-norm | FileCheck %s

// CHECK-LABEL: func.func @rsqrt
func.func @rsqrt(%x: tensor<?x4xf32>, %w: tensor<4xf32>) -> tensor<?x4xf32> {
  // CHECK: nn.rms_norm %arg0, %arg1 {epsilon = 1.250000e-01 : f64}
  // CHECK-NEXT: return
  %eps = arith.constant dense<0.125> : tensor<f32>
  %sq = nn.mul %x, %x : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %mean = nn.reduce_mean %sq {axes = array<i64: 1>, keepdims} : (tensor<?x4xf32>) -> tensor<?x1xf32>
  %sum = nn.add %mean, %eps : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %r = nn.rsqrt %sum : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %n = nn.mul %x, %r : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %y = nn.mul %n, %w : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @one_over_root
func.func @one_over_root(%x: tensor<?x4xf32>, %w: tensor<4xf32>) -> tensor<?x4xf32> {
  // CHECK: nn.rms_norm %arg0, %arg1
  // CHECK-NEXT: return
  %eps = arith.constant dense<0.125> : tensor<1xf32>
  %two = arith.constant dense<2.0> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %sq = nn.pow %x, %two : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  %mean = nn.reduce_mean %sq {axes = array<i64: 1>, keepdims} : (tensor<?x4xf32>) -> tensor<?x1xf32>
  %sum = nn.add %mean, %eps : (tensor<?x1xf32>, tensor<1xf32>) -> tensor<?x1xf32>
  %root = nn.sqrt %sum : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %r = nn.div %one, %root : (tensor<f32>, tensor<?x1xf32>) -> tensor<?x1xf32>
  %n = nn.mul %x, %r : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %y = nn.mul %w, %n : (tensor<4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @half_precision
func.func @half_precision(%x: tensor<?x4xf16>, %w: tensor<4xf16>) -> tensor<?x4xf16> {
  // CHECK: nn.rms_norm %arg0, %arg1 {epsilon = 1.250000e-01 : f64} : (tensor<?x4xf16>, tensor<4xf16>) -> tensor<?x4xf16>
  // CHECK-NEXT: return
  %eps = arith.constant dense<0.125> : tensor<f32>
  %two = arith.constant dense<2.0> : tensor<f32>
  %c = nn.cast %x : (tensor<?x4xf16>) -> tensor<?x4xf32>
  %sq = nn.pow %c, %two : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  %mean = nn.reduce_mean %sq {axes = array<i64: 1>, keepdims} : (tensor<?x4xf32>) -> tensor<?x1xf32>
  %sum = nn.add %mean, %eps : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %root = nn.sqrt %sum : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %r = nn.reciprocal %root : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %n = nn.mul %c, %r : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %h = nn.cast %n : (tensor<?x4xf32>) -> tensor<?x4xf16>
  %y = nn.mul %w, %h : (tensor<4xf16>, tensor<?x4xf16>) -> tensor<?x4xf16>
  return %y : tensor<?x4xf16>
}

// CHECK-LABEL: func.func @mean_of_another_tensor
func.func @mean_of_another_tensor(%x: tensor<?x4xf32>, %z: tensor<?x4xf32>, %w: tensor<4xf32>) -> tensor<?x4xf32> {
  // CHECK-NOT: nn.rms_norm
  %eps = arith.constant dense<0.125> : tensor<f32>
  %sq = nn.mul %z, %z : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %mean = nn.reduce_mean %sq {axes = array<i64: 1>, keepdims} : (tensor<?x4xf32>) -> tensor<?x1xf32>
  %sum = nn.add %mean, %eps : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %r = nn.rsqrt %sum : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %n = nn.mul %x, %r : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %y = nn.mul %n, %w : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @mean_of_the_first_axis
func.func @mean_of_the_first_axis(%x: tensor<3x4xf32>, %w: tensor<4xf32>) -> tensor<3x4xf32> {
  // CHECK-NOT: nn.rms_norm
  %eps = arith.constant dense<0.125> : tensor<f32>
  %sq = nn.mul %x, %x : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %mean = nn.reduce_mean %sq {axes = array<i64: 0>, keepdims} : (tensor<3x4xf32>) -> tensor<1x4xf32>
  %sum = nn.add %mean, %eps : (tensor<1x4xf32>, tensor<f32>) -> tensor<1x4xf32>
  %r = nn.rsqrt %sum : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %n = nn.mul %x, %r : (tensor<3x4xf32>, tensor<1x4xf32>) -> tensor<3x4xf32>
  %y = nn.mul %n, %w : (tensor<3x4xf32>, tensor<4xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}
