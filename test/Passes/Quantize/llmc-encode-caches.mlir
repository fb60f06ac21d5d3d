// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Caches get another element type, and everything that holds one follows.
// RUN: llmc-opt %s -llmc-encode-caches=format=i8 | FileCheck %s --check-prefixes=CHECK,I8
// RUN: llmc-opt %s -llmc-encode-caches=format=bf16 | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: llmc-opt %s -llmc-encode-caches=format=bf16 | llmc-opt -llmc-encode-caches=format=bf16 | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: not llmc-opt %s -llmc-encode-caches=format=i7 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: error: expected a cache format f32, bf16 or i8 but got 'i7'
// On to kernels, whose cache is updated in place.
// RUN: llmc-opt %s -llmc-encode-caches=format=i8 -llmc-lower-to-kern -one-shot-bufferize="bufferize-function-boundaries=true function-boundary-type-conversion=identity-layout-map" | FileCheck %s --check-prefix=MEMORY

// CHECK-LABEL: func.func @cache
// I8-SAME: %[[K:[a-z0-9]+]]: tensor<2x?x24xi8> {nn.dims = [2, "context", 24], nn.name = "k", nn.state = 1 : i64}
// I8-SAME: %[[V:[a-z0-9]+]]: tensor<2x?x12xi8> {nn.dims = [2, "context", 12], nn.state = 2 : i64}
// I8-SAME: tensor<2x?x24xi8> {nn.dims = [2, "context", 24]}, tensor<2x?x12xi8>, tensor<4xf32>)
// BF16-SAME: %[[K:[a-z0-9]+]]: tensor<2x?x20xbf16> {nn.dims = [2, "context", 20], nn.name = "k", nn.state = 1 : i64}
// BF16-SAME: %[[V:[a-z0-9]+]]: tensor<2x?x8xbf16>
// MEMORY-LABEL: func.func @cache
// MEMORY-SAME: %[[K:[a-z0-9]+]]: memref<2x?x24xi8> {{.*}}, %[[V:[a-z0-9]+]]: memref<2x?x12xi8>
func.func @cache(%q: tensor<?x4x20xf32>, %k: tensor<2x?x20xf32> {nn.dims = [2, "context", 20], nn.name = "k", nn.state = 1 : i64},
                 %v: tensor<2x?x8xf32> {nn.dims = [2, "context", 8], nn.state = 2 : i64}, %x: tensor<?x2x20xf32>, %y: tensor<?x2x8xf32>, %p: index,
                 %sum: tensor<4xf32> {nn.state = 3 : i64})
    -> (tensor<?x4x8xf32>, tensor<2x?x20xf32> {nn.dims = [2, "context", 20]}, tensor<2x?x8xf32>, tensor<4xf32>) {
  // I8: %[[K1:.*]] = nn.append %[[K]], {{.*}} : (tensor<2x?x24xi8>, tensor<?x2x20xf32>, index) -> tensor<2x?x24xi8>
  // I8: %[[V1:.*]] = nn.append %[[V]], {{.*}} -> tensor<2x?x12xi8>
  // I8: %[[V2:.*]] = nn.append %[[V1]], {{.*}} -> tensor<2x?x12xi8>
  // I8: nn.cached_attention %{{.*}}, %[[K1]], %[[V2]] {{.*}} (tensor<?x4x20xf32>, tensor<2x?x24xi8>, tensor<2x?x12xi8>, index) -> tensor<?x4x8xf32>
  // BF16: nn.cached_attention {{.*}} (tensor<?x4x20xf32>, tensor<2x?x20xbf16>, tensor<2x?x8xbf16>, index) -> tensor<?x4x8xf32>
  // MEMORY-NOT: memref.copy
  // MEMORY: kern.append ins({{.*}}) outs(%[[K]] : memref<2x?x24xi8>) {keys}
  // MEMORY: kern.append ins({{.*}}) outs(%[[V]] : memref<2x?x12xi8>)
  // MEMORY: kern.append ins({{.*}}) outs(%[[V]] : memref<2x?x12xi8>)
  // MEMORY: kern.attention ins({{.*}}, %[[K]], %[[V]], {{.*}}) outs({{.*}} : memref<?x4x8xf32>)
  // MEMORY-NOT: memref.copy
  %0 = nn.append %k, %x at %p : (tensor<2x?x20xf32>, tensor<?x2x20xf32>, index) -> tensor<2x?x20xf32>
  %1 = nn.append %v, %y at %p : (tensor<2x?x8xf32>, tensor<?x2x8xf32>, index) -> tensor<2x?x8xf32>
  %2 = nn.append %1, %y at %p : (tensor<2x?x8xf32>, tensor<?x2x8xf32>, index) -> tensor<2x?x8xf32>
  %3 = nn.cached_attention %q, %0, %2 at %p {scale = 0.5 : f64} : (tensor<?x4x20xf32>, tensor<2x?x20xf32>, tensor<2x?x8xf32>, index) -> tensor<?x4x8xf32>
  // A state that is no cache stays as it is.
  // CHECK: return {{.*}}, tensor<4xf32>
  return %3, %0, %2, %sum : tensor<?x4x8xf32>, tensor<2x?x20xf32>, tensor<2x?x8xf32>, tensor<4xf32>
}
