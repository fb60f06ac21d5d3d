// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is not local to a row of time, and is refused by name.
// RUN: llmc-opt %s --llmc-derive-lm="require=true" --split-input-file --verify-diagnostics

// A running sum along time.
nn.weight @embed : tensor<6x8xf32> from #nn.key<"embed" : tensor<6x8xf32>>
func.func @lm(%ids: tensor<?xi64> {nn.dims = ["seq"], nn.name = "ids"}, %seq: index {nn.symbol = "seq"}, %past: index {nn.symbol = "past"},
              %count: index {nn.symbol = "n_logits"}, %context: index {nn.symbol = "context"}) -> (tensor<1x?x8xf32> {nn.name = "logits"}) {
  %batch = nn.unsqueeze %ids {axes = array<i64: 0>} : (tensor<?xi64>) -> tensor<1x?xi64>
  %w = nn.get @embed : tensor<6x8xf32>
  %x = nn.gather %w, %batch {axis = 0 : i64} : (tensor<6x8xf32>, tensor<1x?xi64>) -> tensor<1x?x8xf32>
  // expected-error @+1 {{no entry 'lm': op 'nn.cumsum' does not treat each row of time by itself}}
  %y = nn.cumsum %x {axis = 1 : i64} : (tensor<1x?x8xf32>) -> tensor<1x?x8xf32>
  return %y : tensor<1x?x8xf32>
}

// -----

// Attention in both directions.
nn.weight @embed : tensor<6x8xf32> from #nn.key<"embed" : tensor<6x8xf32>>
func.func @lm(%ids: tensor<?xi64> {nn.dims = ["seq"], nn.name = "ids"}, %seq: index {nn.symbol = "seq"}, %past: index {nn.symbol = "past"},
              %count: index {nn.symbol = "n_logits"}, %context: index {nn.symbol = "context"}) -> (tensor<1x?x8xf32> {nn.name = "logits"}) {
  %batch = nn.unsqueeze %ids {axes = array<i64: 0>} : (tensor<?xi64>) -> tensor<1x?xi64>
  %w = nn.get @embed : tensor<6x8xf32>
  %x = nn.gather %w, %batch {axis = 0 : i64} : (tensor<6x8xf32>, tensor<1x?xi64>) -> tensor<1x?x8xf32>
  %heads = arith.constant dense<[1, -1, 2, 4]> : tensor<4xi64>
  %flat = arith.constant dense<[1, -1, 8]> : tensor<3xi64>
  %q = nn.reshape %x, %heads : (tensor<1x?x8xf32>, tensor<4xi64>) -> tensor<1x?x2x4xf32>
  // expected-error @+1 {{no entry 'lm': op 'nn.attention' is not proved causal}}
  %a = nn.attention %q, %q, %q {scale = 0.5 : f64} : (tensor<1x?x2x4xf32>, tensor<1x?x2x4xf32>, tensor<1x?x2x4xf32>) -> tensor<1x?x2x4xf32>
  %y = nn.reshape %a, %flat : (tensor<1x?x2x4xf32>, tensor<3xi64>) -> tensor<1x?x8xf32>
  return %y : tensor<1x?x8xf32>
}

// -----

