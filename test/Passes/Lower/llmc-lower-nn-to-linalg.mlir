// RUN: llmc-opt --llmc-add-symbol-args --llmc-lower-nn-to-linalg %s | FileCheck %s
// RUN: llmc-opt --llmc-add-symbol-args --llmc-lower-nn-to-linalg --llmc-bufferize --llmc-to-llvm %s | FileCheck %s --check-prefix=LLVM
// The structure that each family becomes, and that all of it is bufferized
// without an allocation and reaches LLVM. Numbers are checked by the ONNX node
// suite.

// LLVM-NOT: nn.
// LLVM: llvm.func

// Extents are the symbol argument, a constant operand is in the body.
// CHECK-LABEL: func @elementwise(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32> {{.*}}, %[[Y:.*]]: tensor<4xf32> {{.*}}, %[[N:[a-z0-9]+]]: index {nn.symbol = "n"})
// CHECK: tensor.empty(%[[N]]) : tensor<?x4xf32>
// CHECK: linalg.generic {{.*}} ins(%[[X]], %[[Y]] :
// CHECK: arith.addf
// CHECK: linalg.generic
// CHECK: %[[TWO:.*]] = arith.constant 2.0
// CHECK: arith.divf %{{.*}}, %[[TWO]]
// CHECK-NOT: tensor.dim
func.func @elementwise(%x: tensor<?x4xf32> {nn.dims = ["n", 4]}, %y: tensor<4xf32>) -> tensor<?x4xf32> {
  %c = arith.constant dense<2.0> : tensor<f32>
  %0 = nn.add %x, %y : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %1 = nn.div %0, %c : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// A division of integers cannot trap.
// CHECK-LABEL: func @integer_division(
// CHECK: arith.select
// CHECK: arith.divsi
// CHECK: arith.select
func.func @integer_division(%x: tensor<4xi64>, %y: tensor<4xi64>) -> tensor<4xi64> {
  %0 = nn.div %x, %y : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
  return %0 : tensor<4xi64>
}

// CHECK-LABEL: func @square(
// CHECK: arith.mulf %[[A:.*]], %[[A]]
// CHECK-NOT: math
// CHECK: return
func.func @square(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = arith.constant dense<2.0> : tensor<f32>
  %0 = nn.pow %x, %c : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// Narrow floats are summed in single precision.
// CHECK-LABEL: func @narrow_sum(
// CHECK: linalg.fill {{.*}} tensor<2xf32>
// CHECK: arith.extf
// CHECK: arith.addf %{{.*}} fastmath<reassoc,contract> : f32
// CHECK: arith.truncf
func.func @narrow_sum(%x: tensor<2x4xbf16>) -> tensor<2xbf16> {
  %0 = nn.reduce_sum %x {axes = array<i64: 1>} : (tensor<2x4xbf16>) -> tensor<2xbf16>
  return %0 : tensor<2xbf16>
}

// A row of minus infinity is shifted by zero and divided by one.
// CHECK-LABEL: func @softmax(
// CHECK: arith.maximumf
// CHECK: arith.cmpf oeq
// CHECK: math.exp
// CHECK: arith.addf %{{.*}} fastmath<reassoc,contract>
// CHECK: arith.cmpf oeq
// CHECK: arith.divf
func.func @softmax(%x: tensor<?x4xf32> {nn.dims = ["n", 4]}) -> tensor<?x4xf32> {
  %0 = nn.softmax %x {axis = 1 : i64} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func @norms(
// CHECK: math.rsqrt
// CHECK: math.rsqrt
func.func @norms(%x: tensor<?x8xf32> {nn.dims = ["n", 8]}, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  %0 = nn.rms_norm %x, %w {epsilon = 1.0e-5 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %1 = nn.layer_norm %0, %w, %w {epsilon = 1.0e-5 : f64} : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// A reshape whose groups are proved moves nothing.
// CHECK-LABEL: func @split_rows(
// CHECK: tensor.expand_shape %{{.*}} {{\[}}[0], [1, 2]] output_shape [%{{.*}}, 2, 4]
// CHECK-NOT: tensor.extract
func.func @split_rows(%x: tensor<?x8xf32> {nn.dims = ["n", 8]}) -> tensor<?x2x4xf32> {
  %s = arith.constant dense<[-1, 2, 4]> : tensor<3xi64>
  %0 = nn.reshape %x, %s : (tensor<?x8xf32>, tensor<3xi64>) -> tensor<?x2x4xf32>
  return %0 : tensor<?x2x4xf32>
}

// CHECK-LABEL: func @merge_and_split(
// CHECK: tensor.collapse_shape %{{.*}} {{\[}}[0, 1]]
// CHECK: tensor.expand_shape %{{.*}} {{\[}}[0, 1]]
func.func @merge_and_split(%x: tensor<6x4xf32>) -> tensor<4x6xf32> {
  %s = arith.constant dense<[4, 6]> : tensor<2xi64>
  %0 = nn.reshape %x, %s : (tensor<6x4xf32>, tensor<2xi64>) -> tensor<4x6xf32>
  return %0 : tensor<4x6xf32>
}

// The shape is not computed: the analysis tells it.
// CHECK-LABEL: func @computed_shape(
// CHECK-NOT: from_elements
// CHECK: tensor.collapse_shape
func.func @computed_shape(%x: tensor<?x4xf32> {nn.dims = ["n", 4]}) -> tensor<?xf32> {
  %s = nn.shape_of %x : (tensor<?x4xf32>) -> tensor<2xi64>
  %p = nn.reduce_prod %s {axes = array<i64: 0>, keepdims} : (tensor<2xi64>) -> tensor<1xi64>
  %0 = nn.reshape %x, %p : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func @moves(
// CHECK-DAG: tensor.extract_slice %{{.*}}[1, 0]
// CHECK-DAG: tensor.insert_slice
func.func @moves(%x: tensor<6x4xf32>) -> (tensor<4x4xf32>, tensor<12x4xf32>, tensor<4x6xf32>, tensor<6x4xf32>) {
  %b = arith.constant dense<1> : tensor<1xi64>
  %e = arith.constant dense<-1> : tensor<1xi64>
  %m = arith.constant dense<-99> : tensor<1xi64>
  %0 = nn.slice %x [%b, %e] {axes = array<i64: 0>, steps = array<i64: 1>} : (tensor<6x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<4x4xf32>
  %1 = nn.concat %x, %x {axis = 0 : i64} : (tensor<6x4xf32>, tensor<6x4xf32>) -> tensor<12x4xf32>
  %2 = nn.transpose %x {perm = array<i64: 1, 0>} : (tensor<6x4xf32>) -> tensor<4x6xf32>
  %3 = nn.slice %x [%e, %m] {axes = array<i64: 0>, steps = array<i64: -1>} : (tensor<6x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<6x4xf32>
  return %0, %1, %2, %3 : tensor<4x4xf32>, tensor<12x4xf32>, tensor<4x6xf32>, tensor<6x4xf32>
}

// Every index is clamped.
// CHECK-LABEL: func @gather(
// CHECK: arith.minsi
// CHECK: arith.maxsi
// CHECK: tensor.extract
func.func @gather(%x: tensor<8x4xf32>, %i: tensor<?xi64> {nn.dims = ["n"]}) -> tensor<?x4xf32> {
  %0 = nn.gather %x, %i {axis = 0 : i64} : (tensor<8x4xf32>, tensor<?xi64>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func @pads(
// CHECK: arith.cmpi eq
// CHECK: arith.remsi
func.func @pads(%x: tensor<?x4xf32> {nn.dims = ["n", 4]}) -> (tensor<?x6xf32>, tensor<?x6xf32>) {
  %p = arith.constant dense<[0, 1, 0, 1]> : tensor<4xi64>
  %v = arith.constant dense<3.0> : tensor<f32>
  %0 = nn.pad constant %x, %p, %v : (tensor<?x4xf32>, tensor<4xi64>, tensor<f32>) -> tensor<?x6xf32>
  %1 = nn.pad reflect %x, %p, %v : (tensor<?x4xf32>, tensor<4xi64>, tensor<f32>) -> tensor<?x6xf32>
  return %0, %1 : tensor<?x6xf32>, tensor<?x6xf32>
}

// CHECK-LABEL: func @scans(
// CHECK: arith.cmpf ogt
// CHECK: linalg.yield %{{.*}}, %{{.*}} : f32, i64
// CHECK: linalg.yield %{{.*}}, %{{.*}} : f32, f32
func.func @scans(%x: tensor<?x4xf32> {nn.dims = ["n", 4]}) -> (tensor<?xi64>, tensor<?x4xf32>) {
  %0 = nn.argmax %x {axis = 1 : i64} : (tensor<?x4xf32>) -> tensor<?xi64>
  %1 = nn.cumsum %x {axis = 1 : i64, exclusive, reverse} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0, %1 : tensor<?xi64>, tensor<?x4xf32>
}

// Columns past a whole group of 32 are a group of their own.
// CHECK-LABEL: func @taps(
// CHECK: math.absf
// CHECK: arith.addf %{{.*}} : f64
// CHECK: arith.mulf %{{.*}} : f64
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 0] [{{.*}}, 40] [1, 1] : tensor<{{.*}}x40xf32> into tensor<{{.*}}x64xf32>
// CHECK: arith.maximumf
// CHECK: math.roundeven
// CHECK-COUNT-3: tensor.insert_slice %{{.*}} : tensor<1x40xf64> into tensor<3x40xf64>
func.func @taps(%x: tensor<?x40xf32> {nn.dims = ["n", 40]}) -> tensor<3x40xf64> {
  %0 = nn.tap %x : (tensor<?x40xf32>) -> tensor<3x40xf64>
  return %0 : tensor<3x40xf64>
}

// CHECK-LABEL: func @products(
// CHECK: iterator_types = ["parallel", "parallel", "reduction", "parallel"]
// CHECK: iterator_types = ["parallel", "parallel", "parallel", "reduction"]
func.func @products(%x: tensor<?x2x8xf32> {nn.dims = ["n", 2, 8]}, %y: tensor<8x3xf32>, %w: tensor<5x3xf32>, %b: tensor<5xf32>) -> tensor<?x2x5xf32> {
  %0 = nn.matmul %x, %y : (tensor<?x2x8xf32>, tensor<8x3xf32>) -> tensor<?x2x3xf32>
  %1 = nn.linear %0, %w, %b : (tensor<?x2x3xf32>, tensor<5x3xf32>, tensor<5xf32>) -> tensor<?x2x5xf32>
  return %1 : tensor<?x2x5xf32>
}

// CHECK-LABEL: func @windows(
// CHECK-COUNT-3: linalg.generic
func.func @windows(%x: tensor<?x4x8x8xf32> {nn.dims = ["n", 4, 8, 8]}, %w: tensor<4x2x3x3xf32>, %b: tensor<4xf32>) -> tensor<?x4x2x2xf32> {
  %0 = nn.conv %x, %w, %b {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64}
     : (tensor<?x4x8x8xf32>, tensor<4x2x3x3xf32>, tensor<4xf32>) -> tensor<?x4x8x8xf32>
  %1 = nn.max_pool %0 {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
     : (tensor<?x4x8x8xf32>) -> tensor<?x4x4x4xf32>
  %2 = nn.avg_pool %1 {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
     : (tensor<?x4x4x4xf32>) -> tensor<?x4x2x2xf32>
  return %2 : tensor<?x4x2x2xf32>
}

// Query heads meet their group's key head without a repeat of it.
// CHECK-LABEL: func @attention(
// CHECK: tensor.expand_shape %{{.*}} {{\[}}[0], [1], [2, 3], [4]] output_shape [%{{.*}}, %{{.*}}, 2, 2, 8]
// CHECK: arith.cmpi sle
func.func @attention(%q: tensor<?x?x4x8xf32> {nn.dims = ["b", "s", 4, 8]}, %k: tensor<?x?x2x8xf32> {nn.dims = ["b", "p + s", 2, 8]},
                     %v: tensor<?x?x2x8xf32> {nn.dims = ["b", "p + s", 2, 8]}) -> tensor<?x?x4x8xf32> {
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64, causal}
     : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) -> tensor<?x?x4x8xf32>
  return %0 : tensor<?x?x4x8xf32>
}

// State stays state: the cache is written through a slice of itself.
// CHECK-LABEL: func @cached(
// CHECK: tensor.extract_slice %{{.*}}[0, %[[P:.*]], 0] [2, %{{.*}}, 8]
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, %[[P]], 0]
func.func @cached(%p: index {nn.symbol = "past"}, %q: tensor<?x4x8xf32> {nn.dims = ["s", 4, 8]}, %x: tensor<?x2x8xf32> {nn.dims = ["s", 2, 8]},
                  %cos: tensor<?x4xf32> {nn.dims = ["s", 4]}, %sin: tensor<?x4xf32> {nn.dims = ["s", 4]},
                  %k: tensor<2x?x8xf32> {nn.dims = [2, "c", 8], nn.state = 1 : i64}, %v: tensor<2x?x8xf32> {nn.dims = [2, "c", 8], nn.state = 2 : i64})
    -> (tensor<?x4x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>) {
  %0 = nn.rotary %q, %cos, %sin : (tensor<?x4x8xf32>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4x8xf32>
  %1 = nn.rotary %x, %cos, %sin {interleaved} : (tensor<?x2x8xf32>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x2x8xf32>
  %2 = nn.append %k, %1 at %p : (tensor<2x?x8xf32>, tensor<?x2x8xf32>, index) -> tensor<2x?x8xf32>
  %3 = nn.append %v, %x at %p : (tensor<2x?x8xf32>, tensor<?x2x8xf32>, index) -> tensor<2x?x8xf32>
  %4 = nn.cached_attention %0, %2, %3 at %p {scale = 0.125 : f64}
     : (tensor<?x4x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>, index) -> tensor<?x4x8xf32>
  return %4, %2, %3 : tensor<?x4x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>
}
