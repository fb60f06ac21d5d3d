// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How the work of each kernel is divided, and which functions appear. Their
// arithmetic is tested in Unit/Kernels.
// RUN: llmc-opt %s -llmc-expand-kernels="cpu=x86-64-v4 triple=x86_64-linux-gnu" | FileCheck %s
// RUN: llmc-opt %s -llmc-expand-kernels="cpu=x86-64-v4 triple=x86_64-linux-gnu" | FileCheck %s --check-prefix=TILES
// RUN: llmc-opt %s -llmc-expand-kernels="cpu=neoverse-n1 triple=aarch64-linux-gnu" | FileCheck %s --check-prefix=ARM

!w = !pack.tensor<70x4, #pack.dense<f32>, #pack.rows<16>>

// CHECK-LABEL: func.func @linear
// CHECK-SAME: %[[X:.*]]: memref<?x4xf32>, %[[W:.*]]: !pack.tensor
func.func @linear(%x: memref<?x4xf32>, %w: !w, %y: memref<?x70xf32>) {
  // CHECK: scf.parallel
  // CHECK: memref.extract_aligned_pointer_as_index %[[X]]
  // CHECK: %[[RAW:.*]] = builtin.unrealized_conversion_cast %[[W]] : !pack.tensor<{{.*}}> to memref<1099511627776xi8>
  // CHECK: memref.extract_aligned_pointer_as_index %[[RAW]]
  // CHECK: func.call @kern_linear_f32_r16_x4({{.*}})
  // CHECK: } {llmc.parallel}
  kern.linear ins(%x, %w : memref<?x4xf32>, !w) outs(%y : memref<?x70xf32>)
  return
}

// CHECK-LABEL: func.func @rest
func.func @rest(%i: memref<?xi64>, %w: !w, %x: memref<?x4xf32>, %k: memref<2x?x8xf32>, %r: memref<?x2x8xf32>, %q: memref<?x4x8xf32>, %p: index) {
  // CHECK: scf.parallel
  // CHECK: func.call @kern_gather_f32_r16
  kern.gather ins(%w, %i : !w, memref<?xi64>) outs(%x : memref<?x4xf32>)
  // CHECK: scf.parallel
  // CHECK: func.call @kern_append_keys_2x8
  kern.append ins(%r, %p : memref<?x2x8xf32>) outs(%k : memref<2x?x8xf32>) {keys}
  // CHECK: scf.parallel
  // CHECK: func.call @kern_attention_4x8_2x8_s3FE0000000000000_w5_by2(
  kern.attention ins(%q, %k, %k, %p : memref<?x4x8xf32>, memref<2x?x8xf32>, memref<2x?x8xf32>) outs(%q : memref<?x4x8xf32>) {scale = 0.5, window = 5}
  return
}

// Key heads and their chunks are items, those of one head one after the other; a
// few heads are not worth a fork.
// CHECK-LABEL: func.func @one_row
// CHECK-SAME: %{{.*}}: memref<1x4x8xf32>, %[[K:.*]]: memref<2x?x8xf32>, %[[C:.*]]: memref<?x4x32xf32>, %[[P:.*]]: index
func.func @one_row(%q: memref<1x4x8xf32>, %k: memref<2x?x8xf32>, %c: memref<?x4x32xf32>, %p: index) {
  // CHECK: %[[ITEMS:.*]] = arith.muli %[[CHUNKS:.*]], %c2{{.*}} : index
  // CHECK: scf.parallel (%[[ITEM:.*]]) = (%{{.*}}) to (%[[ITEMS]])
  // CHECK: %[[HEAD:.*]] = arith.divui %[[ITEM]], %[[CHUNKS]]
  // CHECK: func.call @kern_attention_4x8_2x8_s3FE0000000000000_w5_chunk(
  kern.attention_chunks ins(%q, %k, %k, %p : memref<1x4x8xf32>, memref<2x?x8xf32>, memref<2x?x8xf32>) outs(%c : memref<?x4x32xf32>) {scale = 0.5, window = 5}
  // CHECK: scf.parallel (%{{.*}}) = (%{{.*}}) to (%c1
  // CHECK: func.call @kern_attention_join_4x8(
  kern.attention_join ins(%c, %p : memref<?x4x32xf32>) outs(%q : memref<1x4x8xf32>) {window = 5}
  return
}

