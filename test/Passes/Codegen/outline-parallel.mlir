// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-outline-parallel | FileCheck %s

// Views and constants are repeated in the body; raw memory and numbers are
// passed, so that no long expression for an offset stands behind a pointer.
// CHECK-LABEL: func.func private @dynamic_body
// CHECK-SAME: (%[[BEGIN:[a-z0-9_]+]]: index, %[[END:[a-z0-9_]+]]: index, %[[RAW:[a-z0-9_]+]]: memref<1099511627776xi8>, %[[OFFSET:[a-z0-9_]+]]: index, %[[N:[a-z0-9_]+]]: index)
// CHECK-NOT: arith.muli
// CHECK: memref.view %[[RAW]][%[[OFFSET]]][%[[N]]]
// CHECK: scf.for %{{.*}} = %[[BEGIN]] to %[[END]]
// CHECK-LABEL: func.func @dynamic
// CHECK: call @dynamic_body(%{{.*}}) {llmc.parallel}
// CHECK-NOT: scf.parallel
func.func @dynamic(%n: index, %raw: memref<1099511627776xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %f = arith.constant 1.0 : f32
  %offset = arith.muli %n, %c64 : index
  %0 = memref.view %raw[%offset][%n] : memref<1099511627776xi8> to memref<?xf32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %f, %0[%i] : memref<?xf32>
    scf.reduce
  }
  return
}

// A small static loop stays.
// CHECK-LABEL: func.func @static
// CHECK: scf.parallel
func.func @static(%x: memref<4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %f = arith.constant 1.0 : f32
  scf.parallel (%i) = (%c0) to (%c4) step (%c1) {
    memref.store %f, %x[%i] : memref<4xf32>
    scf.reduce
  }
  return
}
