// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reductions are carried by the loop, their combiners may be reassociated.
// RUN: llmc-opt %s --llmc-lower-linalg-to-loops | FileCheck %s

// CHECK-LABEL: func.func @reduction
func.func @reduction(%x: memref<4x8xf32>, %y: memref<4xf32>) {
  // CHECK: scf.parallel (%[[I:.*]]) =
  // CHECK: %[[INIT:.*]] = memref.load %{{.*}}[%[[I]]] : memref<4xf32>
  // CHECK: %[[SUM:.*]] = scf.for %[[J:.*]] = {{.*}} iter_args(%[[ACC:.*]] = %[[INIT]])
  // CHECK: %[[A:.*]] = memref.load %{{.*}}[%[[I]], %[[J]]]
  // CHECK: arith.mulf %[[A]], %[[A]] : f32
  // CHECK: arith.addf %{{.*}}, %[[ACC]] fastmath<reassoc,contract> : f32
  // CHECK: memref.store %[[SUM]], %{{.*}}[%[[I]]]
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
                  iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<4x8xf32>) outs(%y : memref<4xf32>) {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %a : f32
    %s = arith.addf %m, %b : f32
    linalg.yield %s : f32
  }
  return
}

// What does not move with the innermost loop stands before it.
// CHECK-LABEL: func.func @elementwise
// CHECK-SAME: %[[X:.*]]: memref<?x8xf32>, %[[R:.*]]: memref<?xf32>, %[[W:.*]]: memref<8xf32>
func.func @elementwise(%x: memref<?x8xf32>, %r: memref<?xf32>, %w: memref<8xf32>, %y: memref<?x8xf32>) {
  // CHECK: scf.parallel (%[[I:.*]]) =
  // CHECK: %[[V:.*]] = memref.load %[[R]][%[[I]]]
  // CHECK: %[[S:.*]] = math.rsqrt %[[V]] : f32
  // CHECK: scf.for %[[J:.*]] =
  // CHECK-DAG: %[[A:.*]] = memref.load %[[X]][%[[I]], %[[J]]]
  // CHECK-DAG: %[[B:.*]] = memref.load %[[W]][%[[J]]]
  // CHECK: %[[M:.*]] = arith.mulf %[[A]], %[[S]] : f32
  // CHECK: arith.mulf %[[M]], %[[B]] : f32
  // CHECK: memref.store
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
                  iterator_types = ["parallel", "parallel"]}
      ins(%x, %r, %w : memref<?x8xf32>, memref<?xf32>, memref<8xf32>) outs(%y : memref<?x8xf32>) {
  ^bb0(%a: f32, %q: f32, %b: f32, %c: f32):
    %s = math.rsqrt %q : f32
    %m = arith.mulf %a, %s : f32
    %n = arith.mulf %m, %b : f32
    linalg.yield %n : f32
  }
  return
}

// CHECK-LABEL: func.func @copy
func.func @copy(%x: memref<4xf32, strided<[2]>>, %y: memref<4xf32>) {
  // CHECK: scf.parallel
  // CHECK-NOT: memref.copy
  memref.copy %x, %y : memref<4xf32, strided<[2]>> to memref<4xf32>
  return
}
