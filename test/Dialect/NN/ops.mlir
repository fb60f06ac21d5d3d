// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Round trip of the ops through their textual form.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s

nn.weight @w : tensor<8x4xf32> from #nn.key<"model.w" : tensor<8x4xf32>>
nn.weight @t : tensor<4x8xf32> from #nn.transpose<#nn.key<"model.w" : tensor<8x4xf32>>, [1, 0]>
nn.weight @d : tensor<2xf32> from #nn.dense<dense<[1.0, 2.0]> : tensor<2xf32>>

// CHECK-LABEL: func.func @mlp
// CHECK-SAME: nn.dims = ["seq", 4]
func.func @mlp(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["seq", 4]}) -> tensor<?x8xf32> {
  // CHECK: nn.get @w : tensor<8x4xf32>
  %w = nn.get @w : tensor<8x4xf32>
  // CHECK: nn.linear %{{.*}}, %{{.*}} : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  %0 = nn.linear %x, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  // CHECK: nn.silu
  %1 = nn.silu %0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: nn.compare lt
  %c = nn.compare lt %0, %1 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xi1>
  // CHECK: nn.where
  %2 = nn.where %c, %0, %1 : (tensor<?x8xi1>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: nn.tap %{{.*}} : (tensor<?x8xf32>) -> tensor<3x8xf64>
  %3 = nn.tap %2 : (tensor<?x8xf32>) -> tensor<3x8xf64>
  return %2 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @cache
func.func @cache(%q: tensor<?x4x8xf32>, %k: tensor<2x?x8xf32> {nn.state = 1 : i64}, %x: tensor<?x2x8xf32>,
                 %p: index {nn.symbol = "past"}) -> (tensor<?x4x8xf32>, tensor<2x?x8xf32>) {
  // CHECK: nn.append %{{.*}}, %{{.*}} at %{{.*}}
  %0 = nn.append %k, %x at %p : (tensor<2x?x8xf32>, tensor<?x2x8xf32>, index) -> tensor<2x?x8xf32>
  // CHECK: nn.cached_attention
  %1 = nn.cached_attention %q, %0, %0 at %p {scale = 0.5 : f64} : (tensor<?x4x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>, index) -> tensor<?x4x8xf32>
  return %1, %0 : tensor<?x4x8xf32>, tensor<2x?x8xf32>
}

// CHECK-LABEL: func.func @encoded_caches
func.func @encoded_caches(%q: tensor<?x4x8xf32>, %k: tensor<2x?x12xi8> {nn.state = 1 : i64},
                          %v: tensor<2x?x16xi8>, %h: tensor<2x?x8xbf16>, %x: tensor<?x2x8xf32>, %p: index)
    -> (tensor<?x4x12xf32>, tensor<2x?x12xi8>) {
  // CHECK: nn.append {{.*}} -> tensor<2x?x12xi8>
  %0 = nn.append %k, %x at %p : (tensor<2x?x12xi8>, tensor<?x2x8xf32>, index) -> tensor<2x?x12xi8>
  // CHECK: nn.append {{.*}} -> tensor<2x?x8xbf16>
  %1 = nn.append %h, %x at %p : (tensor<2x?x8xbf16>, tensor<?x2x8xf32>, index) -> tensor<2x?x8xbf16>
  // CHECK: nn.cached_attention {{.*}} -> tensor<?x4x12xf32>
  %2 = nn.cached_attention %q, %0, %v at %p {scale = 0.5 : f64} : (tensor<?x4x8xf32>, tensor<2x?x12xi8>, tensor<2x?x16xi8>, index) -> tensor<?x4x12xf32>
  // CHECK: nn.cached_attention {{.*}} -> tensor<?x4x8xf32>
  %3 = nn.cached_attention %q, %1, %1 at %p {scale = 0.5 : f64} : (tensor<?x4x8xf32>, tensor<2x?x8xbf16>, tensor<2x?x8xbf16>, index) -> tensor<?x4x8xf32>
  return %2, %0 : tensor<?x4x12xf32>, tensor<2x?x12xi8>
}
