// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is no causal language model, and why.
// RUN: llmc-opt %s --llmc-bind-lm=require=true --split-input-file --verify-diagnostics

// expected-error @+1 {{no entry 'lm': expected one input of ids [batch, seq] but got 2}}
func.func @main(%ids: tensor<?x?xi64> {nn.name = "input_ids"}, %types: tensor<?x?xi64> {nn.name = "token_type_ids"}) -> tensor<?x?x8xf32> {
  %e = arith.constant dense<1.0> : tensor<2x8xf32>
  %0 = nn.gather %e, %ids {axis = 0 : i64} : (tensor<2x8xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
  return %0 : tensor<?x?x8xf32>
}

// -----

// expected-error @+1 {{no entry 'lm': expected an output of logits [batch, seq, vocabulary]}}
func.func @main(%ids: tensor<?x?xi64> {nn.name = "input_ids"}) -> tensor<?x?xi64> {
  return %ids : tensor<?x?xi64>
}

// -----

// expected-error @+1 {{no entry 'lm': input 'image' is neither ids nor a mask, positions or a past}}
func.func @main(%ids: tensor<?x?xi64> {nn.name = "input_ids"}, %image: tensor<1x3x4x4xf32> {nn.name = "image"}) -> tensor<?x?x8xf32> {
  %e = arith.constant dense<1.0> : tensor<2x8xf32>
  %0 = nn.gather %e, %ids {axis = 0 : i64} : (tensor<2x8xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
  return %0 : tensor<?x?x8xf32>
}

// -----

// expected-error @+1 {{no entry 'lm': expected a present for each of the 1 pasts but got 0}}
func.func @main(%ids: tensor<?x?xi64> {nn.name = "input_ids"}, %past: tensor<?x2x?x4xf32> {nn.name = "past_key_values.0.key"}) -> tensor<?x?x8xf32> {
  %e = arith.constant dense<1.0> : tensor<2x8xf32>
  %0 = nn.gather %e, %ids {axis = 0 : i64} : (tensor<2x8xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
  return %0 : tensor<?x?x8xf32>
}

// -----

// expected-error @+1 {{no entry 'lm': expected a function @main}}
module {
}
