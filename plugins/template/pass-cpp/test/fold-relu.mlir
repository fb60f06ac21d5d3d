// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// CHECK-LABEL: func.func @f
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
// CHECK: %[[Y:.*]] = nn.relu %[[X]]
// CHECK-NOT: nn.relu
// CHECK: return %[[Y]]
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.relu %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = nn.relu %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = nn.relu %1 : (tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}
