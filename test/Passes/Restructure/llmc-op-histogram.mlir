// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-op-histogram -o /dev/null | FileCheck %s

// CHECK: @first
// CHECK-NEXT: func.return 1
// CHECK-NEXT: nn.add 1
// CHECK-NEXT: nn.silu 2
// CHECK-NEXT: @second
// CHECK-NEXT: func.return 1
// CHECK-NOT: {{.}}
func.func @first(%x: tensor<2xf32>) -> tensor<2xf32> {
  %c = arith.constant dense<1.0> : tensor<f32>
  %0 = nn.silu %x : (tensor<2xf32>) -> tensor<2xf32>
  %1 = nn.silu %0 : (tensor<2xf32>) -> tensor<2xf32>
  %2 = nn.add %1, %c : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  return %2 : tensor<2xf32>
}
func.func @second(%x: tensor<2xf32>) -> tensor<2xf32> {
  return %x : tensor<2xf32>
}
