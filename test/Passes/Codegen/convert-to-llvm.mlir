// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Memrefs become bare pointers, and attributes of the functions stay for
// llmc-emit-dispatch. Loops are branches by then.
// RUN: llmc-opt %s --llmc-convert-to-llvm | FileCheck %s

// CHECK-LABEL: llvm.func @sum(
// CHECK-SAME: %[[X:.*]]: !llvm.ptr, %[[Y:.*]]: !llvm.ptr) attributes {llmc.signature
// CHECK: llvm.br ^[[HEAD:bb[0-9]+]](
// CHECK: ^[[HEAD]](%[[I:.*]]: i64, %[[ACC:.*]]: f32):
// CHECK: llvm.cond_br
// CHECK: %[[PLACE:.*]] = llvm.getelementptr {{.*}}[%[[I]]]
// CHECK: %[[VALUE:.*]] = llvm.load %[[PLACE]]
// CHECK: llvm.fadd %[[ACC]], %[[VALUE]]
// CHECK: llvm.store
// CHECK: llvm.return
func.func @sum(%x: memref<8xf32>, %y: memref<1xf32>) attributes {llmc.signature = ["buffer:0", "buffer:1"]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %zero = arith.constant 0.0 : f32
  cf.br ^head(%c0, %zero : index, f32)
^head(%i: index, %acc: f32):
  %more = arith.cmpi slt, %i, %c8 : index
  cf.cond_br %more, ^body, ^done
^body:
  %value = memref.load %x[%i] : memref<8xf32>
  %next = arith.addf %acc, %value : f32
  %after = arith.addi %i, %c1 : index
  cf.br ^head(%after, %next : index, f32)
^done:
  memref.store %acc, %y[%c0] : memref<1xf32>
  return
}
