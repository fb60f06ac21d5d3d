// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-outline-segments | FileCheck %s

nn.weight @w0 : tensor<4x4xf32> from #nn.key<"w0" : tensor<4x4xf32>>
nn.weight @w1 : tensor<4x4xf32> from #nn.key<"w1" : tensor<4x4xf32>>

// Two equal layers become one function; the last, different op stays.
// CHECK-LABEL: func.func private @main_segment(
// CHECK-SAME: nn.dims = ["n", 4]
// CHECK: nn.linear
// CHECK: nn.add
// CHECK-LABEL: func.func @main(
// CHECK: call @main_segment(%{{.*}}, %{{.*}})
// CHECK: call @main_segment(%{{.*}}, %{{.*}})
// CHECK: nn.silu
// CHECK-NOT: nn.linear
func.func @main(%x: tensor<?x4xf32> {nn.dims = ["n", 4]}) -> tensor<?x4xf32> {
  %w0 = nn.get @w0 : tensor<4x4xf32>
  %0 = nn.linear %x, %w0 : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %1 = nn.add %x, %0 : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %w1 = nn.get @w1 : tensor<4x4xf32>
  %2 = nn.linear %1, %w1 : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %3 = nn.add %1, %2 : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %4 = nn.silu %3 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %4 : tensor<?x4xf32>
}

// States stay tied to their results.
// CHECK-LABEL: func.func private @state_segment(
// CHECK-SAME: nn.state = [[N:[0-9]+]] : i64
// CHECK-LABEL: func.func @state(
// CHECK: call @state_segment
// CHECK: call @state_segment
func.func @state(%x: tensor<?x2x4xf32> {nn.dims = ["n", 2, 4]}, %p: index {nn.symbol = "past"},
                 %a: tensor<2x?x4xf32> {nn.dims = [2, "c", 4], nn.state = 1 : i64},
                 %b: tensor<2x?x4xf32> {nn.dims = [2, "c", 4], nn.state = 2 : i64})
    -> (tensor<?x2x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>) {
  %0 = nn.append %a, %x at %p : (tensor<2x?x4xf32>, tensor<?x2x4xf32>, index) -> tensor<2x?x4xf32>
  %1 = nn.cached_attention %x, %0, %0 at %p {scale = 1.0 : f64} : (tensor<?x2x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>, index) -> tensor<?x2x4xf32>
  %2 = nn.append %b, %1 at %p : (tensor<2x?x4xf32>, tensor<?x2x4xf32>, index) -> tensor<2x?x4xf32>
  %3 = nn.cached_attention %1, %2, %2 at %p {scale = 1.0 : f64} : (tensor<?x2x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>, index) -> tensor<?x2x4xf32>
  return %3, %0, %2 : tensor<?x2x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>
}

