// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the encoding of caches refuses.
// RUN: llmc-opt %s -llmc-encode-caches=format=i8 -split-input-file -verify-diagnostics

func.func @another_reader(%k: tensor<2x?x8xf32> {nn.state = 1 : i64}, %x: tensor<?x2x8xf32>, %p: index) -> (tensor<2x?x8xf32>, tensor<2x?x8xf32>) {
  %0 = nn.append %k, %x at %p : (tensor<2x?x8xf32>, tensor<?x2x8xf32>, index) -> tensor<2x?x8xf32>
  // expected-error @+1 {{'nn.neg' op reads a cache that is to be encoded; expected nn.append and nn.cached_attention alone}}
  %1 = nn.neg %0 : (tensor<2x?x8xf32>) -> tensor<2x?x8xf32>
  return %1, %0 : tensor<2x?x8xf32>, tensor<2x?x8xf32>
}

// -----
// expected-error @+1 {{expected a cache of f32 but got 'tensor<2x?x8xf16>'}}
func.func @half(%k: tensor<2x?x8xf16> {nn.state = 0 : i64}, %x: tensor<?x2x8xf16>, %p: index) -> tensor<2x?x8xf16> {
  %0 = nn.append %k, %x at %p : (tensor<2x?x8xf16>, tensor<?x2x8xf16>, index) -> tensor<2x?x8xf16>
  return %0 : tensor<2x?x8xf16>
}

// -----
// expected-error @+1 {{expected a cache with heads of static size but got 'tensor<2x?x?xf32>'}}
func.func @dynamic(%k: tensor<2x?x?xf32> {nn.state = 0 : i64}, %x: tensor<?x2x?xf32>, %p: index) -> tensor<2x?x?xf32> {
  %0 = nn.append %k, %x at %p : (tensor<2x?x?xf32>, tensor<?x2x?xf32>, index) -> tensor<2x?x?xf32>
  return %0 : tensor<2x?x?xf32>
}
