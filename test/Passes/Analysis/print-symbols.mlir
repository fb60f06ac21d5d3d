// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Symbolic shapes of every op, as remarks. Elements: print-elements.mlir.
// RUN: llmc-opt %s -split-input-file -pass-pipeline="builtin.module(func.func(llmc-print-symbols))" -verify-diagnostics

func.func @names(%past: tensor<1x2x?x4xf32> {nn.dims = [1, 2, "past", 4]},
                 %new: tensor<1x2x?x4xf32> {nn.dims = [1, 2, "seq", 4]},
                 %mask: tensor<1x?xi64> {nn.dims = [1, "past + seq"]},
                 %odd: tensor<?xf32> {nn.dims = ["a.b c"]}) {
  // expected-remark@+1 {{shape [1, 2, past + seq, 4]}}
  %0 = nn.concat %past, %new {axis = 2 : i64} : (tensor<1x2x?x4xf32>, tensor<1x2x?x4xf32>) -> tensor<1x2x?x4xf32>
  // expected-remark@+1 {{shape [1, past + seq]}}
  %1 = nn.neg %mask : (tensor<1x?xi64>) -> tensor<1x?xi64>
  // expected-remark@+1 {{shape [a.b c]}}
  %2 = nn.neg %odd : (tensor<?xf32>) -> tensor<?xf32>
  // expected-remark@+1 {{shape [1, 2, 4, past + seq]}}
  %3 = nn.transpose %0 {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x2x?x4xf32>) -> tensor<1x2x4x?xf32>
  // expected-remark@+1 {{shape [1, 2, past + seq, past + seq]}}
  %4 = nn.matmul %0, %3 : (tensor<1x2x?x4xf32>, tensor<1x2x4x?xf32>) -> tensor<1x2x?x?xf32>
  return
}

// -----

