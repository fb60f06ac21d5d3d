// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One case per rule of the kern dialect.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!w = !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>
func.func @linear_c1(%x: memref<2x4xf32>, %w: !w, %y: memref<3x8xf32>) {
  // expected-error @+1 {{'kern.linear' op expected 'input' [..., 4] and 'init' [..., 8] but got 2x4 and 3x8}}
  kern.linear ins(%x, %w : memref<2x4xf32>, !w) outs(%y : memref<3x8xf32>)
  return
}

// -----
!w = !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>
func.func @linear_c2(%x: memref<2x4xf32>, %w: !w, %b: memref<4xf32>, %y: memref<2x8xf32>) {
  // expected-error @+1 {{'kern.linear' op expected 'bias' of shape 8 but got 4}}
  kern.linear ins(%x, %w, %b : memref<2x4xf32>, !w, memref<4xf32>) outs(%y : memref<2x8xf32>)
  return
}

// -----
!w = !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>
func.func @gather_c1(%i: memref<2xi64>, %w: !w, %y: memref<2x5xf32>) {
  // expected-error @+1 {{'kern.gather' op expected 'init' of shape 2x4 but got 2x5}}
  kern.gather ins(%w, %i : !w, memref<2xi64>) outs(%y : memref<2x5xf32>)
  return
}

// -----
func.func @append_c1(%x: memref<2x3x4xf32>, %c: memref<2x?x4xf32>, %p: index) {
  // expected-error @+1 {{'kern.append' op expected 'init' [heads, capacity, size] and 'input' [time, heads, size] but got 2x?x4 and 2x3x4}}
  kern.append ins(%x, %p : memref<2x3x4xf32>) outs(%c : memref<2x?x4xf32>)
  return
}

// -----
func.func @attention_c1(%q: memref<2x4x4xf32>, %k: memref<2x?x4xf32>, %v: memref<3x?x4xf32>, %p: index) {
  // expected-error @+1 {{'kern.attention' op expected query [time, heads, size], key and value [heads, capacity, size] and init as query but got 2x4x4, 2x?x4, 3x?x4 and 2x4x4}}
  kern.attention ins(%q, %k, %v, %p : memref<2x4x4xf32>, memref<2x?x4xf32>, memref<3x?x4xf32>) outs(%q : memref<2x4x4xf32>) {scale = 1.0}
  return
}

// -----
func.func @attention_c2(%q: memref<2x5x4xf32>, %k: memref<2x?x4xf32>, %p: index) {
  // expected-error @+1 {{'kern.attention' op expected static sizes, and query heads that are a multiple of key heads, but got 2x5x4 and 2x?x4}}
  kern.attention ins(%q, %k, %k, %p : memref<2x5x4xf32>, memref<2x?x4xf32>, memref<2x?x4xf32>) outs(%q : memref<2x5x4xf32>) {scale = 1.0}
  return
}

// -----
func.func @attention_c3(%q: memref<2x4x4xf32>, %k: memref<2x?x4xf32>, %p: index) {
  // expected-error @+1 {{'kern.attention' op expected a positive 'window'}}
  kern.attention ins(%q, %k, %k, %p : memref<2x4x4xf32>, memref<2x?x4xf32>, memref<2x?x4xf32>) outs(%q : memref<2x4x4xf32>) {scale = 1.0, window = 0}
  return
}
