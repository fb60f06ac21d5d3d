// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-plan-arena --canonicalize --split-input-file | FileCheck %s

// Two buffers that live one after the other share a place.
// CHECK-LABEL: func.func private @reuse_arena_size() -> index
// CHECK: %[[SIZE:[a-z0-9_]+]] = arith.constant 128 : index
// CHECK: return %[[SIZE]]
// CHECK-LABEL: func.func @reuse
// CHECK-SAME: %[[ARENA:[a-z0-9_]+]]: memref<1099511627776xi8> {llmc.arena}
func.func @reuse(%x: memref<4xf32>) {
  // CHECK-DAG: %[[ZERO:[a-z0-9_]+]] = arith.constant 0 : index
  // CHECK-DAG: %[[NEXT:[a-z0-9_]+]] = arith.constant 64 : index
  // CHECK: memref.view %[[ARENA]][%[[ZERO]]][]
  // CHECK: memref.view %[[ARENA]][%[[NEXT]]][]
  // CHECK: memref.view %[[ARENA]][%[[ZERO]]][]
  %0 = memref.alloc() : memref<4xf32>
  memref.copy %x, %0 : memref<4xf32> to memref<4xf32>
  %1 = memref.alloc() : memref<4xf32>
  memref.copy %0, %1 : memref<4xf32> to memref<4xf32>
  %2 = memref.alloc() : memref<4xf32>
  memref.copy %1, %2 : memref<4xf32> to memref<4xf32>
  return
}

// -----

// A callee works behind the caller's places; sizes are expressions.
// CHECK-LABEL: func.func private @callee_arena_size(%{{.*}}: index) -> index
// CHECK: arith.muli
// CHECK-LABEL: func.func private @callee
func.func private @callee(%n: index) {
  %0 = memref.alloc(%n) : memref<?xf32>
  %c = arith.constant 1.0 : f32
  linalg.fill ins(%c : f32) outs(%0 : memref<?xf32>)
  return
}
// CHECK-LABEL: func.func private @caller_arena_size
// CHECK: call @callee_arena_size
// CHECK-LABEL: func.func @caller
func.func @caller(%n: index) {
  // CHECK: %[[TAIL:[a-z0-9_]+]] = memref.view %{{.*}}[%{{.*}}][] : memref<1099511627776xi8> to memref<1099511627776xi8>
  // CHECK: call @callee(%{{.*}}, %[[TAIL]])
  %0 = memref.alloc() : memref<4xf32>
  call @callee(%n) : (index) -> ()
  memref.dealloc %0 : memref<4xf32>
  return
}

// -----

!w = !pack.tensor<4x4, #pack.dense<f32>, #pack.rows<16>>

// The input of the first of two joined products lives as long as both run.
// CHECK-LABEL: func.func private @joined_arena_size() -> index
// CHECK: %[[SIZE:[a-z0-9_]+]] = arith.constant 192 : index
// CHECK: return %[[SIZE]]
// CHECK-LABEL: func.func @joined
// CHECK-SAME: %[[ARENA:[a-z0-9_]+]]: memref<1099511627776xi8> {llmc.arena}
func.func @joined(%x: memref<1x4xf32>, %w: !w) {
  // CHECK-DAG: %[[ZERO:[a-z0-9_]+]] = arith.constant 0 : index
  // CHECK-DAG: %[[ONE:[a-z0-9_]+]] = arith.constant 64 : index
  // CHECK-DAG: %[[TWO:[a-z0-9_]+]] = arith.constant 128 : index
  // CHECK: memref.view %[[ARENA]][%[[ZERO]]][]
  // CHECK: memref.view %[[ARENA]][%[[ONE]]][]
  // CHECK: memref.view %[[ARENA]][%[[TWO]]][]
  %0 = memref.alloc() : memref<1x4xf32>
  memref.copy %x, %0 : memref<1x4xf32> to memref<1x4xf32>
  %1 = memref.alloc() : memref<1x4xf32>
  kern.linear ins(%0, %w : memref<1x4xf32>, !w) outs(%1 : memref<1x4xf32>)
  %2 = memref.alloc() : memref<1x4xf32>
  kern.linear ins(%x, %w : memref<1x4xf32>, !w) outs(%2 : memref<1x4xf32>) {joined}
  memref.copy %1, %x : memref<1x4xf32> to memref<1x4xf32>
  memref.copy %2, %x : memref<1x4xf32> to memref<1x4xf32>
  return
}
