// RUN: llmc-opt --llmc-add-symbol-args --split-input-file --verify-diagnostics %s

// The extent is the sum of computed numbers: nothing tells it at the entry.
// expected-error @+1 {{expected axis 0 of result 0 to depend on its inputs' extents and elements only but it is}}
func.func @computed_extent(%x: tensor<4xf32>) -> tensor<?xf32> {
  %i = nn.cast %x : (tensor<4xf32>) -> tensor<4xi64>
  %s = nn.reduce_max %i {axes = array<i64: 0>, keepdims} : (tensor<4xi64>) -> tensor<1xi64>
  %v = arith.constant dense<1.0> : tensor<f32>
  %0 = nn.full %s, %v : (tensor<1xi64>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
