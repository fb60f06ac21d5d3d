// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-fuse-activation | FileCheck %s

// CHECK-LABEL: func.func @silu
func.func @silu(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK-NEXT: nn.silu %arg0
  // CHECK-NEXT: return
  %s = nn.sigmoid %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = nn.mul %x, %s : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @quick_gelu_stays
func.func @quick_gelu_stays(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK-NOT: nn.silu
  %k = arith.constant dense<1.702> : tensor<f32>
  %z = nn.mul %x, %k : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  %s = nn.sigmoid %z : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = nn.mul %x, %s : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @sigmoid
func.func @sigmoid(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: nn.sigmoid %arg0
  // CHECK-NEXT: return
  %one = arith.constant dense<1.0> : tensor<f32>
  %n = nn.neg %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %e = nn.exp %n : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %s = nn.add %one, %e : (tensor<f32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = nn.div %one, %s : (tensor<f32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @softplus
func.func @softplus(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: nn.softplus %arg0
  // CHECK-NEXT: return
  %one = arith.constant dense<1.0> : tensor<f32>
  %e = nn.exp %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %s = nn.add %e, %one : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  %y = nn.log %s : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @gelu_erf
func.func @gelu_erf(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: nn.gelu %arg0 : (
  // CHECK-NEXT: return
  %root = arith.constant dense<1.41421354> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %z = nn.div %x, %root : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  %e = nn.erf %z : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %s = nn.add %e, %one : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  %p = nn.mul %x, %s : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = nn.mul %p, %half : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @gelu_tanh
func.func @gelu_tanh(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: nn.gelu %arg0 {tanh}
  // CHECK-NEXT: return
  %k = arith.constant dense<0.797884583> : tensor<f32>
  %c = arith.constant dense<4.471500e-02> : tensor<f32>
  %three = arith.constant dense<3.0> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %h = nn.mul %half, %x : (tensor<f32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %cube = nn.pow %x, %three : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  %t = nn.mul %cube, %c : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  %u = nn.add %x, %t : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = nn.mul %u, %k : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  %e = nn.tanh %z : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %s = nn.add %one, %e : (tensor<f32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = nn.mul %h, %s : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @gelu_with_another_constant
func.func @gelu_with_another_constant(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK-NOT: nn.gelu
  %root = arith.constant dense<1.5> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %z = nn.div %x, %root : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  %e = nn.erf %z : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %s = nn.add %e, %one : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  %p = nn.mul %x, %s : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = nn.mul %p, %half : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
