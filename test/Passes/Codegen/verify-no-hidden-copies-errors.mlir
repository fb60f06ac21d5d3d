// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-verify-no-hidden-copies --split-input-file --verify-diagnostics

// expected-error @below {{state argument 0 of @other_buffer is not updated in place: result 0 is another buffer}}
func.func @other_buffer(%s: memref<4xf32> {nn.state = 0 : i64}) -> memref<4xf32> {
  %0 = memref.alloc() : memref<4xf32>
  return %0 : memref<4xf32>
}

// -----

func.func @copy(%s: memref<4xf32> {nn.state = 0 : i64}) -> memref<4xf32> {
  %0 = memref.alloc() : memref<4xf32>
  // expected-error @below {{copies state argument 0 of @copy}}
  memref.copy %s, %0 : memref<4xf32> to memref<4xf32>
  return %s : memref<4xf32>
}

// -----

// State is followed through calls and views.
func.func private @callee(%s: memref<4xf32>) {
  %0 = memref.alloc() : memref<2x2xf32>
  %1 = memref.expand_shape %s [[0, 1]] output_shape [2, 2] : memref<4xf32> into memref<2x2xf32>
  // expected-error @below {{copies state argument 0 of @callee}}
  memref.copy %1, %0 : memref<2x2xf32> to memref<2x2xf32>
  return
}
func.func @through_call(%s: memref<4xf32> {nn.state = 0 : i64}) -> memref<4xf32> {
  call @callee(%s) : (memref<4xf32>) -> ()
  return %s : memref<4xf32>
}
