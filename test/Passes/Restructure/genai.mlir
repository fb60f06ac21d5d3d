// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The form of ONNX Runtime GenAI: packed q, k, v, a cache of cosines, pasts that
// are concatenated, positions counted from the mask.
// RUN: llmc-opt %s --pass-pipeline='builtin.module(llmc-lm{require=true})' | FileCheck %s

nn.weight @head : tensor<8x12xf32> from #nn.key<"head" : tensor<8x12xf32>>
nn.weight @qkv : tensor<8x16xf32> from #nn.key<"qkv" : tensor<8x16xf32>>
nn.weight @o : tensor<8x8xf32> from #nn.key<"o" : tensor<8x8xf32>>
nn.weight @norm : tensor<8xf32> from #nn.key<"norm" : tensor<8xf32>>
nn.weight @final : tensor<8xf32> from #nn.key<"final" : tensor<8xf32>>
nn.weight @cos_cache : tensor<32x2xf32> from #nn.key<"cos" : tensor<32x2xf32>>
nn.weight @sin_cache : tensor<32x2xf32> from #nn.key<"sin" : tensor<32x2xf32>>

// CHECK-LABEL: func.func @lm
// CHECK-SAME: %[[IDS:[^:]*]]: tensor<?xi64> {nn.dims = ["seq"], nn.name = "ids"}
// CHECK-SAME: %[[SEQ:[^:]*]]: index {nn.symbol = "seq"}
// CHECK-SAME: %[[PAST:[^:]*]]: index {nn.symbol = "past"}
// CHECK-SAME: %[[COUNT:[^:]*]]: index {nn.symbol = "n_logits"}
// CHECK-SAME: %{{[^:]*}}: index {nn.symbol = "context"}
// CHECK-SAME: %[[KEY:[^:]*]]: tensor<2x?x4xf32> {nn.dims = [2, "context", 4], nn.name = "layers.0.key", nn.state = 1 : i64}
// CHECK-SAME: %[[VALUE:[^:]*]]: tensor<2x?x4xf32> {nn.dims = [2, "context", 4], nn.name = "layers.0.value", nn.state = 2 : i64}
// CHECK-SAME: -> (tensor<?x12xf32> {nn.dims = ["n_logits", 12], nn.name = "logits"}
// CHECK: nn.get @head : tensor<12x8xf32>
// CHECK: nn.gather %{{.*}}, %[[IDS]] {axis = 0 : i64} : (tensor<12x8xf32>, tensor<?xi64>) -> tensor<?x8xf32>
// CHECK: nn.rms_norm
// CHECK: nn.linear %{{.*}} -> tensor<?x8xf32>
// CHECK: nn.reshape %{{.*}} -> tensor<?x2x4xf32>
// CHECK: nn.rows %{{.*}}[%[[PAST]], %[[SEQ]]] : (tensor<32x2xf32>, index, index) -> tensor<?x2xf32>
// CHECK: nn.rotary %{{.*}} : (tensor<?x2x4xf32>, tensor<?x2xf32>, tensor<?x2xf32>)
// CHECK: %[[K:.*]] = nn.append %[[KEY]], %{{.*}} at %[[PAST]]
// CHECK: %[[V:.*]] = nn.append %[[VALUE]], %{{.*}} at %[[PAST]]
// CHECK: nn.cached_attention %{{.*}}, %[[K]], %[[V]] at %[[PAST]] {scale = 5.000000e-01 : f64}
// CHECK: nn.reshape %{{.*}} -> tensor<?x8xf32>
// CHECK: nn.linear
// CHECK: %[[X:.*]] = nn.add
// CHECK: %[[START:.*]] = arith.subi %[[SEQ]], %[[COUNT]]
// CHECK: %[[ROWS:.*]] = nn.rows %[[X]][%[[START]], %[[COUNT]]]
// CHECK: nn.rms_norm %[[ROWS]]
// CHECK: %[[LOGITS:.*]] = nn.linear
// CHECK: return %[[LOGITS]], %[[K]], %[[V]]
func.func @main(%ids: tensor<?x?xi64> {nn.name = "input_ids", nn.dims = ["batch", "sequence"]},
                %mask: tensor<?x?xi64> {nn.name = "attention_mask", nn.dims = ["batch", "total"]},
                %pk: tensor<?x2x?x4xf32> {nn.name = "past_key_values.0.key", nn.dims = ["batch", 2, "past", 4]},
                %pv: tensor<?x2x?x4xf32> {nn.name = "past_key_values.0.value", nn.dims = ["batch", 2, "past", 4]})
    -> (tensor<?x?x12xf32> {nn.name = "logits"}, tensor<?x2x?x4xf32> {nn.name = "present.0.key"}, tensor<?x2x?x4xf32> {nn.name = "present.0.value"}) {
  %c0 = arith.constant dense<0> : tensor<1xi64>
  %c8 = arith.constant dense<8> : tensor<1xi64>
  %c16 = arith.constant dense<16> : tensor<1xi64>
  %heads = arith.constant dense<[0, -1, 2, 4]> : tensor<4xi64>
  %flat = arith.constant dense<[0, -1, 8]> : tensor<3xi64>
  %one = arith.constant dense<1> : tensor<i64>
  %zero = arith.constant dense<0> : tensor<i64>
  // Positions: what the mask counts, less the rows of the step, plus the row.
  %total = nn.reduce_sum %mask {axes = array<i64: 1>, keepdims} : (tensor<?x?xi64>) -> tensor<?x1xi64>
  %shape = nn.shape_of %ids : (tensor<?x?xi64>) -> tensor<2xi64>
  %seq = nn.gather %shape, %one {axis = 0 : i64} : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %past = nn.sub %total, %seq : (tensor<?x1xi64>, tensor<i64>) -> tensor<?x1xi64>
  %iota = nn.range %zero, %seq, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %positions = nn.add %past, %iota : (tensor<?x1xi64>, tensor<?xi64>) -> tensor<?x?xi64>
  %ct = nn.get @cos_cache : tensor<32x2xf32>
  %st = nn.get @sin_cache : tensor<32x2xf32>
  %cos = nn.gather %ct, %positions {axis = 0 : i64} : (tensor<32x2xf32>, tensor<?x?xi64>) -> tensor<?x?x2xf32>
  %sin = nn.gather %st, %positions {axis = 0 : i64} : (tensor<32x2xf32>, tensor<?x?xi64>) -> tensor<?x?x2xf32>

  %w = nn.get @head : tensor<8x12xf32>
  %embedding = nn.transpose %w {perm = array<i64: 1, 0>} : (tensor<8x12xf32>) -> tensor<12x8xf32>
  %x0 = nn.gather %embedding, %ids {axis = 0 : i64} : (tensor<12x8xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
  %nw = nn.get @norm : tensor<8xf32>
  %n = nn.rms_norm %x0, %nw {epsilon = 1.0e-5 : f64} : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  %qkvw = nn.get @qkv : tensor<8x16xf32>
  %ow = nn.get @o : tensor<8x8xf32>
  %q = nn.matmul %n, %qkvw : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %qa = nn.slice %q [%c0, %c8] {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<?x?x16xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x8xf32>
  %ka = nn.slice %q [%c8, %c16] {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<?x?x16xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x8xf32>
  %q4 = nn.reshape %qa, %heads : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %k4 = nn.reshape %ka, %heads : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %qr = nn.rotary %q4, %cos, %sin : (tensor<?x?x2x4xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2x4xf32>
  %kr = nn.rotary %k4, %cos, %sin : (tensor<?x?x2x4xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2x4xf32>
  %kt = nn.transpose %kr {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %vt = nn.transpose %k4 {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %kc = nn.concat %pk, %kt {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %vc = nn.concat %pv, %vt {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %kk = nn.transpose %kc {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x2x?x4xf32>) -> tensor<?x?x2x4xf32>
  %vv = nn.transpose %vc {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x2x?x4xf32>) -> tensor<?x?x2x4xf32>
  %a = nn.attention %qr, %kk, %vv {scale = 0.5 : f64, causal} : (tensor<?x?x2x4xf32>, tensor<?x?x2x4xf32>, tensor<?x?x2x4xf32>) -> tensor<?x?x2x4xf32>
  %af = nn.reshape %a, %flat : (tensor<?x?x2x4xf32>, tensor<3xi64>) -> tensor<?x?x8xf32>
  %ao = nn.matmul %af, %ow : (tensor<?x?x8xf32>, tensor<8x8xf32>) -> tensor<?x?x8xf32>
  %x1 = nn.add %x0, %ao : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %fw = nn.get @final : tensor<8xf32>
  %f = nn.rms_norm %x1, %fw {epsilon = 1.0e-5 : f64} : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  %logits = nn.matmul %f, %w : (tensor<?x?x8xf32>, tensor<8x12xf32>) -> tensor<?x?x12xf32>
  return %logits, %kc, %vc : tensor<?x?x12xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}
