// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-state-conditions --verify-diagnostics

// Six elements have no shape of eight.
func.func @never(%x: tensor<?xf32> {nn.dims = ["n"]}) -> tensor<?x4xf32> {
  %six = arith.constant dense<6> : tensor<1xi64>
  %zero = arith.constant dense<0.0> : tensor<f32>
  %0 = nn.full %six, %zero : (tensor<1xi64>, tensor<f32>) -> tensor<?xf32>
  %s = arith.constant dense<[2, 4]> : tensor<2xi64>
  // expected-error@+1 {{expected a shape of 6 elements, which cannot be}}
  %1 = nn.reshape %0, %s : (tensor<?xf32>, tensor<2xi64>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}