// Where the one row of a step will lie is fetched before the product that stands
// in between, for keys and values alike; of several rows nothing is.
// CHECK-LABEL: func.func @fetched
// CHECK-SAME: %[[X:.*]]: memref<1x4xf32>, %{{.*}}: !pack.tensor
func.func @fetched(%x: memref<1x4xf32>, %w: !w, %k: memref<2x?x12xi8>, %v: memref<2x?x8xf32>, %y: memref<1x70xf32>, %r: memref<1x2x8xf32>, %m: memref<?x2x8xf32>, %p: index) {
  // CHECK-DAG: call @kern_append_fetch_keys_2x8_i8(
  // CHECK-DAG: call @kern_append_fetch_values_2x8(
  // CHECK: scf.parallel
  // CHECK: func.call @kern_linear_f32_r16_x4(
  // CHECK: func.call @kern_append_keys_2x8_i8(
  // CHECK-NOT: call @kern_append_fetch
  // CHECK: func.call @kern_append_values_2x8(
  kern.linear ins(%x, %w : memref<1x4xf32>, !w) outs(%y : memref<1x70xf32>)
  kern.append ins(%r, %p : memref<1x2x8xf32>) outs(%k : memref<2x?x12xi8>) {keys}
  kern.append ins(%r, %p : memref<1x2x8xf32>) outs(%v : memref<2x?x8xf32>)
  // CHECK-NOT: call @kern_append_fetch
  // CHECK: func.call @kern_append_values_2x8(
  kern.append ins(%m, %p : memref<?x2x8xf32>) outs(%v : memref<2x?x8xf32>)
  return
}

// The factors of one row are fetched before the products that stand in between,
// if there are any; those of several rows are not.
// CHECK-LABEL: func.func @factors
func.func @factors(%x: memref<1x4xf32>, %w: !w, %y: memref<1x70xf32>, %q: memref<1x64xi8>, %z: memref<?x4xf32>, %r: memref<?x64xi8>, %f: memref<4xf32>) {
  // CHECK-NOT: call @kern_fetch
  // CHECK: func.call @kern_quantize_scaled(
  kern.quantize ins(%x, %f : memref<1x4xf32>, memref<4xf32>) outs(%q : memref<1x64xi8>)
  // CHECK: call @kern_fetch(
  // CHECK: scf.parallel
  // CHECK: func.call @kern_linear_f32_r16_x4(
  // CHECK: func.call @kern_quantize_scaled(
  kern.linear ins(%x, %w : memref<1x4xf32>, !w) outs(%y : memref<1x70xf32>)
  kern.quantize ins(%x, %f : memref<1x4xf32>, memref<4xf32>) outs(%q : memref<1x64xi8>)
  // CHECK-NOT: call @kern_fetch
  // CHECK: func.call @kern_linear_f32_r16_x4(
  // CHECK: func.call @kern_quantize_scaled(
  kern.linear ins(%x, %w : memref<1x4xf32>, !w) outs(%y : memref<1x70xf32>)
  kern.quantize ins(%z, %f : memref<?x4xf32>, memref<4xf32>) outs(%r : memref<?x64xi8>)
  return
}

