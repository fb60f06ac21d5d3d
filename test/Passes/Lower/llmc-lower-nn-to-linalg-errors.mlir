// RUN: llmc-opt --llmc-lower-nn-to-linalg --split-input-file --verify-diagnostics %s

func.func @missing_symbol(%x: tensor<?xf32> {nn.dims = ["n"]}) -> tensor<?xf32> {
  // expected-error @+1 {{'nn.neg' op expected axis 0 of tensor<?xf32> to depend on symbols of the entry only but it is 'n', which needs 'n'}}
  %0 = nn.neg %x : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

func.func @unsigned(%x: tensor<4xui8>) -> tensor<4xui8> {
  // expected-error @+1 {{'nn.add' op expected floats or signless integers but got tensor<4xui8>}}
  %0 = nn.add %x, %x : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  return %0 : tensor<4xui8>
}

// -----

func.func @mean_of_integers_in_windows(%x: tensor<1x1x4xi32>) -> tensor<1x1x2xi32> {
  // expected-error @+1 {{'nn.avg_pool' op expected a tensor of floats}}
  %0 = nn.avg_pool %x {kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
     : (tensor<1x1x4xi32>) -> tensor<1x1x2xi32>
  return %0 : tensor<1x1x2xi32>
}

// -----

func.func @heads_of_keys_and_values(%n: index {nn.symbol = "n"}, %q: tensor<1x2x4x8xf32>, %k: tensor<1x2x4x8xf32>, %v: tensor<1x2x?x8xf32> {nn.dims = [1, 2, "n", 8]}) -> tensor<1x2x4x8xf32> {
  // expected-error @+1 {{'nn.attention' op expected key and value to have the same heads but got '4' and 'n'}}
  %0 = nn.attention %q, %k, %v {scale = 1.0 : f64} : (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x?x8xf32>) -> tensor<1x2x4x8xf32>
  return %0 : tensor<1x2x4x8xf32>
}

// -----
func.func @encoded_append(%k: tensor<2x16x12xi8>, %x: tensor<3x2x8xf32>, %p: index) -> tensor<2x16x12xi8> {
  // expected-error @+1 {{expected a cache of its own element type; llmc-lower-to-kern lowers others}}
  %0 = nn.append %k, %x at %p : (tensor<2x16x12xi8>, tensor<3x2x8xf32>, index) -> tensor<2x16x12xi8>
  return %0 : tensor<2x16x12xi8>
}

// -----
func.func @encoded_attention(%q: tensor<3x4x8xf32>, %k: tensor<2x16x8xbf16>, %p: index) -> tensor<3x4x8xf32> {
  // expected-error @+1 {{expected a cache of its own element type; llmc-lower-to-kern lowers others}}
  %0 = nn.cached_attention %q, %k, %k at %p {scale = 0.5 : f64} : (tensor<3x4x8xf32>, tensor<2x16x8xbf16>, tensor<2x16x8xbf16>, index) -> tensor<3x4x8xf32>
  return %0 : tensor<3x4x8xf32>
}