// The mask and the angles are read by every layer and pass through none: they
// are passed to both calls. The embeddings are what flows. Results that return
// anyway (%k0, %k1) and pasts that come in late (%b) do not stand in the way.
// CHECK-LABEL: func.func private @context_segment(
// CHECK-SAME: tensor<1x?x?xi1>
// CHECK: nn.rotary
// CHECK: nn.attention
// CHECK-LABEL: func.func @context(
// CHECK: pack.gather
// CHECK: [[MASK:%.*]] = nn.compare
// CHECK-NOT: nn.linear
// CHECK: call @context_segment(
// CHECK-SAME: [[MASK]]
// CHECK-NOT: nn.linear
// CHECK: call @context_segment(
// CHECK-SAME: [[MASK]]
// CHECK-NEXT: nn.silu
#x = #pack.dense<f32>
nn.weight @e : !pack.tensor<8x4, #x, #pack.rows<32>> from #nn.key<"e" : tensor<8x4xf32>>
nn.weight @cos : tensor<8x2xf32> from #nn.key<"cos" : tensor<8x2xf32>>
func.func @context(%ids: tensor<1x?xi64> {nn.dims = [1, "n"]}, %pos: tensor<1x?xi64> {nn.dims = [1, "n"]},
                   %a: tensor<1x?x1x4xf32> {nn.dims = [1, "p", 1, 4]}, %b: tensor<1x?x1x4xf32> {nn.dims = [1, "p", 1, 4]})
    -> (tensor<1x?x4xf32>, tensor<1x?x1x4xf32>, tensor<1x?x1x4xf32>) {
  %heads = arith.constant dense<[1, -1, 1, 4]> : tensor<4xi64>
  %flat = arith.constant dense<[1, -1, 4]> : tensor<3xi64>
  %e = nn.get @e : !pack.tensor<8x4, #x, #pack.rows<32>>
  %x = pack.gather %e, %ids : (!pack.tensor<8x4, #x, #pack.rows<32>>, tensor<1x?xi64>) -> tensor<1x?x4xf32>
  %w0 = nn.get @w0 : tensor<4x4xf32>
  %q0 = nn.linear %x, %w0 : (tensor<1x?x4xf32>, tensor<4x4xf32>) -> tensor<1x?x4xf32>
  %cos = nn.get @cos : tensor<8x2xf32>
  %c = nn.gather %cos, %pos {axis = 0 : i64} : (tensor<8x2xf32>, tensor<1x?xi64>) -> tensor<1x?x2xf32>
  %col = nn.unsqueeze %pos {axes = array<i64: 2>} : (tensor<1x?xi64>) -> tensor<1x?x1xi64>
  %mask = nn.compare le %pos, %col : (tensor<1x?xi64>, tensor<1x?x1xi64>) -> tensor<1x?x?xi1>
  %h0 = nn.reshape %q0, %heads : (tensor<1x?x4xf32>, tensor<4xi64>) -> tensor<1x?x1x4xf32>
  %r0 = nn.rotary %h0, %c, %c : (tensor<1x?x1x4xf32>, tensor<1x?x2xf32>, tensor<1x?x2xf32>) -> tensor<1x?x1x4xf32>
  %k0 = nn.concat %a, %r0 {axis = 1 : i64} : (tensor<1x?x1x4xf32>, tensor<1x?x1x4xf32>) -> tensor<1x?x1x4xf32>
  %a0 = nn.attention %r0, %k0, %k0 mask %mask {scale = 1.0 : f64} : (tensor<1x?x1x4xf32>, tensor<1x?x1x4xf32>, tensor<1x?x1x4xf32>, tensor<1x?x?xi1>) -> tensor<1x?x1x4xf32>
  %f0 = nn.reshape %a0, %flat : (tensor<1x?x1x4xf32>, tensor<3xi64>) -> tensor<1x?x4xf32>
  %x1 = nn.add %x, %f0 : (tensor<1x?x4xf32>, tensor<1x?x4xf32>) -> tensor<1x?x4xf32>
  %w1 = nn.get @w1 : tensor<4x4xf32>
  %q1 = nn.linear %x1, %w1 : (tensor<1x?x4xf32>, tensor<4x4xf32>) -> tensor<1x?x4xf32>
  %h1 = nn.reshape %q1, %heads : (tensor<1x?x4xf32>, tensor<4xi64>) -> tensor<1x?x1x4xf32>
  %r1 = nn.rotary %h1, %c, %c : (tensor<1x?x1x4xf32>, tensor<1x?x2xf32>, tensor<1x?x2xf32>) -> tensor<1x?x1x4xf32>
  %k1 = nn.concat %b, %r1 {axis = 1 : i64} : (tensor<1x?x1x4xf32>, tensor<1x?x1x4xf32>) -> tensor<1x?x1x4xf32>
  %a1 = nn.attention %r1, %k1, %k1 mask %mask {scale = 1.0 : f64} : (tensor<1x?x1x4xf32>, tensor<1x?x1x4xf32>, tensor<1x?x1x4xf32>, tensor<1x?x?xi1>) -> tensor<1x?x1x4xf32>
  %f1 = nn.reshape %a1, %flat : (tensor<1x?x1x4xf32>, tensor<3xi64>) -> tensor<1x?x4xf32>
  %x2 = nn.add %x1, %f1 : (tensor<1x?x4xf32>, tensor<1x?x4xf32>) -> tensor<1x?x4xf32>
  %y = nn.silu %x2 : (tensor<1x?x4xf32>) -> tensor<1x?x4xf32>
  return %y, %k0, %k1 : tensor<1x?x4xf32>, tensor<1x?x1x4xf32>, tensor<1x?x1x4xf32>
}

// Rows of a table that no input decides are taken inside.
// CHECK-LABEL: func.func private @rows_segment(
// CHECK-SAME: tensor<8x4xf32>
// CHECK: nn.rows
// CHECK-LABEL: func.func @rows(
// CHECK: [[TABLE:%.*]] = nn.get @table
// CHECK: call @rows_segment(%{{.*}}, %{{.*}}, [[TABLE]]
// CHECK: call @rows_segment(%{{.*}}, %{{.*}}, [[TABLE]]
nn.weight @table : tensor<8x4xf32> from #nn.key<"table" : tensor<8x4xf32>>
func.func @rows(%x: tensor<?x4xf32> {nn.dims = ["n", 4]}, %p: index {nn.symbol = "past"}, %n: index {nn.symbol = "n"}) -> tensor<?x4xf32> {
  %t = nn.get @table : tensor<8x4xf32>
  %r = nn.rows %t[%p, %n] : (tensor<8x4xf32>, index, index) -> tensor<?x4xf32>
  %w0 = nn.get @w0 : tensor<4x4xf32>
  %0 = nn.linear %x, %w0 : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %1 = nn.mul %0, %r : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %2 = nn.add %x, %1 : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %w1 = nn.get @w1 : tensor<4x4xf32>
  %3 = nn.linear %2, %w1 : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %4 = nn.mul %3, %r : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %5 = nn.add %2, %4 : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %5 : tensor<?x4xf32>
}
