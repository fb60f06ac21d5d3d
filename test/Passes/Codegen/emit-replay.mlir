// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-emit-replay | FileCheck %s

// The layer itself is as it was.
// CHECK-LABEL: func.func private @layer(
// CHECK: memref.store
// CHECK: call @norm_body
// CHECK: call @product_body({{.*}}) {llmc.parallel} :
// CHECK: call @product_body({{.*}}) : (

// Of the copy of the layer products alone stay: the first is divided, the second, which is
// too small to be, belongs to part 0.
// CHECK-LABEL: func.func private @layer_replay
// CHECK-SAME: (%[[X:[a-z0-9_]+]]: memref<64xf32>, %[[N:[a-z0-9_]+]]: index, %[[PART:[a-z0-9_]+]]: index, %[[PARTS:[a-z0-9_]+]]: index)
// CHECK-NOT: memref.store
// CHECK-NOT: @norm_body
// CHECK: %[[SHARE:.*]] = arith.divui %[[N]], %[[PARTS]]
// CHECK: %[[MORE:.*]] = arith.remui %[[N]], %[[PARTS]]
// CHECK: %[[NEXT:.*]] = arith.addi %[[PART]], %{{.*}}
// CHECK: %[[AT:.*]] = arith.muli %[[SHARE]], %[[PART]]
// CHECK: %[[EXTRA:.*]] = arith.minui %[[PART]], %[[MORE]]
// CHECK: %[[BEGIN:.*]] = arith.addi %[[AT]], %[[EXTRA]]
// CHECK: %[[AT2:.*]] = arith.muli %[[SHARE]], %[[NEXT]]
// CHECK: %[[EXTRA2:.*]] = arith.minui %[[NEXT]], %[[MORE]]
// CHECK: %[[END:.*]] = arith.addi %[[AT2]], %[[EXTRA2]]
// CHECK: call @product_body(%[[BEGIN]], %[[END]], %[[X]]) : (index, index, memref<64xf32>) -> ()
// CHECK: %[[FIRST:.*]] = arith.cmpi eq, %[[PART]]
// CHECK: scf.if %[[FIRST]]
// CHECK-NEXT: func.call @product_body
// CHECK-NOT: call
// CHECK: return

// A loop around a layer stays, and what the trip count is loaded from.
// CHECK-LABEL: func.func @lm_seq1_replay
// CHECK-SAME: %[[P:[a-z0-9_]+]]: index, %[[PS:[a-z0-9_]+]]: index) attributes {llmc.replay_of = "lm", llmc.signature = ["buffer:0", "buffer:1", "symbol:0", "part", "parts"]}
// CHECK: %[[LAYERS:.*]] = memref.load
// CHECK: %[[TRIPS:.*]] = arith.index_cast %[[LAYERS]]
// CHECK: scf.for %{{.*}} to %[[TRIPS]] step
// CHECK-NEXT: func.call @layer_replay(%{{.*}}, %{{.*}}, %[[P]], %[[PS]])
// CHECK-NOT: @norm_body
// CHECK: return
// CHECK-NOT: @quiet_replay
// CHECK-NOT: @lm_replay

func.func private @product_body(%begin: index, %end: index, %x: memref<64xf32>) attributes {llmc.kernel} {
  return
}
func.func private @norm_body(%begin: index, %end: index, %x: memref<64xf32>) attributes {llmc.kernel} {
  return
}
func.func private @quiet(%x: memref<64xf32>) {
  %c0 = arith.constant 0 : index
  call @norm_body(%c0, %c0, %x) {llmc.parallel} : (index, index, memref<64xf32>) -> ()
  return
}
func.func private @layer(%x: memref<64xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %v = memref.load %x[%c1] : memref<64xf32>
  memref.store %v, %x[%c0] : memref<64xf32>
  call @norm_body(%c0, %n, %x) {llmc.parallel} : (index, index, memref<64xf32>) -> ()
  call @product_body(%c0, %n, %x) {llmc.parallel, llmc.product} : (index, index, memref<64xf32>) -> ()
  call @product_body(%c0, %c1, %x) {llmc.product} : (index, index, memref<64xf32>) -> ()
  return
}
func.func @lm(%x: memref<64xf32>, %layers: memref<1xi64>, %n: index) attributes {llmc.signature = ["buffer:0", "buffer:1", "symbol:0"]} {
  call @layer(%x, %n) : (memref<64xf32>, index) -> ()
  return
}
func.func @lm_seq1(%x: memref<64xf32>, %layers: memref<1xi64>, %n: index)
    attributes {llmc.signature = ["buffer:0", "buffer:1", "symbol:0"], llmc.variant_of = "lm", llmc.when = array<i64: 0, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %count = memref.load %layers[%c0] : memref<1xi64>
  %trips = arith.index_cast %count : i64 to index
  scf.for %i = %c0 to %trips step %c1 {
    func.call @layer(%x, %n) : (memref<64xf32>, index) -> ()
    func.call @quiet(%x) : (memref<64xf32>) -> ()
  }
  return
}
