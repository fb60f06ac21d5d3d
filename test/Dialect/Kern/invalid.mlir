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
  // expected-error @+1 {{'kern.append' op expected 'init' [heads, capacity, size] and 'input' [time, heads, size], of bytes with 4 more for a scale, but got 2x?x4 and 2x3x4}}
  kern.append ins(%x, %p : memref<2x3x4xf32>) outs(%c : memref<2x?x4xf32>)
  return
}

// -----
func.func @append_c1_scale(%x: memref<2x3x4xf32>, %c: memref<3x?x4xi8>, %p: index) {
  // expected-error @+1 {{'kern.append' op expected 'init' [heads, capacity, size] and 'input' [time, heads, size], of bytes with 4 more for a scale, but got 3x?x4 and 2x3x4}}
  kern.append ins(%x, %p : memref<2x3x4xf32>) outs(%c : memref<3x?x4xi8>)
  return
}

// -----
func.func @attention_c1(%q: memref<2x4x4xf32>, %k: memref<2x?x4xf32>, %v: memref<3x?x4xf32>, %p: index) {
  // expected-error @+1 {{'kern.attention' op expected query [time, heads, size], key and value [heads, capacity, size] and init as query but got 2x4x4, 2x?x4, 3x?x4 and 2x4x4}}
  kern.attention ins(%q, %k, %v, %p : memref<2x4x4xf32>, memref<2x?x4xf32>, memref<3x?x4xf32>) outs(%q : memref<2x4x4xf32>) {scale = 1.0}
  return
}

