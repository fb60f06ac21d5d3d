// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a loop carries for LLVM arrives there.
// RUN: llmc-opt %s -llmc-convert-to-llvm | FileCheck %s

#vectorize = #llvm.loop_vectorize<disable = true>
#rows = #llvm.loop_annotation<vectorize = #vectorize>

// CHECK-LABEL: llvm.func @loop
func.func @loop(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  cf.br ^head(%c0 : index)
^head(%i: index):
  %more = arith.cmpi slt, %i, %n : index
  cf.cond_br %more, ^body, ^done
^body:
  %next = arith.addi %i, %c1 : index
  // CHECK: llvm.br ^bb1({{.*}}) {loop_annotation = #{{.*}}}
  cf.br ^head(%next : index) {llvm.loop_annotation = #rows}
^done:
  return
}
