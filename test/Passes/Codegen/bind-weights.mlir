// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-bind-weights | FileCheck %s

nn.weight @w : tensor<4xf32> from #nn.key<"w" : tensor<4xf32>> {llmc.offset = 64 : i64}
// CHECK-LABEL: func.func @entry
// CHECK-SAME: %[[WEIGHTS:[a-z0-9_]+]]: memref<1099511627776xi8> {llmc.weights}
func.func @entry() -> tensor<4xf32> {
  // CHECK: %[[OFFSET:[a-z0-9_]+]] = arith.constant 64 : index
  // CHECK: %[[VIEW:[a-z0-9_]+]] = memref.view %[[WEIGHTS]][%[[OFFSET]]][]
  // CHECK: bufferization.to_tensor %[[VIEW]] restrict : memref<4xf32> to tensor<4xf32>
  %0 = nn.get @w : tensor<4xf32>
  return %0 : tensor<4xf32>
}
