// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One case per rule of the nn dialect: @OP_cN shows [CN] of nn.OP, where rules
// are those of several ops, for one of them.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @attributes_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.relu' op attribute 'nn.name' belongs on arguments and results of functions}}
  %0 = nn.relu %x {nn.name = "x"} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----
// expected-error @+1 {{argument 0: 'nn.name' expected a string but got 1}}
func.func private @attributes_c2(tensor<4xf32> {nn.name = 1})

// -----
// expected-error @+1 {{argument 0: 'nn.symbol' expected an argument of type index but got}}
func.func private @attributes_c2_symbol(tensor<4xf32> {nn.symbol = "n"})

// -----
// expected-error @+1 {{argument 0: 'nn.dims' expected one integer or string per extent but got}}
func.func private @attributes_c3(tensor<?x4xf32> {nn.dims = ["n"]})

// -----
// expected-error @+1 {{result 0: 'nn.dims' expected one integer or string per extent but got}}
func.func private @attributes_c3_result() -> (tensor<?x4xf32> {nn.dims = ["n", 4.0]})

// -----
// expected-error @+1 {{argument 0: 'nn.state' expected the number of a result but got 1}}
func.func private @attributes_c4(tensor<4xf32> {nn.state = 1}) -> tensor<4xf32>

// -----
// expected-error @+1 {{argument 0: unknown attribute 'nn.nmae'}}
func.func private @attributes_c5(tensor<4xf32> {nn.nmae = "x"})

// -----
// expected-error @+1 {{result 0: unknown attribute 'nn.state'}}
func.func private @attributes_c5_result() -> (tensor<4xf32> {nn.state = 0})

// -----
func.func @add_c1(%a: tensor<4xf32>, %b: tensor<4xi64>) {
  // expected-error @+2 {{'nn.add' op expected equal element types but got f32 and i64}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.add %a, %b : (tensor<4xf32>, tensor<4xi64>) -> tensor<4xf32>
  return
}

// -----
func.func @add_c2(%a: tensor<4xf32>, %b: tensor<2x5xf32>) {
  // expected-error @+2 {{'nn.add' op expected shapes that broadcast but got 4 and 2x5}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.add %a, %b : (tensor<4xf32>, tensor<2x5xf32>) -> tensor<2x4xf32>
  return
}

// -----
func.func @pow_c1(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  // expected-error @+2 {{'nn.pow' op expected shapes that broadcast but got 4 and 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.pow %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xf32>
  return
}

// -----
func.func @compare_c1(%a: tensor<4xf32>, %b: tensor<4xi64>) {
  // expected-error @+2 {{'nn.compare' op expected equal element types but got f32 and i64}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.compare lt %a, %b : (tensor<4xf32>, tensor<4xi64>) -> tensor<4xi1>
  return
}

// -----
func.func @compare_c2(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  // expected-error @+2 {{'nn.compare' op expected shapes that broadcast but got 4 and 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.compare lt %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xi1>
  return
}

// -----
func.func @where_c1(%c: tensor<4xi1>, %a: tensor<4xf32>, %b: tensor<4xi64>) {
  // expected-error @+2 {{'nn.where' op expected equal element types but got f32 and i64}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.where %c, %a, %b : (tensor<4xi1>, tensor<4xf32>, tensor<4xi64>) -> tensor<4xf32>
  return
}

