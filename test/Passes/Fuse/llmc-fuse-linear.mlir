// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix products and biases; the types of the sources are llmc-edit-weights.mlir.
// RUN: llmc-opt %s --llmc-fuse-linear | FileCheck %s

nn.weight @w : tensor<4x8xf32> from #nn.key<"w" : tensor<4x8xf32>>
nn.weight @b : tensor<8xf32> from #nn.key<"b" : tensor<8xf32>>

// CHECK-LABEL: func.func @product
func.func @product(%x: tensor<?x4xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[W:.*]] = nn.get @w
  // CHECK: %[[T:.*]] = nn.transpose %[[W]] {perm = array<i64: 1, 0>}
  // CHECK: nn.linear %arg0, %[[T]] : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  // CHECK-NOT: nn.matmul
  %w = nn.get @w : tensor<4x8xf32>
  %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @product_with_bias
func.func @product_with_bias(%x: tensor<?x4xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[B:.*]] = nn.get @b
  // CHECK: nn.linear %arg0, %{{.*}}, %[[B]]
  // CHECK-NOT: nn.add
  %w = nn.get @w : tensor<4x8xf32>
  %b = nn.get @b : tensor<8xf32>
  %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
  %1 = nn.add %b, %0 : (tensor<8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @two_activations_stay
func.func @two_activations_stay(%x: tensor<?x4xf32>, %y: tensor<4x8xf32>) -> tensor<?x8xf32> {
  // CHECK: nn.matmul
  %0 = nn.matmul %x, %y : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @sum_with_another_user_stays
func.func @sum_with_another_user_stays(%x: tensor<?x4xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: nn.linear %arg0, %{{[^,]*}} :
  // CHECK: nn.add
  %w = nn.get @w : tensor<4x8xf32>
  %b = nn.get @b : tensor<8xf32>
  %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
  %1 = nn.add %0, %b : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %0, %1 : tensor<?x8xf32>, tensor<?x8xf32>
}
