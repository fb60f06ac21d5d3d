// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-tie-weights | FileCheck %s

// CHECK: nn.weight @embed
// CHECK-NOT: nn.weight @head
// CHECK: nn.weight @other
// CHECK: nn.weight @key
nn.weight @embed : tensor<2x1xf32> from #nn.dense<dense<[[1.0], [2.0]]> : tensor<2x1xf32>>
nn.weight @head : tensor<2x1xf32> from #nn.transpose<#nn.dense<dense<[[1.0, 2.0]]> : tensor<1x2xf32>>, [1, 0]>
nn.weight @other : tensor<2x1xf32> from #nn.dense<dense<[[1.0], [3.0]]> : tensor<2x1xf32>>
nn.weight @key : tensor<2x1xf32> from #nn.key<"key" : tensor<2x1xf32>>

// CHECK-LABEL: func.func @tied
func.func @tied(%ids: tensor<?xi64>) -> (tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>) {
  // CHECK: %[[E:.*]] = nn.get @embed
  // CHECK: %[[X:.*]] = nn.gather %[[E]]
  // CHECK: %[[H:.*]] = nn.get @embed
  // CHECK: nn.linear %[[X]], %[[H]]
  // CHECK: %[[O:.*]] = nn.get @other
  // CHECK: nn.linear %[[X]], %[[O]]
  // CHECK: nn.get @key
  %e = nn.get @embed : tensor<2x1xf32>
  %x = nn.gather %e, %ids {axis = 0 : i64} : (tensor<2x1xf32>, tensor<?xi64>) -> tensor<?x1xf32>
  %h = nn.get @head : tensor<2x1xf32>
  %y = nn.linear %x, %h : (tensor<?x1xf32>, tensor<2x1xf32>) -> tensor<?x2xf32>
  %o = nn.get @other : tensor<2x1xf32>
  %z = nn.linear %x, %o : (tensor<?x1xf32>, tensor<2x1xf32>) -> tensor<?x2xf32>
  %k = nn.get @key : tensor<2x1xf32>
  %w = nn.linear %x, %k : (tensor<?x1xf32>, tensor<2x1xf32>) -> tensor<?x2xf32>
  return %y, %z, %w : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>
}
