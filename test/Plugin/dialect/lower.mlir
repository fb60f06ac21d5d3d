// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// CHECK-LABEL: func.func @f
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>
// CHECK: %[[A:.*]] = arith.constant dense<1.500000e+00> : tensor<f32>
// CHECK: %[[T:.*]] = nn.mul %[[X]], %[[A]]
// CHECK: %[[S:.*]] = nn.sin %[[T]]
// CHECK: %[[Q:.*]] = nn.mul %[[S]], %[[S]]
// CHECK: %[[D:.*]] = nn.div %[[Q]], %[[A]]
// CHECK: nn.add %[[X]], %[[D]]
// CHECK-NOT: testing_ops.snake
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "testing_ops.snake"(%x) {alpha = 1.5 : f64} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
