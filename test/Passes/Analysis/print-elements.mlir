// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elements of ops as expressions. Shapes: print-symbols.mlir; proofs: proofs.mlir.
// RUN: llmc-opt %s -o /dev/null -split-input-file -pass-pipeline="builtin.module(func.func(llmc-print-elements))" -verify-diagnostics

// The computation of a shape, as exporters write it.
func.func @shape_computation(%x: tensor<?x?x8xf32> {nn.dims = ["batch", "seq", 8]}) {
  %zero = arith.constant dense<0> : tensor<1xi64>
  %one = arith.constant dense<1> : tensor<1xi64>
  %heads = arith.constant dense<[2, 4]> : tensor<2xi64>
  %heads2 = arith.constant dense<2> : tensor<1xi64>
  %minus = arith.constant dense<-1> : tensor<1xi64>
  // expected-remark@+1 {{elements [batch, seq, 8]}}
  %s = nn.shape_of %x {show} : (tensor<?x?x8xf32>) -> tensor<3xi64>
  // expected-remark@+1 {{elements [batch]}}
  %b = nn.slice %s [%zero, %one] {axes = array<i64: 0>, steps = array<i64: 1>, show} : (tensor<3xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?xi64>
  // expected-remark@+1 {{elements [8]}}
  %l = nn.gather %s, %minus {axis = 0 : i64, show} : (tensor<3xi64>, tensor<1xi64>) -> tensor<1xi64>
  // expected-remark@+1 {{elements [batch, 8, 2, 4]}}
  %c = nn.concat %b, %l, %heads {axis = 0 : i64, show} : (tensor<?xi64>, tensor<1xi64>, tensor<2xi64>) -> tensor<?xi64>
  // expected-remark@+1 {{elements [64*batch]}}
  %p = nn.reduce_prod %c {axes = array<i64: 0>, show} : (tensor<?xi64>) -> tensor<i64>
  // expected-remark@+1 {{elements [floordiv(batch, 2), 4, 1, 2]}}
  %d = nn.div %c, %heads2 {show} : (tensor<?xi64>, tensor<1xi64>) -> tensor<?xi64>
  return
}

// -----

func.func @integers(%x: tensor<?xi64> {nn.name = "x", nn.dims = ["n"]}, %y: tensor<2xi64> {nn.name = "y"}) {
  %three = arith.constant dense<3> : tensor<i64>
  %iota = arith.constant dense<[5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37]> : tensor<17xi64>
  %x3 = nn.mul %x, %three : (tensor<?xi64>, tensor<i64>) -> tensor<?xi64>
  // expected-remark@+1 {{element 3*x[i0] + 3}}
  %0 = nn.add %x3, %three {show} : (tensor<?xi64>, tensor<i64>) -> tensor<?xi64>
  // expected-remark@+1 {{elements [y[0] - 3, y[1] - 3]}}
  %1 = nn.sub %y, %three {show} : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  // A constant that is an arithmetic progression.
  // expected-remark@+1 {{element 6*i0 + 15}}
  %2 = nn.mul %iota, %three {show} : (tensor<17xi64>, tensor<i64>) -> tensor<17xi64>
  %nine = arith.constant dense<9> : tensor<i64>
  %y9 = nn.abs %y : (tensor<2xi64>) -> tensor<2xi64>
  // expected-remark@+1 {{elements [floordiv(max(y[0], -y[0]), 9), floordiv(max(y[1], -y[1]), 9)]}}
  %3 = nn.div %y9, %nine {show} : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  return
}

// -----

func.func @sums(%x: tensor<?x4xi64> {nn.name = "x", nn.dims = ["n", 4]}, %s: tensor<2xi64>) {
  %one = arith.constant dense<1> : tensor<i64>
  %zero = arith.constant dense<0> : tensor<i64>
  %shape = nn.shape_of %x : (tensor<?x4xi64>) -> tensor<2xi64>
  %n = nn.full %shape, %one : (tensor<2xi64>, tensor<i64>) -> tensor<?x4xi64>
  // expected-remark@+1 {{element i0 + 1}}
  %0 = nn.cumsum %n {axis = 0 : i64, show} : (tensor<?x4xi64>) -> tensor<?x4xi64>
  // expected-remark@+1 {{element i1}}
  %1 = nn.cumsum %n {axis = 1 : i64, exclusive, show} : (tensor<?x4xi64>) -> tensor<?x4xi64>
  // expected-remark@+1 {{element n - i0}}
  %2 = nn.cumsum %n {axis = 0 : i64, reverse, show} : (tensor<?x4xi64>) -> tensor<?x4xi64>
  // expected-remark@+1 {{elements [n, n, n, n]}}
  %3 = nn.reduce_sum %n {axes = array<i64: 0>, show} : (tensor<?x4xi64>) -> tensor<4xi64>
  // expected-remark@+1 {{elements [n, n, n, n]}}
  %4 = nn.reduce_max %0 {axes = array<i64: 0>, show} : (tensor<?x4xi64>) -> tensor<4xi64>
  // What has no rule is an element of its tensor.
  // expected-remark@+1 {{element nn.cumsum[i0, i1]}}
  %5 = nn.cumsum %x {axis = 0 : i64, show} : (tensor<?x4xi64>) -> tensor<?x4xi64>
  return
}

// -----

func.func @movements(%x: tensor<?x2x3x4xf32> {nn.name = "x", nn.dims = ["n", 2, 3, 4]}, %i: tensor<?xi64> {nn.name = "i"}) {
  %flat = arith.constant dense<[0, 6, 4]> : tensor<3xi64>
  %split = arith.constant dense<[0, 3, 2, 4]> : tensor<4xi64>
  %zero = arith.constant dense<0> : tensor<1xi64>
  %one = arith.constant dense<1> : tensor<1xi64>
  %end = arith.constant dense<9223372036854775807> : tensor<1xi64>
  %minus = arith.constant dense<-9223372036854775807> : tensor<1xi64>
  // expected-remark@+1 {{element x[i0, floordiv(i1, 3), i1 - 3*floordiv(i1, 3), i2]}}
  %0 = nn.reshape %x, %flat {show} : (tensor<?x2x3x4xf32>, tensor<3xi64>) -> tensor<?x6x4xf32>
  // expected-remark@+1 {{element x[i3, i1, i2, i0]}}
  %1 = nn.transpose %x {perm = array<i64: 3, 1, 2, 0>, show} : (tensor<?x2x3x4xf32>) -> tensor<4x2x3x?xf32>
  // expected-remark@+1 {{element x[i0, i1, i2 + 1, i3]}}
  %2 = nn.slice %x [%one, %end] {axes = array<i64: 2>, steps = array<i64: 1>, show} : (tensor<?x2x3x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x?x4xf32>
  // expected-remark@+1 {{element x[i0, i1, i2, -i3 + 3]}}
  %3 = nn.slice %x [%end, %minus] {axes = array<i64: 3>, steps = array<i64: -1>, show} : (tensor<?x2x3x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x3x?xf32>
  // An index may count from the end.
  // expected-remark@+1 {{element x[select(-i[i0] - 1 >= 0, n + i[i0], i[i0]), i1, i2, i3]}}
  %4 = nn.gather %x, %i {axis = 0 : i64, show} : (tensor<?x2x3x4xf32>, tensor<?xi64>) -> tensor<?x2x3x4xf32>
  // A place in a concatenation that is not decided is a choice.
  // expected-remark@+1 {{element select(n - i0 - 1 >= 0, x[i0, i1, i2, i3], x[-n + i0, i1, i2, i3])}}
  %5 = nn.concat %x, %x {axis = 0 : i64, show} : (tensor<?x2x3x4xf32>, tensor<?x2x3x4xf32>) -> tensor<?x2x3x4xf32>
  return
}

// -----

func.func @floats(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["n", 4]}) {
  %two = arith.constant dense<2.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %m = nn.mul %x, %two : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  // expected-remark@+1 {{element cos(mul(x[i0, i1], 2))}}
  %0 = nn.cos %m {show} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // Twice a half is nothing.
  // expected-remark@+1 {{element x[i0, i1]}}
  %1 = nn.mul %m, %half {show} : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  // expected-remark@+1 {{element nn.softmax[i0, i1]}}
  %2 = nn.softmax %x {axis = 1 : i64, show} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // expected-remark@+1 {{element nn.gelu[i0, i1]}}
  %3 = nn.gelu %x {show} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @conditions(%x: tensor<?x?xi64> {nn.name = "x", nn.dims = ["s", "t"]}, %b: tensor<?xi1> {nn.name = "b", nn.dims = ["t"]}) {
  %zero = arith.constant dense<0> : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  %yes = arith.constant dense<true> : tensor<i1>
  %shape = nn.shape_of %x : (tensor<?x?xi64>) -> tensor<2xi64>
  %ones = nn.full %shape, %one : (tensor<2xi64>, tensor<i64>) -> tensor<?x?xi64>
  // expected-remark@+1 {{element select(i0 - i1 >= 0, 1, 0)}}
  %0 = nn.tril %ones, %zero {show} : (tensor<?x?xi64>, tensor<i64>) -> tensor<?x?xi64>
  // expected-remark@+1 {{element i0 - i1 >= 0}}
  %1 = nn.cast %0 {show} : (tensor<?x?xi64>) -> tensor<?x?xi1>
  // expected-remark@+1 {{element (i0 - i1 >= 0 and b[i1])}}
  %2 = nn.and %1, %b {show} : (tensor<?x?xi1>, tensor<?xi1>) -> tensor<?x?xi1>
  // expected-remark@+1 {{element -i0 + i1 - 1 >= 0}}
  %3 = nn.compare eq %0, %zero {show} : (tensor<?x?xi64>, tensor<i64>) -> tensor<?x?xi1>
  // expected-remark@+1 {{element true}}
  %4 = nn.or %1, %3 {show} : (tensor<?x?xi1>, tensor<?x?xi1>) -> tensor<?x?xi1>
  // expected-remark@+1 {{element x[i0, i1]}}
  %5 = nn.where %4, %x, %zero {show} : (tensor<?x?xi1>, tensor<?x?xi64>, tensor<i64>) -> tensor<?x?xi64>
  return
}

// -----

// Values of an index type, as the language model entry binds them.
func.func @bound(%past: index {nn.symbol = "past"}, %ids: tensor<?xi64> {nn.dims = ["seq"]}) {
  %axis = arith.constant 0 : index
  %seq = tensor.dim %ids, %axis : tensor<?xi64>
  %end = arith.addi %past, %seq : index
  %p = arith.index_cast %past : index to i64
  %e = arith.index_cast %end : index to i64
  %start = tensor.from_elements %p : tensor<i64>
  %limit = tensor.from_elements %e : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  // expected-remark@+1 {{element past + i0}}
  %0 = nn.range %start, %limit, %one {show} : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %s = nn.shape_of %0 : (tensor<?xi64>) -> tensor<1xi64>
  // expected-remark@+1 {{element past + seq}}
  %1 = nn.expand %limit, %s {show} : (tensor<i64>, tensor<1xi64>) -> tensor<?xi64>
  return
}

// -----

func.func @more_movements(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["n", 4]}, %p: index {nn.symbol = "p"}, %k: index {nn.symbol = "k"}) {
  %fill = arith.constant dense<2.0> : tensor<f32>
  %pads = arith.constant dense<[1, 0, 0, 2]> : tensor<4xi64>
  %inner = arith.constant dense<[-1, -1, 0, 0]> : tensor<4xi64>
  %twice = arith.constant dense<[1, 2]> : tensor<2xi64>
  %pairs = arith.constant dense<[[0, -1], [1, 2]]> : tensor<2x2xi64>
  %three = arith.constant dense<[3, 1, 1]> : tensor<3xi64>
  %second = arith.constant dense<1> : tensor<17x4xi64>
  // expected-remark@+1 {{element select((i0 - 1 >= 0 and -i1 + 3 >= 0), x[i0 - 1, i1], 2)}}
  %0 = nn.pad constant %x, %pads, %fill {show} : (tensor<?x4xf32>, tensor<4xi64>, tensor<f32>) -> tensor<?x6xf32>
  // Borders that are cut off.
  // expected-remark@+1 {{element x[i0 + 1, i1 + 1]}}
  %1 = nn.pad constant %x, %inner, %fill {show} : (tensor<?x4xf32>, tensor<4xi64>, tensor<f32>) -> tensor<?x3xf32>
  // expected-remark@+1 {{element x[i0, i1 - 4*floordiv(i1, 4)]}}
  %2 = nn.tile %x, %twice {show} : (tensor<?x4xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  // expected-remark@+1 {{elements [x[0, 3], x[1, 2]]}}
  %3 = nn.gather_nd %x, %pairs {batch_dims = 0 : i64, show} : (tensor<?x4xf32>, tensor<2x2xi64>) -> tensor<2xf32>
  // expected-remark@+1 {{element x[1, i1]}}
  %4 = nn.gather_elements %x, %second {axis = 0 : i64, show} : (tensor<?x4xf32>, tensor<17x4xi64>) -> tensor<17x4xf32>
  // expected-remark@+1 {{element x[p + i0, i1]}}
  %5 = nn.rows %x [%p, %k] {show} : (tensor<?x4xf32>, index, index) -> tensor<?x4xf32>
  // expected-remark@+1 {{element x[i1, i2]}}
  %6 = nn.expand %x, %three {show} : (tensor<?x4xf32>, tensor<3xi64>) -> tensor<3x?x4xf32>
  // expected-remark@+1 {{from an argument at [i1, i2]}}
  %7 = nn.expand %x, %three {show = "trace"} : (tensor<?x4xf32>, tensor<3xi64>) -> tensor<3x?x4xf32>
  %8 = nn.exp %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %t = nn.transpose %8 {perm = array<i64: 1, 0>} : (tensor<?x4xf32>) -> tensor<4x?xf32>
  // expected-remark@+1 {{from nn.exp at [i2, i0]}}
  %9 = nn.unsqueeze %t {axes = array<i64: 1>, show = "trace"} : (tensor<4x?xf32>) -> tensor<4x1x?xf32>
  return
}

// -----

func.func @more_integers(%x: tensor<3xi64> {nn.name = "x"}, %y: tensor<?xi64> {nn.name = "y", nn.dims = ["n"]}) {
  %five = arith.constant dense<5> : tensor<i64>
  %two = arith.constant dense<2> : tensor<i64>
  %zero = arith.constant dense<0> : tensor<i64>
  %minus = arith.constant dense<[-7, 7, 3]> : tensor<3xi64>
  // expected-remark@+1 {{elements [3, 2, 3]}}
  %0 = nn.mod %minus, %five {show} : (tensor<3xi64>, tensor<i64>) -> tensor<3xi64>
  // expected-remark@+1 {{elements [-2, 2, 3]}}
  %1 = nn.mod %minus, %five {fmod, show} : (tensor<3xi64>, tensor<i64>) -> tensor<3xi64>
  // expected-remark@+1 {{elements [-1, 1, 0]}}
  %2 = nn.div %minus, %five {show} : (tensor<3xi64>, tensor<i64>) -> tensor<3xi64>
  // expected-remark@+1 {{elements [49, 49, 9]}}
  %3 = nn.pow %minus, %two {show} : (tensor<3xi64>, tensor<i64>) -> tensor<3xi64>
  // expected-remark@+1 {{elements [-7, 5, 3]}}
  %4 = nn.min %minus, %five {show} : (tensor<3xi64>, tensor<i64>) -> tensor<3xi64>
  // expected-remark@+1 {{elements [max(5, x[0]), max(5, x[1]), max(5, x[2])]}}
  %5 = nn.max %x, %five {show} : (tensor<3xi64>, tensor<i64>) -> tensor<3xi64>
  // expected-remark@+1 {{elements [-1, 1, 1]}}
  %6 = nn.sign %minus {show} : (tensor<3xi64>) -> tensor<3xi64>
  // expected-remark@+1 {{elements [6, -8, -4]}}
  %7 = nn.not %minus {show} : (tensor<3xi64>) -> tensor<3xi64>
  // expected-remark@+1 {{elements [1, 5, 1]}}
  %8 = nn.and %minus, %five {show} : (tensor<3xi64>, tensor<i64>) -> tensor<3xi64>
  // expected-remark@+1 {{elements [3]}}
  %9 = nn.reduce_sum %minus {axes = array<i64: 0>, show} : (tensor<3xi64>) -> tensor<i64>
  // A quotient by what may be zero has no value.
  // expected-remark@+1 {{element nn.div[i0]}}
  %10 = nn.div %y, %zero {show} : (tensor<?xi64>, tensor<i64>) -> tensor<?xi64>
  // Narrow integers wrap.
  // expected-remark@+1 {{element nn.cast[i0]}}
  %11 = nn.cast %y {show} : (tensor<?xi64>) -> tensor<?xi8>
  // expected-remark@+1 {{elements [nn.argmax[]]}}
  %12 = nn.argmax %y {axis = 0 : i64, show} : (tensor<?xi64>) -> tensor<i64>
  return
}

// -----

func.func @more_floats(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["n", 4]}, %r: tensor<?x1xf32> {nn.name = "r", nn.dims = ["n", 1]}, %c: tensor<1x4xf32> {nn.name = "c"}) {
  %nan = arith.constant dense<0x7FC00000> : tensor<f32>
  %t = nn.transpose %x {perm = array<i64: 1, 0>} : (tensor<?x4xf32>) -> tensor<4x?xf32>
  // expected-remark@+1 {{element mul(r[i0, 0], c[0, i1])}}
  %0 = nn.matmul %r, %c {show} : (tensor<?x1xf32>, tensor<1x4xf32>) -> tensor<?x4xf32>
  // expected-remark@+1 {{element nn.matmul[0, i1]}}
  %1 = nn.matmul %c, %t {show} : (tensor<1x4xf32>, tensor<4x?xf32>) -> tensor<1x?xf32>
  // expected-remark@+1 {{elements [true]}}
  %2 = nn.is_nan %nan {show} : (tensor<f32>) -> tensor<i1>
  // expected-remark@+1 {{element is_nan(x[i0, i1])}}
  %3 = nn.is_nan %x {show} : (tensor<?x4xf32>) -> tensor<?x4xi1>
  // expected-remark@+1 {{element mul(add(x[i0, 0], x[i0, 1], x[i0, 2], x[i0, 3]), 0.25)}}
  %4 = nn.reduce_mean %x {axes = array<i64: 1>, show} : (tensor<?x4xf32>) -> tensor<?xf32>
  // expected-remark@+1 {{element mul(r[i0, 0], reciprocal(c[0, i1]))}}
  %5 = nn.div %r, %c {show} : (tensor<?x1xf32>, tensor<1x4xf32>) -> tensor<?x4xf32>
  // expected-remark@+1 {{element lt(c[0, i1], r[i0, 0])}}
  %6 = nn.compare gt %r, %c {show} : (tensor<?x1xf32>, tensor<1x4xf32>) -> tensor<?x4xi1>
  return
}
