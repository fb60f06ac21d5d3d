// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A cache is derived where the export has none; positions move on by `past`.
// RUN: llmc-opt %s --llmc-derive-lm="context=16 require=true" | FileCheck %s

// CHECK-DAG: nn.weight @rotary.cos : tensor<16x2xf32> from #nn.rotary_table<#nn.key<"f" : tensor<2xf32>>, 16, 1.000000e+00 : f64, false>
// CHECK-DAG: nn.weight @rotary.sin : tensor<16x2xf32> from #nn.rotary_table<#nn.key<"f" : tensor<2xf32>>, 16, 1.000000e+00 : f64, true>
nn.weight @embed : tensor<6x8xf32> from #nn.key<"embed" : tensor<6x8xf32>>
nn.weight @frequencies : tensor<2xf32> from #nn.key<"f" : tensor<2xf32>>

// CHECK-LABEL: func.func @lm
// CHECK-SAME: %[[IDS:[^:]*]]: tensor<?xi64>
// CHECK-SAME: %[[SEQ:[^:]*]]: index {nn.symbol = "seq"}, %[[PAST:[^:]*]]: index
// CHECK-SAME: %[[KEY:[^:]*]]: tensor<2x?x4xf32> {nn.dims = [2, "context", 4], nn.name = "layers.0.key", nn.state = 1 : i64}
// CHECK-SAME: %[[VALUE:[^:]*]]: tensor<2x?x4xf32> {nn.dims = [2, "context", 4], nn.name = "layers.0.value", nn.state = 2 : i64}
func.func @lm(%ids: tensor<?xi64> {nn.dims = ["seq"], nn.name = "ids"}, %seq: index {nn.symbol = "seq"}, %past: index {nn.symbol = "past"},
              %count: index {nn.symbol = "n_logits"}, %context: index {nn.symbol = "context"}) -> (tensor<1x?x6xf32> {nn.name = "logits"}) {
  // CHECK: %[[X:.*]] = nn.reshape %{{.*}} -> tensor<?x2x4xf32>
  // CHECK: %[[C:.*]] = nn.get @rotary.cos
  // CHECK: %[[COS:.*]] = nn.rows %[[C]][%[[PAST]], %[[SEQ]]]
  // CHECK: %[[S:.*]] = nn.get @rotary.sin
  // CHECK: %[[SIN:.*]] = nn.rows %[[S]][%[[PAST]], %[[SEQ]]]
  // CHECK: %[[Q:.*]] = nn.rotary %[[X]], %[[COS]], %[[SIN]]
  // CHECK: %[[K:.*]] = nn.append %[[KEY]], %[[Q]] at %[[PAST]]
  // CHECK: %[[V:.*]] = nn.append %[[VALUE]], %[[X]] at %[[PAST]]
  // CHECK: nn.cached_attention %[[Q]], %[[K]], %[[V]] at %[[PAST]] {scale = 5.000000e-01 : f64, window = 3 : i64}
  // CHECK: return %{{.*}}, %[[K]], %[[V]]
  %batch = nn.unsqueeze %ids {axes = array<i64: 0>} : (tensor<?xi64>) -> tensor<1x?xi64>
  %zero = arith.constant dense<0> : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  %shape = nn.shape_of %ids : (tensor<?xi64>) -> tensor<1xi64>
  %limit = nn.squeeze %shape {axes = array<i64: 0>} : (tensor<1xi64>) -> tensor<i64>
  %range = nn.range %zero, %limit, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %row = nn.unsqueeze %range {axes = array<i64: 0, 2>} : (tensor<?xi64>) -> tensor<1x?x1xi64>
  %position = nn.cast %row : (tensor<1x?x1xi64>) -> tensor<1x?x1xf32>
  %f = nn.get @frequencies : tensor<2xf32>
  %angle = nn.mul %position, %f : (tensor<1x?x1xf32>, tensor<2xf32>) -> tensor<1x?x2xf32>
  %cos = nn.cos %angle : (tensor<1x?x2xf32>) -> tensor<1x?x2xf32>
  %sin = nn.sin %angle : (tensor<1x?x2xf32>) -> tensor<1x?x2xf32>
  %w = nn.get @embed : tensor<6x8xf32>
  %e = nn.gather %w, %batch {axis = 0 : i64} : (tensor<6x8xf32>, tensor<1x?xi64>) -> tensor<1x?x8xf32>
  %heads = arith.constant dense<[1, -1, 2, 4]> : tensor<4xi64>
  %x = nn.reshape %e, %heads : (tensor<1x?x8xf32>, tensor<4xi64>) -> tensor<1x?x2x4xf32>
  %q = nn.rotary %x, %cos, %sin : (tensor<1x?x2x4xf32>, tensor<1x?x2xf32>, tensor<1x?x2xf32>) -> tensor<1x?x2x4xf32>
  %a = nn.attention %q, %q, %x {scale = 0.5 : f64, causal, window = 3 : i64} : (tensor<1x?x2x4xf32>, tensor<1x?x2x4xf32>, tensor<1x?x2x4xf32>) -> tensor<1x?x2x4xf32>
  %flat = arith.constant dense<[1, -1, 8]> : tensor<3xi64>
  %y = nn.reshape %a, %flat : (tensor<1x?x2x4xf32>, tensor<3xi64>) -> tensor<1x?x8xf32>
  %logits = nn.linear %y, %w : (tensor<1x?x8xf32>, tensor<6x8xf32>) -> tensor<1x?x6xf32>
  return %logits : tensor<1x?x6xf32>
}
