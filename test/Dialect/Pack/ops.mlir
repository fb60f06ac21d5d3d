// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Round trip of the packed type and its ops through their textual form.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s

// CHECK: nn.weight @w : !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>> from #nn.key
nn.weight @w : !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>> from #nn.key<"w" : tensor<8x4xf32>>
// CHECK: nn.weight @h : !pack.tensor<3x4, #pack.dense<bf16>, #pack.rows<32>> from #nn.key
nn.weight @h : !pack.tensor<3x4, #pack.dense<bf16>, #pack.rows<32>> from #nn.key<"h" : tensor<3x4xf32>>
// CHECK: nn.weight @f : !pack.tensor<3x4, #pack.dense<f16>, #pack.rows<16>> from #nn.key
nn.weight @f : !pack.tensor<3x4, #pack.dense<f16>, #pack.rows<16>> from #nn.key<"f" : tensor<3x4xf32>> {pack.method = #pack.method<"rtn", "f16">}

// CHECK-LABEL: func.func @tied
func.func @tied(%ids: tensor<?xi64>, %b: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[W:.*]] = nn.get @w
  %w = nn.get @w : !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>
  // CHECK: %[[X:.*]] = pack.gather %[[W]], %{{.*}} : (!pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>, tensor<?xi64>) -> tensor<?x4xf32>
  %x = pack.gather %w, %ids : (!pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>, tensor<?xi64>) -> tensor<?x4xf32>
  // CHECK: pack.linear %[[X]], %[[W]], %{{.*}} : (tensor<?x4xf32>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>, tensor<8xf32>) -> tensor<?x8xf32>
  %y = pack.linear %x, %w, %b : (tensor<?x4xf32>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>, tensor<8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @activations
func.func @activations(%x: tensor<?x4xf32>, %w: !pack.tensor<8x4, #pack.quantized<"u4g32">, #pack.rows<16>>) -> tensor<?x8xf32> {
  // CHECK: pack.linear %{{.*}}, %{{.*}} {activations = bf16} :
  pack.linear %x, %w {activations = bf16} : (tensor<?x4xf32>, !pack.tensor<8x4, #pack.quantized<"u4g32">, #pack.rows<16>>) -> tensor<?x8xf32>
  // CHECK: pack.linear %{{.*}}, %{{.*}} {activations = i16} :
  %0 = pack.linear %x, %w {activations = i16} : (tensor<?x4xf32>, !pack.tensor<8x4, #pack.quantized<"u4g32">, #pack.rows<16>>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func private @defined
// CHECK-SAME: !pack.tensor<8x64, #pack.quantized<"acme.twog32.f32.mf16", {bits = 1 : i64, group = 32 : i64, minimum = "mf16", terms = [{levels = array<i8: -1, 1>, scale = "f32"}]}>, #pack.rows<16>>
func.func private @defined(!pack.tensor<8x64, #pack.quantized<"acme.twog32.f32.mf16", {bits = 1 : i64, group = 32 : i64, terms = [{levels = array<i8: -1, 1>, scale = "f32"}], minimum = "mf16"}>, #pack.rows<16>>)

// CHECK: nn.weight @m
// CHECK-SAME: #pack.method<"rtn", "acme.tworow", {a = "b"} as {bits = 1 : i64
nn.weight @m : tensor<3x4xf32> from #nn.key<"m" : tensor<3x4xf32>> {pack.method = #pack.method<"rtn", "acme.tworow", {a = "b"} as {bits = 1 : i64, group = 0 : i64, terms = [{levels = array<i8: -1, 1>, scale = "f16"}]}>}

// CHECK-LABEL: func.func private @ranked
// CHECK-SAME: !pack.tensor<8x64, #pack.quantized<"acme.two.lr8", {bits = 1 : i64, group = 32 : i64, rank = 8 : i64, terms = [{levels = array<i8: -1, 1>, scale = "f32"}]}>, #pack.rows<16>>
func.func private @ranked(!pack.tensor<8x64, #pack.quantized<"acme.two.lr8", {bits = 1 : i64, group = 32 : i64, rank = 8 : i64, terms = [{levels = array<i8: -1, 1>, scale = "f32"}]}>, #pack.rows<16>>)

// CHECK-LABEL: func.func private @vectors
// CHECK-SAME: !pack.tensor<8x64, #pack.quantized<"acme.pairs", {bits = 2 : i64, group = 32 : i64, terms = [{levels = array<i8: -1, 1, 1, 1, 1, -1, -1, -1>, scale = "f32"}], weights = 2 : i64}>, #pack.rows<16>>
func.func private @vectors(!pack.tensor<8x64, #pack.quantized<"acme.pairs", {bits = 2 : i64, group = 32 : i64, terms = [{levels = array<i8: -1, 1, 1, 1, 1, -1, -1, -1>, scale = "f32"}], weights = 2 : i64}>, #pack.rows<16>>)

// CHECK-LABEL: func.func private @sparse
// CHECK-SAME: !pack.tensor<8x64, #pack.quantized<"acme.two.sp8", {bits = 1 : i64, group = 32 : i64, sparse = 8 : i64, terms = [{levels = array<i8: -1, 1>, scale = "f32"}]}>, #pack.rows<16>>
func.func private @sparse(!pack.tensor<8x64, #pack.quantized<"acme.two.sp8", {bits = 1 : i64, group = 32 : i64, sparse = 8 : i64, terms = [{levels = array<i8: -1, 1>, scale = "f32"}]}>, #pack.rows<16>>)

// CHECK-LABEL: func.func private @permuted
// CHECK-SAME: !pack.tensor<8x64, #pack.quantized<"acme.two.p", {bits = 1 : i64, group = 32 : i64, permuted, terms = [{levels = array<i8: -1, 1>, scale = "f32"}]}>, #pack.rows<16>>
func.func private @permuted(!pack.tensor<8x64, #pack.quantized<"acme.two.p", {bits = 1 : i64, group = 32 : i64, permuted, terms = [{levels = array<i8: -1, 1>, scale = "f32"}]}>, #pack.rows<16>>)