// Causal, but a mask is left.
nn.weight @embed : tensor<6x8xf32> from #nn.key<"embed" : tensor<6x8xf32>>
func.func @lm(%ids: tensor<?xi64> {nn.dims = ["seq"], nn.name = "ids"}, %seq: index {nn.symbol = "seq"}, %past: index {nn.symbol = "past"},
              %count: index {nn.symbol = "n_logits"}, %context: index {nn.symbol = "context"}) -> (tensor<1x?x8xf32> {nn.name = "logits"}) {
  %batch = nn.unsqueeze %ids {axes = array<i64: 0>} : (tensor<?xi64>) -> tensor<1x?xi64>
  %w = nn.get @embed : tensor<6x8xf32>
  %x = nn.gather %w, %batch {axis = 0 : i64} : (tensor<6x8xf32>, tensor<1x?xi64>) -> tensor<1x?x8xf32>
  %heads = arith.constant dense<[1, -1, 2, 4]> : tensor<4xi64>
  %flat = arith.constant dense<[1, -1, 8]> : tensor<3xi64>
  %q = nn.reshape %x, %heads : (tensor<1x?x8xf32>, tensor<4xi64>) -> tensor<1x?x2x4xf32>
  %m = arith.constant dense<true> : tensor<1x1x1x1xi1>
  // expected-error @+1 {{no entry 'lm': op 'nn.attention' is not proved causal}}
  %a = nn.attention %q, %q, %q mask %m {scale = 0.5 : f64, causal} : (tensor<1x?x2x4xf32>, tensor<1x?x2x4xf32>, tensor<1x?x2x4xf32>, tensor<1x1x1x1xi1>) -> tensor<1x?x2x4xf32>
  %y = nn.reshape %a, %flat : (tensor<1x?x2x4xf32>, tensor<3xi64>) -> tensor<1x?x8xf32>
  return %y : tensor<1x?x8xf32>
}

// -----

// Rows of two tokens are joined.
nn.weight @embed : tensor<6x8xf32> from #nn.key<"embed" : tensor<6x8xf32>>
func.func @lm(%ids: tensor<?xi64> {nn.dims = ["seq"], nn.name = "ids"}, %seq: index {nn.symbol = "seq"}, %past: index {nn.symbol = "past"},
              %count: index {nn.symbol = "n_logits"}, %context: index {nn.symbol = "context"}) -> (tensor<1x?x8xf32> {nn.name = "logits"}) {
  %batch = nn.unsqueeze %ids {axes = array<i64: 0>} : (tensor<?xi64>) -> tensor<1x?xi64>
  %w = nn.get @embed : tensor<6x8xf32>
  %x = nn.gather %w, %batch {axis = 0 : i64} : (tensor<6x8xf32>, tensor<1x?xi64>) -> tensor<1x?x8xf32>
  %pairs = arith.constant dense<[1, -1, 16]> : tensor<3xi64>
  %flat = arith.constant dense<[1, -1, 8]> : tensor<3xi64>
  // expected-error @+1 {{no entry 'lm': op 'nn.reshape' mixes rows of time}}
  %p = nn.reshape %x, %pairs : (tensor<1x?x8xf32>, tensor<3xi64>) -> tensor<1x?x16xf32>
  %s = nn.silu %p : (tensor<1x?x16xf32>) -> tensor<1x?x16xf32>
  %y = nn.reshape %s, %flat : (tensor<1x?x16xf32>, tensor<3xi64>) -> tensor<1x?x8xf32>
  return %y : tensor<1x?x8xf32>
}

// -----

// Time and features change places before a normalization.
nn.weight @embed : tensor<6x8xf32> from #nn.key<"embed" : tensor<6x8xf32>>
func.func @lm(%ids: tensor<?xi64> {nn.dims = ["seq"], nn.name = "ids"}, %seq: index {nn.symbol = "seq"}, %past: index {nn.symbol = "past"},
              %count: index {nn.symbol = "n_logits"}, %context: index {nn.symbol = "context"}) -> (tensor<1x?x8xf32> {nn.name = "logits"}) {
  %batch = nn.unsqueeze %ids {axes = array<i64: 0>} : (tensor<?xi64>) -> tensor<1x?xi64>
  %w = nn.get @embed : tensor<6x8xf32>
  %x = nn.gather %w, %batch {axis = 0 : i64} : (tensor<6x8xf32>, tensor<1x?xi64>) -> tensor<1x?x8xf32>
  %t = nn.transpose %x {perm = array<i64: 0, 2, 1>} : (tensor<1x?x8xf32>) -> tensor<1x8x?xf32>
  // expected-error @+1 {{no entry 'lm': op 'nn.softmax' does not treat each row of time by itself}}
  %s = nn.softmax %t {axis = 2 : i64} : (tensor<1x8x?xf32>) -> tensor<1x8x?xf32>
  %y = nn.transpose %s {perm = array<i64: 0, 2, 1>} : (tensor<1x8x?xf32>) -> tensor<1x?x8xf32>
  return %y : tensor<1x?x8xf32>
}

