// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From packed ops and caches to kernels, and on through bufferization: state is
// updated in place and nothing is copied.
// RUN: llmc-opt %s -llmc-lower-to-kern | FileCheck %s
// RUN: llmc-opt %s -llmc-lower-to-kern -one-shot-bufferize="bufferize-function-boundaries=true function-boundary-type-conversion=identity-layout-map" | FileCheck %s --check-prefix=MEMORY

!w = !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>

// CHECK-LABEL: func.func @linear
// MEMORY-LABEL: func.func @linear
func.func @linear(%i: tensor<?xi64>, %w: !w) -> tensor<?x8xf32> {
  // CHECK: %[[D:.*]] = tensor.dim
  // CHECK: %[[E:.*]] = tensor.empty(%[[D]]) : tensor<?x4xf32>
  // CHECK: %[[X:.*]] = kern.gather ins({{.*}}) outs(%[[E]] : tensor<?x4xf32>)
  // MEMORY: %[[E:.*]] = memref.alloc({{.*}}) {{.*}} : memref<?x4xf32>
  // MEMORY: kern.gather ins({{.*}}) outs(%[[E]] : memref<?x4xf32>)
  %0 = pack.gather %w, %i : (!w, tensor<?xi64>) -> tensor<?x4xf32>
  // CHECK: kern.linear ins(%[[X]], {{.*}}) outs({{.*}}) -> tensor<?x8xf32>
  // MEMORY: %[[Y:.*]] = memref.alloc({{.*}}) {{.*}} : memref<?x8xf32>
  // MEMORY: kern.linear ins(%[[E]], {{.*}}) outs(%[[Y]] : memref<?x8xf32>)
  %1 = pack.linear %0, %w : (tensor<?x4xf32>, !w) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @cache
// MEMORY-LABEL: func.func @cache
// MEMORY-SAME: %{{.*}}: memref<?x4x8xf32>, %[[K:.*]]: memref<2x?x8xf32> {{.*}}, %[[V:.*]]: memref<2x?x8xf32>
func.func @cache(%q: tensor<?x4x8xf32>, %k: tensor<2x?x8xf32> {nn.state = 1 : i64}, %v: tensor<2x?x8xf32> {nn.state = 2 : i64},
                 %x: tensor<?x2x8xf32>, %p: index) -> (tensor<?x4x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>) {
  // CHECK: %[[K:.*]] = kern.append {{.*}} {keys} ->
  // CHECK: %[[V:.*]] = kern.append
  // CHECK-NOT: keys
  // MEMORY-NOT: memref.copy
  // MEMORY: kern.append ins({{.*}}) outs(%[[K]] : {{.*}}) {keys}
  // MEMORY: kern.append ins({{.*}}) outs(%[[V]] : memref<2x?x8xf32>)
  %0 = nn.append %k, %x at %p : (tensor<2x?x8xf32>, tensor<?x2x8xf32>, index) -> tensor<2x?x8xf32>
  %1 = nn.append %v, %x at %p : (tensor<2x?x8xf32>, tensor<?x2x8xf32>, index) -> tensor<2x?x8xf32>
  // CHECK: kern.attention ins(%{{.*}}, %[[K]], %[[V]], {{.*}}) outs({{.*}}) {scale = 5.000000e-01 : f64, window = 3 : i64}
  // MEMORY: kern.attention ins({{.*}}, %[[K]], %[[V]], {{.*}}) outs({{.*}} : memref<?x4x8xf32>)
  // MEMORY-NOT: memref.copy
  %2 = nn.cached_attention %q, %0, %1 at %p {scale = 0.5 : f64, window = 3 : i64} : (tensor<?x4x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>, index) -> tensor<?x4x8xf32>
  return %2, %0, %1 : tensor<?x4x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>
}

// One row takes from each chunk of the cache by itself.
// CHECK-LABEL: func.func @one_row
// MEMORY-LABEL: func.func @one_row
func.func @one_row(%q: tensor<1x4x8xf32>, %k: tensor<2x?x8xf32>, %v: tensor<2x?x8xf32>, %p: index) -> tensor<1x4x8xf32> {
  // CHECK: %[[N:.*]] = arith.ceildivui
  // CHECK: %[[E:.*]] = tensor.empty(%[[N]]) : tensor<?x4x32xf32>
  // CHECK: %[[C:.*]] = kern.attention_chunks ins({{.*}}) outs(%[[E]] : {{.*}}) {scale = 5.000000e-01 : f64, softcap = 9.000000e+00 : f64, window = 3 : i64}
  // CHECK: kern.attention_join ins(%[[C]], %{{.*}}) outs({{.*}} : tensor<1x4x8xf32>) {window = 3 : i64}
  // MEMORY-NOT: memref.copy
  // MEMORY: kern.attention_chunks
  // MEMORY: kern.attention_join
  %0 = nn.cached_attention %q, %k, %v at %p {scale = 0.5 : f64, softcap = 9.0 : f64, window = 3 : i64} : (tensor<1x4x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>, index) -> tensor<1x4x8xf32>
  return %0 : tensor<1x4x8xf32>
}

!q = !pack.tensor<8x70, #pack.quantized<"u4g32">, #pack.rows<16>>

// Products of one input share its codes if they want the same.
// CHECK-LABEL: func.func @activations
func.func @activations(%x: tensor<3x70xf32>, %a: !q, %b: !q, %c: !q, %d: !q, %e: !q) -> (tensor<3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>) {
  // CHECK: %[[I8:.*]] = kern.quantize {{.*}} -> tensor<3x192xi8>
  // CHECK: kern.quantized_linear ins(%[[I8]],
  %0 = pack.linear %x, %a : (tensor<3x70xf32>, !q) -> tensor<3x8xf32>
  // CHECK: %[[I16:.*]] = kern.quantize {{.*}} -> tensor<3x384xi8>
  // CHECK: kern.quantized_linear ins(%[[I16]],
  %1 = pack.linear %x, %b {activations = i16} : (tensor<3x70xf32>, !q) -> tensor<3x8xf32>
  // CHECK-NOT: kern.quantize ins
  // CHECK: kern.quantized_linear ins(%[[I8]],
  %2 = pack.linear %x, %c {activations = i8} : (tensor<3x70xf32>, !q) -> tensor<3x8xf32>
  // CHECK: %[[F32:.*]] = kern.quantize {{.*}} -> tensor<3x576xi8>
  // CHECK: kern.quantized_linear ins(%[[F32]],
  %3 = pack.linear %x, %d {activations = f32} : (tensor<3x70xf32>, !q) -> tensor<3x8xf32>
  // CHECK: %[[BF16:.*]] = kern.quantize {{.*}} -> tensor<3x288xi8>
  // CHECK: kern.quantized_linear ins(%[[BF16]],
  %4 = pack.linear %x, %e {activations = bf16} : (tensor<3x70xf32>, !q) -> tensor<3x8xf32>
  return %0, %1, %2, %3, %4 : tensor<3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>
}

!h64 = !pack.tensor<8x70, #pack.quantized<"u4g32.h64">, #pack.rows<16>>
!h16 = !pack.tensor<8x70, #pack.quantized<"i8g32.h16">, #pack.rows<16>>
!own = !pack.tensor<8x70, #pack.quantized<"acme.twog32", {bits = 1 : i64, group = 32 : i64, hadamard = 64 : i64, terms = [{levels = array<i8: -1, 1>, scale = "f16"}]}>, #pack.rows<16>>

// Products of one input share what a transform makes of it, with any activations,
// and factors come before it. Rows of a table are transformed back.
// CHECK-LABEL: func.func @transforms
// MEMORY-LABEL: func.func @transforms
// MEMORY-NOT: memref.copy
func.func @transforms(%x: tensor<?x70xf32>, %f: tensor<70xf32>, %a: !h64, %b: !own, %c: !h16, %i: tensor<?xi64>)
    -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x70xf32>) {
  // CHECK: %[[R64:.*]] = kern.rotate ins(%{{.*}}, %{{.*}} : tensor<?x70xf32>, tensor<70xf32>) outs(%{{.*}}) {size = 64 : i64} -> tensor<?x70xf32>
  // CHECK: %[[I8:.*]] = kern.quantize ins(%[[R64]] : tensor<?x70xf32>)
  // CHECK: kern.quantized_linear ins(%[[I8]], %{{.*}} : tensor<?x192xi8>, !pack.tensor<8x70, #pack.quantized<"u4g32.h64">
  %0 = pack.linear %x, %a factors(%f) : (tensor<?x70xf32>, !h64, tensor<70xf32>) -> tensor<?x8xf32>
  // CHECK-NOT: kern.rotate
  // CHECK: %[[I16:.*]] = kern.quantize ins(%[[R64]] : tensor<?x70xf32>) outs(%{{.*}} : tensor<?x384xi8>)
  // CHECK: kern.quantized_linear ins(%[[I16]],
  %1 = pack.linear %x, %b factors(%f) {activations = i16} : (tensor<?x70xf32>, !own, tensor<70xf32>) -> tensor<?x8xf32>
  // CHECK: %[[R16:.*]] = kern.rotate ins(%{{.*}} : tensor<?x70xf32>) outs(%{{.*}}) {size = 16 : i64}
  // CHECK: %[[Q:.*]] = kern.quantize ins(%[[R16]] : tensor<?x70xf32>)
  // CHECK: kern.quantized_linear ins(%[[Q]],
  %2 = pack.linear %x, %c : (tensor<?x70xf32>, !h16) -> tensor<?x8xf32>
  // CHECK: %[[ROWS:.*]] = kern.gather
  // CHECK: %[[BACK:.*]] = kern.rotate ins(%[[ROWS]] : tensor<?x70xf32>) outs(%{{.*}}) {size = 16 : i64}
  // CHECK: return {{.*}}, %[[BACK]]
  %3 = pack.gather %c, %i : (!h16, tensor<?xi64>) -> tensor<?x70xf32>
  return %0, %1, %2, %3 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x70xf32>
}
