// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-emit-dispatch -verify-diagnostics

// expected-error @below {{expected pairs of a symbol's number and its value in 'llmc.when' but got array<i64: 1>}}
llvm.func @odd(%n: i64) attributes {llmc.signature = ["symbol:0"], llmc.variant_of = "f", llmc.when = array<i64: 1>} {
  llvm.return
}
