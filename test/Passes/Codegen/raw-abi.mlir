// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-raw-abi | FileCheck %s

// CHECK-LABEL: func.func private @callee
// CHECK-SAME: %{{.*}}: memref<1099511627776xi8> {llmc.ctx}, %[[N:[a-z0-9_]+]]: index {nn.symbol = "n"}, %[[X:[a-z0-9_]+]]: memref<1099511627776xi8>
func.func private @callee(%n: index {nn.symbol = "n"}, %x: memref<?x4xf32> {nn.dims = ["n", 4]}) {
  // CHECK: memref.view %[[X]][%{{.*}}][%[[N]]] : memref<1099511627776xi8> to memref<?x4xf32>
  %c = arith.constant 1.0 : f32
  linalg.fill ins(%c : f32) outs(%x : memref<?x4xf32>)
  return
}
// CHECK-LABEL: func.func @caller
// CHECK-SAME: %[[CTX:[a-z0-9_]+]]: memref<1099511627776xi8> {llmc.ctx}, %[[N:[a-z0-9_]+]]: index {nn.symbol = "n"}, %[[ARENA:[a-z0-9_]+]]: memref<1099511627776xi8>)
func.func @caller(%n: index {nn.symbol = "n"}, %arena: memref<1099511627776xi8>) {
  %c64 = arith.constant 64 : index
  %0 = memref.view %arena[%c64][%n] : memref<1099511627776xi8> to memref<?x4xf32>
  // CHECK: %[[RAW:[a-z0-9_]+]] = memref.view %[[ARENA]][%{{.*}}][] : memref<1099511627776xi8> to memref<1099511627776xi8>
  // CHECK: call @callee(%[[CTX]], %[[N]], %[[RAW]])
  call @callee(%n, %0) : (index, memref<?x4xf32>) -> ()
  return
}