// The first weights of a product of one row are fetched as soon as the products
// before it are done, not more than there are; nothing is fetched for the first
// product, nor for several rows.
// CHECK-LABEL: func.func @weights
// CHECK-SAME: %[[W:[^:]*]]: !pack.tensor<70x4,
// CHECK-SAME: %[[LARGE:[^:]*]]: !pack.tensor<70x64,
func.func @weights(%x: memref<1x4xf32>, %w: !w, %large: !pack.tensor<70x64, #pack.dense<f32>, #pack.rows<16>>, %y: memref<1x70xf32>, %q: memref<1x64xi8>, %l: memref<1x64xf32>, %r: memref<?x4xf32>, %z: memref<?x70xf32>) {
  // CHECK-NOT: call @kern_fetch
  // CHECK: scf.parallel
  // CHECK: func.call @kern_linear_f32_r16_x4(
  kern.linear ins(%x, %w : memref<1x4xf32>, !w) outs(%y : memref<1x70xf32>)
  // CHECK: builtin.unrealized_conversion_cast %[[LARGE]] :
  // CHECK: %[[MOST:.*]] = arith.constant 8192 : index
  // CHECK: call @kern_fetch(%{{.*}}, %[[MOST]])
  // CHECK: func.call @kern_quantize(
  kern.quantize ins(%x : memref<1x4xf32>) outs(%q : memref<1x64xi8>)
  // CHECK: func.call @kern_linear_f32_r16_x64(
  kern.linear ins(%l, %large : memref<1x64xf32>, !pack.tensor<70x64, #pack.dense<f32>, #pack.rows<16>>) outs(%y : memref<1x70xf32>)
  // CHECK: builtin.unrealized_conversion_cast %[[W]] :
  // CHECK: %[[ALL:.*]] = arith.constant 1280 : index
  // CHECK: call @kern_fetch(%{{.*}}, %[[ALL]])
  // CHECK: func.call @kern_linear_f32_r16_x4(
  kern.linear ins(%x, %w : memref<1x4xf32>, !w) outs(%y : memref<1x70xf32>)
  // CHECK-NOT: call @kern_fetch
  // CHECK: func.call @kern_linear_f32_r16_x4(
  kern.linear ins(%r, %w : memref<?x4xf32>, !w) outs(%z : memref<?x70xf32>)
  return
}

// Joined products are one loop over the items of both, unless something between
// them touches memory.
// CHECK-LABEL: func.func @joined
func.func @joined(%x: memref<?x4xf32>, %w: !w, %y: memref<?x70xf32>, %z: memref<?x70xf32>, %f: f32, %i: index) {
  // CHECK: scf.parallel
  // CHECK: scf.if
  // CHECK: func.call @kern_linear_f32_r16_x4(
  // CHECK: scf.if
  // CHECK: func.call @kern_linear_f32_r16_x4(
  // CHECK: } {llmc.parallel}
  kern.linear ins(%x, %w : memref<?x4xf32>, !w) outs(%y : memref<?x70xf32>)
  kern.linear ins(%x, %w : memref<?x4xf32>, !w) outs(%z : memref<?x70xf32>) {joined}
  // CHECK: scf.parallel
  // CHECK-NOT: scf.if
  // CHECK: } {llmc.parallel}
  // CHECK: memref.store
  // CHECK: scf.parallel
  // CHECK-NOT: scf.if
  // CHECK: } {llmc.parallel}
  kern.linear ins(%x, %w : memref<?x4xf32>, !w) outs(%y : memref<?x70xf32>)
  memref.store %f, %y[%i, %i] : memref<?x70xf32>
  kern.linear ins(%x, %w : memref<?x4xf32>, !w) outs(%z : memref<?x70xf32>) {joined}
  return
}

// Two query heads share a key head, so rows come in pairs: no tile is odd.
// TILES-NOT: @kern_attention_4x8_2x8_{{[a-z0-9A-F_]*}}_m{{1|3}}(
// TILES: func.func private @kern_attention_4x8_2x8_i8_s3FE0000000000000_m2(
// TILES-NOT: @kern_attention_4x8_2x8_{{[a-z0-9A-F_]*}}_m{{1|3}}(

// Caches in other formats have kernels of their own.
// CHECK-LABEL: func.func @encoded
func.func @encoded(%k: memref<2x?x12xi8>, %h: memref<2x?x8xbf16>, %r: memref<?x2x8xf32>, %q: memref<?x4x8xf32>, %p: index) {
  // CHECK: func.call @kern_append_keys_2x8_i8(
  kern.append ins(%r, %p : memref<?x2x8xf32>) outs(%k : memref<2x?x12xi8>) {keys}
  // CHECK: func.call @kern_append_values_2x8_bf16(
  kern.append ins(%r, %p : memref<?x2x8xf32>) outs(%h : memref<2x?x8xbf16>)
  // CHECK: func.call @kern_attention_4x8_2x8_i8_s3FE0000000000000_by2(
  kern.attention ins(%q, %k, %k, %p : memref<?x4x8xf32>, memref<2x?x12xi8>, memref<2x?x12xi8>) outs(%q : memref<?x4x8xf32>) {scale = 0.5}
  // CHECK: func.call @kern_attention_4x8_2x8_bf16_s3FE0000000000000_by2(
  kern.attention ins(%q, %h, %h, %p : memref<?x4x8xf32>, memref<2x?x8xbf16>, memref<2x?x8xbf16>) outs(%q : memref<?x4x8xf32>) {scale = 0.5}
  return
}

// Sixteen rows are one register of 512 bits and four of 128.
// CHECK: func.func private @kern_linear_f32_r16_x4_m12(%{{.*}}: !llvm.ptr {llvm.noalias}, {{.*}} attributes {llmc.kernel, passthrough = ["noinline"]}
// CHECK: vector.fma {{.*}} : vector<16xf32>
// ARM-NOT: _m12
// ARM: func.func private @kern_linear_f32_r16_x4_m6(
// ARM: vector.fma {{.*}} : vector<4xf32>
// CHECK: func.func private @kern_append_keys_2x8_i8(
// CHECK: arith.fptosi
// CHECK: func.func private @kern_attention_4x8_2x8_i8_s3FE0000000000000_m12(
// CHECK: arith.extsi {{.*}} : vector<16xi8> to vector<16xi32>
// CHECK: vector.fma {{.*}} : vector<16xf32>
