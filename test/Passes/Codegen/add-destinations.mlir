// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Results become arguments; results tied to states do not; call sites pass memory.
// RUN: llmc-opt %s --llmc-add-destinations --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @result
// CHECK-SAME: %[[OUT:[a-z0-9_]+]]: tensor<?xf32> {llmc.out = 0 : i64, nn.dims = ["n"]}
func.func @result(%n: index {nn.symbol = "n"}, %x: tensor<?xf32>) -> (tensor<?xf32> {nn.dims = ["n"]}) {
  // CHECK: %[[E:[a-z0-9_]+]] = math.exp
  %0 = math.exp %x : tensor<?xf32>
  // CHECK: bufferization.materialize_in_destination %[[E]] in %[[OUT]]
  return %0 : tensor<?xf32>
}

// -----

func.func private @callee(%n: index {nn.symbol = "n"}, %x: tensor<?xf32>) -> (tensor<?xf32> {nn.dims = ["2*n"]}) {
  return %x : tensor<?xf32>
}
// CHECK-LABEL: func.func @caller
func.func @caller(%n: index {nn.symbol = "n"}, %s: tensor<4xf32> {nn.state = 1 : i64}, %x: tensor<?xf32>)
    -> (tensor<?xf32> {nn.dims = ["2*n"]}, tensor<4xf32>) {
  // CHECK: %[[SIZE:[a-z0-9_]+]] = arith.muli
  // CHECK: %[[MEMORY:[a-z0-9_]+]] = tensor.empty(%[[SIZE]])
  // CHECK: call @callee(%{{.*}}, %{{.*}}, %[[MEMORY]])
  %0 = call @callee(%n, %x) : (index, tensor<?xf32>) -> tensor<?xf32>
  // CHECK: return %{{.*}}, %{{.*}} : tensor<?xf32>, tensor<4xf32>
  return %0, %s : tensor<?xf32>, tensor<4xf32>
}