// Extents without a name are symbols of their own; that two are equal is
// assumed where ops join them.
func.func @assumptions(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>, %c: tensor<?xf32> {nn.dims = ["n"]}) {
  // expected-remark@+2 {{shape [d0, 4]}}
  // expected-remark@+1 {{assumed d0 == d1}}
  %0 = nn.add %a, %b : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  // expected-remark@+2 {{shape [d0, 4]}}
  // expected-remark@+1 {{assumed 4 == n}}
  %1 = nn.mul %a, %c : (tensor<?x4xf32>, tensor<?xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @reshapes(%x: tensor<?x?x8xf32> {nn.dims = ["batch", "seq", 8]}, %n: tensor<2xi64> {nn.name = "n"}) {
  %zeros = "arith.constant"() {value = dense<[0, -1, 2, 4]> : tensor<4xi64>} : () -> tensor<4xi64> // expected-remark {{shape [4]}}
  %flat = "arith.constant"() {value = dense<[-1]> : tensor<1xi64>} : () -> tensor<1xi64> // expected-remark {{shape [1]}}
  %half = "arith.constant"() {value = dense<[2, -1]> : tensor<2xi64>} : () -> tensor<2xi64> // expected-remark {{shape [2]}}
  // expected-remark@+1 {{shape [batch, seq, 2, 4]}}
  %0 = nn.reshape %x, %zeros : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x?x?xf32>
  // expected-remark@+1 {{shape [8*batch*seq]}}
  %1 = nn.reshape %x, %flat : (tensor<?x?x8xf32>, tensor<1xi64>) -> tensor<?xf32>
  // expected-remark@+1 {{shape [2, 4*batch*seq]}}
  %2 = nn.reshape %x, %half : (tensor<?x?x8xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  // The extents are elements of an input, where 0 and -1 have their meaning.
  // expected-remark@+2 {{shape [select((n[0] + 1 == 0 and not(n[0] == 0)), floordiv(8*batch*seq, select(n[1] == 0, seq, n[1])), select(n[0] == 0, batch, n[0])), select(}}
  // expected-remark@+1 {{assumed 8*batch*seq == select(}}
  %3 = nn.reshape %x, %n : (tensor<?x?x8xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  return
}

// -----

func.func @slices(%x: tensor<?x8xf32> {nn.dims = ["seq", 8]}, %p: index {nn.symbol = "past"}, %k: index {nn.symbol = "count"}) {
  %zero = arith.constant dense<0> : tensor<1xi64> // expected-remark {{shape [1]}}
  %three = arith.constant dense<3> : tensor<1xi64> // expected-remark {{shape [1]}}
  %last = arith.constant dense<-1> : tensor<1xi64> // expected-remark {{shape [1]}}
  %end = arith.constant dense<9223372036854775807> : tensor<1xi64> // expected-remark {{shape [1]}}
  %begin = arith.constant dense<-9223372036854775807> : tensor<1xi64> // expected-remark {{shape [1]}}
  // expected-remark@+1 {{shape [seq, 8]}}
  %0 = nn.slice %x [%zero, %end] {axes = array<i64: 0>, steps = array<i64: 1>} : (tensor<?x8xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x8xf32>
  // expected-remark@+1 {{shape [seq, 3]}}
  %1 = nn.slice %x [%zero, %three] {axes = array<i64: 1>, steps = array<i64: 1>} : (tensor<?x8xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?xf32>
  // expected-remark@+1 {{shape [seq - max(0, seq - 1), 8]}}
  %2 = nn.slice %x [%last, %end] {axes = array<i64: 0>, steps = array<i64: 1>} : (tensor<?x8xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x8xf32>
  // expected-remark@+1 {{shape [seq, 4]}}
  %3 = nn.slice %x [%zero, %end] {axes = array<i64: 1>, steps = array<i64: 2>} : (tensor<?x8xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?xf32>
  // expected-remark@+1 {{shape [seq, 8]}}
  %4 = nn.slice %x [%end, %begin] {axes = array<i64: 1>, steps = array<i64: -1>} : (tensor<?x8xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?xf32>
  // expected-remark@+1 {{shape [count, 8]}}
  %5 = nn.rows %x [%p, %k] : (tensor<?x8xf32>, index, index) -> tensor<?x8xf32>
  return
}

// -----

func.func @shapes(%x: tensor<?x?xf32> {nn.dims = ["a", "b"]}, %y: tensor<?xi64> {nn.dims = ["c"]},
                  %n: tensor<i64> {nn.name = "n"}, %f: tensor<f32>) {
  %zero = arith.constant dense<0> : tensor<i64> // expected-remark {{shape []}}
  %one = arith.constant dense<1> : tensor<i64> // expected-remark {{shape []}}
  %pads = arith.constant dense<[1, 0, 2, -1]> : tensor<4xi64> // expected-remark {{shape [4]}}
  %twice = arith.constant dense<[2, 3]> : tensor<2xi64> // expected-remark {{shape [2]}}
  // expected-remark@+1 {{shape [2]}}
  %s = nn.shape_of %x : (tensor<?x?xf32>) -> tensor<2xi64>
  // expected-remark@+1 {{shape [a, b]}}
  %0 = nn.full %s, %f : (tensor<2xi64>, tensor<f32>) -> tensor<?x?xf32>
  // expected-remark@+1 {{shape [1, c]}}
  %1 = nn.unsqueeze %y {axes = array<i64: 0>} : (tensor<?xi64>) -> tensor<1x?xi64>
  // expected-remark@+1 {{shape [c]}}
  %2 = nn.squeeze %1 {axes = array<i64: 0>} : (tensor<1x?xi64>) -> tensor<?xi64>
  // expected-remark@+1 {{shape [a, c]}}
  %3 = nn.gather %x, %y {axis = 1 : i64} : (tensor<?x?xf32>, tensor<?xi64>) -> tensor<?x?xf32>
  // expected-remark@+1 {{shape [a + 3, max(0, b - 1)]}}
  %4 = nn.pad constant %x, %pads, %f : (tensor<?x?xf32>, tensor<4xi64>, tensor<f32>) -> tensor<?x?xf32>
  // expected-remark@+1 {{shape [2*a, 3*b]}}
  %5 = nn.tile %x, %twice : (tensor<?x?xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  // expected-remark@+1 {{shape [max(0, n[0])]}}
  %6 = nn.range %zero, %n, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  // expected-remark@+1 {{shape [a, 1]}}
  %7 = nn.reduce_sum %x {axes = array<i64: 1>, keepdims} : (tensor<?x?xf32>) -> tensor<?x1xf32>
  // expected-remark@+1 {{shape [b]}}
  %8 = nn.argmax %x {axis = 0 : i64} : (tensor<?x?xf32>) -> tensor<?xi64>
  // expected-remark@+1 {{shape [a, b]}}
  %9 = nn.tril %x, %one : (tensor<?x?xf32>, tensor<i64>) -> tensor<?x?xf32>
  return
}

// -----

func.func @layers(%x: tensor<?x3x?x?xf32> {nn.dims = ["n", 3, "h", "w"]}, %k: tensor<4x3x3x3xf32>,
                  %q: tensor<?x?x4x8xf32> {nn.dims = ["b", "s", 4, 8]}, %kv: tensor<?x?x2x8xf32> {nn.dims = ["b", "t", 2, 8]}) {
  // expected-remark@+1 {{shape [n, 4, h, w]}}
  %0 = nn.conv %x, %k {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x3x?x?xf32>, tensor<4x3x3x3xf32>) -> tensor<?x4x?x?xf32>
  // expected-remark@+1 {{shape [n, 3, floordiv(h, 2), floordiv(w, 2)]}}
  %1 = nn.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<?x3x?x?xf32>) -> tensor<?x3x?x?xf32>
  // expected-remark@+1 {{shape [b, s, 4, 8]}}
  %2 = nn.attention %q, %kv, %kv {scale = 0.125 : f64, causal} : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) -> tensor<?x?x4x8xf32>
  return
}

// -----

func.func @more_layers(%x: tensor<?x?x6xf32> {nn.dims = ["b", "s", 6]}, %w: tensor<8x6xf32>, %n: tensor<6xf32>,
                       %cache: tensor<2x?x8xf32> {nn.dims = [2, "context", 8]}, %q: tensor<?x4x8xf32> {nn.dims = ["s", 4, 8]}, %p: index {nn.symbol = "past"}, %t: tensor<?x4xf32>) {
  // expected-remark@+1 {{shape [b, s, 8]}}
  %0 = nn.linear %x, %w : (tensor<?x?x6xf32>, tensor<8x6xf32>) -> tensor<?x?x8xf32>
  // expected-remark@+1 {{shape [b, s, 6]}}
  %1 = nn.rms_norm %x, %n {epsilon = 1.0e-5 : f64} : (tensor<?x?x6xf32>, tensor<6xf32>) -> tensor<?x?x6xf32>
  // expected-remark@+1 {{shape [b, s, 6]}}
  %2 = nn.layer_norm %x, %n {epsilon = 1.0e-5 : f64} : (tensor<?x?x6xf32>, tensor<6xf32>) -> tensor<?x?x6xf32>
  // expected-remark@+1 {{shape [s, 4, 8]}}
  %3 = nn.rotary %q, %t, %t : (tensor<?x4x8xf32>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4x8xf32>
  // expected-remark@+1 {{shape [s, 4, 8]}}
  %4 = nn.cached_attention %q, %cache, %cache at %p {scale = 0.5 : f64} : (tensor<?x4x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>, index) -> tensor<?x4x8xf32>
  // expected-remark@+1 {{shape [b, s, 6]}}
  %5 = nn.cumsum %x {axis = 1 : i64} : (tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  // expected-remark@+1 {{shape [b, s, 6]}}
  %6 = nn.cast %x : (tensor<?x?x6xf32>) -> tensor<?x?x6xf16>
  // expected-remark@+1 {{shape [b, s, 6]}}
  %7 = nn.compare lt %x, %n : (tensor<?x?x6xf32>, tensor<6xf32>) -> tensor<?x?x6xi1>
  // expected-remark@+1 {{shape [b, s, 6]}}
  %8 = nn.where %7, %x, %n : (tensor<?x?x6xi1>, tensor<?x?x6xf32>, tensor<6xf32>) -> tensor<?x?x6xf32>
  return
}

// -----

func.func @pools(%x: tensor<?x3x?x9xf32> {nn.dims = ["n", 3, "h", 9]}, %i: tensor<?x2xi64> {nn.dims = ["m", 2]}, %j: tensor<2x3x4x1xi64>) {
  // expected-remark@+1 {{shape [n, 3, h - floordiv(h, 2), 5]}}
  %0 = nn.avg_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, ceil} : (tensor<?x3x?x9xf32>) -> tensor<?x3x?x?xf32>
  // expected-remark@+1 {{shape [m, h, 9]}}
  %1 = nn.gather_nd %x, %i {batch_dims = 0 : i64} : (tensor<?x3x?x9xf32>, tensor<?x2xi64>) -> tensor<?x?x9xf32>
  // expected-remark@+1 {{shape [2, 3, 4, 1]}}
  %2 = nn.gather_elements %x, %j {axis = 2 : i64} : (tensor<?x3x?x9xf32>, tensor<2x3x4x1xi64>) -> tensor<2x3x4x1xf32>
  return
}
