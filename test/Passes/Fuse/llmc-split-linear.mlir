// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A packed projection becomes one linear for each slice.
// RUN: llmc-opt %s --llmc-split-linear --llmc-edit-weights | FileCheck %s

// CHECK-DAG: nn.weight @qkv : tensor<4x4xf32> from #nn.key<"qkv" : tensor<4x4xf32>>
// CHECK-DAG: nn.weight @proj.q : tensor<2x4xf32> from #nn.rows<#nn.key<"p" : tensor<6x4xf32>>, 0, 2>
// CHECK-DAG: nn.weight @proj.k : tensor<1x4xf32> from #nn.rows<#nn.key<"p" : tensor<6x4xf32>>, 2, 3>
// CHECK-DAG: nn.weight @proj.v : tensor<3x4xf32> from #nn.rows<#nn.key<"p" : tensor<6x4xf32>>, 3, 6>
nn.weight @qkv : tensor<4x4xf32> from #nn.key<"qkv" : tensor<4x4xf32>>
nn.weight @other : tensor<6x4xf32> from #nn.key<"o" : tensor<6x4xf32>>
nn.weight @proj.qkv : tensor<6x4xf32> from #nn.key<"p" : tensor<6x4xf32>>

// CHECK-LABEL: func.func @three
func.func @three(%x: tensor<?x4xf32>) -> (tensor<?x2xf32>, tensor<?x1xf32>, tensor<?x3xf32>) {
  // CHECK-DAG: %[[Q:.*]] = nn.get @proj.q
  // CHECK-DAG: %[[K:.*]] = nn.get @proj.k
  // CHECK-DAG: %[[V:.*]] = nn.get @proj.v
  // CHECK-DAG: %[[A:.*]] = nn.linear %arg0, %[[Q]]
  // CHECK-DAG: %[[B:.*]] = nn.linear %arg0, %[[K]]
  // CHECK-DAG: %[[C:.*]] = nn.linear %arg0, %[[V]]
  // CHECK: return %[[A]], %[[B]], %[[C]]
  %w = nn.get @proj.qkv : tensor<6x4xf32>
  %0 = nn.linear %x, %w : (tensor<?x4xf32>, tensor<6x4xf32>) -> tensor<?x6xf32>
  %c0 = arith.constant dense<0> : tensor<1xi64>
  %c2 = arith.constant dense<2> : tensor<1xi64>
  %c3 = arith.constant dense<3> : tensor<1xi64>
  %end = arith.constant dense<9223372036854775807> : tensor<1xi64>
  %q = nn.slice %0 [%c0, %c2] {axes = array<i64: 1>, steps = array<i64: 1>} : (tensor<?x6xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2xf32>
  %k = nn.slice %0 [%c2, %c3] {axes = array<i64: 1>, steps = array<i64: 1>} : (tensor<?x6xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x1xf32>
  %v = nn.slice %0 [%c3, %end] {axes = array<i64: 1>, steps = array<i64: 1>} : (tensor<?x6xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x3xf32>
  return %q, %k, %v : tensor<?x2xf32>, tensor<?x1xf32>, tensor<?x3xf32>
}

// CHECK-LABEL: func.func @whole_use_stays
func.func @whole_use_stays(%x: tensor<?x4xf32>) -> (tensor<?x2xf32>, tensor<?x4xf32>) {
  // CHECK: nn.linear %arg0, %{{.*}} -> tensor<?x4xf32>
  // CHECK: nn.slice
  %w = nn.get @qkv : tensor<4x4xf32>
  %0 = nn.linear %x, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %c0 = arith.constant dense<0> : tensor<1xi64>
  %c2 = arith.constant dense<2> : tensor<1xi64>
  %q = nn.slice %0 [%c0, %c2] {axes = array<i64: 1>, steps = array<i64: 1>} : (tensor<?x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2xf32>
  return %q, %0 : tensor<?x2xf32>, tensor<?x4xf32>
}

// Slices of heads: the rows of two heads of two, and of one.
// CHECK-LABEL: func.func @heads
func.func @heads(%x: tensor<?x4xf32>) -> (tensor<?x2x2xf32>, tensor<?x1x2xf32>) {
  // CHECK-DAG: %[[A:.*]] = nn.linear %arg0, %{{.*}} -> tensor<?x4xf32>
  // CHECK-DAG: nn.reshape %[[A]], %{{.*}} -> tensor<?x2x2xf32>
  // CHECK-DAG: %[[B:.*]] = nn.linear %arg0, %{{.*}} -> tensor<?x2xf32>
  // CHECK-DAG: nn.reshape %[[B]], %{{.*}} -> tensor<?x1x2xf32>
  // CHECK-NOT: nn.slice
  %packed = nn.get @other : tensor<6x4xf32>
  %0 = nn.linear %x, %packed : (tensor<?x4xf32>, tensor<6x4xf32>) -> tensor<?x6xf32>
  %shape = arith.constant dense<[0, 3, 2]> : tensor<3xi64>
  %1 = nn.reshape %0, %shape : (tensor<?x6xf32>, tensor<3xi64>) -> tensor<?x3x2xf32>
  %c0 = arith.constant dense<0> : tensor<1xi64>
  %c2 = arith.constant dense<2> : tensor<1xi64>
  %c3 = arith.constant dense<3> : tensor<1xi64>
  %q = nn.slice %1 [%c0, %c2] {axes = array<i64: 1>, steps = array<i64: 1>} : (tensor<?x3x2xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x2xf32>
  %k = nn.slice %1 [%c2, %c3] {axes = array<i64: 1>, steps = array<i64: 1>} : (tensor<?x3x2xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x1x2xf32>
  return %q, %k : tensor<?x2x2xf32>, tensor<?x1x2xf32>
}
