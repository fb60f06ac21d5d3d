// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Extents and the arena as functions of symbols; a variant shares those of its
// entry, whose arena must hold both.
// RUN: llmc-opt %s --llmc-emit-entries | FileCheck %s

func.func private @f_arena_size(%n: index) -> index {
  %size = arith.constant 4096 : index
  return %size : index
}
func.func private @f_one_arena_size(%n: index) -> index {
  %size = arith.constant 128 : index
  return %size : index
}

// CHECK-LABEL: func.func @llmc_shape_f(
// CHECK-SAME: %[[SYMBOLS:.*]]: memref<1xi64>, %[[EXTENTS:.*]]: memref<4294967296xi64>)
// CHECK: %[[LOADED:.*]] = memref.load %[[SYMBOLS]]
// CHECK: %[[N:.*]] = arith.index_cast %[[LOADED]]
// CHECK: %[[TWO:.*]] = arith.constant 2 : index
// CHECK: %[[TWICE:.*]] = arith.muli %[[TWO]], %[[N]]
// CHECK: %[[STORED:.*]] = arith.index_cast %[[TWICE]]
// CHECK: memref.store %[[STORED]], %[[EXTENTS]]
// CHECK-LABEL: func.func @llmc_arena_f(
// CHECK: %[[F:.*]] = call @f_arena_size
// CHECK: %[[BOTH:.*]] = arith.maxui %{{.*}}, %[[F]]
// CHECK: %[[ONE:.*]] = call @f_one_arena_size
// CHECK: %[[ALL:.*]] = arith.maxui %[[BOTH]], %[[ONE]]
// CHECK: %[[BYTES:.*]] = arith.index_cast %[[ALL]]
// CHECK: return %[[BYTES]]
// CHECK-NOT: @llmc_shape_f_one
// CHECK: func.func @f(
// CHECK-SAME: attributes {llmc.signature = ["symbol:0", "buffer:0"]
func.func @f(%n: index {nn.symbol = "n"}, %x: memref<1099511627776xi8> {nn.dims = ["2*n"], nn.name = "x"}) {
  return
}
func.func @f_one(%n: index {nn.symbol = "n"}, %x: memref<1099511627776xi8> {nn.dims = ["2*n"], nn.name = "x"})
    attributes {llmc.variant_of = "f", llmc.when = array<i64: 0, 1>} {
  return
}
