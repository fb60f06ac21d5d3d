// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-bind-weights --split-input-file --verify-diagnostics

nn.weight @w : tensor<4xf32> from #nn.key<"w" : tensor<4xf32>> {llmc.offset = 64 : i64}
func.func private @private_function() -> tensor<4xf32> {
  // expected-error @below {{stands in the private function @private_function, where weights must be arguments}}
  %0 = nn.get @w : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

nn.weight @w : tensor<4xf32> from #nn.key<"w" : tensor<4xf32>>
func.func @no_offset() -> tensor<4xf32> {
  // expected-error @below {{weight @w has no 'llmc.offset'}}
  %0 = nn.get @w : tensor<4xf32>
  return %0 : tensor<4xf32>
}
