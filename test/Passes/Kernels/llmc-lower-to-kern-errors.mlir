// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the lowering to kernels refuses.
// RUN: llmc-opt %s -llmc-lower-to-kern -split-input-file -verify-diagnostics

func.func @no_reader(%k: tensor<2x?x8xf32>, %x: tensor<?x2x8xf32>, %p: index) -> tensor<2x?x8xf32> {
  // expected-error @+1 {{'nn.append' op expected its result to be read by attention either as key or as value but got neither}}
  %0 = nn.append %k, %x at %p : (tensor<2x?x8xf32>, tensor<?x2x8xf32>, index) -> tensor<2x?x8xf32>
  return %0 : tensor<2x?x8xf32>
}

// -----
func.func @both_roles(%q: tensor<?x4x8xf32>, %k: tensor<2x?x8xf32>, %x: tensor<?x2x8xf32>, %p: index) -> tensor<?x4x8xf32> {
  // expected-error @+1 {{'nn.append' op expected its result to be read by attention either as key or as value but got both}}
  %0 = nn.append %k, %x at %p : (tensor<2x?x8xf32>, tensor<?x2x8xf32>, index) -> tensor<2x?x8xf32>
  %1 = nn.cached_attention %q, %0, %0 at %p {scale = 0.5 : f64} : (tensor<?x4x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>, index) -> tensor<?x4x8xf32>
  return %1 : tensor<?x4x8xf32>
}

// -----
func.func @element_type(%q: tensor<?x4x8xf16>, %k: tensor<2x?x8xf16>, %p: index) -> tensor<?x4x8xf16> {
  // expected-error @+1 {{'nn.cached_attention' op expected element type f32 but got 'f16'}}
  %1 = nn.cached_attention %q, %k, %k at %p {scale = 0.5 : f64} : (tensor<?x4x8xf16>, tensor<2x?x8xf16>, tensor<2x?x8xf16>, index) -> tensor<?x4x8xf16>
  return %1 : tensor<?x4x8xf16>
}
