// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One case per rule of the pack dialect.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @linear_c1(%x: tensor<2x5xf32>, %w: !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) {
  // expected-error @+2 {{'pack.linear' op expected 'input' of 4 columns but got shape 2x5}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = pack.linear %x, %w : (tensor<2x5xf32>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) -> tensor<2x8xf32>
  return
}

// -----
func.func @linear_c2(%x: tensor<2x4xf32>, %w: !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>, %b: tensor<7xf32>) {
  // expected-error @+2 {{'pack.linear' op expected 'bias' of shape 8 but got 7}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = pack.linear %x, %w, %b : (tensor<2x4xf32>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>, tensor<7xf32>) -> tensor<2x8xf32>
  return
}

// -----
func.func @linear_c3(%x: tensor<2x4xf16>, %w: !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) {
  // expected-error @+2 {{'pack.linear' op expected operands of the element type in which 'weight' computes}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = pack.linear %x, %w : (tensor<2x4xf16>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) -> tensor<2x8xf16>
  return
}

// -----
// expected-error @+1 {{expected a storage type of f32, bf16 or f16 but got 'i8'}}
func.func private @dense_c1(!pack.tensor<8x4, #pack.dense<i8>, #pack.rows<16>>)

// -----
// expected-error @+1 {{expected a power of two of at most 256 rows per block but got 24}}
func.func private @rows_c1(!pack.tensor<8x4, #pack.dense<f32>, #pack.rows<24>>)

// -----
// expected-error @+1 {{expected one row and column or more but got 0x4}}
func.func private @tensor_c1(!pack.tensor<0x4, #pack.dense<f32>, #pack.rows<16>>)

// -----
// expected-error @+1 {{expected a size that fits 64 bits, in blocks that the format allows, but got 9223372036854775807x4 in blocks of 16}}
func.func private @tensor_c2(!pack.tensor<9223372036854775807x4, #pack.dense<f32>, #pack.rows<16>>)

// -----
// expected-error @+1 {{expected a size that fits 64 bits, in blocks that the format allows, but got 8x64 in blocks of 128}}
func.func private @tensor_c2_tile(!pack.tensor<8x64, #pack.quantized<"u4g32">, #pack.rows<128>>)

// -----
// expected-error @+1 {{format 'u9g32': expected levels u1 to u6}}
func.func private @quantized_c1(!pack.tensor<8x4, #pack.quantized<"u9g32">, #pack.rows<16>>)

// -----
// expected-error @+1 {{expected #pack.dense for the format 'bf16'}}
func.func private @quantized_c2(!pack.tensor<8x4, #pack.quantized<"bf16">, #pack.rows<16>>)

// -----
func.func @linear_c4(%x: tensor<2x4xf32>, %w: !pack.tensor<8x4, #pack.quantized<"u4g32">, #pack.rows<16>>, %t: tensor<5xf32>) {
  // expected-error @+2 {{'pack.linear' op expected 'factors' of shape 4 but got 5}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = pack.linear %x, %w factors(%t) : (tensor<2x4xf32>, !pack.tensor<8x4, #pack.quantized<"u4g32">, #pack.rows<16>>, tensor<5xf32>) -> tensor<2x8xf32>
  return
}

// -----
// expected-error @+1 {{format 'acme.two': expected a number as 'group' in a definition}}
func.func private @quantized_c3(!pack.tensor<8x4, #pack.quantized<"acme.two", {bits = 1 : i64, terms = []}>, #pack.rows<16>>)

// -----
// expected-error @+1 {{format 'acme.two': expected 3 entries in a definition but got 4}}
func.func private @quantized_c3_more(!pack.tensor<8x4, #pack.quantized<"acme.two", {bits = 1 : i64, group = 32 : i64, terms = [], more}>, #pack.rows<16>>)

// -----
// expected-error @+1 {{format 'acme.two.lr300': expected a rank of at most 256 but got 300}}
func.func private @quantized_c3_rank(!pack.tensor<8x4, #pack.quantized<"acme.two.lr300", {bits = 1 : i64, group = 32 : i64, rank = 300 : i64, terms = [{levels = array<i8: -1, 1>, scale = "f16"}]}>, #pack.rows<16>>)

// -----
// expected-error @+1 {{format 'acme.pairs': expected 8 levels but got 2}}
func.func private @quantized_c3_levels_of_vectors(!pack.tensor<8x4, #pack.quantized<"acme.pairs", {bits = 2 : i64, group = 32 : i64, weights = 2 : i64, terms = [{levels = array<i8: -1, 1>, scale = "f16"}]}>, #pack.rows<16>>)

// -----
// expected-error @+1 {{format 'acme.pairs': expected 'weights' of 2, 4 or 8, a number of i64}}
func.func private @quantized_c3_weights(!pack.tensor<8x4, #pack.quantized<"acme.pairs", {bits = 2 : i64, group = 32 : i64, weights = 1 : i64, terms = [{levels = array<i8: -1, 1, 1, -1>, scale = "f16"}]}>, #pack.rows<16>>)

// -----
// expected-error @+1 {{format 'acme.two.sp101': expected a sparse part of at most 100 of 1,000 weights but got 101}}
func.func private @quantized_c3_sparse(!pack.tensor<8x4, #pack.quantized<"acme.two.sp101", {bits = 1 : i64, group = 32 : i64, sparse = 101 : i64, terms = [{levels = array<i8: -1, 1>, scale = "f16"}]}>, #pack.rows<16>>)

// -----
// expected-error @+1 {{format 'acme.two': expected 1 to 3 terms but got 0}}
func.func private @quantized_c3_terms(!pack.tensor<8x4, #pack.quantized<"acme.two", {bits = 1 : i64, group = 32 : i64, terms = []}>, #pack.rows<16>>)

// -----
// expected-error @+1 {{format 'acme.two': expected 2 levels but got 3}}
func.func private @quantized_c3_levels(!pack.tensor<8x4, #pack.quantized<"acme.two", {bits = 1 : i64, group = 32 : i64, terms = [{levels = array<i8: -1, 0, 1>, scale = "f16"}]}>, #pack.rows<16>>)

// -----
// expected-error @+1 {{expected the name of a chain but got 'f17'}}
func.func private @quantized_c3_chain(!pack.tensor<8x4, #pack.quantized<"acme.two", {bits = 1 : i64, group = 32 : i64, terms = [{levels = array<i8: -1, 1>, scale = "f17"}]}>, #pack.rows<16>>)

// -----
// expected-error @+1 {{expected groups of a multiple of 16 columns but got 24}}
func.func private @quantized_c3_group(!pack.tensor<8x4, #pack.quantized<"acme.two", {bits = 1 : i64, group = 24 : i64, terms = [{levels = array<i8: -1, 1>, scale = "f16"}]}>, #pack.rows<16>>)

// -----
// expected-error @+1 {{expected a Hadamard transform of 16, 32, 64, 128 or 256 columns but got 24}}
func.func private @quantized_c3_hadamard(!pack.tensor<8x4, #pack.quantized<"acme.two", {bits = 1 : i64, group = 32 : i64, hadamard = 24 : i64, terms = [{levels = array<i8: -1, 1>, scale = "f16"}]}>, #pack.rows<16>>)

// -----
// expected-error @+1 {{expected 'hadamard' as a number of i64}}
func.func private @quantized_c3_hadamard_type(!pack.tensor<8x4, #pack.quantized<"acme.two", {bits = 1 : i64, group = 32 : i64, hadamard = 16 : i128, terms = [{levels = array<i8: -1, 1>, scale = "f16"}]}>, #pack.rows<16>>)

// -----
// expected-error @+1 {{expected a name with that of the plugin's vendor before a definition but got 'u4g32'}}
func.func private @quantized_c3_name(!pack.tensor<8x4, #pack.quantized<"u4g32", {bits = 1 : i64, group = 32 : i64, terms = []}>, #pack.rows<16>>)

// -----
// expected-error @+1 {{format 'u9g32': expected levels u1 to u6}}
func.func private @method_c1() attributes {pack.method = #pack.method<"rtn", "u9g32">}

// -----
// expected-error @+1 {{expected text for the setting 'turns' but got 4 : i64}}
func.func private @method_c2() attributes {pack.method = #pack.method<"hqq", "u4g64", {turns = 4}>}

// -----
func.func @linear_c5(%x: tensor<2x4xf32>, %w: !pack.tensor<8x4, #pack.quantized<"u4g32">, #pack.rows<16>>) {
  // expected-error @+1 {{'pack.linear' op expected 'activations' of i8, i16, bf16 or f32 but got 'f16'}}
  %0 = pack.linear %x, %w {activations = f16} : (tensor<2x4xf32>, !pack.tensor<8x4, #pack.quantized<"u4g32">, #pack.rows<16>>) -> tensor<2x8xf32>
  return
}

// -----
func.func @linear_c5_dense(%x: tensor<2x4xf32>, %w: !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) {
  // expected-error @+1 {{'pack.linear' op expected no 'activations' for the format #pack.dense<f32>}}
  %0 = pack.linear %x, %w {activations = f32} : (tensor<2x4xf32>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) -> tensor<2x8xf32>
  return
}
