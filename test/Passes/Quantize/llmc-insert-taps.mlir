// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One tap for all products that read a value, in front of the first of them.
// RUN: llmc-opt %s -llmc-insert-taps | FileCheck %s

nn.weight @q : tensor<8x32xf32> from #nn.key<"q" : tensor<8x32xf32>>
nn.weight @k : tensor<8x32xf32> from #nn.key<"k" : tensor<8x32xf32>>
nn.weight @o : tensor<4x8xf32> from #nn.key<"o" : tensor<4x8xf32>>

// CHECK-LABEL: func.func @products
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x32xf32> {{.*}}, %[[Y:[a-z0-9]+]]: tensor<?x32xf32>
// CHECK-SAME: -> (tensor<?x4xf32> {nn.name = "y"}, tensor<?x8xf32>, tensor<?x8xf32>, tensor<3x32xf64> {nn.name = "tap0"}, tensor<3x8xf64> {nn.name = "tap1"})
func.func @products(%x: tensor<?x32xf32> {nn.dims = ["n", 32]}, %other: tensor<?x32xf32> {nn.dims = ["n", 32]})
    -> (tensor<?x4xf32> {nn.name = "y"}, tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: nn.neg %[[X]]
  // CHECK-NEXT: %[[T0:.*]] = nn.tap %[[X]] : (tensor<?x32xf32>) -> tensor<3x32xf64>
  // CHECK-NEXT: %[[Q:.*]] = nn.linear %[[X]]
  // CHECK-NEXT: nn.linear %[[X]]
  // CHECK-NEXT: %[[T1:.*]] = nn.tap %[[Q]] : (tensor<?x8xf32>) -> tensor<3x8xf64>
  // CHECK-NEXT: nn.linear %[[Q]]
  // CHECK-NEXT: nn.linear %{{.*}}, %[[Y]]
  // CHECK: return {{.*}}, %[[T0]], %[[T1]]
  %q = nn.get @q : tensor<8x32xf32>
  %k = nn.get @k : tensor<8x32xf32>
  %o = nn.get @o : tensor<4x8xf32>
  %n = nn.neg %x : (tensor<?x32xf32>) -> tensor<?x32xf32>
  %0 = nn.linear %x, %q : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
  %1 = nn.linear %x, %k : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
  %2 = nn.linear %0, %o : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  // What is multiplied with is no weight.
  %3 = nn.linear %n, %other : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x?xf32>
  %4 = nn.add %1, %1 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %2, %1, %4 : tensor<?x4xf32>, tensor<?x8xf32>, tensor<?x8xf32>
}

// CHECK-LABEL: func.func @nothing
// CHECK-SAME: -> tensor<?x32xf32> {
func.func @nothing(%x: tensor<?x32xf32> {nn.dims = ["n", 32]}) -> tensor<?x32xf32> {
  return %x : tensor<?x32xf32>
}
