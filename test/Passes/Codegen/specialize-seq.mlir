// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-specialize-seq | FileCheck %s

// CHECK-LABEL: func.func @lm(
// CHECK-LABEL: func.func @lm_seq1(
// CHECK-SAME: tensor<1x4xf32> {nn.dims = [1, 4]}
// CHECK-SAME: llmc.variant_of = "lm", llmc.when = array<i64: 0, 1, 2, 1>
func.func @lm(%x: tensor<?x4xf32> {nn.dims = ["seq", 4]}, %seq: index {nn.symbol = "seq"},
              %past: index {nn.symbol = "past"}, %n: index {nn.symbol = "n_logits"})
    -> (tensor<?x4xf32> {nn.dims = ["n_logits", 4]}) {
  // CHECK: nn.silu %{{.*}} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %0 = nn.silu %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = arith.subi %seq, %n : index
  // CHECK: nn.rows %{{.*}}[%{{.*}}, %{{.*}}] : (tensor<1x4xf32>, index, index) -> tensor<1x4xf32>
  %2 = nn.rows %0[%1, %n] : (tensor<?x4xf32>, index, index) -> tensor<?x4xf32>
  return %2 : tensor<?x4xf32>
}
