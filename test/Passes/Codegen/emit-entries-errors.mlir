// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-emit-entries -split-input-file -verify-diagnostics

// expected-error @below {{index argument 0 of @no_symbol is no symbol}}
func.func @no_symbol(%n: index) {
  return
}

// -----

// expected-error @below {{extent "m" of argument 1 is no expression over the symbols of @unknown}}
func.func @unknown(%n: index {nn.symbol = "n"}, %x: memref<1099511627776xi8> {nn.dims = ["m"], nn.name = "x"}) {
  return
}

// -----

// expected-error @below {{no arena was planned for @f}}
func.func @f(%n: index {nn.symbol = "n"}) {
  return
}
