// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the fuse passes have proved: masks, repeated heads, angles, positions.
// RUN: llmc-opt %s -o /dev/null -split-input-file -pass-pipeline="builtin.module(func.func(llmc-print-elements))" -verify-diagnostics

// A comparison of positions, and the same as a float mask to be added.
func.func @causal(%past: index {nn.symbol = "past"}, %ids: tensor<?xi64> {nn.dims = ["seq"]}) {
  %axis = arith.constant 0 : index
  %seq = tensor.dim %ids, %axis : tensor<?xi64>
  %total = arith.addi %past, %seq : index
  %p = arith.index_cast %past : index to i64
  %t = arith.index_cast %total : index to i64
  %start = tensor.from_elements %p : tensor<i64>
  %end = tensor.from_elements %t : tensor<i64>
  %zero = arith.constant dense<0> : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  %window = arith.constant dense<8> : tensor<i64>
  %least = arith.constant dense<-3.40282347E+38> : tensor<f32>
  %none = arith.constant dense<0.0> : tensor<f32>
  // expected-remark@+1 {{positions from past}}
  %q = nn.range %start, %end, %one {show = "positions"} : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %k = nn.range %zero, %end, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %rows = nn.unsqueeze %q {axes = array<i64: 1>} : (tensor<?xi64>) -> tensor<?x1xi64>
  // expected-remark@+1 {{causal mask}}
  %0 = nn.compare le %k, %rows {show = "mask"} : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
  // expected-remark@+1 {{causal mask}}
  %1 = nn.where %0, %none, %least {show = "mask"} : (tensor<?x?xi1>, tensor<f32>, tensor<f32>) -> tensor<?x?xf32>
  %reach = nn.sub %rows, %window : (tensor<?x1xi64>, tensor<i64>) -> tensor<?x1xi64>
  %near = nn.compare gt %k, %reach : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
  %after = nn.compare gt %k, %rows : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
  %far = nn.where %near, %none, %least : (tensor<?x?xi1>, tensor<f32>, tensor<f32>) -> tensor<?x?xf32>
  %small = arith.constant dense<-1.0> : tensor<f32>
  // expected-remark@+1 {{causal mask with window 8}}
  %2 = nn.and %0, %near {show = "mask"} : (tensor<?x?xi1>, tensor<?x?xi1>) -> tensor<?x?xi1>
  // Both hide nothing of each other.
  // expected-remark@+1 {{mask of nothing}}
  %3 = nn.or %0, %after {show = "mask"} : (tensor<?x?xi1>, tensor<?x?xi1>) -> tensor<?x?xi1>
  // A sum of two masks hides what either hides.
  // expected-remark@+1 {{causal mask with window 8}}
  %4 = nn.add %1, %far {show = "mask"} : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  // expected-remark@+1 {{no proof}}
  %5 = nn.compare lt %k, %rows {show = "mask"} : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
  // -1 hides nothing.
  // expected-remark@+1 {{no proof}}
  %6 = nn.where %0, %none, %small {show = "mask"} : (tensor<?x?xi1>, tensor<f32>, tensor<f32>) -> tensor<?x?xf32>
  return
}

// -----

// A lower triangle hides what comes later only where there is no past.
func.func @triangle(%x: tensor<?xi64> {nn.dims = ["s"]}, %y: tensor<?x?xi64> {nn.dims = ["s", "past + s"]}) {
  %zero = arith.constant dense<0> : tensor<i64>
  %one = arith.constant dense<true> : tensor<i1>
  %n = nn.shape_of %x : (tensor<?xi64>) -> tensor<1xi64>
  %nn = nn.concat %n, %n {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>) -> tensor<2xi64>
  %ones = nn.full %nn, %one : (tensor<2xi64>, tensor<i1>) -> tensor<?x?xi1>
  // expected-remark@+1 {{causal mask}}
  %0 = nn.tril %ones, %zero {show = "mask"} : (tensor<?x?xi1>, tensor<i64>) -> tensor<?x?xi1>
  %m = nn.shape_of %y : (tensor<?x?xi64>) -> tensor<2xi64>
  %more = nn.full %m, %one : (tensor<2xi64>, tensor<i1>) -> tensor<?x?xi1>
  // expected-remark@+1 {{no proof}}
  %1 = nn.tril %more, %zero {show = "mask"} : (tensor<?x?xi1>, tensor<i64>) -> tensor<?x?xi1>
  return
}

// -----

