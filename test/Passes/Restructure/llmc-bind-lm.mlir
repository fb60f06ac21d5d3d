// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The policy is bound: mask of ones, positions past + row, batch 1.
// RUN: llmc-opt %s --llmc-bind-lm | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK-LABEL: func.func @lm
// CHECK-SAME: %[[IDS:[^:]*]]: tensor<?xi64> {nn.dims = ["seq"], nn.name = "ids"}
// CHECK-SAME: %[[SEQ:[^:]*]]: index {nn.symbol = "seq"}
// CHECK-SAME: %[[PAST:[^:]*]]: index {nn.symbol = "past"}
// CHECK-SAME: index {nn.symbol = "n_logits"}
// CHECK-SAME: index {nn.symbol = "context"}
// CHECK-SAME: %[[KEY:[^:]*]]: tensor<1x2x?x4xf32> {nn.dims = [1, 2, "past", 4], nn.name = "past_key_values.0.key"}
// CHECK-SAME: -> (tensor<?x?x8xf32> {nn.name = "logits"}, tensor<?x2x?x4xf32>)
// CHECK: %[[BATCH:.*]] = nn.unsqueeze %[[IDS]] {axes = array<i64: 0>} : (tensor<?xi64>) -> tensor<1x?xi64>
// CHECK: %[[S:.*]] = arith.index_cast %[[SEQ]]
// CHECK: %[[P:.*]] = arith.index_cast %[[PAST]]
// CHECK: %[[T:.*]] = arith.addi %[[P]], %[[S]]
// CHECK: %[[SHAPE:.*]] = tensor.from_elements %{{.*}}, %[[T]]
// CHECK: %[[MASK:.*]] = nn.full %[[SHAPE]]
// CHECK: nn.gather %{{.*}}, %[[BATCH]]
// CHECK: nn.shape_of %[[MASK]]
// CHECK: nn.concat %[[KEY]], %[[KEY]]
func.func @main(%ids: tensor<?x?xi64> {nn.name = "input_ids"}, %mask: tensor<?x?xi64> {nn.name = "attention_mask"}, %past: tensor<?x2x?x4xf32> {nn.name = "past_key_values.0.key"}) -> (tensor<?x?x8xf32>, tensor<?x2x?x4xf32>) {
  %e = arith.constant dense<1.0> : tensor<2x8xf32>
  %0 = nn.gather %e, %ids {axis = 0 : i64} : (tensor<2x8xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
  %1 = nn.shape_of %mask : (tensor<?x?xi64>) -> tensor<2xi64>
  %2 = nn.concat %past, %past {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  return %0, %2 : tensor<?x?x8xf32>, tensor<?x2x?x4xf32>
}
