// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-emit-dispatch | FileCheck %s

// A parallel call hands a closure to ctx->parallel_for.
// CHECK-LABEL: llvm.func internal @body_thunk(
// CHECK-SAME: %[[CLOSURE:.*]]: !llvm.ptr, %[[FROM:.*]]: i64, %[[TO:.*]]: i64)
// CHECK: %[[CAPTURE:.*]] = llvm.load %{{.*}} : !llvm.ptr -> !llvm.ptr
// CHECK: llvm.call @body(%[[FROM]], %[[TO]], %[[CAPTURE]])
llvm.func @body(%begin: i64, %end: i64, %x: !llvm.ptr) {
  llvm.return
}

// CHECK-LABEL: llvm.func @caller(
// CHECK-SAME: %[[CTX:.*]]: !llvm.ptr {llmc.ctx}, %[[N:.*]]: i64, %[[X:.*]]: !llvm.ptr)
// CHECK: %[[PLACE:.*]] = llvm.alloca
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[PLACE]][0, 0]
// CHECK: llvm.store %[[X]], %[[FIELD]]
// CHECK: %[[THUNK:.*]] = llvm.mlir.addressof @body_thunk
// CHECK: llvm.call %{{.*}}(%[[CTX]], %[[THUNK]], %[[PLACE]], %[[N]])
// CHECK-NOT: llvm.call @body
// CHECK: llvm.return
llvm.func @caller(%ctx: !llvm.ptr {llmc.ctx}, %n: i64, %x: !llvm.ptr) {
  %zero = llvm.mlir.constant(0 : i64) : i64
  llvm.call @body(%zero, %n, %x) {llmc.parallel} : (i64, i64, !llvm.ptr) -> ()
  llvm.return
}
