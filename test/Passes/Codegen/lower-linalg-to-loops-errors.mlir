// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-lower-linalg-to-loops --verify-diagnostics

func.func @tensors(%x: tensor<4xf32>, %c: f32) -> tensor<4xf32> {
  // expected-error @below {{expected buffers}}
  %0 = linalg.fill ins(%c : f32) outs(%x : tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
