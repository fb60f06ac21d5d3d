// RUN: llmc-opt %s -pass-pipeline='builtin.module(func.func(llmc-keep-row-order))' | FileCheck %s

// CHECK-DAG: #[[NOUNROLL:.*]] = #llvm.loop_unroll<disable = true>
// CHECK-DAG: #[[NOVECTOR:.*]] = #llvm.loop_vectorize<disable = true>
// CHECK-DAG: #[[SUM:.*]] = #llvm.loop_annotation<unroll = #[[NOUNROLL]]>
// CHECK-DAG: #[[ROWS:.*]] = #llvm.loop_annotation<vectorize = #[[NOVECTOR]]>

// The loop that carries a sum, the one around it, and one that carries nothing.
// CHECK-LABEL: func.func @rows
func.func @rows(%x: memref<8x16xf32>, %y: memref<8xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %zero = arith.constant 0.0 : f32
  // CHECK: scf.for
  scf.for %r = %c0 to %n step %c1 {
    // CHECK: scf.for
    %s = scf.for %k = %c0 to %c16 step %c1 iter_args(%a = %zero) -> (f32) {
      %v = memref.load %x[%r, %k] : memref<8x16xf32>
      %b = arith.addf %a, %v fastmath<reassoc> : f32
      scf.yield %b : f32
    // CHECK: } {llvm.loop_annotation = #[[SUM]]}
    }
    memref.store %s, %y[%r] : memref<8xf32>
  // CHECK: } {llvm.loop_annotation = #[[ROWS]]}
  }
  // CHECK: scf.for
  scf.for %r = %c0 to %n step %c1 {
    memref.store %zero, %y[%r] : memref<8xf32>
  // CHECK: {{^ *}}}{{$}}
  }
  return
}
