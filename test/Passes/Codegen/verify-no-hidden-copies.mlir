// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-verify-no-hidden-copies | FileCheck %s

// A result that is the state itself is dropped.
// CHECK-LABEL: func.func @in_place(%{{.*}}: memref<4xf32> {nn.state = -1 : i64}) {
func.func @in_place(%s: memref<4xf32> {nn.state = 0 : i64}) -> memref<4xf32> {
  return %s : memref<4xf32>
}
