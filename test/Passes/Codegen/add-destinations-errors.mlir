// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-add-destinations --split-input-file --verify-diagnostics

func.func private @callee(%n: index {nn.symbol = "n"}) -> (tensor<?xf32> {nn.dims = ["n"]}) {
  %0 = tensor.empty(%n) : tensor<?xf32>
  return %0 : tensor<?xf32>
}
// expected-error @below {{extent "n" is no expression over the symbol arguments of @no_symbol}}
func.func @no_symbol(%m: index {nn.symbol = "m"}) {
  %0 = call @callee(%m) : (index) -> tensor<?xf32>
  return
}
