// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-plan-arena --split-input-file --verify-diagnostics

func.func @inside_region(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    // expected-error @below {{allocation inside a region cannot be placed in the arena}}
    %0 = memref.alloc() : memref<4xf32>
    memref.dealloc %0 : memref<4xf32>
  }
  return
}

// -----

func.func @escapes() -> memref<4xf32> {
  // expected-error @below {{allocation escapes @escapes}}
  %0 = memref.alloc() : memref<4xf32>
  return %0 : memref<4xf32>
}

// -----

func.func @unknown_size(%x: memref<1xindex>) {
  %c0 = arith.constant 0 : index
  // expected-error @below {{size is not an expression of index arguments}}
  %n = memref.load %x[%c0] : memref<1xindex>
  %0 = memref.alloc(%n) : memref<?xf32>
  memref.dealloc %0 : memref<?xf32>
  return
}