// -----
func.func @where_c2(%c: tensor<3xi1>, %a: tensor<4xf32>) {
  // expected-error @+2 {{'nn.where' op expected shapes that broadcast but got 3 and 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.where %c, %a, %a : (tensor<3xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----
func.func @softmax_c1(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{'nn.softmax' op expected 'axis' from 0 to 1 but got 2}}
  %0 = nn.softmax %x {axis = 2 : i64} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----
func.func @log_softmax_c1(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{'nn.log_softmax' op expected 'axis' from 0 to 1 but got -1}}
  %0 = nn.log_softmax %x {axis = -1 : i64} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----
func.func @gather_c1(%x: tensor<5x4xf32>, %i: tensor<?xi64>) {
  // expected-error @+2 {{'nn.gather' op expected 'axis' from 0 to 1 but got 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.gather %x, %i {axis = 2 : i64} : (tensor<5x4xf32>, tensor<?xi64>) -> tensor<5x?xf32>
  return
}

// -----
func.func @gather_elements_c1(%x: tensor<5x4xf32>, %i: tensor<3xi64>) {
  // expected-error @+2 {{'nn.gather_elements' op expected indices of rank 2 but got rank 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.gather_elements %x, %i {axis = 0 : i64} : (tensor<5x4xf32>, tensor<3xi64>) -> tensor<3xf32>
  return
}

// -----
func.func @gather_nd_c1(%x: tensor<5x4xf32>, %i: tensor<?x3xi64>) {
  // expected-error @+2 {{'nn.gather_nd' op expected index tuples of at most 2 entries but got 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.gather_nd %x, %i {batch_dims = 0 : i64} : (tensor<5x4xf32>, tensor<?x3xi64>) -> tensor<?xf32>
  return
}

// -----
func.func @gather_nd_c2(%x: tensor<5x4xf32>, %i: tensor<5x1xi64>) {
  // expected-error @+2 {{'nn.gather_nd' op expected 'batch_dims' below the ranks 2 and 2 but got 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.gather_nd %x, %i {batch_dims = 2 : i64} : (tensor<5x4xf32>, tensor<5x1xi64>) -> tensor<5xf32>
  return
}

// -----
func.func @reduce_sum_c1(%x: tensor<5x4xf32>) {
  // expected-error @+2 {{'nn.reduce_sum' op expected 'axes' ascending and below the rank 2 but got axis 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.reduce_sum %x {axes = array<i64: 1, 0>} : (tensor<5x4xf32>) -> tensor<f32>
  return
}

// -----
func.func @argmax_c1(%x: tensor<5x4xf32>) {
  // expected-error @+2 {{'nn.argmax' op expected 'axis' from 0 to 1 but got 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.argmax %x {axis = 2 : i64} : (tensor<5x4xf32>) -> tensor<5xi64>
  return
}

// -----
func.func @tap_c1(%x: tensor<4x?xf32>) {
  // expected-error @+2 {{'nn.tap' op expected an input of f32 with a known last extent but got tensor<4x?xf32>}}
  // expected-error @+1 {{'nn.tap' op failed to infer returned types}}
  %0 = nn.tap %x : (tensor<4x?xf32>) -> tensor<3x4xf64>
  return
}

// -----
func.func @cumsum_c1(%x: tensor<5x4xf32>) {
  // expected-error @+2 {{'nn.cumsum' op expected 'axis' from 0 to 1 but got -1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.cumsum %x {axis = -1 : i64} : (tensor<5x4xf32>) -> tensor<5x4xf32>
  return
}

// -----
func.func @matmul_c1(%a: tensor<f32>, %b: tensor<4x3xf32>) {
  // expected-error @+2 {{'nn.matmul' op expected operands of one element type and rank 1 or more}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %a, %b : (tensor<f32>, tensor<4x3xf32>) -> tensor<3xf32>
  return
}

// -----
func.func @matmul_c2(%a: tensor<2x5xf32>, %b: tensor<4x3xf32>) {
  // expected-error @+2 {{'nn.matmul' op expected equal inner extents but got 5 and 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %a, %b : (tensor<2x5xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  return
}

// -----
func.func @matmul_c3(%a: tensor<2x5x4xf32>, %b: tensor<3x4x3xf32>) {
  // expected-error @+2 {{'nn.matmul' op expected outer extents that broadcast but got 2x5x4 and 3x4x3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %a, %b : (tensor<2x5x4xf32>, tensor<3x4x3xf32>) -> tensor<2x5x3xf32>
  return
}

// -----
func.func @linear_c1(%x: tensor<2x5xf32>, %w: tensor<3x4xf32>) {
  // expected-error @+2 {{'nn.linear' op expected 'weight' of shape [out, 5] but got 3x4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.linear %x, %w : (tensor<2x5xf32>, tensor<3x4xf32>) -> tensor<2x3xf32>
  return
}

// -----
func.func @linear_c2(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>, %b: tensor<4xf32>) {
  // expected-error @+2 {{'nn.linear' op expected 'bias' of shape 3 but got 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.linear %x, %w, %b : (tensor<2x4xf32>, tensor<3x4xf32>, tensor<4xf32>) -> tensor<2x3xf32>
  return
}

// -----
func.func @linear_c3(%x: tensor<2x4xf32>, %w: tensor<3x4xf64>) {
  // expected-error @+2 {{'nn.linear' op expected operands of one element type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.linear %x, %w : (tensor<2x4xf32>, tensor<3x4xf64>) -> tensor<2x3xf32>
  return
}

// -----
func.func @rms_norm_c1(%x: tensor<2x4xf32>, %w: tensor<3xf32>) {
  // expected-error @+2 {{'nn.rms_norm' op expected parameters of shape 4 but got 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.rms_norm %x, %w {epsilon = 1.0e-5 : f64} : (tensor<2x4xf32>, tensor<3xf32>) -> tensor<2x4xf32>
  return
}

// -----
func.func @rms_norm_c2(%x: tensor<2x4xf32>, %w: tensor<4xf32>) {
  // expected-error @+2 {{'nn.rms_norm' op expected 'epsilon' of 0 or more}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.rms_norm %x, %w {epsilon = -1.0 : f64} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  return
}

// -----
func.func @layer_norm_c1(%x: tensor<2x4xf32>, %w: tensor<4xf32>, %b: tensor<1x4xf32>) {
  // expected-error @+2 {{'nn.layer_norm' op expected parameters of shape 4 but got 1x4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.layer_norm %x, %w, %b {epsilon = 1.0e-5 : f64} : (tensor<2x4xf32>, tensor<4xf32>, tensor<1x4xf32>) -> tensor<2x4xf32>
  return
}

// -----
func.func @layer_norm_c2(%x: tensor<2x4xf32>, %w: tensor<4xf32>) {
  // expected-error @+2 {{'nn.layer_norm' op expected 'epsilon' of 0 or more}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.layer_norm %x, %w {epsilon = 0x7FF8000000000000 : f64} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  return
}

// -----
func.func @conv_c1(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{'nn.conv' op expected input and weight of one element type and one rank of 3 or more but got 1x3x8x8 and 4x3x3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x3x8x8xf32>, tensor<4x3x3xf32>) -> tensor<?x4x?x?xf32>
  return
}

// -----
func.func @conv_c2(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+2 {{'nn.conv' op expected one positive entry of 'strides' and 'dilations' and two entries of 'pads' for each of the 2 spatial axes}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 0>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<?x4x?x?xf32>
  return
}

// -----
func.func @conv_c3(%x: tensor<1x3x8x8xf32>, %w: tensor<4x2x3x3xf32>) {
  // expected-error @+2 {{'nn.conv' op expected 3 channels to be 'groups' 1 times the second extent of the weight 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x3x8x8xf32>, tensor<4x2x3x3xf32>) -> tensor<?x4x?x?xf32>
  return
}

// -----
func.func @conv_c4(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>, %b: tensor<3xf32>) {
  // expected-error @+2 {{'nn.conv' op expected 'bias' of shape 4 but got 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %x, %w, %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>, tensor<3xf32>) -> tensor<?x4x?x?xf32>
  return
}

// -----
func.func @conv_c5(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+2 {{'nn.conv' op expected extents of the result that fit 64 bits}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 9223372036854775807>, groups = 1 : i64} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<?x4x?x?xf32>
  return
}

// -----
func.func @max_pool_c1(%x: tensor<1x3x8x8xf32>) {
  // expected-error @+2 {{'nn.max_pool' op expected one positive entry of 'kernel', 'strides' and 'dilations' and two entries of 'pads' for each of the 2 spatial axes}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.max_pool %x {kernel = array<i64: 2, 2, 2>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x3x8x8xf32>) -> tensor<1x3x?x?xf32>
  return
}

// -----
func.func @max_pool_c2(%x: tensor<1x3x8x8xf32>) {
  // expected-error @+2 {{'nn.max_pool' op expected pads of at most 1, so that every window meets the input, but got 0 and 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 2>, dilations = array<i64: 1, 1>} : (tensor<1x3x8x8xf32>) -> tensor<1x3x?x?xf32>
  return
}

// -----
func.func @max_pool_c3(%x: tensor<1x3x8x8xf32>) {
  // expected-error @+2 {{'nn.max_pool' op expected extents of the result that fit 64 bits}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.max_pool %x {kernel = array<i64: 2, 9223372036854775807>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 4>} : (tensor<1x3x8x8xf32>) -> tensor<1x3x?x?xf32>
  return
}

// -----
func.func @reshape_c1(%x: tensor<?xf32>, %s: tensor<?xi64>) {
  // expected-error @+2 {{'nn.reshape' op expected 'shape' of static length but got ?}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.reshape %x, %s : (tensor<?xf32>, tensor<?xi64>) -> tensor<?xf32>
  return
}

// -----
func.func @reshape_c2(%x: tensor<2x4xf32>, %s: tensor<1xi64>) {
  // expected-error @+1 {{'nn.reshape' op expected 8 elements in the result but got 9}}
  %0 = nn.reshape %x, %s : (tensor<2x4xf32>, tensor<1xi64>) -> tensor<9xf32>
  return
}

// -----
func.func @reshape_c3(%x: tensor<8xf32>) {
  %s = arith.constant dense<[2, 0]> : tensor<2xi64>
  // expected-error @+2 {{'nn.reshape' op entry 1 of 'shape' copies an extent that the input of rank 1 does not have}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.reshape %x, %s : (tensor<8xf32>, tensor<2xi64>) -> tensor<2x4xf32>
  return
}

// -----
func.func @reshape_c4(%x: tensor<8xf32>) {
  %s = arith.constant dense<[-1, -1]> : tensor<2xi64>
  // expected-error @+2 {{'nn.reshape' op expected one entry -1 in 'shape' at most}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.reshape %x, %s : (tensor<8xf32>, tensor<2xi64>) -> tensor<2x4xf32>
  return
}

// -----
func.func @reshape_c4_below(%x: tensor<8xf32>) {
  %s = arith.constant dense<[-2, 4]> : tensor<2xi64>
  // expected-error @+2 {{'nn.reshape' op expected entries of -1 or more in 'shape' but got -2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.reshape %x, %s : (tensor<8xf32>, tensor<2xi64>) -> tensor<2x4xf32>
  return
}

// -----
func.func @reshape_c5(%x: tensor<8xf32>) {
  %s = arith.constant dense<[4611686018427387904, 4]> : tensor<2xi64>
  // expected-error @+2 {{'nn.reshape' op expected extents of the result that fit 64 bits}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.reshape %x, %s : (tensor<8xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  return
}

// -----
func.func @transpose_c1(%x: tensor<2x4xf32>) {
  // expected-error @+2 {{'nn.transpose' op expected 'perm' to be a permutation of 0 to 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.transpose %x {perm = array<i64: 1, 1>} : (tensor<2x4xf32>) -> tensor<4x2xf32>
  return
}

// -----
func.func @squeeze_c1(%x: tensor<1x4xf32>) {
  // expected-error @+2 {{'nn.squeeze' op expected 'axes' ascending and below the rank 2 but got axis 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.squeeze %x {axes = array<i64: 2>} : (tensor<1x4xf32>) -> tensor<4xf32>
  return
}

// -----
func.func @squeeze_c2(%x: tensor<1x4xf32>) {
  // expected-error @+2 {{'nn.squeeze' op expected extent 1 at axis 1 but got 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.squeeze %x {axes = array<i64: 1>} : (tensor<1x4xf32>) -> tensor<1xf32>
  return
}

// -----
func.func @unsqueeze_c1(%x: tensor<4xf32>) {
  // expected-error @+2 {{'nn.unsqueeze' op expected 'axes' ascending and below the rank 2 but got axis 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.unsqueeze %x {axes = array<i64: 2>} : (tensor<4xf32>) -> tensor<4x1xf32>
  return
}

// -----
func.func @slice_c1(%x: tensor<2x4xf32>, %b: tensor<2xi64>) {
  // expected-error @+1 {{'nn.slice' op expected 1 starts and ends but got 2}}
  %0 = nn.slice %x [%b, %b] {axes = array<i64: 1>, steps = array<i64: 1>} : (tensor<2x4xf32>, tensor<2xi64>, tensor<2xi64>) -> tensor<?x?xf32>
  return
}

// -----
func.func @slice_c1_steps(%x: tensor<2x4xf32>, %b: tensor<1xi64>) {
  // expected-error @+1 {{'nn.slice' op expected 1 steps but got 2}}
  %0 = nn.slice %x [%b, %b] {axes = array<i64: 1>, steps = array<i64: 1, 1>} : (tensor<2x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?xf32>
  return
}

// -----
func.func @slice_c2(%x: tensor<2x4xf32>, %b: tensor<1xi64>) {
  // expected-error @+2 {{'nn.slice' op expected different 'axes' below the rank 2 but got axis 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.slice %x [%b, %b] {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<2x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?xf32>
  return
}

// -----
func.func @slice_c3(%x: tensor<2x4xf32>, %b: tensor<1xi64>) {
  // expected-error @+1 {{'nn.slice' op expected steps other than 0}}
  %0 = nn.slice %x [%b, %b] {axes = array<i64: 1>, steps = array<i64: 0>} : (tensor<2x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?xf32>
  return
}

// -----
func.func @rows_c1(%x: tensor<f32>, %i: index) {
  // expected-error @+2 {{'nn.rows' op expected an input of rank 1 or more but got rank 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.rows %x [%i, %i] : (tensor<f32>, index, index) -> tensor<f32>
  return
}

// -----
func.func @concat_c1(%a: tensor<2x4xf32>, %b: tensor<4xf32>) {
  // expected-error @+2 {{'nn.concat' op expected operands of one element type and rank}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.concat %a, %b {axis = 0 : i64} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<3x4xf32>
  return
}

// -----
func.func @concat_c1_empty() {
  // expected-error @+2 {{'nn.concat' op expected at least one operand}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.concat {axis = 0 : i64} : () -> tensor<0xf32>
  return
}

// -----
func.func @concat_c2(%a: tensor<2x4xf32>) {
  // expected-error @+2 {{'nn.concat' op expected 'axis' from 0 to 1 but got 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.concat %a {axis = 2 : i64} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----
func.func @concat_c3(%a: tensor<2x4xf32>, %b: tensor<2x5xf32>) {
  // expected-error @+2 {{'nn.concat' op expected equal extents at axis 1 but got 4 and 5}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.concat %a, %b {axis = 0 : i64} : (tensor<2x4xf32>, tensor<2x5xf32>) -> tensor<4x4xf32>
  return
}

// -----
func.func @concat_c4(%a: tensor<9223372036854775807xf32>) {
  // expected-error @+2 {{'nn.concat' op expected extents of the result that fit 64 bits}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.concat %a, %a {axis = 0 : i64} : (tensor<9223372036854775807xf32>, tensor<9223372036854775807xf32>) -> tensor<?xf32>
  return
}

// -----
func.func @expand_c1(%x: tensor<1x4xf32>, %s: tensor<?xi64>) {
  // expected-error @+2 {{'nn.expand' op expected 'shape' of static length but got ?}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.expand %x, %s : (tensor<1x4xf32>, tensor<?xi64>) -> tensor<?x4xf32>
  return
}

// -----
func.func @expand_c2(%x: tensor<1x4xf32>) {
  %s = arith.constant dense<[3, 5]> : tensor<2xi64>
  // expected-error @+2 {{'nn.expand' op expected shapes that broadcast but got 1x4 and 3x5}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.expand %x, %s : (tensor<1x4xf32>, tensor<2xi64>) -> tensor<3x4xf32>
  return
}

// -----
func.func @pad_c1(%x: tensor<2x4xf32>, %s: tensor<2xi64>, %v: tensor<f32>) {
  // expected-error @+2 {{'nn.pad' op expected 4 entries in 'pads' but got 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.pad constant %x, %s, %v : (tensor<2x4xf32>, tensor<2xi64>, tensor<f32>) -> tensor<?x?xf32>
  return
}

// -----
func.func @pad_c2(%x: tensor<4xf32>, %s: tensor<2xi64>, %v: tensor<i64>) {
  // expected-error @+2 {{'nn.pad' op expected 'value' of rank 0 and the element type of the input}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.pad constant %x, %s, %v : (tensor<4xf32>, tensor<2xi64>, tensor<i64>) -> tensor<?xf32>
  return
}

// -----
func.func @pad_c3(%x: tensor<4xf32>, %v: tensor<f32>) {
  %s = arith.constant dense<[9223372036854775807, 1]> : tensor<2xi64>
  // expected-error @+2 {{'nn.pad' op expected extents of the result that fit 64 bits}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.pad constant %x, %s, %v : (tensor<4xf32>, tensor<2xi64>, tensor<f32>) -> tensor<?xf32>
  return
}

// -----
func.func @tile_c1(%x: tensor<2x4xf32>, %s: tensor<1xi64>) {
  // expected-error @+2 {{'nn.tile' op expected 2 entries in 'repeats' but got 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.tile %x, %s : (tensor<2x4xf32>, tensor<1xi64>) -> tensor<?x?xf32>
  return
}

// -----
func.func @tile_c2(%x: tensor<4xf32>) {
  %s = arith.constant dense<[4611686018427387904]> : tensor<1xi64>
  // expected-error @+2 {{'nn.tile' op expected extents of the result that fit 64 bits}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.tile %x, %s : (tensor<4xf32>, tensor<1xi64>) -> tensor<?xf32>
  return
}

// -----
func.func @range_c1(%a: tensor<i64>, %b: tensor<f32>) {
  // expected-error @+2 {{'nn.range' op expected operands of rank 0 and one element type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.range %a, %a, %b : (tensor<i64>, tensor<i64>, tensor<f32>) -> tensor<?xi64>
  return
}

// -----
func.func @range_c2() {
  %a = arith.constant dense<-9223372036854775808> : tensor<i64>
  %b = arith.constant dense<9223372036854775807> : tensor<i64>
  %c = arith.constant dense<1> : tensor<i64>
  // expected-error @+2 {{'nn.range' op expected extents of the result that fit 64 bits}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.range %a, %b, %c : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  return
}

// -----
func.func @full_c1(%s: tensor<?xi64>, %v: tensor<f32>) {
  // expected-error @+2 {{'nn.full' op expected 'shape' of static length but got ?}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.full %s, %v : (tensor<?xi64>, tensor<f32>) -> tensor<?xf32>
  return
}

// -----
func.func @full_c2(%s: tensor<1xi64>, %v: tensor<1xf32>) {
  // expected-error @+2 {{'nn.full' op expected 'value' of rank 0 but got rank 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.full %s, %v : (tensor<1xi64>, tensor<1xf32>) -> tensor<?xf32>
  return
}

// -----
func.func @full_c3(%v: tensor<f32>) {
  %s = arith.constant dense<[-4]> : tensor<1xi64>
  // expected-error @+2 {{'nn.full' op expected extents of 0 or more}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.full %s, %v : (tensor<1xi64>, tensor<f32>) -> tensor<?xf32>
  return
}

// -----
func.func @tril_c1(%x: tensor<4xf32>, %k: tensor<i64>) {
  // expected-error @+2 {{'nn.tril' op expected an input of rank 2 or more but got rank 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.tril %x, %k : (tensor<4xf32>, tensor<i64>) -> tensor<4xf32>
  return
}

// -----
func.func @tril_c2(%x: tensor<4x4xf32>, %k: tensor<1xi64>) {
  // expected-error @+2 {{'nn.tril' op expected 'k' of rank 0 and element type i64}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.tril %x, %k : (tensor<4x4xf32>, tensor<1xi64>) -> tensor<4x4xf32>
  return
}

// -----
func.func @attention_c1(%q: tensor<1x5x4x8xf32>, %k: tensor<6x2x8xf32>, %v: tensor<1x6x2x8xf32>) {
  // expected-error @+2 {{'nn.attention' op expected query, key and value of one element type and of ranks 4, 4, 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64} : (tensor<1x5x4x8xf32>, tensor<6x2x8xf32>, tensor<1x6x2x8xf32>) -> tensor<1x5x4x8xf32>
  return
}

// -----
func.func @attention_c2(%q: tensor<1x5x4x8xf32>, %k: tensor<1x6x2x4xf32>, %v: tensor<1x6x2x8xf32>) {
  // expected-error @+2 {{'nn.attention' op expected key and value of equal rows and heads, and query and key of equal head size, but got 1x5x4x8, 1x6x2x4, 1x6x2x8}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64} : (tensor<1x5x4x8xf32>, tensor<1x6x2x4xf32>, tensor<1x6x2x8xf32>) -> tensor<1x5x4x8xf32>
  return
}

// -----
func.func @attention_c3(%q: tensor<1x5x3x8xf32>, %k: tensor<1x6x2x8xf32>, %v: tensor<1x6x2x8xf32>) {
  // expected-error @+2 {{'nn.attention' op expected query heads to be a multiple of key heads but got 3 and 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64} : (tensor<1x5x3x8xf32>, tensor<1x6x2x8xf32>, tensor<1x6x2x8xf32>) -> tensor<1x5x3x8xf32>
  return
}

// -----
func.func @attention_c4(%q: tensor<1x5x4x8xf32>, %k: tensor<1x6x2x8xf32>, %v: tensor<1x6x2x8xf32>, %m: tensor<5x7xi1>) {
  // expected-error @+2 {{'nn.attention' op expected a boolean mask, or one of the query's element type, that broadcasts to 1x4x5x6 but got 5x7}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.attention %q, %k, %v mask %m {scale = 0.125 : f64} : (tensor<1x5x4x8xf32>, tensor<1x6x2x8xf32>, tensor<1x6x2x8xf32>, tensor<5x7xi1>) -> tensor<1x5x4x8xf32>
  return
}

// -----
func.func @attention_c5(%q: tensor<1x5x4x8xf32>, %k: tensor<1x6x2x8xf32>, %v: tensor<1x6x2x8xf32>) {
  // expected-error @+2 {{'nn.attention' op expected a positive 'window' together with 'causal'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64, window = 4 : i64} : (tensor<1x5x4x8xf32>, tensor<1x6x2x8xf32>, tensor<1x6x2x8xf32>) -> tensor<1x5x4x8xf32>
  return
}

// -----
func.func @cached_attention_c1(%q: tensor<5x4x8xf32>, %k: tensor<2x?x8xf32>, %v: tensor<1x2x?x8xf32>, %p: index) {
  // expected-error @+2 {{'nn.cached_attention' op expected query, key and value of one element type, or a cache of f32 in bf16 or i8, and of ranks 3, 3, 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.cached_attention %q, %k, %v at %p {scale = 0.125 : f64} : (tensor<5x4x8xf32>, tensor<2x?x8xf32>, tensor<1x2x?x8xf32>, index) -> tensor<5x4x8xf32>
  return
}

// -----
func.func @cached_attention_c1_formats(%q: tensor<5x4x8xf32>, %k: tensor<2x?x12xi8>, %v: tensor<2x?x8xbf16>, %p: index) {
  // expected-error @+2 {{'nn.cached_attention' op expected query, key and value of one element type, or a cache of f32 in bf16 or i8, and of ranks 3, 3, 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.cached_attention %q, %k, %v at %p {scale = 0.125 : f64} : (tensor<5x4x8xf32>, tensor<2x?x12xi8>, tensor<2x?x8xbf16>, index) -> tensor<5x4x8xf32>
  return
}

// -----
func.func @cached_attention_c1_half(%q: tensor<5x4x8xf16>, %k: tensor<2x?x8xbf16>, %p: index) {
  // expected-error @+2 {{'nn.cached_attention' op expected query, key and value of one element type, or a cache of f32 in bf16 or i8, and of ranks 3, 3, 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.cached_attention %q, %k, %k at %p {scale = 0.125 : f64} : (tensor<5x4x8xf16>, tensor<2x?x8xbf16>, tensor<2x?x8xbf16>, index) -> tensor<5x4x8xf16>
  return
}

// -----
func.func @cached_attention_c2(%q: tensor<5x4x8xf32>, %k: tensor<2x?x4xf32>, %v: tensor<2x?x8xf32>, %p: index) {
  // expected-error @+2 {{'nn.cached_attention' op expected key and value of equal rows and heads, and query and key of equal head size, but got 5x4x8, 2x?x4, 2x?x8}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.cached_attention %q, %k, %v at %p {scale = 0.125 : f64} : (tensor<5x4x8xf32>, tensor<2x?x4xf32>, tensor<2x?x8xf32>, index) -> tensor<5x4x8xf32>
  return
}

// -----
func.func @cached_attention_c2_scale(%q: tensor<5x4x8xf32>, %k: tensor<2x?x8xi8>, %p: index) {
  // expected-error @+2 {{'nn.cached_attention' op expected key and value of equal rows and heads, and query and key of equal head size, but got 5x4x8, 2x?x8, 2x?x8}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.cached_attention %q, %k, %k at %p {scale = 0.125 : f64} : (tensor<5x4x8xf32>, tensor<2x?x8xi8>, tensor<2x?x8xi8>, index) -> tensor<5x4x8xf32>
  return
}

// -----
func.func @cached_attention_c3(%q: tensor<5x3x8xf32>, %k: tensor<2x?x8xf32>, %v: tensor<2x?x8xf32>, %p: index) {
  // expected-error @+2 {{'nn.cached_attention' op expected query heads to be a multiple of key heads but got 3 and 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.cached_attention %q, %k, %v at %p {scale = 0.125 : f64} : (tensor<5x3x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>, index) -> tensor<5x3x8xf32>
  return
}

// -----
func.func @cached_attention_c4(%q: tensor<5x4x8xf32>, %k: tensor<2x?x8xf32>, %v: tensor<2x?x8xf32>, %p: index) {
  // expected-error @+2 {{'nn.cached_attention' op expected a positive 'window'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.cached_attention %q, %k, %v at %p {scale = 0.125 : f64, window = 0 : i64} : (tensor<5x4x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>, index) -> tensor<5x4x8xf32>
  return
}

// -----
func.func @append_c1(%c: tensor<2x?x8xf32>, %x: tensor<2x8xf32>, %p: index) {
  // expected-error @+2 {{'nn.append' op expected cache and input of rank 3 and one element type, or a cache of f32 in bf16 or i8}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.append %c, %x at %p : (tensor<2x?x8xf32>, tensor<2x8xf32>, index) -> tensor<2x?x8xf32>
  return
}

// -----
func.func @append_c1_dynamic(%c: tensor<2x?x?xi8>, %x: tensor<?x2x8xf32>, %p: index) {
  // expected-error @+2 {{'nn.append' op expected cache and input of rank 3 and one element type, or a cache of f32 in bf16 or i8}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.append %c, %x at %p : (tensor<2x?x?xi8>, tensor<?x2x8xf32>, index) -> tensor<2x?x?xi8>
  return
}

// -----
func.func @append_c2_scale(%c: tensor<2x?x8xi8>, %x: tensor<?x2x8xf32>, %p: index) {
  // expected-error @+2 {{'nn.append' op expected equal heads and head sizes but got 2x?x8 and ?x2x8}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.append %c, %x at %p : (tensor<2x?x8xi8>, tensor<?x2x8xf32>, index) -> tensor<2x?x8xi8>
  return
}

// -----
func.func @append_c2(%c: tensor<2x?x8xf32>, %x: tensor<?x3x8xf32>, %p: index) {
  // expected-error @+2 {{'nn.append' op expected equal heads and head sizes but got 2x?x8 and ?x3x8}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.append %c, %x at %p : (tensor<2x?x8xf32>, tensor<?x3x8xf32>, index) -> tensor<2x?x8xf32>
  return
}

// -----
func.func @rotary_c1(%x: tensor<5x4x8xf32>, %c: tensor<6x4xf32>, %s: tensor<6x4xf32>) {
  // expected-error @+2 {{'nn.rotary' op expected input [..., time, heads, size] and tables [..., time, size / 2] but got 5x4x8 and 6x4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.rotary %x, %c, %s : (tensor<5x4x8xf32>, tensor<6x4xf32>, tensor<6x4xf32>) -> tensor<5x4x8xf32>
  return
}

// -----
func.func @rotary_c2(%x: tensor<5x4x8xf32>, %c: tensor<5x4xf32>, %s: tensor<5x4xf64>) {
  // expected-error @+2 {{'nn.rotary' op expected 'cos' and 'sin' of one type, and the element type of the input}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.rotary %x, %c, %s : (tensor<5x4x8xf32>, tensor<5x4xf32>, tensor<5x4xf64>) -> tensor<5x4x8xf32>
  return
}

// -----
func.func @rotary_c3(%x: tensor<5x4x8xf32>, %c: tensor<5x5xf32>, %s: tensor<5x5xf32>) {
  // expected-error @+2 {{'nn.rotary' op expected tables of at most 4 columns but got 5}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.rotary %x, %c, %s : (tensor<5x4x8xf32>, tensor<5x5xf32>, tensor<5x5xf32>) -> tensor<5x4x8xf32>
  return
}

// -----
// @weight_c1
// expected-error @+1 {{'nn.weight' op expected the type of its source 'tensor<2x4xf32>' but got 'tensor<4x2xf32>'}}
nn.weight @w : tensor<4x2xf32> from #nn.key<"k" : tensor<2x4xf32>>

// -----
// @weight_c2
// expected-error @+1 {{source: expected a permutation of the axes}}
nn.weight @w : tensor<4x2xf32> from #nn.transpose<#nn.key<"k" : tensor<2x4xf32>>, [1, 1]>

// -----
// @weight_c3
// expected-error @+1 {{source: expected rows inside 2x4 but got 1 to 5}}
nn.weight @w : tensor<4x4xf32> from #nn.rows<#nn.key<"k" : tensor<2x4xf32>>, 1, 5>

// -----
// @weight_c4
// expected-error @+1 {{source: expected parts that differ in axis 0 alone}}
nn.weight @w : tensor<4x4xf32> from #nn.concat<[#nn.key<"k" : tensor<2x4xf32>>, #nn.key<"l" : tensor<2x5xf32>>]>

// -----
// @weight_c5
// expected-error @+1 {{source: expected the number of elements to stay}}
nn.weight @w : tensor<9xf32> from #nn.reshape<#nn.key<"k" : tensor<2x4xf32>>, [9]>

// -----
// @weight_c6
// expected-error @+1 {{source: expected frequencies of rank 1 and one row or more}}
nn.weight @w : tensor<4x2xf32> from #nn.rotary_table<#nn.key<"k" : tensor<1x2xf32>>, 4, 1.0 : f32, true>

// -----
// @weight_c7
// expected-error @+1 {{source: expected 1, 2, 4 or 8 bits of ui8 as i8 or ui8 but got 3 bits of 'ui8' as 'ui8'}}
nn.weight @w : tensor<4x4xui8> from #nn.unpack<#nn.key<"k" : tensor<4x2xui8>>, 3, 4, ui8>

// -----
// @weight_c8
// expected-error @+1 {{source: expected at most 8 / 4 integers for each byte of 4x2 but got 5}}
nn.weight @w : tensor<4x5xui8> from #nn.unpack<#nn.key<"k" : tensor<4x2xui8>>, 4, 5, ui8>

// -----
// @weight_c9
// expected-error @+1 {{source: expected codes of 8, 16 or 32 bits but got 'tensor<4x32xf32>'}}
nn.weight @w : tensor<4x32xf32> from #nn.dequant<#nn.key<"k" : tensor<4x32xf32>>, #nn.key<"s" : tensor<4x1xf32>>, 0, [1, 32]>

// -----
// @weight_c10
// expected-error @+1 {{source: expected a scale for each block of 1x32 of 'tensor<4x40xi8>' but got 'tensor<4x1xf32>'}}
nn.weight @w : tensor<4x40xf32> from #nn.dequant<#nn.key<"k" : tensor<4x40xi8>>, #nn.key<"s" : tensor<4x1xf32>>, 0, [1, 32]>

// -----
// @weight_c11
// expected-error @+1 {{source: expected a zero point that is a code of 'i8' but got 128}}
nn.weight @w : tensor<4x32xf32> from #nn.dequant<#nn.key<"k" : tensor<4x32xi8>>, #nn.key<"s" : tensor<4x1xf32>>, 128, [1, 32]>

// -----
// @weight_c11
// expected-error @+1 {{source: expected zero points 'tensor<4x1xi8>' but got 'tensor<4x1xui8>'}}
nn.weight @w : tensor<4x32xf32> from #nn.dequant<#nn.key<"k" : tensor<4x32xi8>>, #nn.key<"s" : tensor<4x1xf32>>, #nn.key<"z" : tensor<4x1xui8>>, [1, 32]>

// -----
// @weight_c12
// expected-error @+1 {{source: expected a block type of GGUF files but got 'q4_2'}}
nn.weight @w : tensor<4x32xf32> from #nn.blocks<#nn.key<"k" : tensor<4x18xui8>>, "q4_2">

// -----
// @weight_c13
// expected-error @+1 {{source: expected rows of q4_0, ui8 in multiples of 18, but got 'tensor<4x20xui8>'}}
nn.weight @w : tensor<4x32xf32> from #nn.blocks<#nn.key<"k" : tensor<4x20xui8>>, "q4_0">

// -----
func.func @get_c1() {
  // expected-error @+1 {{'nn.get' op expected @w to name an 'nn.weight'}}
  %0 = nn.get @w : tensor<4xf32>
  return
}

// -----
// expected-note @+1 {{weight declared here}}
nn.weight @w : tensor<4xf32> from #nn.key<"k" : tensor<4xf32>>
func.func @get_c2() {
  // expected-error @+1 {{'nn.get' op expected the type of the weight 'tensor<4xf32>' but got 'tensor<5xf32>'}}
  %0 = nn.get @w : tensor<5xf32>
  return
}

// -----
// @weight_c14
// expected-error @+1 {{source: expected a factor for each entry of axis 1 of 'tensor<4x8xf32>' but got 'tensor<4xf32>'}}
nn.weight @w : tensor<4x8xf32> from #nn.scale<#nn.key<"w" : tensor<4x8xf32>>, #nn.key<"t" : tensor<4xf32>>, 1, true>
