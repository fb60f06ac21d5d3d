// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-raw-abi --split-input-file --verify-diagnostics

// expected-error @below {{expected 'nn.dims' with 1 entries}}
func.func @no_dims(%x: memref<?xf32>) {
  return
}

// -----

// expected-error @below {{argument 1 of @layout has a layout that cannot cross a function}}
func.func @layout(%x: memref<?xf32, strided<[2]>> {nn.dims = ["n"]}) {
  return
}

// -----

func.func private @callee(%n: index {nn.symbol = "n"}, %x: memref<?xf32> {nn.dims = ["n"]}) {
  return
}
func.func @not_raw(%n: index {nn.symbol = "n"}) {
  %0 = memref.alloc(%n) : memref<?xf32>
  // expected-error @below {{is not a view of raw memory}}
  call @callee(%n, %0) : (index, memref<?xf32>) -> ()
  return
}
