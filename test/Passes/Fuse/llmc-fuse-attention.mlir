// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-fuse-attention --llmc-simplify | FileCheck %s

// The scale is split over q and k, keys have repeated heads, the mask is causal
// and added, and a guard stands behind the softmax.
// CHECK-LABEL: func.func @repeated_heads
func.func @repeated_heads(%q: tensor<1x4x?x4xf32> {nn.dims = [1, 4, "seq", 4]}, %k: tensor<1x2x?x4xf32> {nn.dims = [1, 2, "seq", 4]}, %v: tensor<1x2x?x4xf32> {nn.dims = [1, 2, "seq", 4]}) -> tensor<1x4x?x4xf32> {
  // CHECK-DAG: %[[Q:.*]] = nn.transpose %arg0 {perm = array<i64: 0, 2, 1, 3>}
  // CHECK-DAG: %[[K:.*]] = nn.transpose %arg1 {perm = array<i64: 0, 2, 1, 3>}
  // CHECK-DAG: %[[V:.*]] = nn.transpose %arg2 {perm = array<i64: 0, 2, 1, 3>}
  // CHECK: %[[Y:.*]] = nn.attention %[[Q]], %[[K]], %[[V]] {causal, scale = 5.000000e-01 : f64} : (tensor<1x?x4x4xf32>, tensor<1x?x2x4xf32>, tensor<1x?x2x4xf32>)
  // CHECK: nn.transpose %[[Y]]
  // CHECK-NEXT: return
  %half = arith.constant dense<0.5> : tensor<f32>
  %one = arith.constant dense<1> : tensor<i64>
  %zero = arith.constant dense<0> : tensor<i64>
  %two = arith.constant dense<2> : tensor<i64>
  %see = arith.constant dense<0.0> : tensor<f32>
  %hide = arith.constant dense<-3.40282347E+38> : tensor<f32>
  %unit = arith.constant dense<1.0> : tensor<f32>
  %shape = nn.shape_of %q : (tensor<1x4x?x4xf32>) -> tensor<4xi64>
  %seq = nn.gather %shape, %two {axis = 0 : i64} : (tensor<4xi64>, tensor<i64>) -> tensor<i64>
  %iota = nn.range %zero, %seq, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %row = nn.unsqueeze %iota {axes = array<i64: 1>} : (tensor<?xi64>) -> tensor<?x1xi64>
  %seen = nn.compare le %iota, %row : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
  %mask = nn.where %seen, %see, %hide : (tensor<?x?xi1>, tensor<f32>, tensor<f32>) -> tensor<?x?xf32>
  %wide = arith.constant dense<[1, 2, 2, 1, 4]> : tensor<5xi64>
  %four = arith.constant dense<[1, 4, -1, 4]> : tensor<4xi64>
  %ku = nn.unsqueeze %k {axes = array<i64: 2>} : (tensor<1x2x?x4xf32>) -> tensor<1x2x1x?x4xf32>
  %ke = nn.expand %ku, %wide : (tensor<1x2x1x?x4xf32>, tensor<5xi64>) -> tensor<1x2x2x?x4xf32>
  %kr = nn.reshape %ke, %four : (tensor<1x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %vu = nn.unsqueeze %v {axes = array<i64: 2>} : (tensor<1x2x?x4xf32>) -> tensor<1x2x1x?x4xf32>
  %ve = nn.expand %vu, %wide : (tensor<1x2x1x?x4xf32>, tensor<5xi64>) -> tensor<1x2x2x?x4xf32>
  %vr = nn.reshape %ve, %four : (tensor<1x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %kt = nn.transpose %kr {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x4x?x4xf32>) -> tensor<1x4x4x?xf32>
  %qs = nn.mul %q, %half : (tensor<1x4x?x4xf32>, tensor<f32>) -> tensor<1x4x?x4xf32>
  %ks = nn.mul %kt, %unit : (tensor<1x4x4x?xf32>, tensor<f32>) -> tensor<1x4x4x?xf32>
  %s = nn.matmul %qs, %ks : (tensor<1x4x?x4xf32>, tensor<1x4x4x?xf32>) -> tensor<1x4x?x?xf32>
  %m = nn.add %s, %mask : (tensor<1x4x?x?xf32>, tensor<?x?xf32>) -> tensor<1x4x?x?xf32>
  %p = nn.softmax %m {axis = 3 : i64} : (tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xf32>
  %nan = nn.is_nan %p : (tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xi1>
  %g = nn.where %nan, %see, %p : (tensor<1x4x?x?xi1>, tensor<f32>, tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xf32>
  %y = nn.matmul %g, %vr : (tensor<1x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<1x4x?x4xf32>
  return %y : tensor<1x4x?x4xf32>
}

// A mask that is an argument stays; softcap is found.
// CHECK-LABEL: func.func @unknown_mask
func.func @unknown_mask(%q: tensor<?x2x?x4xf32> {nn.dims = ["b", 2, "seq", 4]}, %k: tensor<?x2x?x4xf32> {nn.dims = ["b", 2, "seq", 4]}, %mask: tensor<?x1x?x?xf32> {nn.dims = ["b", 1, "seq", "seq"]}) -> tensor<?x2x?x4xf32> {
  // CHECK: nn.attention %{{.*}}, %{{.*}}, %{{.*}} mask %arg2 {scale = 1.000000e+00 : f64, softcap = 3.000000e+01 : f64}
  %cap = arith.constant dense<30.0> : tensor<f32>
  %kt = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x2x?x4xf32>) -> tensor<?x2x4x?xf32>
  %s = nn.matmul %q, %kt : (tensor<?x2x?x4xf32>, tensor<?x2x4x?xf32>) -> tensor<?x2x?x?xf32>
  %d = nn.div %s, %cap : (tensor<?x2x?x?xf32>, tensor<f32>) -> tensor<?x2x?x?xf32>
  %t = nn.tanh %d : (tensor<?x2x?x?xf32>) -> tensor<?x2x?x?xf32>
  %c = nn.mul %t, %cap : (tensor<?x2x?x?xf32>, tensor<f32>) -> tensor<?x2x?x?xf32>
  %m = nn.add %c, %mask : (tensor<?x2x?x?xf32>, tensor<?x1x?x?xf32>) -> tensor<?x2x?x?xf32>
  %p = nn.softmax %m {axis = 3 : i64} : (tensor<?x2x?x?xf32>) -> tensor<?x2x?x?xf32>
  %y = nn.matmul %p, %k : (tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// Heads side by side in the other order (h mod 2, not h / 2) are no repeat.
// CHECK-LABEL: func.func @tiled_heads
func.func @tiled_heads(%q: tensor<1x4x?x4xf32> {nn.dims = [1, 4, "seq", 4]}, %k: tensor<1x2x?x4xf32> {nn.dims = [1, 2, "seq", 4]}) -> tensor<1x4x?x4xf32> {
  // CHECK: nn.concat
  // CHECK: nn.attention %{{.*}} : (tensor<1x?x4x4xf32>, tensor<1x?x4x4xf32>, tensor<1x?x4x4xf32>)
  %kk = nn.concat %k, %k {axis = 1 : i64} : (tensor<1x2x?x4xf32>, tensor<1x2x?x4xf32>) -> tensor<1x4x?x4xf32>
  %kt = nn.transpose %kk {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x4x?x4xf32>) -> tensor<1x4x4x?xf32>
  %s = nn.matmul %q, %kt : (tensor<1x4x?x4xf32>, tensor<1x4x4x?xf32>) -> tensor<1x4x?x?xf32>
  %p = nn.softmax %s {axis = 3 : i64} : (tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xf32>
  %y = nn.matmul %p, %kk : (tensor<1x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<1x4x?x4xf32>
  return %y : tensor<1x4x?x4xf32>
}
