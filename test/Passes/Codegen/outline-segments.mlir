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