func.func @repeat(%k: tensor<?x2x?x4xf32> {nn.dims = ["batch", 2, "total", 4]}, %one: tensor<?x1x?x4xf32> {nn.dims = ["batch", 1, "total", 4]}) {
  %three = arith.constant dense<[1, 1, 3, 1, 1]> : tensor<5xi64>
  %six = arith.constant dense<[0, 6, -1, 4]> : tensor<4xi64>
  %outer = arith.constant dense<[1, 3, 1, 1, 1]> : tensor<5xi64>
  %heads = arith.constant dense<[1, 6, 1, 1]> : tensor<4xi64>
  %axes = nn.unsqueeze %k {axes = array<i64: 2>} : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %wide = nn.expand %axes, %three : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x3x?x4xf32>
  // expected-remark@+1 {{repeats heads of an argument by 3 with axes [0, 1, 2, 3]}}
  %0 = nn.reshape %wide, %six {show = "repeat"} : (tensor<?x2x3x?x4xf32>, tensor<4xi64>) -> tensor<?x6x?x4xf32>
  // expected-remark@+1 {{repeats heads of an argument by 3 with axes [0, 1, 3, 2]}}
  %1 = nn.transpose %0 {perm = array<i64: 0, 1, 3, 2>, show = "repeat"} : (tensor<?x6x?x4xf32>) -> tensor<?x6x4x?xf32>
  // Repeated the other way round: heads 0, 1, 0, 1, ...
  %front = nn.unsqueeze %k {axes = array<i64: 1>} : (tensor<?x2x?x4xf32>) -> tensor<?x1x2x?x4xf32>
  %tiled = nn.expand %front, %outer : (tensor<?x1x2x?x4xf32>, tensor<5xi64>) -> tensor<?x3x2x?x4xf32>
  // expected-remark@+1 {{no proof}}
  %2 = nn.reshape %tiled, %six {show = "repeat"} : (tensor<?x3x2x?x4xf32>, tensor<4xi64>) -> tensor<?x6x?x4xf32>
  // expected-remark@+1 {{repeats heads of an argument by 6 with axes [0, 1, 2, 3]}}
  %3 = nn.expand %one, %heads {show = "repeat"} : (tensor<?x1x?x4xf32>, tensor<4xi64>) -> tensor<?x6x?x4xf32>
  return
}

// -----

nn.weight @f : tensor<4xf32> from #nn.key<"f" : tensor<4xf32>>
func.func @angles(%past: index {nn.symbol = "past"}, %ids: tensor<?xi64> {nn.dims = ["seq"]}) {
  %axis = arith.constant 0 : index
  %seq = tensor.dim %ids, %axis : tensor<?xi64>
  %total = arith.addi %past, %seq : index
  %p = arith.index_cast %past : index to i64
  %t = arith.index_cast %total : index to i64
  %start = tensor.from_elements %p : tensor<i64>
  %end = tensor.from_elements %t : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  %scale = arith.constant dense<1.5> : tensor<f32>
  %positions = nn.range %start, %end, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %real = nn.cast %positions : (tensor<?xi64>) -> tensor<?xf32>
  %row = nn.unsqueeze %real {axes = array<i64: 0, 1>} : (tensor<?xf32>) -> tensor<1x1x?xf32>
  %f = nn.get @f : tensor<4xf32>
  %column = nn.unsqueeze %f {axes = array<i64: 0, 2>} : (tensor<4xf32>) -> tensor<1x4x1xf32>
  %product = nn.matmul %column, %row : (tensor<1x4x1xf32>, tensor<1x1x?xf32>) -> tensor<1x4x?xf32>
  %half = nn.transpose %product {perm = array<i64: 0, 2, 1>} : (tensor<1x4x?xf32>) -> tensor<1x?x4xf32>
  %angle = nn.concat %half, %half {axis = 2 : i64} : (tensor<1x?x4xf32>, tensor<1x?x4xf32>) -> tensor<1x?x8xf32>
  // expected-remark@+1 {{cosine of (past + i1) * @f[j], scale 1, 4 frequencies doubled}}
  %0 = nn.cos %angle {show = "rotary"} : (tensor<1x?x8xf32>) -> tensor<1x?x8xf32>
  // expected-remark@+1 {{sine of (past + i1) * @f[j], scale 1, 4 frequencies}}
  %1 = nn.sin %half {show = "rotary"} : (tensor<1x?x4xf32>) -> tensor<1x?x4xf32>
  // expected-remark@+1 {{cosine of (past + i1) * @f[j], scale 1.5, 4 frequencies doubled}}
  %2 = nn.mul %0, %scale {show = "rotary"} : (tensor<1x?x8xf32>, tensor<f32>) -> tensor<1x?x8xf32>
  // expected-remark@+1 {{no proof}}
  %3 = nn.exp %angle {show = "rotary"} : (tensor<1x?x8xf32>) -> tensor<1x?x8xf32>
  return
}