// -----

// Angles of positions, but nobody says how many.
nn.weight @embed : tensor<6x8xf32> from #nn.key<"embed" : tensor<6x8xf32>>
func.func @lm(%ids: tensor<?xi64> {nn.dims = ["seq"], nn.name = "ids"}, %seq: index {nn.symbol = "seq"}, %past: index {nn.symbol = "past"},
              %count: index {nn.symbol = "n_logits"}, %context: index {nn.symbol = "context"}) -> (tensor<1x?x8xf32> {nn.name = "logits"}) {
  %batch = nn.unsqueeze %ids {axes = array<i64: 0>} : (tensor<?xi64>) -> tensor<1x?xi64>
  %w = nn.get @embed : tensor<6x8xf32>
  %x = nn.gather %w, %batch {axis = 0 : i64} : (tensor<6x8xf32>, tensor<1x?xi64>) -> tensor<1x?x8xf32>
  %heads = arith.constant dense<[1, -1, 2, 4]> : tensor<4xi64>
  %flat = arith.constant dense<[1, -1, 8]> : tensor<3xi64>
  %q = nn.reshape %x, %heads : (tensor<1x?x8xf32>, tensor<4xi64>) -> tensor<1x?x2x4xf32>
  %zero = arith.constant dense<0> : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  %shape = nn.shape_of %ids : (tensor<?xi64>) -> tensor<1xi64>
  %limit = nn.squeeze %shape {axes = array<i64: 0>} : (tensor<1xi64>) -> tensor<i64>
  %range = nn.range %zero, %limit, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %row = nn.unsqueeze %range {axes = array<i64: 0, 2>} : (tensor<?xi64>) -> tensor<1x?x1xi64>
  %position = nn.cast %row : (tensor<1x?x1xi64>) -> tensor<1x?x1xf32>
  %f = arith.constant dense<[1.0, 0.1]> : tensor<2xf32>
  %angle = nn.mul %position, %f : (tensor<1x?x1xf32>, tensor<2xf32>) -> tensor<1x?x2xf32>
  %cos = nn.cos %angle : (tensor<1x?x2xf32>) -> tensor<1x?x2xf32>
  %sin = nn.sin %angle : (tensor<1x?x2xf32>) -> tensor<1x?x2xf32>
  // expected-error @+1 {{no entry 'lm': op 'nn.rotary' needs a table of positions, but the option 'context' does not say how many}}
  %r = nn.rotary %q, %cos, %sin : (tensor<1x?x2x4xf32>, tensor<1x?x2xf32>, tensor<1x?x2xf32>) -> tensor<1x?x2x4xf32>
  %y = nn.reshape %r, %flat : (tensor<1x?x2x4xf32>, tensor<3xi64>) -> tensor<1x?x8xf32>
  return %y : tensor<1x?x8xf32>
}

// -----

// A past that no attention reads.
nn.weight @embed : tensor<6x8xf32> from #nn.key<"embed" : tensor<6x8xf32>>
// expected-error @+1 {{no entry 'lm': the past 'past.key' is read by no attention}}
func.func @lm(%ids: tensor<?xi64> {nn.dims = ["seq"], nn.name = "ids"}, %seq: index {nn.symbol = "seq"}, %past: index {nn.symbol = "past"},
              %count: index {nn.symbol = "n_logits"}, %context: index {nn.symbol = "context"}, %k: tensor<1x2x?x4xf32> {nn.dims = [1, 2, "past", 4], nn.name = "past.key"}) -> (tensor<1x?x8xf32> {nn.name = "logits"}) {
  %batch = nn.unsqueeze %ids {axes = array<i64: 0>} : (tensor<?xi64>) -> tensor<1x?xi64>
  %w = nn.get @embed : tensor<6x8xf32>
  %x = nn.gather %w, %batch {axis = 0 : i64} : (tensor<6x8xf32>, tensor<1x?xi64>) -> tensor<1x?x8xf32>
  return %x : tensor<1x?x8xf32>
}
