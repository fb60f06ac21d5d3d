// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Symbols and buffers are unpacked, and the variant is taken where its symbols
// have its values. Only the entry gets a function.
// RUN: llmc-opt %s --llmc-emit-dispatch | FileCheck %s

// CHECK-LABEL: llvm.func @llmc_run_f(
// CHECK-SAME: %{{[^:]*}}: !llvm.ptr, %[[SYMBOLS:[^:]*]]: !llvm.ptr, %[[BUFFERS:[^:]*]]: !llvm.ptr,
// CHECK: %[[ONE:.*]] = llvm.mlir.constant(1 : i64)
// CHECK: %[[AT:.*]] = llvm.getelementptr %[[SYMBOLS]][0]
// CHECK: %[[N:.*]] = llvm.load %[[AT]] : !llvm.ptr -> i64
// CHECK: %[[IS_ONE:.*]] = llvm.icmp "eq" %[[N]], %[[ONE]]
// CHECK: llvm.cond_br %[[IS_ONE]], ^[[YES:bb[0-9]+]], ^[[NO:bb[0-9]+]]
// CHECK: ^[[YES]]:
// CHECK: llvm.call @f_one(
// CHECK: ^[[NO]]:
// CHECK: %[[AGAIN:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK: %[[FIRST:.*]] = llvm.getelementptr %[[BUFFERS]][0]
// CHECK: %[[X:.*]] = llvm.load %[[FIRST]] : !llvm.ptr -> !llvm.ptr
// CHECK: llvm.call @f(%[[AGAIN]], %[[X]])
// CHECK-NOT: @llmc_run_f_one
// CHECK-LABEL: llvm.func @llmc_replay_f(
// CHECK-SAME: %[[BUFFERS:[^:]*]]: !llvm.ptr, %{{[^:]*}}: !llvm.ptr, %{{[^:]*}}: !llvm.ptr, %[[PART:[^:]*]]: i64, %[[PARTS:[^:]*]]: i64)
// CHECK: %[[PLACE:.*]] = llvm.getelementptr %[[BUFFERS]][0]
// CHECK: %[[X:.*]] = llvm.load %[[PLACE]]
// CHECK: llvm.call @f_replay(%[[X]], %[[PART]], %[[PARTS]])
// CHECK-NOT: @llmc_run_f_replay
llvm.func @f(%n: i64, %x: !llvm.ptr) attributes {llmc.signature = ["symbol:0", "buffer:0"]} {
  llvm.return
}
llvm.func @f_one(%n: i64, %x: !llvm.ptr)
    attributes {llmc.signature = ["symbol:0", "buffer:0"], llmc.variant_of = "f", llmc.when = array<i64: 0, 1>} {
  llvm.return
}
llvm.func @f_replay(%x: !llvm.ptr, %part: i64, %parts: i64)
    attributes {llmc.signature = ["buffer:0", "part", "parts"], llmc.replay_of = "f"} {
  llvm.return
}