// -----
func.func @attention_c1_formats(%q: memref<2x4x4xf32>, %k: memref<2x?x8xi8>, %v: memref<2x?x4xbf16>, %p: index) {
  // expected-error @+1 {{'kern.attention' op expected query [time, heads, size], key and value [heads, capacity, size] and init as query but got 2x4x4, 2x?x8, 2x?x4 and 2x4x4}}
  kern.attention ins(%q, %k, %v, %p : memref<2x4x4xf32>, memref<2x?x8xi8>, memref<2x?x4xbf16>) outs(%q : memref<2x4x4xf32>) {scale = 1.0}
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

// -----
func.func @quantize_c1(%x: tensor<3x70xf32>, %q: tensor<3x128xi8>) {
  // expected-error @+1 {{'kern.quantize' op expected 'input' of static columns and 'init' with 64, 96, 128 or 192 bytes for each 32 of them but got 3x70 and 3x128}}
  %0 = kern.quantize ins(%x : tensor<3x70xf32>) outs(%q : tensor<3x128xi8>) -> tensor<3x128xi8>
  return
}

// -----
func.func @quantize_c2(%x: tensor<3x70xf32>, %f: tensor<71xf32>, %q: tensor<3x192xi8>) {
  // expected-error @+1 {{'kern.quantize' op expected 'factors' of shape 70 but got 71}}
  %0 = kern.quantize ins(%x, %f : tensor<3x70xf32>, tensor<71xf32>) outs(%q : tensor<3x192xi8>) -> tensor<3x192xi8>
  return
}

// -----
func.func @rotate_c1(%x: tensor<3x70xf32>, %y: tensor<3x71xf32>) {
  // expected-error @+1 {{'kern.rotate' op expected 'input' and 'init' of the same shape but got 3x70 and 3x71}}
  %0 = kern.rotate ins(%x : tensor<3x70xf32>) outs(%y : tensor<3x71xf32>) {size = 64} -> tensor<3x71xf32>
  return
}

// -----
func.func @rotate_c2(%x: tensor<3x70xf32>, %f: tensor<71xf32>) {
  // expected-error @+1 {{'kern.rotate' op expected 'factors' of shape 70 but got 71}}
  %0 = kern.rotate ins(%x, %f : tensor<3x70xf32>, tensor<71xf32>) outs(%x : tensor<3x70xf32>) {size = 64} -> tensor<3x70xf32>
  return
}

// -----
func.func @rotate_c3(%x: tensor<3x70xf32>) {
  // expected-error @+1 {{'kern.rotate' op expected 'size' of 16, 32, 64, 128 or 256 but got 48}}
  %0 = kern.rotate ins(%x : tensor<3x70xf32>) outs(%x : tensor<3x70xf32>) {size = 48} -> tensor<3x70xf32>
  return
}

// -----
func.func @quantized_linear_c1(%q: tensor<3x64xi8>, %w: !pack.tensor<8x70, #pack.quantized<"u4g32">, #pack.rows<16>>, %y: tensor<3x8xf32>) {
  // expected-error @+1 {{'kern.quantized_linear' op expected 'input' with 64, 96, 128 or 192 bytes for each 32 of 70 columns and 'init' [..., 8] but got 3x64 and 3x8}}
  %0 = kern.quantized_linear ins(%q, %w : tensor<3x64xi8>, !pack.tensor<8x70, #pack.quantized<"u4g32">, #pack.rows<16>>) outs(%y : tensor<3x8xf32>) -> tensor<3x8xf32>
  return
}

// -----
func.func @quantized_linear_c2(%q: tensor<3x192xi8>, %w: !pack.tensor<8x70, #pack.quantized<"u4g32">, #pack.rows<16>>, %b: tensor<9xf32>, %y: tensor<3x8xf32>) {
  // expected-error @+1 {{'kern.quantized_linear' op expected 'bias' of shape 8 but got 9}}
  %0 = kern.quantized_linear ins(%q, %w, %b : tensor<3x192xi8>, !pack.tensor<8x70, #pack.quantized<"u4g32">, #pack.rows<16>>, tensor<9xf32>) outs(%y : tensor<3x8xf32>) -> tensor<3x8xf32>
  return
}

// -----
func.func @quantized_linear_c3(%q: tensor<3x192xi8>, %w: !pack.tensor<8x70, #pack.dense<f32>, #pack.rows<16>>, %y: tensor<3x8xf32>) {
  // expected-error @+1 {{'kern.quantized_linear' op expected a quantized format but got #pack.dense<f32>}}
  %0 = kern.quantized_linear ins(%q, %w : tensor<3x192xi8>, !pack.tensor<8x70, #pack.dense<f32>, #pack.rows<16>>) outs(%y : tensor<3x8xf32>) -> tensor<3x8xf32>
  return
}

// -----

func.func @attention_chunks_c1(%q: memref<2x4x4xf32>, %k: memref<2x?x4xf32>, %o: memref<?x4x32xf32>, %p: index) {
  // expected-error @+1 {{'kern.attention_chunks' op expected query [1, heads, size] and key and value [heads, capacity, size], of static sizes, but got 2x4x4, 2x?x4 and 2x?x4}}
  kern.attention_chunks ins(%q, %k, %k, %p : memref<2x4x4xf32>, memref<2x?x4xf32>, memref<2x?x4xf32>) outs(%o : memref<?x4x32xf32>) {scale = 1.0}
  return
}

// -----

func.func @attention_chunks_c2(%q: memref<1x4x4xf32>, %k: memref<2x?x4xf32>, %o: memref<?x4x16xf32>, %p: index) {
  // expected-error @+1 {{'kern.attention_chunks' op expected 'init' [chunks, 4, 32] but got ?x4x16}}
  kern.attention_chunks ins(%q, %k, %k, %p : memref<1x4x4xf32>, memref<2x?x4xf32>, memref<2x?x4xf32>) outs(%o : memref<?x4x16xf32>) {scale = 1.0}
  return
}

// -----

func.func @attention_chunks_c3(%q: memref<1x4x4xf32>, %k: memref<2x?x4xf32>, %o: memref<?x4x32xf32>, %p: index) {
  // expected-error @+1 {{'kern.attention_chunks' op expected a positive 'window'}}
  kern.attention_chunks ins(%q, %k, %k, %p : memref<1x4x4xf32>, memref<2x?x4xf32>, memref<2x?x4xf32>) outs(%o : memref<?x4x32xf32>) {scale = 1.0, window = 0}
  return
}

// -----

func.func @attention_join_c1(%c: memref<?x4x32xf32>, %o: memref<1x4x20xf32>, %p: index) {
  // expected-error @+1 {{'kern.attention_join' op expected 'chunks' [chunks, heads, size to 16 and 16] and 'init' [1, heads, size] but got ?x4x32 and 1x4x20}}
  kern.attention_join ins(%c, %p : memref<?x4x32xf32>) outs(%o : memref<1x4x20xf32>)
  return
}

// -----

func.func @attention_join_c2(%c: memref<?x4x32xf32>, %o: memref<1x4x4xf32>, %p: index) {
  // expected-error @+1 {{'kern.attention_join' op expected a positive 'window'}}
  kern.attention_join ins(%c, %p : memref<?x4x32xf32>) outs(%o : memref<1x4x4xf32>) {window = 0}
  return
}

// -----
!w = !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>
func.func @linear_c3(%x: memref<2x4xf32>, %w: !w, %b: memref<8xf32>, %y: memref<2x8xf32>) {
  // expected-error @+1 {{'kern.linear' op expected no 'bias' of a product that is added}}
  kern.linear ins(%x, %w, %b : memref<2x4xf32>, !w, memref<8xf32>) outs(%y : memref<2x8xf32>) {adds}
  return
}

// -----
!w = !pack.tensor<8x70, #pack.quantized<"u4g32">, #pack.rows<16>>
func.func @side_c1(%w: !w) {
  // expected-error @+1 {{'kern.side' op expected a quantized format with a rank but got #pack.quantized<"u4g32">}}
  %0 = kern.side %w : (!w) -> !pack.tensor<4x70, #pack.dense<bf16>, #pack.rows<8>>
  return
}

// -----
!w = !pack.tensor<8x70, #pack.dense<bf16>, #pack.rows<16>>
func.func @side_c1_dense(%w: !w) {
  // expected-error @+1 {{'kern.side' op expected a quantized format with a rank but got #pack.dense<bf16>}}
  %0 = kern.side %w {left} : (!w) -> !pack.tensor<8x4, #pack.dense<bf16>, #pack.rows<16>>
  return
}

// -----
!w = !pack.tensor<8x70, #pack.quantized<"u4g32.lr4">, #pack.rows<16>>
func.func @side_c2(%w: !w) {
  // expected-error @+1 {{'kern.side' op expected a result of type '!pack.tensor<4x70, #pack.dense<bf16>, #pack.rows<8>>' but got '!pack.tensor<4x70, #pack.dense<bf16>, #pack.rows<16>>'}}
  %0 = kern.side %w : (!w) -> !pack.tensor<4x70, #pack.dense<bf16>, #pack.rows<16>>
  return
}

// -----
!w = !pack.tensor<8x70, #pack.quantized<"u4g32.lr4">, #pack.rows<16>>
func.func @sparse_linear_c1(%x: tensor<3x70xf32>, %w: !w, %y: tensor<3x8xf32>) {
  // expected-error @+1 {{'kern.sparse_linear' op expected a quantized format with a sparse part but got #pack.quantized<"u4g32.lr4">}}
  %0 = kern.sparse_linear ins(%x, %w : tensor<3x70xf32>, !w) outs(%y : tensor<3x8xf32>) -> tensor<3x8xf32>
  return
}

// -----
!w = !pack.tensor<8x70, #pack.quantized<"u4g32.sp4">, #pack.rows<16>>
func.func @sparse_linear_c2(%x: tensor<3x70xf32>, %w: !w, %y: tensor<3x9xf32>) {
  // expected-error @+1 {{'kern.sparse_linear' op expected 'input' [..., 70] and 'init' [..., 8] but got 3x70 and 3x9}}
  %0 = kern.sparse_linear ins(%x, %w : tensor<3x70xf32>, !w) outs(%y : tensor<3x9xf32>) -> tensor<3x9xf32>
  return
}

// -----
!w = !pack.tensor<8x70, #pack.quantized<"u4g32">, #pack.rows<16>>
func.func @permute_c1(%x: tensor<3x70xf32>, %w: !w) {
  // expected-error @+1 {{'kern.permute' op expected a quantized format with an order of columns but got #pack.quantized<"u4g32">}}
  %0 = kern.permute ins(%x, %w : tensor<3x70xf32>, !w) outs(%x : tensor<3x70xf32>) -> tensor<3x70xf32>
  return
}

// -----
!w = !pack.tensor<8x70, #pack.quantized<"u4g32.p">, #pack.rows<16>>
func.func @permute_c2(%x: tensor<3x71xf32>, %w: !w) {
  // expected-error @+1 {{'kern.permute' op expected 'input' and 'init' [..., 70] of the same shape but got 3x71 and 3x71}}
  %0 = kern.permute ins(%x, %w : tensor<3x71xf32>, !w) outs(%x : tensor<3x71xf32>) -> tensor<3x71xf32>
  return
}

// -----
!w = !pack.tensor<8x70, #pack.quantized<"u4g32.p">, #pack.rows<16>>
func.func @permute_c3(%x: tensor<3x70xf32>, %w: !w, %f: tensor<7xf32>) {
  // expected-error @+1 {{'kern.permute' op expected 'factors' of shape 70 but got 7}}
  %0 = kern.permute ins(%x, %w, %f : tensor<3x70xf32>, !w, tensor<7xf32>) outs(%x : tensor<3x70xf32>) -> tensor<3x70xf32>
  return
}
