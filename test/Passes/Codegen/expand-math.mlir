// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Functions that would be calls of libm become arithmetic; square roots and
// fused multiplication are instructions and stay.
// RUN: llmc-opt %s --llmc-expand-math | FileCheck %s

// CHECK-LABEL: func.func @exp
// CHECK-NOT: math.exp
// CHECK: math.fma
// CHECK-NOT: math.exp
// CHECK: return
func.func @exp(%x: f32) -> f32 {
  %0 = math.exp %x : f32
  return %0 : f32
}

// CHECK-LABEL: func.func @others
// CHECK-NOT: math.{{tanh|erf|log|sin|cos}}
// CHECK: return
func.func @others(%x: f32) -> (f32, f32, f32, f32, f32) {
  %0 = math.tanh %x : f32
  %1 = math.erf %x : f32
  %2 = math.log %x : f32
  %3 = math.sin %x : f32
  %4 = math.cos %x : f32
  return %0, %1, %2, %3, %4 : f32, f32, f32, f32, f32
}

// CHECK-LABEL: func.func @stay
// CHECK-NEXT: %[[ROOT:.*]] = math.sqrt
// CHECK-NEXT: math.fma %[[ROOT]]
// CHECK-NEXT: return
func.func @stay(%x: f32) -> f32 {
  %0 = math.sqrt %x : f32
  %1 = math.fma %0, %x, %x : f32
  return %1 : f32
}
