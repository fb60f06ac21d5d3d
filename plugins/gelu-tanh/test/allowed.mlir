// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// CHECK-LABEL: func.func @f
// CHECK-COUNT-2: nn.gelu %{{.*}} {tanh} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @f(%x: tensor<?x4xf32> {nn.dims = ["n", 4]}) -> tensor<?x4xf32> {
  %0 = nn.gelu %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = nn.gelu %0 {tanh} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}
