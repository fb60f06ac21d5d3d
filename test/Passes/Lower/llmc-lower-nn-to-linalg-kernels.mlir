// RUN: llmc-opt --llmc-add-symbol-args --llmc-lower-to-kern --llmc-lower-nn-to-linalg %s | FileCheck %s
// What the pass finds where kernels have taken a part of the model before it.

// Between kernels, which are there before this pass, extents are the symbol too.
// CHECK-LABEL: func @beside_packed(
// CHECK-SAME: %[[N:[a-z0-9]+]]: index {nn.symbol = "n"})
// CHECK: tensor.empty(%[[N]])
// CHECK: kern.linear
// CHECK: tensor.empty(%[[N]])
func.func @beside_packed(%x: tensor<?x4xf32> {nn.dims = ["n", 4]}, %w: !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) -> tensor<?x8xf32> {
  %0 = pack.linear %x, %w : (tensor<?x4xf32>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) -> tensor<?x8xf32>
  %1 = nn.silu %0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}
