// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Extents in types, constants for computed shapes, reshapes with constant
// shapes. The proofs behind them: print-symbols.mlir, print-elements.mlir.
// RUN: llmc-opt %s -llmc-refine-types | FileCheck %s

// The example of the pass description.
// CHECK-LABEL: func.func @heads
// CHECK-SAME: -> tensor<?x2x4xf32>
func.func @heads(%x: tensor<?x8xf32> {nn.dims = ["seq", 8]}) -> tensor<?x?x?xf32> {
  // CHECK-NEXT: %[[SHAPE:.*]] = arith.constant dense<[-1, 2, 4]> : tensor<3xi64>
  // CHECK-NEXT: %[[R:.*]] = nn.reshape %{{.*}}, %[[SHAPE]] : (tensor<?x8xf32>, tensor<3xi64>) -> tensor<?x2x4xf32>
  // CHECK-NEXT: return %[[R]]
  %zero = arith.constant dense<0> : tensor<1xi64>
  %one = arith.constant dense<1> : tensor<1xi64>
  %heads = arith.constant dense<[2, 4]> : tensor<2xi64>
  %s = nn.shape_of %x : (tensor<?x8xf32>) -> tensor<2xi64>
  %rows = nn.slice %s [%zero, %one] {axes = array<i64: 0>, steps = array<i64: 1>} : (tensor<2xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?xi64>
  %shape = nn.concat %rows, %heads {axis = 0 : i64} : (tensor<?xi64>, tensor<2xi64>) -> tensor<3xi64>
  %1 = nn.reshape %x, %shape : (tensor<?x8xf32>, tensor<3xi64>) -> tensor<?x?x?xf32>
  return %1 : tensor<?x?x?xf32>
}

// Two extents that are not constant: one stays in its place.
// CHECK-LABEL: func.func @merge
func.func @merge(%x: tensor<?x?x2x4xf32> {nn.dims = ["batch", "seq", 2, 4]}) -> tensor<?x?x?xf32> {
  // CHECK-NEXT: arith.constant dense<[0, 0, 8]>
  // CHECK-NEXT: nn.reshape {{.*}} -> tensor<?x?x8xf32>
  %minus = arith.constant dense<-1> : tensor<1xi64>
  %zero = arith.constant dense<0> : tensor<1xi64>
  %two = arith.constant dense<2> : tensor<1xi64>
  %s = nn.shape_of %x : (tensor<?x?x2x4xf32>) -> tensor<4xi64>
  %bs = nn.slice %s [%zero, %two] {axes = array<i64: 0>, steps = array<i64: 1>} : (tensor<4xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?xi64>
  %shape = nn.concat %bs, %minus {axis = 0 : i64} : (tensor<?xi64>, tensor<1xi64>) -> tensor<3xi64>
  %1 = nn.reshape %x, %shape {allowzero} : (tensor<?x?x2x4xf32>, tensor<3xi64>) -> tensor<?x?x?xf32>
  return %1 : tensor<?x?x?xf32>
}

// Two that are not constant and not in place: the shape stays computed.
// CHECK-LABEL: func.func @refuses_two_unknown
func.func @refuses_two_unknown(%x: tensor<?x?x4xf32> {nn.dims = ["a", "b", 4]}) -> tensor<?x?x4xf32> {
  // CHECK: nn.shape_of
  // CHECK: nn.reshape
  %swap = arith.constant dense<[1, 0, 2]> : tensor<3xi64>
  %s = nn.shape_of %x : (tensor<?x?x4xf32>) -> tensor<3xi64>
  %shape = nn.gather %s, %swap {axis = 0 : i64} : (tensor<3xi64>, tensor<3xi64>) -> tensor<3xi64>
  %1 = nn.reshape %x, %shape : (tensor<?x?x4xf32>, tensor<3xi64>) -> tensor<?x?x4xf32>
  return %1 : tensor<?x?x4xf32>
}

// Conditions fold as integers do; arguments take what their names say.
// CHECK-LABEL: func.func @condition
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>
func.func @condition(%x: tensor<?x?xf32> {nn.dims = ["n", 4]}, %y: tensor<2xf32>, %z: tensor<2xf32>) -> tensor<?xf32> {
  // CHECK-NEXT: %[[C:.*]] = arith.constant dense<[false, true]> : tensor<2xi1>
  // CHECK-NEXT: nn.where %[[C]], {{.*}} -> tensor<2xf32>
  %bounds = arith.constant dense<[4, 5]> : tensor<2xi64>
  %axis = arith.constant dense<1> : tensor<i64>
  %s = nn.shape_of %x : (tensor<?x?xf32>) -> tensor<2xi64>
  %w = nn.gather %s, %axis {axis = 0 : i64} : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %c = nn.compare lt %w, %bounds : (tensor<i64>, tensor<2xi64>) -> tensor<2xi1>
  %r = nn.where %c, %y, %z : (tensor<2xi1>, tensor<2xf32>, tensor<2xf32>) -> tensor<?xf32>
  return %r : tensor<?xf32>
}

// A function that is called keeps its signature.
// CHECK-LABEL: func.func @called(%{{.*}}: tensor<?xf32> {nn.dims = [4]}) -> tensor<?xf32>
func.func @called(%x: tensor<?xf32> {nn.dims = [4]}) -> tensor<?xf32> {
  // CHECK: %[[N:.*]] = nn.neg {{.*}} -> tensor<4xf32>
  // CHECK: %[[C:.*]] = tensor.cast %[[N]] : tensor<4xf32> to tensor<?xf32>
  // CHECK: return %[[C]]
  %0 = nn.neg %x : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
// CHECK-LABEL: func.func @caller
func.func @caller(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = call @called(%x) : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// What has a user outside the dialect keeps its type.
// CHECK-LABEL: func.func @refuses_foreign_user
func.func @refuses_foreign_user(%x: tensor<4xf32>) -> index {
  // CHECK: nn.neg {{.*}} -> tensor<?xf32>
  %zero = arith.constant 0 : index
  %0 = nn.neg %x : (tensor<4xf32>) -> tensor<?xf32>
  %1 = tensor.dim %0, %zero : tensor<?xf32>
  return %1 : index
}

func.func private @external(tensor<?xf32>) -> tensor<?xf32>
